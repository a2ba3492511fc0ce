"""Robustness: is what was written still there, and does it stay behind its wall?

`robustness/lost`: the one line that answers did not come back at all, though it was written and asked for in its own
words. `robustness/leaked`: something came back that was said in another scope than the question's.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample
from evals.scorers.source import attributed, turns


class Robustness:
    name = "robustness"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        if answer.error or probe.query.scope is None:
            return {}
        said = turns(sample)
        back = {ref for _, refs in attributed(answer, sample) for ref in refs}
        evidence = set(probe.expect.get("evidence") or ())
        return {
            "robustness/lost": float(not evidence & back) if evidence else None,
            "robustness/leaked": float(any(said[ref].scope != probe.query.scope for ref in back if ref in said)),
        }
