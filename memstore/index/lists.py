"""Posting lists: for every word the places that hold it, packed into rows that can be read whole or in part.

The full-text table takes what is new; a question would have to step through it row by row, half a microsecond each.
So its entries are gathered, some thousand at a time (an import: some ten thousand) and in the transaction that adds
the last of them, into rows of up to a thousand places (eight bytes each, native order), which a reader takes up as
they are. A place is in one of
the two, never in both. Words are stemmed by the full-text table's own tokenizer, on both ways.

A row never ends inside a turn, so that turns can be counted by row; under the empty word stands every place that was
gathered. Like every index this is a cache: what it says is looked up in the ledger.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from struct import Struct

from memstore.index.places import STATEMENT_BITS, TURN_BITS
from memstore.ledger.connection import Transaction

SESSION_BITS = STATEMENT_BITS + TURN_BITS
CREATE = (
    "CREATE TABLE lists (word TEXT NOT NULL, first INTEGER NOT NULL, turns INTEGER NOT NULL,"
    " sessions INTEGER NOT NULL, places BLOB NOT NULL, PRIMARY KEY (word, first)) WITHOUT ROWID",
    # A view of the full-text table: a row for every word of every statement.
    "CREATE VIRTUAL TABLE words_said USING fts5vocab('words', 'instance')",
)
TABLES = ("lists", "words_said")
_ADD = "INSERT INTO lists (word, first, turns, sessions, places) VALUES (?, ?, ?, ?, ?)"
TOKENIZER = "porter unicode61 remove_diacritics 2"
# Statements that wait in the full-text table before they are gathered, and the share of the whole that may wait.
_WAITING = 4096
_WAITING_PER_LISTED = 1 / 32
# As many while more are known to follow: gathering rewrites the rows of every common word.
_WAITING_WHILE_MORE = 32_768
_WORDS_AT_ONCE = 500  # that are gathered
_ONE_PLACE = Struct("=q").pack
# Places in a row, after which it is split.
_ROW = 1000
_EVERY = ""
_LAST = (1 << STATEMENT_BITS) - 1  # of the statements of a turn
# Looking one turn up takes as long as reading so many places.
_ASK = 20


class Postings:
    """The places that hold a word, in order, with the number of turns and of sessions among them."""

    __slots__ = ("_firsts", "_rows", "_turns", "sessions", "turns")

    def __init__(self, rows: Sequence[tuple[Sequence[int], int, int]]) -> None:
        """`rows`: (places, turns, sessions), in order; a session may go on from one row to the next."""
        self._rows = [places for places, _, _ in rows]
        self._firsts = [places[0] for places in self._rows]
        self._turns = [turns for _, turns, _ in rows]
        self.turns = sum(self._turns)
        self.sessions = sum([sessions for _, _, sessions in rows])
        for before, after in zip(self._rows, self._rows[1:], strict=False):
            self.sessions -= before[-1] >> SESSION_BITS == after[0] >> SESSION_BITS

    def __len__(self) -> int:
        return sum(map(len, self._rows))

    def __iter__(self) -> Iterator[int]:
        for places in self._rows:
            yield from places

    def each_turn(self) -> Iterator[set[int]]:
        """The turns that hold the word, a row's at a time."""
        for places in self._rows:
            yield {place >> STATEMENT_BITS for place in places}

    def within(self, low: int, high: int) -> list[int]:
        """The places from `low` to before `high`."""
        firsts, rows = self._firsts, self._rows
        found: list[int] = []
        for index in range(bisect_right(firsts, low, 1) - 1 if firsts else 0, len(rows)):
            if firsts[index] >= high:
                break
            places = rows[index]
            begin = bisect_left(places, low)
            if begin < len(places) and places[begin] < high:
                found += places[begin : bisect_left(places, high, begin)]
        return found

    def among(self, turns: Collection[int]) -> list[int]:
        """Those of the turns that hold the word."""
        if len(self) < _ASK * len(turns):
            return [turn for part in self.each_turn() for turn in part.intersection(turns)]
        return [turn for turn in turns if self.within(turn << STATEMENT_BITS, turn + 1 << STATEMENT_BITS)]

    def turns_within(self, low: int, high: int) -> int:
        """How many turns from `low` to before `high` hold the word; both must be the first place of a turn."""
        found = 0
        for index in range(max(0, bisect_right(self._firsts, low) - 1), len(self._rows)):
            places = self._rows[index]
            if self._firsts[index] >= high:
                break
            if self._firsts[index] >= low and places[-1] < high:
                found += self._turns[index]
            else:
                part = places[bisect_left(places, low) : bisect_left(places, high)]
                found += len({place >> STATEMENT_BITS for place in part})
        return found


EMPTY = Postings(())


def waiting(db: sqlite3.Connection, more: bool) -> bool:
    """Whether enough has come together in the full-text table to be gathered; `more`: others follow soon."""
    enough = _WAITING_WHILE_MORE if more else _WAITING
    new = db.execute("SELECT count(*) FROM (SELECT 1 FROM words_docsize LIMIT ?)", (enough,)).fetchone()[0]
    if new < enough:
        return False
    listed = db.execute("SELECT sum(length(places)) FROM lists WHERE word = ?", (_EVERY,)).fetchone()[0] or 0
    if listed * _WAITING_PER_LISTED / 8 <= _WAITING:
        return True
    return bool(db.execute("SELECT count(*) FROM words_docsize").fetchone()[0] >= listed * _WAITING_PER_LISTED / 8)


def gather(tx: Transaction) -> None:
    """Move every entry of the full-text table into the lists."""
    said = tx.db.cursor().execute("SELECT term, group_concat(doc) FROM words_said GROUP BY term")
    while part := said.fetchmany(_WORDS_AT_ONCE):
        _add(tx, part)
    _add(tx, [(_EVERY, tx.execute("SELECT group_concat(id) FROM words_docsize").fetchone()[0])])
    tx.execute("INSERT INTO words (words) VALUES ('delete-all')")


def _add(tx: Transaction, said: Iterable[tuple[str, str | None]]) -> None:
    """Put words, each with its places as text, into the lists."""
    gathered = {word: _listed(places) for word, places in said if places}
    known = _known(tx, list(gathered))
    for word in known:
        _insert(tx, word, gathered[word])
    # Most words are new: names, numbers. They need no looking for a row that they may join.
    tx.db.executemany(
        _ADD, (row for word, places in gathered.items() if word not in known for row in _rows(word, places))
    )


def _listed(places: str) -> list[int]:
    return sorted(map(int, places.split(","))) if "," in places else [int(places)]


def _known(tx: Transaction, words: Sequence[str]) -> set[str]:
    """Those of the words that have a row."""
    marks = ",".join("?" * len(words))
    return {row[0] for row in tx.execute(f"SELECT DISTINCT word FROM lists WHERE word IN ({marks})", words)}


def _insert(tx: Transaction, word: str, places: Sequence[int]) -> None:
    held = tx.execute(
        "SELECT first, places FROM lists WHERE word = ?1 AND first >= coalesce((SELECT max(first) FROM lists"
        " WHERE word = ?1 AND first <= ?2), 0) AND first <= ?3 ORDER BY first",
        (word, places[0] | _LAST, places[-1] | _LAST),
    ).fetchall()
    firsts = [first for first, _ in held]
    # What is said last mostly has its place after all others: then there is one row to go on with.
    parts: Iterable[tuple[int, Iterable[int]]] = [(0, places)]
    if len(held) > 1:
        parts = groupby(places, key=partial(_row_of, firsts))
    for index, new in parts:
        old = _places(held[index][1]) if held else ()
        if held:
            tx.execute("DELETE FROM lists WHERE word = ? AND first = ?", (word, firsts[index]))
        _write(tx, word, sorted({*old, *new}))


def _row_of(firsts: Sequence[int], place: int) -> int:
    """The row for a place: the one that has others of its turn, if any does."""
    return max(0, bisect_right(firsts, place | _LAST) - 1)


def _write(tx: Transaction, word: str, places: Sequence[int]) -> None:
    tx.db.executemany(_ADD, _rows(word, places))


def _rows(word: str, places: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Rows of about the same length, none of which ends inside a turn."""
    if len(places) == 1:
        yield word, places[0], 1, 1, _ONE_PLACE(places[0])
        return
    begin = 0
    for row in range(pieces := -(-len(places) // _ROW)):
        end = len(places) * (row + 1) // pieces
        while end < len(places) and places[end] >> STATEMENT_BITS == places[end - 1] >> STATEMENT_BITS:
            end += 1
        if end > begin:
            part = places[begin:end]
            yield word, part[0], *_counts(part), array("q", part).tobytes()
        begin = max(begin, end)


def remove(tx: Transaction, entries: Sequence[tuple[int, str]]) -> None:
    """Take statements (place, text) out of the lists of their words."""
    gone: dict[str, list[int]] = {}
    for (place, _), words in zip(entries, stems(tx.db, [text for _, text in entries]), strict=True):
        for word in {_EVERY, *words}:
            gone.setdefault(word, []).append(place)
    for word, places in gone.items():
        for place in places:
            row = tx.execute(
                "SELECT first, places FROM lists WHERE word = ? AND first <= ? ORDER BY first DESC LIMIT 1",
                (word, place),
            ).fetchone()
            if row is None:
                continue
            left = [other for other in _places(row[1]) if other != place]
            tx.execute("DELETE FROM lists WHERE word = ? AND first = ?", (word, row[0]))
            _write(tx, word, left)


def every(db: sqlite3.Connection) -> set[int]:
    """Every place that was gathered."""
    return set(read(db, _EVERY, ()))


def said(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """(word, place) of everything that was gathered, in the order of the full-text table."""
    rows = db.cursor().execute("SELECT word, places FROM lists WHERE word <> ? ORDER BY word, first", (_EVERY,))
    return ((word, place) for word, places in rows for place in _places(places))


def listed(db: sqlite3.Connection, places: Iterable[int]) -> set[int]:
    """Those of the places that were gathered."""
    all_ = read(db, _EVERY, ())
    return {place for place in places if all_.within(place, place + 1)}


def stems(db: sqlite3.Connection, texts: Sequence[str]) -> list[list[str]]:
    """The words of each text as the full-text table's tokenizer gives them, in order."""
    db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.scratch USING fts5(text, content='', tokenize='{TOKENIZER}')")
    db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.scratch_said USING fts5vocab('temp', 'scratch', 'instance')")
    db.executemany("INSERT INTO temp.scratch (rowid, text) VALUES (?, ?)", enumerate(texts))
    found: list[list[str]] = [[] for _ in texts]
    for number, stem in db.execute("SELECT doc, term FROM temp.scratch_said ORDER BY doc, offset"):
        found[number].append(stem)
    db.execute("INSERT INTO temp.scratch (scratch) VALUES ('delete-all')")
    return found


def read(db: sqlite3.Connection, stem: str, new: Sequence[int]) -> Postings:
    """The places that hold a word: those gathered, and those that still wait in the full-text table."""
    rows = [
        (_places(places), turns, sessions)
        for turns, sessions, places in db.execute(
            "SELECT turns, sessions, places FROM lists WHERE word = ? ORDER BY first", (stem,)
        )
    ]
    if new:
        firsts = [places[0] for places, _, _ in rows]
        for index, some in groupby(new, key=partial(_row_of, firsts)):
            whole = sorted({*(rows[index][0] if firsts else ()), *some})
            rows[index : index + bool(firsts)] = [(whole, *_counts(whole))]
    return Postings(rows)


def of_places(places: Sequence[int]) -> Postings:
    return Postings([(places, *_counts(places))]) if places else EMPTY


def _counts(places: Iterable[int]) -> tuple[int, int]:
    turns = {place >> STATEMENT_BITS for place in places}
    return len(turns), len({turn >> TURN_BITS for turn in turns})


def _places(blob: bytes) -> Sequence[int]:
    if not blob or len(blob) % 8:
        raise sqlite3.DatabaseError("a posting list is damaged")
    return array("q", blob)
