"""The input of a hook: JSON written by another program about text written by anybody. Nothing in it is believed.

A field that is missing or of another type reads as empty, unknown fields are left alone, and what is not a JSON
object at all is an empty payload.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UNHURRIED = frozenset({"Stop", "SubagentStop", "PreCompact", "SessionEnd"})
"""The events that an agent gives time to: what was said is taken in, and an older store is brought up to date."""

INPUT_BYTES = 16_000_000
TRANSCRIPT_BYTES = 500_000_000
NAME_CHARACTERS = 200
PATH_CHARACTERS = 4096


class Payload:
    """What a hook was told. `problem` says why nothing could be read, if so."""

    __slots__ = ("fields", "problem")  # no dataclass: those take longer to import than most hooks take to run

    def __init__(self, fields: Mapping[str, Any] | None = None, problem: str = "") -> None:
        self.fields = fields or {}
        self.problem = problem

    @classmethod
    def parse(cls, data: bytes) -> Payload:
        """The payload in the bytes; never raises."""
        if len(data) > INPUT_BYTES:
            return cls(problem=f"the input is longer than {INPUT_BYTES:,} bytes")
        try:
            read = json.loads(data.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            return cls(problem=f"the input is not JSON: {error}")
        if not isinstance(read, dict):
            return cls(problem="the input is not a JSON object")
        return cls({str(name): value for name, value in read.items()})

    def text(self, name: str) -> str:
        """A text that can be stored: '' unless it is one; lone surrogates, which JSON can escape, are replaced."""
        value = self.fields.get(name)
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""

    def name(self, name: str, default: str = "") -> str:
        """A text on one line, as a session or a ref is named."""
        found = " ".join(self.text(name).replace("\0", " ").split())[:NAME_CHARACTERS]
        return found or default

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.fields.get(name)
        return value if isinstance(value, dict) else {}

    def directory(self, name: str) -> Path | None:
        """An absolute directory that exists."""
        found = self._path(name)
        return found if found and found.is_dir() else None

    def file(self, name: str) -> Path | None:
        """An absolute path, there or not."""
        return self._path(name)

    def transcript(self, name: str) -> Path | None:
        """A regular `.jsonl` file of bearable size: a device or a FIFO would hold the agent up for ever."""
        found = self._path(name)
        try:
            about = found.stat() if found and found.suffix == ".jsonl" else None
        except OSError:
            return None
        return found if about and stat.S_ISREG(about.st_mode) and about.st_size <= TRANSCRIPT_BYTES else None

    def _path(self, name: str) -> Path | None:
        value = self.text(name)
        return Path(value) if value.startswith("/") and "\0" not in value and len(value) < PATH_CHARACTERS else None
