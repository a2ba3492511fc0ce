"""A lossy, approximate memory: bare facts without modality, searched by words and by vectors.

It is of the kind described in the published case (a summary is stored, the nearest strings come back), built to be
generous otherwise: every sentence gets a chance, and both searches are fused by rank. Its compressor is not a model
but a rule that takes out whatever tells a decision from a hedge or a question. It loses modality *by construction*, so
what it scores on modality shows that the metrics catch the failure, and says nothing of any product.

The harness remembers which turn each fact came from, to score it; the memory itself keeps no such pointer.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from evals.arms import vectors
from evals.arms.base import BaseArm, may_answer, within, words
from evals.arms.rrf import CONSTANT, fuse
from evals.model import Item, Query, Recalled, Sample, Turn

FACTS_A_TURN = 6
WORDS_A_FACT = 32
TITLES_INJECTED = 50
FETCH = 100

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_HEDGES = re.compile(
    r"\b(?:(?:should|could|can|shall|do) we|i (?:think|guess|suppose|believe|wonder if|wonder whether)|"
    r"it seems(?: that)?|what if|how about|let's consider|consider(?:ing)?|whether|if we|"
    r"(?:we|you|i|it|they) (?:could|might|may|would|should|can)|could|might|may|would|should|maybe|perhaps|possibly|"
    r"probably|presumably|potentially|likely|alternatively|not sure(?: if| whether| but)?|"
    r"(?:one|an) option(?: is| would be)?)\b[, ]*",
    re.IGNORECASE,
)


def compress(text: str) -> list[str]:
    """The bare facts of a turn: hedges, modals and question marks dropped, each cut to 32 words, at most six."""
    facts: list[str] = []
    for sentence in _SENTENCE.split(text):
        bare = _HEDGES.sub("", sentence.strip().rstrip("?!.")).strip(" ,;:-")
        kept = bare.split()[:WORDS_A_FACT]
        if len(kept) >= 3:
            facts.append(" ".join(kept))
    return facts[:FACTS_A_TURN]


class FlatCache(BaseArm):
    name = "flat_cache"
    about = "bare facts without modality, FTS5 + Chroma; its compressor is a rule"
    caveat = (
        "flat_cache drops modality by construction: it shows that the metrics catch the failure, "
        "and says nothing of any product."
    )
    package = "chromadb"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {
            "compressor": "rule",
            "facts_a_turn": FACTS_A_TURN,
            "words_a_fact": WORDS_A_FACT,
            "model": vectors.MODEL,
            "fusion": CONSTANT,
        }

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing("chromadb")

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.database = self.resources.enter_context(closing(sqlite3.connect(workdir / "cache.db")))
        self.database.execute("create virtual table facts using fts5(text, tokenize='porter unicode61')")

    def ingest(self, items: Sequence[Item]) -> int:
        held: dict[str, Turn] = {}
        for turn in items:
            if isinstance(turn, Turn):
                facts = self.compressed(turn)
                held.update((fact, turn) for fact in facts)  # said again: the newer turn takes the older one's place
        self.facts = list(held.items())
        with self.database:
            rows = ((i, fact) for i, (fact, _) in enumerate(self.facts))
            self.database.executemany("insert into facts(rowid, text) values (?, ?)", rows)
        collection = vectors.Collection(self.workdir / "chroma", [fact for fact, _ in self.facts])
        self.collection = self.resources.enter_context(closing(collection))
        return len(self.facts)

    def compressed(self, turn: Turn) -> list[str]:
        """The facts that this memory makes of a turn, booked."""
        facts = compress(turn.text)
        self.book("compress", turn.text, *facts)
        return facts

    def inject(self, now: datetime, scope: str | None = None) -> str:
        """A timeline of the latest facts, one line each, as such memories put at the start of a session."""
        latest = sorted((f for f in self.facts if within(f[1], scope)), key=lambda f: f[1].at)[-TITLES_INJECTED:]
        return "\n".join(f"- {turn.at:%Y-%m-%d} {' '.join(fact.split()[:12])}" for fact, turn in latest)

    def recall(self, query: Query) -> list[Recalled]:
        fused = fuse([self._lexical(query.text), self.collection.rank(query.text, FETCH)])
        found = [(self.facts[i], score) for i, score in fused]
        said = [(f, s) for f, s in found if may_answer(f[1], query)]
        return [Recalled(fact, (turn.ref,), score=score) for (fact, turn), score in said[: query.k]]

    def _lexical(self, text: str) -> list[tuple[int, float]]:
        terms = " OR ".join(f'"{w}"' for w in dict.fromkeys(words(text)))
        if not terms:
            return []
        rows = self.database.execute(
            "select rowid, -rank from facts where facts match ? order by rank, rowid limit ?", (terms, FETCH)
        )
        return [(int(i), float(score)) for i, score in rows]
