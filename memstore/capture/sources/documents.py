"""Markdown and plain text documents: one event a file, attributed to it, never binding."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from memstore.capture.sources.turns import Item, SourceProblem, SourceSkipped, SourceTurn
from memstore.model import Origin

LARGEST = 32 * 1024 * 1024
"""Bytes; a larger file is hardly a document, and is reported instead of read."""


def read(stream: BinaryIO, *, name: str, session: str, at: datetime | None = None) -> Iterator[Item]:
    """The whole text as one turn. `ref` names the file and the version of its words: an edited file is a new event."""
    raw = stream.read(LARGEST + 1)
    if len(raw) > LARGEST:
        yield SourceProblem(1, f"larger than {LARGEST:,} bytes")
        return
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        yield SourceProblem(raw.count(b"\n", 0, error.start) + 1, f"not UTF-8 at byte {error.start + 1}")
        return
    if not text.strip():
        yield SourceSkipped(1, "empty document")
        return
    ref = f"{name}@{hashlib.sha256(raw).hexdigest()[:12]}"
    yield SourceTurn(ref, session, name, Origin.DOCUMENT, at, text, 1, meta={"document": name})
