"""Verbatim turns in Chroma with MiniLM vectors: what most people mean by giving an agent a memory."""

from __future__ import annotations

from collections.abc import Iterable

from evals.arms import vectors
from evals.arms.base import TurnArm

FETCH = 200  # more than any k, so that leaving out what was not yet said never runs short


class Chroma(TurnArm):
    name = "chroma"
    about = "verbatim turns in Chroma, all-MiniLM-L6-v2 int8, cosine"
    package = "chromadb"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"model": vectors.MODEL, "space": "cosine"}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing("chromadb")

    def build(self) -> None:
        self.collection = vectors.Collection(self.workdir / "chroma", [t.text for t in self.turns])

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        return self.collection.rank(text, FETCH)
