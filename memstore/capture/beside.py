"""Reading in a process beside: batches are read on another core while others are read and written on this one.

Extraction is pure and takes most of the time of a capture, so it can be done anywhere. The process is an interpreter of
its own that is told events and gives claims back, over pipes that nobody else has. It is not forked, because the caller
may have threads, and it does not run the caller's script again. Where it cannot be had, or dies, the caller reads.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Self

from memstore.capture.extract import Extraction, Extractor
from memstore.model import Event

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

WORTH_IT = 150_000
"""Characters. Starting an interpreter and its model takes as long as reading about this much."""

_AHEAD = 8
"""How many batches may be read before their turn to be written has come."""

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

    def read(self, events: Sequence[Event], before: Sequence[Event]) -> Extraction:
        """Ask, and wait for the answer. Raises OSError or EOFError if it is gone."""
        self.ask(events, before)
        return self.answer()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Readers:
    """The caller and, from the first time that there is much to read, a process beside. A context, which ends that."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._beside: Beside | None = None
        self._hand: ThreadPoolExecutor | None = None  # holds the pipes, so that the process never waits for the caller

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._beside is not None and self._hand is not None:
            self._beside.close()
            self._hand.shutdown(cancel_futures=True)

    def read(self, asked: Sequence[tuple[Sequence[Event], Sequence[Event]]]) -> Iterator[Extraction]:
        """What is read in each batch of (events, those before), in order.

        The process beside always has the next batch in hand. Where its answer is not there when it is wanted, the
        caller does not wait but reads a batch that nobody has begun.
        """
        self._begin(asked)
        beside, hand = self._beside, self._hand
        if beside is None or hand is None:
            yield from (self._extractor.extract(*one) for one in asked)
            return
        found: dict[int, Extraction | Future[Extraction]] = {}
        fresh = 0
        for number in range(len(asked)):
            while fresh < min(len(asked), number + _AHEAD):
                if sum(not _there(one) for one in found.values()) < 2:
                    found[fresh] = hand.submit(beside.read, *asked[fresh])
                elif not _there(found[number]):
                    found[fresh] = self._extractor.extract(*asked[fresh])
                else:
                    break
                fresh += 1
            one = found.pop(number)
            try:
                ready = one if isinstance(one, Extraction) else one.result()
            except (OSError, EOFError):  # it is gone: what was left to it is read here
                ready = self._extractor.extract(*asked[number])
            yield ready

    def _begin(self, asked: Sequence[tuple[Sequence[Event], Sequence[Event]]]) -> None:
        """Begin the process beside, where there is none yet, it is worth one, and one can be had."""
        much = sum(len(event.text) for events, _ in asked for event in events) >= WORTH_IT
        if self._beside is None and self._extractor.beside and much:
            from concurrent.futures import ThreadPoolExecutor

            with suppress(OSError):
                self._beside, self._hand = Beside(), ThreadPoolExecutor(1)


def _there(one: Extraction | Future[Extraction]) -> bool:
    return isinstance(one, Extraction) or one.done()


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
