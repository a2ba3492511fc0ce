"""BM25 and vectors, fused by reciprocal rank (Cormack, Clarke & Büttcher 2009, k = 60)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing

from evals.arms import bm25, vectors
from evals.arms.base import TurnArm

CONSTANT = 60
FETCH = 100


def fuse(rankings: Sequence[Iterable[tuple[int, float]]]) -> list[tuple[int, float]]:
    """(position, fused score), best first; ties in order of position."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, (position, _) in enumerate(ranking, 1):
            scores[position] += 1 / (CONSTANT + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


class RRF(TurnArm):
    name = "rrf"
    about = "BM25 and Chroma over turns, fused by reciprocal rank"
    package = "chromadb"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"constant": CONSTANT, "fetch": FETCH, "model": vectors.MODEL, "k1": 1.2, "b": 0.75}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing("chromadb")

    def build(self) -> None:
        texts = [t.text for t in self.turns]
        self.index = bm25.Index(texts)
        self.collection = self.resources.enter_context(closing(vectors.Collection(self.workdir / "chroma", texts)))

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        return fuse([self.index.rank(text)[:FETCH], self.collection.rank(text, FETCH)])
