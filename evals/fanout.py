"""The narrow seam between a run and the machines it uses: jobs go in, results come out as they finish.

Today the jobs go to processes of this machine. A cluster engine would take the place of this one function; a job and a
result are plain picklable values, and nothing else crosses.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from evals.model import EvalError

J = TypeVar("J")
R = TypeVar("R")


def fan_out(work: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[R]:
    """Results of `work(job)` in the order they finish. With one worker everything stays in this process.

    Processes are spawned, not forked: native libraries with threads of their own do not survive a fork.
    """
    if workers <= 1 or len(jobs) <= 1:
        yield from map(work, jobs)
        return
    executor = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), _belong_to_the_parent)
    try:
        for future in as_completed([executor.submit(work, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool:
        raise EvalError(
            "a worker process died (out of memory?): run the same command again with fewer --workers"
        ) from None
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _belong_to_the_parent() -> None:
    """Interrupts are the parent's to answer, and a worker whose parent was killed has nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()


def _leave_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
