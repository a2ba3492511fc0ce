"""The last k turns, whatever is asked: a floor that any index has to beat."""

from __future__ import annotations

from collections.abc import Iterable

from evals.arms.base import TurnArm


class Recency(TurnArm):
    name = "recency"
    about = "the last k turns, whatever is asked"

    def build(self) -> None:
        self.order = sorted(range(len(self.turns)), key=lambda i: (self.turns[i].at, i), reverse=True)

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        return ((position, -float(rank)) for rank, position in enumerate(self.order))
