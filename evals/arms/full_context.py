"""Everything said, in every prompt: nothing is lost, nothing is ranked, and every token is paid for again."""

from __future__ import annotations

from datetime import datetime

from evals.arms.base import TurnArm, may_answer, verbatim, within
from evals.model import Query, Recalled


class FullContext(TurnArm):
    name = "full_context"
    about = "the whole conversation in every prompt: the ceiling of fidelity and of cost"
    ranked = False

    def inject(self, now: datetime, scope: str | None = None) -> str:
        said = (t for t in self.turns if within(t, scope))
        return "\n".join(f"{t.at:%Y-%m-%d} {t.speaker or t.role}: {t.text}" for t in said)

    def recall(self, query: Query) -> list[Recalled]:
        return [verbatim(turn) for turn in self.turns if may_answer(turn, query)]
