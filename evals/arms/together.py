"""Writing from several processes at once, as agents that share a memory do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from evals.model import Turn

Write = Callable[[Path, Sequence[Turn]], int]


def write_together(write: Write, workdir: Path, turns: Sequence[Turn], writers: int) -> int:
    """Deal turns by session to `writers` processes that write at the same time; how many writes they report."""
    sessions = list(dict.fromkeys(turn.session for turn in turns))
    shares = [[t for t in turns if sessions.index(t.session) % writers == number] for number in range(writers)]
    with ProcessPoolExecutor(writers, get_context("spawn")) as pool:
        return sum(pool.map(write, [workdir] * writers, shares))
