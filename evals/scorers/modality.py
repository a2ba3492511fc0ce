"""Modality: does a hedge come back as a hedge and a decision as a decision?

Two separate views, never folded into one:
- *marked*: a modality field came back. `modality/false_decision` is a hedge, question or option marked as a decision;
  `modality/false_demotion` a decision marked as anything weaker; `modality/marked_right` the field equals the label.
  All are unscored where no field came back.
- *readable*: the words alone. `modality/readable` asks whether the reader reads the same from what came back as from
  the source words; where only words can be judged, `modality/false_decision_read` is a hedge that now reads as decided.

`modality/flattened` takes both together, as a reader does: the source was not settled, its own words showed that, and
neither a mark nor the words that came back show it any more. What the reader of `evals.scorers.reader` cannot tell
from the source either is not counted, so its mistakes cannot be held against a memory.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Recalled, Sample
from evals.scorers.reader import UNSETTLED, read
from evals.scorers.source import carrier


class ModalityLoss:
    name = "modality"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        gold = probe.expect.get("modality")
        if gold is None or answer.error:
            return {}
        item = self._item(probe, answer, sample)
        scores: dict[str, float | None] = {"modality/returned": float(item is not None)}
        if item is None:
            return scores
        source, now = read(probe.expect["words"]), read(item.text)
        scores["modality/marked"] = float(item.modality is not None)
        scores["modality/readable"] = float(source == now)
        if item.modality is not None:
            scores["modality/marked_right"] = float(item.modality == gold)
        if gold in UNSETTLED:
            if item.modality is not None:
                scores["modality/false_decision"] = float(item.modality == "decision")
            if source in UNSETTLED:
                scores["modality/false_decision_read"] = float(now == "decision")
                scores["modality/flattened"] = float(item.modality not in UNSETTLED and now not in UNSETTLED)
        elif gold == "decision":
            if item.modality is not None:
                scores["modality/false_demotion"] = float(item.modality != "decision")
            if source == "decision":
                scores["modality/false_demotion_read"] = float(now != "decision")
        return scores

    def labels(self, probe: Probe, answer: Answer, sample: Sample) -> list[tuple[str, str]]:
        """(label of the source, label that came back), for the confusion matrix; `unmarked` where there is no field."""
        gold = probe.expect.get("modality")
        item = self._item(probe, answer, sample) if gold else None
        return [(gold, item.modality or "unmarked")] if gold and item is not None else []

    def forecasts(self, probe: Probe, answer: Answer, sample: Sample) -> list[tuple[float, bool]]:
        """(confidence in the mark, was it right), for the reliability curve."""
        gold = probe.expect.get("modality")
        item = self._item(probe, answer, sample) if gold else None
        if item is None or item.modality is None or item.confidence is None:
            return []
        sure = item.extra.get("evidence", {}).get("modality_probability", item.confidence)
        return [(sure, item.modality == gold)]

    @staticmethod
    def _item(probe: Probe, answer: Answer, sample: Sample) -> Recalled | None:
        return carrier(answer, sample, probe.expect.get("evidence") or (), probe.expect.get("words") or "")
