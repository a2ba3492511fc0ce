"""Questions that a memory should not win: nothing that was said answers them.

`control/abstained` is 1 where an arm brought nothing back, `control/noise_tokens` what the reader had to pay for
nothing. A memory that always returns its k nearest items scores 0 here, rightly: it cannot tell that it does not know.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample
from evals.scorers.cost import tokens


class Unanswerable:
    name = "control"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        if answer.error or probe.expect.get("answerable", True):
            return {}
        return {
            "control/abstained": float(not answer.recalled),
            "control/noise_tokens": float(sum(tokens(item.text) for item in answer.recalled)),
        }
