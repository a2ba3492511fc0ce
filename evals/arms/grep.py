"""What a shell gives: the turns with the most of the question's words in them, newest first among equals."""

from __future__ import annotations

from collections.abc import Iterable

from evals.arms.base import TurnArm, words

SHORTEST = 4  # letters: shorter words are what a person would not grep for


class Grep(TurnArm):
    name = "grep"
    about = "turns by how many of the question's longer words occur in them"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"shortest_word": SHORTEST}

    def build(self) -> None:
        self.lowered = [t.text.lower() for t in self.turns]

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        wanted = {w for w in words(text) if len(w) >= SHORTEST}
        hits = [(i, float(sum(w in lowered for w in wanted))) for i, lowered in enumerate(self.lowered)]
        return sorted((h for h in hits if h[1]), key=lambda h: (-h[1], -h[0]))
