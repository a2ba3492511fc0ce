"""Suspicion: is a memory whose file is gone marked as doubtful, and one whose file stands not?

A recollection is marked if it comes back as not current, or with the status `suspect`. `coherence/warned` is over what
came back and no longer has its file at the place it names; `coherence/false_alarm` over what came back and still has
it. `coherence/followed`: of those whose file moved, the share that comes with the new place (in `extra["files"]`).
"""

from __future__ import annotations

from evals.model import Answer, Probe, Recalled, Sample
from evals.scorers.source import attributed


class Suspicion:
    name = "coherence"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        gone, sound = set(probe.expect.get("suspect") or ()), set(probe.expect.get("sound") or ())
        if answer.error or not (gone or sound):
            return {}
        back = [item for item, refs in attributed(answer, sample) if set(refs) & (gone | sound)]
        marked = float(any(_marked(item) for item in back)) if back else None
        scores = {"coherence/warned": marked if gone else None, "coherence/false_alarm": marked if sound else None}
        if moved := probe.expect.get("moved_to"):
            found = any(moved in item.extra.get("files", ()) for item in back)
            scores["coherence/followed"] = float(found) if back else None
        return scores


def _marked(item: Recalled) -> bool:
    return not item.current or item.extra.get("status") == "suspect"
