"""What a fact is tied to, given by the caller or named by the fact's own words.

A fact that says "`parse_header()` in src/auth/login.py strips the token" claims that both exist. `find_anchors`
reads such names out of a text and keeps those that can be found under the root: a path, lines of a file, a function
or class, a command-line flag, a configuration key. What is ambiguous — a bare name that two files define — is left
out: a tie to the wrong file raises false alarms for ever after. Where a grammar is not installed, a name is taken to be
where it seems to be defined, and looking at it says which package is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from memstore.coherence import files, symbols
from memstore.coherence.inventory import Inventory
from memstore.errors import AnchorRefused, MissingExtra, NotFound


@dataclass(frozen=True, slots=True)
class AnchorTarget:
    """A file under the root (POSIX path), or some of it.

    `lines` is (first, last), 1-based and inclusive. `symbol` is a function, class or constant (`Class.method`), a flag
    (`--dry-run`), a configuration key (`table.key`), or a Markdown heading. Neither: the whole file. Never both.
    """

    path: str
    lines: tuple[int, int] | None = None
    symbol: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not isinstance(self.symbol, str | None):
            raise AnchorRefused(f"{self.path!r}: the path and the symbol of an anchor are text")
        if self.symbol and not files.is_text(self.symbol):
            raise AnchorRefused(f"{self.symbol!r} in {self.path} is not valid Unicode: no symbol is called so")
        if self.lines is not None and (self.symbol or not 1 <= self.lines[0] <= self.lines[1]):
            raise AnchorRefused(f"{self.path}: give lines as (first, last), from 1 on, and no symbol beside them")

    @classmethod
    def parse(cls, text: str) -> AnchorTarget:
        """From `path`, `path:first-last`, `path:line` or `path#symbol`."""
        if match := re.fullmatch(r"(.+?):(\d+)(?:-(\d+))?", text):
            return cls(match[1], lines=(int(match[2]), int(match[3] or match[2])))
        path, _, symbol = text.partition("#")
        return cls(path, symbol=symbol or None)

    def __str__(self) -> str:
        if self.symbol:
            return f"{self.symbol} in {self.path}"
        if self.lines:
            return f"{self.path}:{self.lines[0]}-{self.lines[1]}"
        return self.path


_URL = re.compile(r"(?<!\w)\w+://\S+")
_PATH = re.compile(r"(?<![\w/.@-])((?:\.{0,2}/)?(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,9})(?![\w/])")
_LINES = re.compile(r"(?::|#L)(\d{1,7})(?:-L?(\d{1,7}))?(?!\d|[.:]\d)")
_CALL = re.compile(r"(?<![\w.:])([A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)*)\(\)")
_QUOTED = re.compile(r"`([A-Za-z_][\w-]*(?:(?:\.|::)[A-Za-z_][\w-]*)*)`")
_FLAG = re.compile(r"(?<![\w-])(--[A-Za-z][\w-]*\w)")
_CONSTANT = re.compile(r"(?<![\w`.])([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?![\w(])")
_COINED = re.compile(r"(?<![\w`.])((?:[A-Z][a-z0-9]+){2,}(?:\.\w+)?|[a-z][^\W_]*+_\w++)(?![\w(/]|\.\w)")


def find_anchors(
    text: str, root: Path, *, inventory: Inventory | None = None, limit: int = 8, seconds: float = 1.0
) -> list[AnchorTarget]:
    """What `text` names that exists under `root`, most specific first and at most `limit` of it.

    A symbol in a file that the text names too is one anchor, to the symbol. Looking through the root for a bare
    name takes at most `seconds`; pass an `inventory` to share that work between many texts.
    """
    known = inventory or Inventory(root, seconds=seconds)
    prose = _URL.sub(" ", text)
    named: dict[str, list[tuple[int, int] | None]] = {}
    existing = cache(lambda mention: _existing(root, mention, known))
    for match in _PATH.finditer(prose):
        path = existing(match[1])
        if path is not None:
            lines = _LINES.match(prose, match.end())
            span = (int(lines[1]), int(lines[2] or lines[1])) if lines else None
            named.setdefault(path, []).append(span if span and 1 <= span[0] <= span[1] else None)
    targets: list[AnchorTarget] = []
    used: set[str] = set()
    for name in _names(prose):
        target = _defined(root, name, list(named), known)
        if target is not None and target not in targets:
            targets.append(target)
            used.add(target.path)
    for path, spans in named.items():
        lines_of = [span for span in dict.fromkeys(spans) if span is not None]
        targets += [AnchorTarget(path, lines=span) for span in lines_of]
        if not lines_of and path not in used:
            targets.append(AnchorTarget(path))
    return targets[:limit]


def _names(prose: str) -> Iterator[str]:
    """Words that may name a definition, in the order of how surely they do."""
    yielded: set[str] = set()
    for pattern in (_CALL, _QUOTED, _FLAG, _CONSTANT, _COINED):
        for match in pattern.finditer(prose):
            if match[1] not in yielded:
                yielded.add(match[1])
                yield match[1]


def _existing(root: Path, mention: str, known: Inventory) -> str | None:
    """The one file that a mention means: the path itself, else the only file whose path ends with it."""
    try:
        path = files.relative(root, mention)
        files.read(root, path)
    except NotFound:
        tail = PurePosixPath(mention).parts
        ending = [other for other in known.paths_named(tail[-1]) if PurePosixPath(other).parts[-len(tail) :] == tail]
        return ending[0] if len(ending) == 1 else None
    except AnchorRefused:
        return None
    return path


def _defined(root: Path, name: str, named: list[str], known: Inventory) -> AnchorTarget | None:
    """The one place that defines `name`: in a file that the text names, else anywhere under the root."""
    for candidates in (named, known.defining(name)):
        holding = []
        for path in candidates:
            try:
                if symbols.find(path, files.read(root, path), name) is not None and _counts(path, name):
                    holding.append(path)
            except MissingExtra:
                holding.append(path)  # it may be there: whoever looks at it is told what is missing
            except (AnchorRefused, NotFound):
                continue
        if len(holding) == 1:
            return AnchorTarget(holding[0], symbol=name)
        if holding:
            return None
    return None


def _counts(path: str, name: str) -> bool:
    """Whether a find in this file defines the name: in plain prose it is only a mention."""
    return symbols.language_of(path) is not None or symbols.holds_settings(path)
