"""Reading in a process beside: while one batch is written, the next is read on another core.

Extraction is pure and takes most of the time of a capture, so it can be done anywhere. The process is an interpreter of
its own that is told events and gives claims back, over pipes that nobody else has. It is not forked, because the caller
may have threads, and it does not run the caller's script again. Where it cannot be had, or dies, the caller reads.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any

from memstore.capture.extract import Extraction
from memstore.model import Event

WORTH_IT = 150_000
"""Characters. Starting an interpreter and its model takes as long as reading about this much."""

_CODE = """
import sys
sys.path[:] = {path!r}
from memstore import settings
settings.one_core()
from memstore.capture.beside import serve
serve()
"""


class Beside:
    """A reader in another process. Ask, then take the answer; one question at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, events: Sequence[Event], before: Sequence[Event]) -> None:
        """Have it read `events`. Raises OSError if it is gone."""
        assert self._process.stdin is not None
        _send(self._process.stdin, (list(events), list(before)))

    def answer(self) -> Extraction:
        """What it read. Raises OSError or EOFError if it is gone."""
        assert self._process.stdout is not None
        try:
            found = pickle.load(self._process.stdout)
        except pickle.UnpicklingError as error:
            raise EOFError("it died while it answered") from error
        assert isinstance(found, Extraction)
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve() -> None:
    """The body of the process beside: read what is asked until nobody asks any more."""
    from memstore.capture.verbatim import VerbatimExtractor

    extractor = VerbatimExtractor()
    try:
        while True:
            events, before = pickle.load(sys.stdin.buffer)
            _send(sys.stdout.buffer, extractor.extract(events, before))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _send(pipe: IO[bytes], what: Any) -> None:
    pickle.dump(what, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()
