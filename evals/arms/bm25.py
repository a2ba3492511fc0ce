"""Okapi BM25 over turns (Robertson & Zaragoza 2009), k1 1.2, b .75, no stemming, no stop list."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from evals.arms.base import TurnArm, words


class Index:
    """An inverted index held in memory."""

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        counted = [Counter(words(text)) for text in texts]
        lengths = [sum(c.values()) for c in counted]
        mean = sum(lengths) / len(lengths) if lengths else 0.0
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for position, counts in enumerate(counted):
            for word, tf in counts.items():
                saturated = tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths[position] / mean))
                self._postings[word].append((position, saturated))
        self._n = len(texts)

    def rank(self, text: str) -> list[tuple[int, float]]:
        """(position, score) of every text that shares a word with the query, best first; ties in order of position."""
        scores: dict[int, float] = defaultdict(float)
        for word, times in sorted(Counter(words(text)).items()):
            postings = self._postings.get(word, ())
            idf = math.log(1 + (self._n - len(postings) + 0.5) / (len(postings) + 0.5))
            for position, saturated in postings:
                scores[position] += times * idf * saturated
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


class BM25(TurnArm):
    name = "bm25"
    about = "BM25 over turns, k1 1.2, b .75"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"k1": 1.2, "b": 0.75}

    def build(self) -> None:
        self.index = Index([t.text for t in self.turns])

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        return self.index.rank(text)
