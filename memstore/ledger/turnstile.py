"""Whose turn it is to write.

SQLite gives the write lock to whoever asks at the right moment. A process that writes without a pause asks again at
once, so that others, who ask now and then, can miss every gap: the slower the disk, the longer. Writers therefore
pass a turnstile, an empty file beside the store: one at a time stands in it and asks, and whoever has just written
finds it taken as long as somebody waits there.

It is courtesy only. SQLite's lock keeps the file sound; the system opens the turnstile when its holder dies; and
whoever has waited for a second (its holder is suspended, say) asks without it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ASK_AGAIN_SECONDS = 0.003
_COURTESY_SECONDS = 1.0
# Whatever somebody put in its place, a link or a pipe, is neither followed nor waited for.
_OPEN = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def beside(store: Path) -> Path:
    """Where the turnstile of a store is; symbolic links are followed, so that all its names share one."""
    store = store.resolve()
    return store.with_name(f"{store.name}-turn")


@contextmanager
def passing(turnstile: Path, deadline: float) -> Iterator[None]:
    """Stand in the turnstile meanwhile, unless that takes longer than courtesy or the deadline (monotonic) allows."""
    try:
        file = os.open(turnstile, _OPEN, 0o644)
    except OSError:  # a folder that takes no new file, say: SQLite will tell whether the store can be written
        yield
        return
    try:
        patience = min(deadline, time.monotonic() + _COURTESY_SECONDS)
        while not _entered(file) and time.monotonic() < patience:
            time.sleep(ASK_AGAIN_SECONDS)
        yield
    finally:
        # A child that was forked meanwhile shares the file: closing it here alone would leave the turnstile taken.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _entered(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks: nobody can stand in it
        pass
    return True
