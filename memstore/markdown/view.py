"""A Markdown folder as a view of a store: which facts stand where, and what people changed since they were put there.

Facts stand in topic files, those of one conversation together, in files of at most 4,000 bytes, each listed in
MEMORY.md with the words that tell it from the others. A file is changed line by line, never written afresh: what
people put beside the facts, and where they moved them, stays. What the files held when they were last written is
noted in `.memstore.json`, by id: an id that is there and in no file any more is a line that somebody took out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from memstore.errors import MemstoreError, NotFound, UsageError
from memstore.markdown import keywords
from memstore.markdown.folder import Folder
from memstore.markdown.memory import INDEX, points_at, with_entries, without_entry
from memstore.markdown.statement import Piece, item, pieces, statement
from memstore.markdown.topic import DESCRIPTION_CHARACTERS as DESCRIPTION_LONGEST
from memstore.markdown.topic import NAME_CHARACTERS, Topic, parse, render
from memstore.model import Fact, Kind, Status
from memstore.reports import Problem

NOTE = ".memstore.json"
TOPIC_BYTES = 4_000
DESCRIPTION_CHARACTERS = 100
NAME_WORDS = 3
LONGEST = 100_000  # bytes of one statement; what is longer is a file, and stays in the store alone
EMPTY_INDEX = "# Memory\n\n"


@dataclass(slots=True)
class Page:
    """One file: as it was read (None where there is none yet), and as it is going to be."""

    file: str
    before: str | None
    front: str
    pieces: list[Piece]
    kind: Kind = Kind.PROJECT
    session: str | None = None  # whose facts may still be added
    described: str | None = None  # the description that was written for it, if it was
    listed: list[str] = field(default_factory=list)  # the facts it held when it was last written

    @property
    def body(self) -> str:
        return "".join(piece.raw for piece in self.pieces)

    @property
    def text(self) -> str:
        return self.front + self.body

    @property
    def lost(self) -> bool:
        """Whether the file is gone, or empty: an accident rather than a way of taking out facts one by one."""
        return self.before is None or not self.before.strip()

    def put(self, fact: Fact, status: Status, at: int | None = None) -> None:
        """Add a fact: at a place, else after the nearest one that stood before it, else at the end."""
        shown = replace(statement(fact), raw=item(fact, status))
        place = self._after(fact.id) if at is None else at
        if place is None:
            place = len(self.pieces)
            while place and self.pieces[place - 1].words is None and not self.pieces[place - 1].raw.strip():
                place -= 1
        before = self.pieces[place - 1] if place else None
        if before is not None and not before.raw.endswith("\n"):
            self.pieces[place - 1] = replace(before, raw=before.raw + "\n")
        if before is not None and before.words is None and before.raw.strip():
            self.pieces.insert(place, Piece("\n"))
            place += 1
        self.pieces.insert(place, shown)

    def _after(self, fact_id: str) -> int | None:
        if fact_id not in self.listed:
            return None
        where = {piece.mark: n for n, piece in enumerate(self.pieces) if piece.mark}
        for other in reversed(self.listed[: self.listed.index(fact_id)]):
            if other in where:
                return where[other] + 1
        return None


class View:
    """The files of a folder while they are being synced. The caller holds the folder's lock."""

    def __init__(self, folder: Folder, scope: str) -> None:
        self.folder = folder
        self.scope = scope
        self.pages: dict[str, Page] = {}
        self.problems: list[Problem] = []
        self.lost: list[Page] = []
        noted = read_note(folder)
        if noted and noted["scope"] != scope:
            raise UsageError(
                f"{folder.root} shows the scope {noted['scope']!r}, not {scope!r}: name another folder for this one"
            )
        files = noted["files"] if noted else {}
        for file in sorted({*folder.names(), *files}):
            about = files.get(file, {})
            try:
                text: str | None = folder.read(file)
            except NotFound:
                text = None
            except MemstoreError as error:
                self.problems.append(Problem("unreadable", file, str(error)))
                continue
            page = _page(file, text, about)
            self.pages[file] = page
            if page.lost and page.listed:
                self.lost.append(page)
        self.unreadable = {one.record for one in self.problems}
        self._stood = {id_: page for page in self.pages.values() for id_ in page.listed}
        open_ = sorted((page for page in self.pages.values() if page.session is not None), key=_number)
        self._latest = {str(page.session): page for page in open_}
        self._bytes = {page.file: len(page.body.encode()) for page in open_}
        self._numbers: Counter[str] = Counter()
        self._disowned: set[str] = set()
        self._unread = {file: files[file] for file in self.unreadable if file in files}
        self.hidden = {id_ for about in self._unread.values() for id_ in about["facts"]}

    def place(self, fact: Fact, status: Status) -> None:
        """Put a fact where it stood, else beside the facts of the same conversation."""
        size = len(item(fact, status).encode())
        if size > LONGEST:
            self.problems.append(Problem("too-long", fact.id, f"{size:,} bytes, at most {LONGEST:,}: not in the files"))
            return
        (self._stood.get(fact.id) or self._open(fact, size)).put(fact, status)

    def _open(self, fact: Fact, size: int) -> Page:
        """The latest file of the fact's conversation, or a new one where that is full."""
        session = fact.provenance[0].session
        page = self._latest.get(session)
        if page is None or self._bytes[page.file] + size > TOPIC_BYTES:
            day = f"{fact.said_at:%Y-%m-%d}"
            self._numbers[day] += 1
            while f"{day}-{self._numbers[day]}.md" in self.pages or f"{day}-{self._numbers[day]}.md" in self.unreadable:
                self._numbers[day] += 1
            page = Page(f"{day}-{self._numbers[day]}.md", None, "", [], session=session, described="")
            self.pages[page.file] = self._latest[session] = page
            self._bytes[page.file] = 0
        self._bytes[page.file] += size
        return page

    def disown(self, ids: Iterable[str]) -> None:
        """Keep no note of the files that cannot be read and held one of these facts, nor their lines in the index."""
        doomed = set(ids)
        for file, about in list(self._unread.items()):
            if doomed & set(about["facts"]):
                del self._unread[file]
                self._disowned.add(file)

    def finish(self, afresh: Iterable[str] = ()) -> None:
        """Describe what changed, and bring the index up to date; whatever people wrote for themselves is kept.

        The files named `afresh` are described anew even where people did that: something was forgotten there.
        """
        ours = [page for page in self.pages.values() if page.described is not None and page.file != INDEX]
        gone = [page for page in ours if not page.body.strip()]
        kept = [page for page in ours if page.body.strip()]
        index = self.pages.get(INDEX) or _page(INDEX, None, {})
        listed = {points_at(line) for line in index.text.splitlines()}
        held_by: Counter[str] = Counter()
        if any(page.text != page.before for page in kept):
            for page in kept:
                held_by.update(set(keywords.words(_said(page))))
        entries: list[Topic] = []
        for page in kept:
            if page.text != page.before:
                entries.append(_described(page, held_by, len(kept), page.file in set(afresh)))
            elif page.file not in listed:
                entries.append(_entry(parse(page.file, page.front)))
        listing = index.text or (EMPTY_INDEX if kept else "")
        if entries:
            listing = with_entries(listing, entries)
        for page in gone:
            listing = without_entry(listing, page.file)
            page.front = ""
            page.pieces = []
        for file in self._disowned:
            listing = without_entry(listing, file)
        if listing != index.text:
            index.front, index.pieces = "", pieces(listing)
            self.pages[INDEX] = index

    def write(self) -> list[str] | None:
        """Replace what changed, topics before the index; the names, or None if somebody wrote a file meanwhile."""
        written: list[str] = []
        for page in sorted(self.pages.values(), key=lambda page: page.file == INDEX):
            if page.text == (page.before or ""):
                continue
            if page.text:
                done = self.folder.replace(page.file, page.before, page.text)
            else:
                done = page.before is None or self.folder.remove(page.file, page.before)
            if not done:
                return None
            written.append(page.file)
        files = {
            page.file: {
                "session": page.session,
                "described": page.described,
                "facts": [piece.mark for piece in page.pieces if piece.mark],
            }
            for page in self.pages.values()
            if page.text
        }
        note = json.dumps({"scope": self.scope, "files": files | self._unread}, ensure_ascii=False, indent=1) + "\n"
        try:
            same = self.folder.read(NOTE) == note
        except MemstoreError:
            same = False
        if not same:
            self.folder.write(NOTE, note)
        return written


def read_note(folder: Folder) -> dict[str, Any] | None:
    """What was noted when the folder was last written; None where nothing was, or it cannot be read.

    It is a convenience: without it lines that were taken out are put back, and nothing is lost.
    """
    try:
        found = json.loads(folder.read(NOTE))
        files = {
            str(file): {
                "session": about["session"] if isinstance(about["session"], str) else None,
                "described": about["described"] if isinstance(about["described"], str) else None,
                "facts": [id_ for id_ in about["facts"] if isinstance(id_, str)],
            }
            for file, about in found["files"].items()
        }
        return {"scope": str(found["scope"]), "files": files}
    except (MemstoreError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _page(file: str, text: str | None, about: Mapping[str, Any]) -> Page:
    topic = parse(file, text or "")
    front = (text or "")[: len(text or "") - len(topic.body)]
    return Page(
        file,
        text,
        front,
        pieces(topic.body),
        topic.kind,
        about.get("session"),
        about.get("described"),
        list(about.get("facts", ())),
    )


def _number(page: Page) -> tuple[int, str]:
    """Order of the files of a day: `…-10.md` comes after `…-9.md`."""
    return len(page.file), page.file


def _said(page: Page) -> str:
    return " ".join(piece.words for piece in page.pieces if piece.words)


def _described(page: Page, held_by: Counter[str], n: int, afresh: bool) -> Topic:
    """The page's entry, with frontmatter that says the same. A name or description that people wrote is theirs."""
    telling = keywords.telling(_said(page), held_by, n, characters=DESCRIPTION_CHARACTERS)
    old = parse(page.file, page.front) if page.front else None
    if old and not afresh and old.description != page.described:
        return _entry(old)
    day = page.file[:10]
    words = telling.split(", ")
    name = old.name if old and not afresh else " ".join([day, *words[:NAME_WORDS]])[:NAME_CHARACTERS].strip()
    topic = Topic(page.file, name, telling, "", old.kind if old else page.kind, old.extra if old else ())
    page.front = render(topic)
    page.described = telling
    return _entry(topic)


def _entry(topic: Topic) -> Topic:
    """A topic as the index can name it, whatever people called it."""
    name = " ".join(re.sub(r"[\[\]]", " ", topic.name).split())[:NAME_CHARACTERS] or topic.file
    return replace(topic, name=name, description=" ".join(topic.description.split())[:DESCRIPTION_LONGEST])
