"""Recall by meaning, as the store keeps it: one encoder and one matrix for all threads, behind a lock."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from memstore.errors import StoreError
from memstore.index import vector
from memstore.recall.find import Meaning

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.embedding import Encoder
    from memstore.ledger.connection import Ledger

# How many facts without a vector one question may embed before it is answered: about a second's work.
_AT_ONCE = 256


class Meanings:
    """Loads the model at the first use. Raises MissingExtra where it is not installed."""

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._matrix = vector.Matrix()
        self._lock = threading.RLock()

    @property
    def encoder(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                from memstore.index.embedding import MiniLM

                self._encoder = MiniLM()
            return self._encoder

    def embed(self, ledger: Ledger, limit: int | None = None) -> int:
        """Give facts their vectors, all that have none or at most `limit`; returns how many."""
        return vector.catch_up(ledger, self.encoder, limit)

    def of(self, ledger: Ledger, query: str) -> np.ndarray:
        """The vector of a query; first, what was remembered a moment ago gets its own."""
        with suppress(StoreError):  # locked, read-only or damaged: what has no vector is found by its words
            self.embed(ledger, _AT_ONCE)
        return self.encoder.encode(query)

    @contextmanager
    def compared(self, db: sqlite3.Connection, query: np.ndarray | None) -> Iterator[Meaning | None]:
        """What `find` needs to compare with in a snapshot; None in exact mode, or where nothing has a vector."""
        if query is None:
            yield None
            return
        with self._lock:
            try:
                ready = self._matrix.follow(db, self.encoder)
            except sqlite3.DatabaseError:  # a damaged table costs recall, never an answer
                ready = False
            yield Meaning(query, self._matrix) if ready else None
