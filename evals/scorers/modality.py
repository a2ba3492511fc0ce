"""Modality: does a hedge come back as a hedge and a decision as a decision?

Two separate views, never folded into one:
- *marked*: a modality field came back. `modality/false_decision` is a hedge, question or option marked as a decision;
  `modality/false_demotion` a decision marked as anything weaker; `modality/marked_right` the field equals the label.
  All are unscored, and counted as unscored, where no field came back.
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
        source = read(probe.expect["words"])
        hedged, decided = gold in UNSETTLED, gold == "decision"
        # What is asked of this question: unscored, and counted as that, until something answers it.
        asked = {
            "modality/marked": True,
            "modality/marked_right": True,
            "modality/readable": True,
            "modality/false_decision": hedged,
            "modality/false_decision_read": hedged and source in UNSETTLED,
            "modality/flattened": hedged and source in UNSETTLED,
            "modality/false_demotion": decided,
            "modality/false_demotion_read": decided and source == "decision",
        }
        scores: dict[str, float | None] = {"modality/returned": float(item is not None)}
        scores |= {name: None for name, wanted in asked.items() if wanted}
        if item is None:
            return scores
        now, mark = read(item.text), item.modality
        found = {
            "modality/marked": mark is not None,
            "modality/readable": source == now,
            "modality/false_decision_read": now == "decision",
            "modality/flattened": mark not in UNSETTLED and now not in UNSETTLED,
            "modality/false_demotion_read": now != "decision",
        }
        if mark is not None:
            found["modality/marked_right"] = mark == gold
            found["modality/false_decision"] = mark == "decision"
            found["modality/false_demotion"] = mark != "decision"
        return scores | {name: float(holds) for name, holds in found.items() if asked[name]}

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
