"""Checked lines on their way into the store.

Every line of an import is checked before the first is written, and reading it a second time would cost as much as
checking it. So what was read is put aside: in memory up to a bound, past it in a nameless file beside the store, which
goes with the process. It is written in Python's own `marshal` form, which is safe only because nobody else can write
to that file.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

from memstore.errors import StoreFull

#: Lines of one type: that, their numbers, and their values.
Batch = tuple[str, list[int], list[tuple[Any, ...]]]

BATCH = 1000
_IN_MEMORY = 1 << 24
_LENGTH = 8  # bytes that say how long a batch is


class Spool:
    """Lines in, batches of lines of one type out, in the same order. Raises StoreFull when the disk is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115 (closed by __exit__)
            max_size=_IN_MEMORY, dir=str(folder)
        )
        self._type = ""
        self._numbers: list[int] = []
        self._lines: list[tuple[Any, ...]] = []

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, number: int, type_: str, values: tuple[Any, ...]) -> None:
        if type_ != self._type or len(self._lines) >= BATCH:
            self._flush()
            self._type = type_
        self._numbers.append(number)
        self._lines.append(values)

    def batches(self) -> Iterator[Batch]:
        """What was put aside, once."""
        self._flush()
        with self._space():
            self._file.seek(0)
        while length := self._file.read(_LENGTH):
            yield marshal.loads(self._file.read(int.from_bytes(length, "big")))

    def _flush(self) -> None:
        if self._lines:
            whole = marshal.dumps((self._type, self._numbers, self._lines))
            with self._space():
                self._file.write(len(whole).to_bytes(_LENGTH, "big") + whole)
            self._numbers, self._lines = [], []

    @contextmanager
    def _space(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreFull(f"no space in {self._folder} to import: {error.strerror}; nothing was written") from error
