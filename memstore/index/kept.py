"""What a connection has read of the indexes, kept in memory for as long as it is what the store holds.

Two marks tell whether it is, both looked up in the snapshot that is asked: what was gathered holds until the lists
change (`generation`), what counts the newest facts in until there is a newer one. So nothing that is kept ever shows
in an answer. A connection is one thread's: nothing here is shared, and all of it goes with its thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from memstore.index.columns import Engine
    from memstore.index.lists import Postings

# Places in all the lists that are kept (eight bytes each), and turns (some fifty). A list takes as much as so many
# places before it has any: words that are in no statement are asked for too, and there is no end to those.
_MOST_PLACES = 8_000_000
_LIST = 64
_MOST_TURNS = 100_000


class Speakers:
    """Names with a number each; 0 is nobody by name."""

    def __init__(self) -> None:
        self.names = [""]
        self._number: dict[str | None, int] = {None: 0}
        self._called: dict[str, list[int]] = {}

    def number(self, name: str | None) -> int:
        """The number of a name, which gets one if need be."""
        number = self._number.get(name)
        if number is None:
            number = self._number[name] = len(self.names)
            self.names.append(name or "")
            for word in self.names[number].split():
                self._called.setdefault(word, []).append(number)
        return number

    def called(self, words: Iterable[str]) -> list[int]:
        """Those in whose name any of the words is."""
        return [number for word in words for number in self._called.get(word, ())]


class Kept:
    """What a connection keeps.

    gathered   lists as they are packed, by engine and stem
    lists      lists with what was not gathered yet, by engine and word
    sessions   how many there are
    talks      {session: (turns, words)}
    turns      of whole sessions, stacked, by engine and session
    speakers   who speaks in them
    """

    def __init__(self, generation: str) -> None:
        self.generation = generation
        self.newest = -1
        self.sessions = 0
        self.gathered: dict[tuple[str, str], Postings] = {}
        self.lists: dict[tuple[str, str], Postings] = {}
        self.talks: dict[int, tuple[int, int]] = {}
        self.turns: dict[tuple[str, int], Any] = {}
        self.speakers = Speakers()
        self._gathered = self._listed = self._turns = 0

    def follow(self, newest: int, sessions: int) -> None:
        self.sessions = sessions
        if self.newest != newest:
            self.newest, self.lists, self.talks, self._listed = newest, {}, {}, 0

    def keep_gathered(self, engine: Engine, stem: str, postings: Postings) -> None:
        self._gathered += len(postings) + _LIST
        if self._gathered > _MOST_PLACES:
            self.gathered, self.lists, self._gathered, self._listed = {}, {}, len(postings) + _LIST, 0
        self.gathered[engine.name, stem] = postings

    def keep_list(self, engine: Engine, word: str, postings: Postings) -> None:
        self._listed += len(postings) + _LIST
        if self._listed > _MOST_PLACES:
            self.lists, self._listed = {}, len(postings) + _LIST
        self.lists[engine.name, word] = postings

    def keep_turns(self, engine: Engine, whole: Mapping[int, Any]) -> None:
        new = sum(len(turns[0]) for turns in whole.values())
        self._turns += new
        if self._turns > _MOST_TURNS:
            self.turns, self._turns = {}, new
        self.turns.update({(engine.name, session): turns for session, turns in whole.items()})


_of: WeakKeyDictionary[sqlite3.Connection, Kept] = WeakKeyDictionary()


def kept(db: sqlite3.Connection) -> Kept:
    """What was kept and holds in this snapshot. Raises sqlite3.DatabaseError where there is no index."""
    generation, newest, sessions = db.execute(
        "SELECT (SELECT generation FROM lists_state), (SELECT max(pk) FROM facts), (SELECT max(pk) FROM sessions)"
    ).fetchone()
    mine = _of.get(db)
    if getattr(db, "depth", 0):
        mine = Kept(generation)  # a write in progress, which may be undone
    elif mine is None or mine.generation != generation:
        mine = _of[db] = Kept(generation)
    mine.follow(newest or 0, sessions or 0)
    return mine
