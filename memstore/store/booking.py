"""Tokens booked without making whoever spent them wait: by reading, or by asking Claude.

A booking is kept in memory until enough have gathered and the write lock is free, or the store is closed or asked
for its bookings, or the process ends in good order. A crash in between loses bookings, never memories.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import weakref
from datetime import datetime

from memstore.errors import MemstoreError, StoreBusy
from memstore.ledger import events, usage
from memstore.ledger.connection import Ledger
from memstore.ledger.times import from_micros, to_micros
from memstore.model import Usage

_ENOUGH = 32


class Bookings:
    """What is not yet written, for one ledger; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, Usage]] = []
        atexit.register(_settle_at_exit, weakref.ref(self))

    def add(self, scope: str, purpose: str, counter: str, tokens: int, at: int) -> None:
        """Book tokens that went into a prompt."""
        if tokens:
            self._wait(scope, Usage(from_micros(at), purpose, "unspecified", counter, tokens, 0, None, None), _ENOUGH)

    def pay(self, scope: str, entry: Usage) -> None:
        """Book an answer that was paid for: written at once, unless somebody is in the way."""
        self._wait(scope, entry, 1)

    def of_session(self, scope: str, session: str) -> int:
        """How many answers have been paid for on behalf of a session, by whatever process."""
        with self._ledger.reading() as db:
            return usage.booked(db, scope, session)

    def of_day(self, scope: str, purpose: str, counter: str, day: datetime) -> int:
        """How many answers have been paid for since a day began, for a purpose and on behalf of no session."""
        with self._ledger.reading() as db:
            return usage.booked_since(db, scope, purpose, counter, to_micros(day, "the day"))

    def _wait(self, scope: str, entry: Usage, enough: int) -> None:
        if self._ledger.read_only:
            return
        with self._lock:
            self._waiting.append((scope, entry))
            enough_waiting = len(self._waiting) >= enough
        if enough_waiting:
            self.settle(patient=False)

    def settle(self, *, patient: bool) -> None:
        """Write what waits. With `patient=False` a busy store is left alone, and asked again later."""
        with self._lock:
            # Written inside a transaction of the caller's, they would be undone with it.
            if not self._waiting or self._ledger.in_transaction:
                return
            try:
                with self._ledger.writing(patient=patient) as tx:
                    for scope, entry in self._waiting:
                        usage.book(tx, entry, events.scope_pk(tx, scope))
            except StoreBusy:
                return
            self._waiting.clear()


def _settle_at_exit(bookings: weakref.ref[Bookings]) -> None:
    waiting = bookings()
    if waiting is not None:
        with contextlib.suppress(MemstoreError):  # the file may be gone by now: an ending process has nobody to tell
            waiting.settle(patient=True)
