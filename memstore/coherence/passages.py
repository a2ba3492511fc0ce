"""Where text without a grammar speaks of a name: the section under a heading, the setting of a key, else its mentions.

Read line by line, in time linear in the text. In Markdown a heading is no heading inside a fenced block, where `# run`
is a comment; in files of settings (`.ini`, `.cfg`, `.conf`, `.env`, `.properties`) a name is a key, a key of a section
(`cache.ttl`), or a section.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}+(?!.*`)|~{3,})(.*)$")
_SECTION = re.compile(r"\s*\[([^\]]+)\]\s*(?:[#;].*)?$")
_KEY = re.compile(r"\s*(?:export\s+)?([\w.-]+)\s*[=:]")
_COMMENT = re.compile(r"\s*[#;!]")
_SETTINGS = frozenset((".ini", ".cfg", ".conf", ".env", ".properties"))


def find(path: str, text: str, name: str) -> tuple[list[str], int] | None:
    """The lines that `name` stands for, and the first one's place (0-based); None where it is not said at all."""
    lines = text.splitlines()
    suffix = (PurePosixPath(path).suffix or PurePosixPath(path).name).lower()
    found: list[int] = []
    if suffix in (".md", ".markdown"):
        found = _section(lines, name)
    elif suffix in _SETTINGS:
        found = _setting(lines, name)
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    found = found or [at for at, line in enumerate(lines) if word.search(line)]
    return ([lines[at] for at in found], found[0]) if found else None


def _section(lines: list[str], name: str) -> list[int]:
    """The lines under the first heading of that name, with it, up to the next of its level or above."""
    wanted = name.lstrip("#").strip().casefold()
    headings = list(_headings(lines))
    for at, level, title in headings:
        if title.casefold() == wanted:
            end = next((to for to, other, _ in headings if to > at and other <= level), len(lines))
            return list(range(at, end))
    return []


def _headings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Line, level and title of each heading outside fenced blocks."""
    fence = ""
    for at, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark:
            fence = mark[1]
        elif heading := _ATX.match(line):
            yield at, len(heading[1]), _title(line[heading.end() :].strip())
        elif at and _SETEXT.match(line) and _is_prose(lines, at - 1):
            yield at - 1, 1 if line.strip()[0] == "=" else 2, lines[at - 1].strip()


def _title(words: str) -> str:
    """A heading's words, without the marks that may close it."""
    bare = words.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else words


def _is_prose(lines: list[str], at: int) -> bool:
    """Whether a line is a paragraph of one line, which a line of dashes under it makes a heading."""
    alone = at == 0 or not lines[at - 1].strip() or bool(_ATX.match(lines[at - 1]))
    return alone and re.match(r" {0,3}[^\s>|#*+-]", lines[at]) is not None


def _setting(lines: list[str], name: str) -> list[int]:
    """The lines that set a key, with those that go on with its value; or all that is set in a section."""
    found = []
    section, key = "", ""
    for at, line in enumerate(lines):
        if _COMMENT.match(line) or not line.strip():
            continue
        if heading := _SECTION.match(line):
            section, key = heading[1].strip(), ""
        elif not (key and line[0].isspace() and not _KEY.match(line)):  # else it goes on with the value above
            setting = _KEY.match(line)
            key = setting[1] if setting else ""
        if name in (section, key, f"{section}.{key}"):
            found.append(at)
    return found
