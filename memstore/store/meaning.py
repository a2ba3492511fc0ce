"""Recall by meaning, as the store keeps it: one encoder and one matrix for all threads, behind a lock."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.errors import StoreError
from memstore.index import vector
from memstore.index.columns import NO_NUMBERS
from memstore.recall.find import Meaning
from memstore.recall.understanding import LONGEST

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.chroma import Chroma
    from memstore.index.embedding import Encoder
    from memstore.ledger.connection import Ledger
    from memstore.reports import Problem

# How many facts without a vector one question may embed before it is answered: about a second's work.
_AT_ONCE = 256


class Meanings:
    """Loads the model at the first use. Raises MissingExtra where it is not installed."""

    def __init__(self, path: Path, encoder: Encoder | None = None, chroma: bool | str = False) -> None:
        self._encoder = encoder
        self._matrix = vector.Matrix()
        self._lock = threading.RLock()
        self._chroma: Chroma | None = None
        # Whatever name a store is opened by, its copy has one place and one owner: beside the file itself.
        self._path = Path(os.path.realpath(path))
        if chroma:
            from memstore.index.chroma import Chroma
            from memstore.index.chroma_client import place

            self._chroma = Chroma(self._path, place(chroma), self._matrix)

    @property
    def encoder(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                from memstore.index.embedding import MiniLM

                self._encoder = MiniLM()
            return self._encoder

    def embed(self, ledger: Ledger, limit: int | None = None) -> int:
        """Give facts their vectors, all that have none or at most `limit`; returns how many."""
        done = vector.catch_up(ledger, self.encoder, limit)
        if self._chroma is not None:
            self._chroma.catch_up(ledger, limit)
        return done

    def close(self) -> None:
        """Let another process own what this one held."""
        if self._chroma is not None:
            self._chroma.close()

    def begin(self, ledger: Ledger) -> None:
        if self._chroma is not None:
            with ledger.reading() as db:
                self._chroma.begin(db)

    def problems(self) -> list[Problem]:
        """Why the approximate index, if there is to be one, is not in use."""
        return [] if self._chroma is None else self._chroma.problems()

    def clear(self, db: sqlite3.Connection) -> bool:
        """Drop copies of vectors that still hold what was forgotten; False while one is out of reach."""
        if self._chroma is None and not self._path.with_name(self._path.name + ".chroma").exists():
            return True
        from memstore.index import chroma

        return chroma.cleared(db, self._path, self._chroma)

    def of(self, ledger: Ledger, query: str) -> np.ndarray:
        """The vector of a query; first, what was remembered a moment ago gets its own."""
        # Locked, read-only or damaged: what has no vector is found by its words.
        with suppress(StoreError, sqlite3.DatabaseError, *NO_NUMBERS):
            self.embed(ledger, _AT_ONCE)
        return self.encoder.encode(query[:LONGEST])

    @contextmanager
    def compared(self, db: sqlite3.Connection, query: np.ndarray | None) -> Iterator[Meaning | None]:
        """What `find` needs to compare with in a snapshot; None in exact mode, or where nothing has a vector."""
        if query is None:
            yield None
            return
        with self._lock:
            yield self._meaning(db, query)

    def _meaning(self, db: sqlite3.Connection, query: np.ndarray) -> Meaning | None:
        with suppress(sqlite3.DatabaseError, *NO_NUMBERS):  # a damaged table costs recall, never an answer
            if self._chroma is not None and self._chroma.follow(db, self.encoder):
                return Meaning(query, self._chroma)
            if self._matrix.follow(db, self.encoder):
                return Meaning(query, self._matrix)
        return None
