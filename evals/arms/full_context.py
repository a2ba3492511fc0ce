"""Everything said, in every prompt: nothing is lost, nothing is ranked, and every token is paid for again."""

from __future__ import annotations

from datetime import datetime

from evals.arms.base import TurnArm, verbatim
from evals.model import Query, Recalled


class FullContext(TurnArm):
    name = "full_context"
    about = "the whole conversation in every prompt: the ceiling of fidelity and of cost"
    ranked = False

    def inject(self, now: datetime) -> str:
        return "\n".join(f"{t.at:%Y-%m-%d} {t.speaker or t.role}: {t.text}" for t in self.turns)

    def recall(self, query: Query) -> list[Recalled]:
        return [verbatim(turn) for turn in self.turns if self.said_by(query.as_of)(turn)]
