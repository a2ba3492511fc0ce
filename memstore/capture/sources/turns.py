"""What every reader of a source yields, and how lines are read: one at a time, from any byte, torn or broken.

A reader is an iterator of `Item`s: a `SourceTurn` is something said, a `SourceSkipped` is something passed over on
purpose, a `SourceProblem` is a line that could not be taken. A broken line costs that line only. The last line of
a file that is still being written is left alone until its line break arrives.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO

from memstore.model import Origin

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes. A longer line is reported and passed over, so that memory stays bounded whatever the file holds."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading may go on: a byte offset at the start of a line, and how many lines lie before it."""

    offset: int = 0
    line: int = 0


BEGINNING = Position()


@dataclass(frozen=True, slots=True)
class SourceTurn:
    """Something said. `ref` is the source's own name for it, unique in its session; `at` is aware, or None if not told.

    `line` counts from 1; `after` is where to go on reading once this turn is stored.
    """

    ref: str
    session: str
    role: str
    origin: Origin
    at: datetime | None
    text: str
    line: int
    after: Position = BEGINNING
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """A line that could not be taken, by number, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class SourceSkipped:
    """A line, or part of one, that holds nothing to remember, and why."""

    line: int
    reason: str


Item = SourceTurn | SourceProblem | SourceSkipped


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line, without its break. `text` is None when it could not be decoded; `problem` then says why."""

    number: int
    after: Position
    text: str | None
    problem: str = ""
    whole: bool = True


def lines(stream: BinaryIO, start: Position = BEGINNING) -> Iterator[Line]:
    """The lines of a binary stream from `start`. `whole` is false for a last line that has no break yet."""
    if start.offset:
        stream.seek(start.offset)
    offset, number = start.offset, start.line
    while raw := stream.readline(LONGEST_LINE):
        number += 1
        offset += len(raw)
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
                offset += len(more)
            offset += len(more)
            yield Line(number, Position(offset, number), None, f"longer than {LONGEST_LINE:,} bytes")
            continue
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Line(
                number,
                Position(offset, number),
                None,
                f"not UTF-8 at byte {error.start + 1} of the line",
                raw.endswith(b"\n"),
            )
            continue
        yield Line(number, Position(offset, number), text.rstrip("\r\n"), whole=raw.endswith(b"\n"))


def records(stream: BinaryIO, start: Position = BEGINNING) -> Iterator[tuple[Line, Any] | SourceProblem]:
    """What the lines of a JSON Lines stream hold, or why one could not be taken; blank ones hold nothing.

    A last line without its break that cannot be read is still being written: it will be read whole next time.
    """
    for line in lines(stream, start):
        problem = line.problem
        if line.text is not None:
            if not line.text.strip():
                continue
            try:
                value = json.loads(line.text)
            except (ValueError, RecursionError) as error:
                problem = f"not JSON: {error}"
            else:
                yield line, value
                continue
        if line.whole:
            yield SourceProblem(line.number, problem)


def clean(text: str) -> str:
    """The text as it can be stored: lone surrogates, which JSON can escape but UTF-8 cannot hold, are replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def moment(value: object) -> datetime | None:
    """An aware datetime from ISO-8601 text or from epoch seconds or milliseconds; None when it is neither.

    Text without a zone is taken as UTC.
    """
    try:
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
        if isinstance(value, str):
            stripped = value.strip()
            if stripped.replace(".", "", 1).isdigit():
                return moment(float(stripped))
            parsed = datetime.fromisoformat(stripped)
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
