"""A tree of text files under `/memories`, kept in the store: each version a turn of the assistant, word for word.

A file is a fact under the key `memory-tool:<path>` whose source is the turn that holds its content; writing again
supersedes, deleting retracts, so every version stays in history. What a file says becomes facts like the words of
any other turn: the assistant's, each tagged and quoting its line. A line that is edited away takes its facts with it
(replaced by what the edit put there, where policy lets that word replace it, else withdrawn), unless the same was
also said elsewhere.

`/memories/remembered/` shows what the store holds from everybody else, one file for each modality. It is read only.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from memstore.agents import views
from memstore.errors import UsageError
from memstore.model import Event, Fact, Span, Status
from memstore.policy import FILE_KEYS as FILES

if TYPE_CHECKING:
    from memstore.store import MemoryStore

ROOT = "/memories"
REMEMBERED = f"{ROOT}/remembered"
VIEW_LINES = 200

_BLANK = "The blank file "
_FILE = "The file "
_DIRECTORY = "The directory "


def resolve(path: str) -> str:
    """The path without `.`, `..` and doubled slashes. Raises UsageError for one that is not under /memories.

    >>> resolve("/memories/a//../b.md")
    '/memories/b.md'
    """
    if words("path", path) != ROOT and not path.startswith(f"{ROOT}/"):
        raise UsageError(f"Path must start with /memories, got: {path}")
    found = posixpath.normpath(f"{ROOT}/{path[len(ROOT) :].lstrip('/')}")
    if found != ROOT and not found.startswith(f"{ROOT}/"):
        raise UsageError(f"Path {path} would escape /memories directory")
    if any(ord(character) < 32 or ord(character) == 127 for character in found):
        raise UsageError(f"Path {path!r} holds a control character")
    return found


def words(name: str, value: object) -> str:
    """An argument that has to be a text. Raises UsageError for anything else: a model may send whatever JSON holds."""
    if not isinstance(value, str):
        raise UsageError(f"Invalid `{name}` parameter: it should be a text, got {type(value).__name__}.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(f"Invalid `{name}` parameter: it is not valid Unicode.")
    return value


class MemoryFiles:
    """The files. Paths are resolved ones; callers hold `store.transaction()` around a read that leads to a write."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def read(self, path: str) -> str | None:
        """The content of a file, to the letter; None where there is no file."""
        if path.startswith(f"{REMEMBERED}/"):
            return self._view(path)
        fact = self.store.get(FILES + path)
        return None if fact is None or fact.text.startswith(_DIRECTORY) else self._content(fact)

    def is_directory(self, path: str) -> bool:
        if path == ROOT or (path == REMEMBERED and self._views()):
            return True
        fact = self.store.get(FILES + path)
        return fact is not None and fact.text.startswith(_DIRECTORY)

    def below(self, path: str) -> list[str]:
        """Every file and directory under a directory (a directory ends in `/`), sorted component by component."""
        found = [
            str(fact.key).removeprefix(FILES) + ("/" if fact.text.startswith(_DIRECTORY) else "")
            for fact in self.store.facts(key_prefix=f"{FILES}{path}/", status=Status.LIVE)
        ]
        if f"{REMEMBERED}/".startswith(f"{path}/") and self._views():
            found += [f"{REMEMBERED}/", *self._views()]
        return sorted(found, key=lambda one: one.strip("/").split("/"))

    def write(self, path: str, content: str) -> None:
        """Make or replace a file, with the directories above it; capture what it says."""
        self._refuse_views(path)
        parents = _parents(path)
        for parent in parents:
            if self.read(parent) is not None:
                raise UsageError(f"The path {parent} is not a directory.")
        for parent in parents:
            if not self.is_directory(parent):
                self._hold(parent, f"{_DIRECTORY}{parent}", None)
        before = self.store.get(FILES + path)
        said = self._said(before) if before else []
        if content.strip():
            turn = self.store.record(content, role="assistant", session=FILES + path)
            self._hold(path, f"{_FILE}{path}", turn)
            self.store.capture(session=turn.session)
            now_said = [fact for fact in self.store.facts(source=turn) if fact.key is None]
        else:
            self._hold(path, f"{_BLANK}{path}: {json.dumps(content)}", None)
            now_said = []
        self._settle(path, said, now_said)

    def delete(self, path: str) -> None:
        """Withdraw a file, or a directory with all that is in it, and the facts that only it said."""
        self._refuse_views(path)
        for fact in self._entries(path):
            said = self._said(fact)
            self.store.retract(fact, reason=f"deleted {path}", origin="assistant")
            self._settle(path, said, [])

    def rename(self, old: str, new: str) -> None:
        """Move a file, or a directory with all that is in it. What the files say does not change."""
        for path in (old, new):
            self._refuse_views(path)
        if new == old or new.startswith(f"{old}/"):
            raise UsageError(f"The destination {new} is inside {old}")
        for parent in _parents(new):
            if self.read(parent) is not None:
                raise UsageError(f"The path {parent} is not a directory.")
            if not self.is_directory(parent):
                self._hold(parent, f"{_DIRECTORY}{parent}", None)
        for fact in self._entries(old):
            path = new + str(fact.key).removeprefix(FILES + old)
            self.store.retract(fact, reason=f"renamed to {path}", origin="assistant")
            if fact.text.startswith(_FILE):
                self._hold(path, f"{_FILE}{path}", self.store.event(fact.provenance[0].event_id))
            elif fact.text.startswith(_BLANK):
                self._hold(path, f"{_BLANK}{path}: {json.dumps(self._content(fact))}", None)
            else:
                self._hold(path, f"{_DIRECTORY}{path}", None)

    def _entries(self, path: str) -> list[Fact]:
        own = self.store.get(FILES + path) if path != ROOT else None
        return [*([own] if own else []), *self.store.facts(key_prefix=f"{FILES}{path}/", status=Status.LIVE)]

    def _hold(self, path: str, text: str, turn: Event | None) -> None:
        source = Span(turn.id, 0, len(turn.text)) if turn else None
        self.store.remember(
            text,
            modality="observation",
            kind="reference",
            key=FILES + path,
            source=source,
            origin=None if turn else "assistant",
            ttl=None,
            session=FILES + path,
        )

    def _content(self, fact: Fact) -> str:
        if fact.text.startswith(_BLANK):
            return str(json.loads(fact.text.removeprefix(f"{_BLANK}{str(fact.key).removeprefix(FILES)}: ")))
        return fact.provenance[0].quote

    def _said(self, file: Fact) -> list[Fact]:
        """The facts that stand on this version of a file, in the order of its words."""
        if not file.text.startswith(_FILE):
            return []
        source = file.provenance[0].event_id
        found = [fact for fact in self.store.facts(source=source, status=Status.LIVE) if fact.key is None]
        where = {fact.id: min(p.start for p in fact.provenance if p.event_id == source) for fact in found}
        return sorted(found, key=lambda fact: where[fact.id])

    def _settle(self, path: str, said: Sequence[Fact], now_said: Sequence[Fact]) -> None:
        """What the old version said and the new one does not is replaced by what came in its place, or withdrawn."""
        held = {fact.id for fact in now_said}
        was = {fact.id for fact in said}
        gone = [fact for fact in said if fact.id not in held and not self._said_elsewhere(fact)]
        come = [fact for fact in now_said if fact.id not in was]
        if gone and come:
            pairs = zip(gone, come, strict=True) if len(gone) == len(come) else [(gone, come)]
            for old, new in pairs:
                self.store.supersede(old, new, reason=f"edited in {path}")
        elif gone:
            self.store.retract(gone, reason=f"taken out of {path}", origin="assistant")

    def _said_elsewhere(self, fact: Fact) -> bool:
        """Whether a fact also stands on words outside the files, or on another file as it is now."""
        for pointer in fact.provenance:
            if not pointer.session.startswith(FILES):
                return True
            holders = self.store.facts(source=pointer.event_id, key_prefix=FILES, status=Status.LIVE)
            if any(one.provenance[0].event_id == pointer.event_id for one in holders):
                return True
        return False

    def _views(self) -> list[str]:
        return [f"{REMEMBERED}/{name}" for name in views.VIEWS if self._held_by_others(name)]

    def _view(self, path: str) -> str | None:
        name = path.removeprefix(f"{REMEMBERED}/")
        held = self._held_by_others(name) if name in views.VIEWS else []
        return views.lines(held) if held else None

    def _held_by_others(self, name: str) -> list[tuple[Fact, Status]]:
        """The newest facts of a modality that did not come from these files, doubted ones marked."""
        found: list[tuple[Fact, Status]] = []
        for status in (Status.LIVE, Status.SUSPECT):
            of_status = self.store.facts(modality=views.VIEWS[name], status=status, newest=VIEW_LINES)
            found += [(fact, status) for fact in of_status if not _from_files(fact.provenance)]
        return sorted(found, key=lambda one: one[0].id)[-VIEW_LINES:]

    @staticmethod
    def _refuse_views(path: str) -> None:
        if path == REMEMBERED or path.startswith(f"{REMEMBERED}/"):
            raise UsageError(f"{REMEMBERED} shows what the store holds and is read only: write a file of your own")


def _from_files(provenance: Iterable[object]) -> bool:
    return all(str(getattr(pointer, "session", "")).startswith(FILES) for pointer in provenance)


def _parents(path: str) -> list[str]:
    """The directories above a path and below the root, outermost first."""
    parts = path.removeprefix(f"{ROOT}/").split("/")[:-1]
    return [f"{ROOT}/{'/'.join(parts[: n + 1])}" for n in range(len(parts))]
