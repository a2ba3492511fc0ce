"""The baseline: a memory that is MEMORY.md and topic files, as people and agents keep it by hand.

`MEMORY.md` is an index with one line per entry. Its first 200 lines, at most 25 kB, are put into every prompt; a
line may be a statement in itself or point at a topic file:

    - We chose base62 for short codes.
    - [Storage](storage.md) — redis, ttl, expiry of short links

A topic's body is read only when a question asks for it: recall picks at most five files, by keyword from the
index lines that the reader was shown. Nothing is rewritten on the way in or out. That makes it lossless and exact,
and it is what any cleverer memory has to beat.

Caps (an over-long file is refused, an over-long index is cut where a line ends and says so):
index 200 lines / 25,000 bytes injected · entry: name 80, description 200 characters · 5 files a recall · 1 MB a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memstore.errors import MemstoreError, NotFound, UsageError
from memstore.markdown import keywords
from memstore.markdown.folder import Folder
from memstore.markdown.topic import Topic, parse, render
from memstore.reports import Problem

INDEX = "MEMORY.md"
INDEX_LINES = 200
INDEX_BYTES = 25_000
RECALL_FILES = 5

_POINTER = re.compile(
    r"\s*[-*+] \[(?P<name>[^\[\]]+)\]\((?P<file>[^\s()]+\.md)\)\s*(?:(?:—|–|-|:)\s*(?P<said>.*?))?\s*"
)


@dataclass(frozen=True, slots=True)
class Injection:
    """What a prompt gets of the index: whole lines, `lines` of `total`; `cut` when some did not fit."""

    text: str
    lines: int
    total: int

    @property
    def cut(self) -> bool:
        return self.lines < self.total


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index that points at a topic file."""

    name: str
    file: str
    description: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the memory, word for word, and where it stands (`number` counts from 1)."""

    file: str
    number: int
    text: str


class MarkdownMemory:
    """A Markdown memory in `directory` (made at the first write).

    Reading never changes anything. Writing is safe against crashes and other writers: a topic file is on disk
    before the index names it, and each file is replaced in one step. Names that leave the directory and links
    inside it are refused with `PathRefused`.

    >>> memory = MarkdownMemory("notes")                                           # doctest: +SKIP
    >>> memory.write(Topic("storage.md", "Storage", "redis, ttl", "We use Redis."))  # doctest: +SKIP
    >>> memory.recall("how long is the ttl?")[0].body                              # doctest: +SKIP
    'We use Redis.'
    """

    def __init__(self, directory: str | Path) -> None:
        self.folder = Folder(directory)

    # reading

    def index(self) -> str:
        """The whole of MEMORY.md; '' while there is none."""
        try:
            return self.folder.read(INDEX)
        except NotFound:
            return ""

    def inject(self) -> Injection:
        """What is put into a prompt at session start: the first 200 lines, at most 25,000 bytes of UTF-8."""
        lines = _lines(self.index())
        size = kept = 0
        for line in lines[:INDEX_LINES]:
            size += len(line.encode("utf-8"))
            if size > INDEX_BYTES:
                break
            kept += 1
        return Injection("".join(lines[:kept]), kept, len(lines))

    def entries(self) -> list[Entry]:
        """The index lines that point at topic files, as far as they are injected, in order."""
        matches = map(_POINTER.fullmatch, _lines(self.inject().text))
        return [Entry(m["name"], m["file"], m["said"] or "") for m in matches if m]

    def read(self, file: str) -> Topic:
        """One topic file. Raises `NotFound`, `PathRefused`, `UnreadableFile`."""
        return parse(file, self.folder.read(file))

    def recall(self, query: str, *, limit: int = RECALL_FILES) -> list[Topic]:
        """The topics whose index lines share telling words with the query, best first, at most five.

        Only what the index shows can be chosen, as for a reader who has just that in front of them; equal
        matches keep the order of the index. A file that is missing or refused is passed over: `verify` names it.
        """
        if not 0 <= limit <= RECALL_FILES:
            raise UsageError(f"a recall reads at most {RECALL_FILES} files, {limit} were asked for")
        entries = self.entries()
        ranked = keywords.best(query, [f"{e.name} {e.description}" for e in entries], limit=len(entries))
        topics: list[Topic] = []
        for position in ranked:
            if len(topics) == limit:
                break
            try:
                topics.append(self.read(entries[position].file))
            except MemstoreError:
                continue
        return topics

    def lines(self, query: str, *, limit: int = RECALL_FILES) -> list[Line]:
        """Every line a reader has in view for a query — statements of the index, bodies of the recalled topics —
        those that share more telling words with it first, otherwise as they stand."""
        found = [
            Line(INDEX, number, line.rstrip("\r\n"))
            for number, line in enumerate(_lines(self.inject().text), 1)
            if line.strip() and not line.startswith("#") and not _POINTER.fullmatch(line)
        ]
        for topic in self.recall(query, limit=limit):
            body = enumerate(_lines(topic.body), 1)
            found += [Line(topic.file, number, line.rstrip("\r\n")) for number, line in body if line.strip()]
        scored = keywords.scores(query, [line.text for line in found])
        return [found[i] for i in sorted(range(len(found)), key=lambda i: -scored[i])]

    def verify(self) -> list[Problem]:
        """What keeps a reader from the memory: dangling lines, files nobody points at, refused files, a cut index."""
        problems: list[Problem] = []
        try:
            injection = self.inject()
        except MemstoreError as error:
            return [Problem("index-unreadable", INDEX, str(error))]
        if injection.cut:
            hidden = injection.total - injection.lines
            problems.append(Problem("index-cut", INDEX, f"{hidden} lines are past the cap: move some into topics"))
        listed = {file for line in _lines(self.index()) if (file := points_at(line))}
        for file in sorted(listed | set(self.folder.names()) - {INDEX}):
            try:
                self.read(file)
            except NotFound as error:
                problems.append(Problem("dangling", file, f"{error}: remove its line from {INDEX}"))
            except MemstoreError as error:
                problems.append(Problem("unreadable", file, str(error)))
            else:
                if file not in listed:
                    problems.append(Problem("unlisted", file, f"no line of {INDEX} points at it: it is never read"))
        return problems

    # writing

    def write_index(self, text: str) -> None:
        """Replace MEMORY.md with `text`, exactly."""
        with self.folder.locked():
            self.folder.write(INDEX, text)

    def write(self, *topics: Topic) -> None:
        """Write topic files and their index lines. A new line goes on top, so that a cut index loses the oldest."""
        checked = [topic.checked() for topic in topics]
        if any(topic.file == INDEX for topic in checked):
            raise UsageError(f"{INDEX} is the index, not a topic: use write_index")
        with self.folder.locked():
            for topic in checked:
                self.folder.write(topic.file, render(topic))
            self.folder.write(INDEX, with_entries(self.index(), checked))

    def remove(self, file: str) -> None:
        """Take a topic out of the index, then delete its file. Raises `NotFound` when there is neither."""
        with self.folder.locked():
            index = self.index()
            kept = without_entry(index, file)
            if kept != index:
                self.folder.write(INDEX, kept)
            try:
                self.folder.remove(file)
            except NotFound:
                if kept == index:
                    raise


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only a newline ends a line here: text may hold the other separators of Unicode."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def points_at(line: str) -> str | None:
    """The file that a line of the index points at."""
    match = _POINTER.fullmatch(line)
    return match["file"] if match else None


def without_entry(index: str, file: str) -> str:
    """The index without the lines that point at a file."""
    return "".join(line for line in _lines(index) if points_at(line) != file)


def with_entries(index: str, topics: Sequence[Topic]) -> str:
    """The index with one line for each topic: in place where it has one, else on top, below a heading."""
    lines = _lines(index)
    where = {file: i for i, line in reversed(list(enumerate(lines))) if (file := points_at(line))}
    new: list[str] = []
    for topic in topics:
        line = f"- [{topic.name}]({topic.file})" + (f" — {topic.description}" if topic.description else "") + "\n"
        if topic.file in where:
            lines[where[topic.file]] = line
        elif line not in new:
            new.insert(0, line)
    top = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if new and top and not lines[top - 1].endswith("\n"):
        lines[top - 1] += "\n"
    return "".join(lines[:top] + new + lines[top:])
