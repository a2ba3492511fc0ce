"""Sources: a file of any known form becomes an iterator of turns, problems and what was passed over.

`read` looks at the name and the first line to tell the form; nothing is ever loaded whole but single JSON documents
and text. Reading is stateless: give `start` (the `after` of the last turn that was stored) to go on where you were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from memstore.capture.sources import chat, claude_code, claude_mem, documents
from memstore.capture.sources.turns import BEGINNING, Item, Position, SourceProblem, SourceSkipped, SourceTurn, lines
from memstore.errors import UsageError
from memstore.ledger.connection import reading_foreign

FORMS = ("claude-code", "jsonl", "json", "document", "claude-mem")

__all__ = [
    "BEGINNING", "FORMS", "Item", "Position", "SourceProblem", "SourceSkipped", "SourceTurn",
    "claude_mem", "detect", "read", "read_file",
]  # fmt: skip

_SQLITE = b"SQLite format 3\x00"


def detect(stream: BinaryIO, name: str) -> str:
    """The form of a source by its first bytes, then its first record, then its name. Leaves the stream at its start."""
    head = stream.read(len(_SQLITE))
    stream.seek(0)
    if head == _SQLITE:
        return "claude-mem"
    suffix = Path(name).suffix.lower()
    if suffix in (".md", ".markdown", ".txt", ".rst", ".adoc"):
        return "document"
    form = "document"
    if head.lstrip()[:1] in (b"{", b"[") or suffix in (".jsonl", ".ndjson", ".json"):
        form = "json" if suffix != ".jsonl" else "jsonl"
        objects = 0
        for tried, line in enumerate(lines(stream)):
            if tried == 20:
                break
            try:
                record = json.loads(line.text or "")
            except (ValueError, RecursionError):
                continue
            if claude_code.looks_like(record):
                form = "claude-code"
                break
            objects += isinstance(record, dict)
            if objects > tried and (suffix != ".json" or objects > 1):  # an object a line, however the file is called
                form = "jsonl"
    stream.seek(0)
    return form


def read(
    stream: BinaryIO, *, name: str, form: str | None = None, session: str | None = None,
    at: datetime | None = None, start: Position = BEGINNING,
) -> Iterator[Item]:  # fmt: skip
    """Turns of a seekable binary stream. `session` defaults to the file's stem, `at` to None (the caller's clock).

    Raises UsageError for a form that is not known, and for a database, which only `read_file` can open.
    """
    form = form or detect(stream, name)
    session = session or Path(name).stem or "stdin"
    if form == "claude-code":
        return claude_code.read(stream, start=start)
    if form == "jsonl":
        return chat.read_lines(stream, session=session, start=start)
    if form == "json":
        return chat.read_array(stream, session=session)
    if form == "document":
        return documents.read(stream, name=name, session=session, at=at)
    if form == "claude-mem":
        raise UsageError(f"{name} is a database: name the file itself, it cannot be read as a stream")
    raise UsageError(f"no form of source is called {form!r}: name one of {', '.join(FORMS)}")


def read_file(
    path: Path, *, form: str | None = None, session: str | None = None, start: Position = BEGINNING
) -> Iterator[Item]:
    """Turns of one file; a document takes the file's time. Raises UsageError when the path is no readable file."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name a file")
    try:
        stream = path.open("rb")
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with stream:
        if not stream.seekable():
            raise UsageError(
                f"{path} is a pipe, which cannot be read twice: name a file, or give it as standard input (-)"
            )
        if (form or detect(stream, path.name)) != "claude-mem":
            yield from read(stream, name=path.name, form=form, session=session, at=changed, start=start)
            return
    with reading_foreign(path) as connection:
        yield from claude_mem.read(connection)
