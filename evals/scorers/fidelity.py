"""Verbatim fidelity: is what came back what was said?

`fidelity/verbatim` is the share of a recalled item's words that stand, in order, in the item it points at: 1.0 for a
quotation, less where words were added or changed. `fidelity/kept` is the share of the gold words that came back:
less where words were dropped, as a hedge is by a compressor.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample
from evals.scorers.source import attributed, carrier, contained, turns


class VerbatimFidelity:
    name = "fidelity"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        scores: dict[str, float | None] = {"fidelity/verbatim": None, "fidelity/kept": None}
        evidence = probe.expect.get("evidence") or ()
        if not evidence or answer.error:
            return scores
        said = probe.expect.get("words")
        sources = turns(sample)
        if said:
            item = carrier(answer, sample, evidence, said)
            if item is not None:
                scores["fidelity/kept"] = contained(said, item.text)
        else:
            item = next((item for item, refs in attributed(answer, sample) if set(refs) & set(evidence)), None)
        if item is not None:
            scores["fidelity/verbatim"] = max(
                (contained(item.text, sources[ref].text) for ref in item.refs or evidence if ref in sources),
                default=0.0,
            )
        return scores
