"""Python's collector of circular garbage, kept out of an import.

An import makes no such garbage, and looking for it among a thousand lines again and again takes a fortieth of its time.
Other threads may make some, so the collector only ever rests for as long as one batch takes.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from memstore.ledger.exchange.spool import BATCH


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector rests meanwhile, and is then as it was."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_runs(lines: Iterable[str]) -> Generator[str, None, None]:
    """The lines, between which the collector comes to its turn once in a batch. To be closed, or read to their end."""
    waiting = iter(lines)
    while run := list(islice(waiting, BATCH)):
        with uncollected():
            yield from run
