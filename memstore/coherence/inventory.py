"""Where names are defined under a root: one bounded pass over its files, kept for as many questions as come.

The pass is a cheap guess by regular expression ("def NAME", "NAME =", '"--flag"'); whoever asks confirms it with the
grammar. It holds names and paths only, no content, and is made anew rather than kept up to date.
"""

from __future__ import annotations

import re
import time
from functools import cached_property
from pathlib import Path, PurePosixPath

from memstore.coherence import files, symbols
from memstore.errors import AnchorRefused, NotFound

MAX_FILES = 20_000
MAX_SOURCE = 1024 * 1024
_DEFINED = re.compile(
    rb"\b(?:def|class|fn|struct|enum|union|trait|func|function|interface|type|const|static|let|var|mod|record|define)"
    rb"[ \t]+(?:mut[ \t]+|\([^()\n]{0,80}\)[ \t]*)?(\w+)|^[ \t]*(\w+)[ \t]*[:=]|[\"'](--[A-Za-z][\w-]*)|(\w+)[ \t]*\(",
    re.MULTILINE,
)
_KEY = re.compile(rb"^[ \t\[\"'{,-]*([\w.-]+)[ \t\"'\]]*(?:[:=]|$)|\"([\w.-]+)\"[ \t]*:", re.MULTILINE)


class Inventory:
    """Names → files under `root`, read when first asked for and for at most `seconds`."""

    def __init__(self, root: Path, *, seconds: float = 1.0) -> None:
        self.root = root
        self.seconds = seconds

    def paths_named(self, name: str) -> list[str]:
        """Every file called `name`, nearest to the root first."""
        return self._by_file_name.get(name, [])

    def defining(self, name: str) -> list[str]:
        """Files that seem to define `name` (the last part of it, when qualified), at most 50."""
        last = name if name.startswith("-") else re.split(r"::|\.", name)[-1]
        return self._by_symbol.get(last, [])[:50]

    @cached_property
    def paths(self) -> list[str]:
        """The files under the root, nearest first."""
        return list(files.walk(self.root, limit=MAX_FILES, deadline=time.monotonic() + self.seconds))

    @cached_property
    def _by_file_name(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for path in self.paths:
            index.setdefault(PurePosixPath(path).name, []).append(path)
        return index

    @cached_property
    def _by_symbol(self) -> dict[str, list[str]]:
        deadline = time.monotonic() + self.seconds
        index: dict[str, list[str]] = {}
        for path in self.paths:
            settings = symbols.holds_settings(path)
            if not settings and symbols.language_of(path) is None:
                continue
            if time.monotonic() > deadline:
                break
            try:
                content = files.read(self.root, path, limit=MAX_SOURCE)
            except (AnchorRefused, NotFound):
                continue
            found = (_KEY if settings else _DEFINED).finditer(content)
            for name in {next(group for group in match.groups() if group) for match in found}:
                for part in {name, name.rpartition(b".")[2]} if settings else {name}:
                    index.setdefault(part.decode("utf-8", "replace"), []).append(path)
        return index
