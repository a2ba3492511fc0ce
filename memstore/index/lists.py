"""Posting lists: for every word the places that hold it, packed into rows that can be read whole or in part.

The full-text table takes what is new; a question would have to step through it row by row, half a microsecond each.
So its entries are gathered, some thousand at a time (an import: some ten thousand) and in the transaction that adds
the last of them, into rows of up to a thousand places (eight bytes each, native order), which a reader takes up as
they are. A place is in one of the two, never in both. Words are stemmed by the full-text table's own tokenizer, on
both ways.

A row never ends inside a turn, so that turns can be counted by row; under the empty word stands every place that was
gathered. Like every index this is a cache: what it says is looked up in the ledger.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from memstore.index.columns import LISTS, Engine, begins_with
from memstore.index.places import STATEMENT_BITS, TURN_BITS
from memstore.ledger.connection import Transaction

SESSION_BITS = STATEMENT_BITS + TURN_BITS
CREATE = (
    "CREATE TABLE lists (word TEXT NOT NULL, first INTEGER NOT NULL, turns INTEGER NOT NULL,"
    " sessions INTEGER NOT NULL, places BLOB NOT NULL, PRIMARY KEY (word, first)) WITHOUT ROWID",
    # New whenever the lists are not what they were.
    "CREATE TABLE lists_state (generation TEXT NOT NULL)",
    # A view of the full-text table: a row for every word of every statement.
    "CREATE VIRTUAL TABLE words_said USING fts5vocab('words', 'instance')",
)
TABLES = ("lists", "lists_state", "words_said")
_PLACES = "first, places"  # of a row; those of one with a single place are left out
_ADD = "INSERT INTO lists (word, first, turns, sessions, places) VALUES (?, ?, ?, ?, ?)"
TOKENIZER = "porter unicode61 remove_diacritics 2"
_SCRATCH = f"fts5(text, content='', columnsize=0, tokenize='{TOKENIZER}')"
# Statements that wait in the full-text table before they are gathered, and the share of the whole that may wait.
_WAITING = 4096
_WAITING_PER_LISTED = 1 / 32
# As many while more are known to follow: gathering rewrites the rows of every common word.
_WAITING_WHILE_MORE = 32_768
_WORDS_AT_ONCE = 500  # that are gathered
# Places in a row, after which it is split.
_ROW = 1000
_EVERY = ""
_LAST = (1 << STATEMENT_BITS) - 1  # of the statements of a turn


class Postings:
    """The places that hold a word, in order, with the number of turns and of sessions among them."""

    __slots__ = ("_engine", "places", "sessions", "turns")

    def __init__(self, engine: Engine, places: Sequence[int], turns: int, sessions: int) -> None:
        self._engine, self.places, self.turns, self.sessions = engine, places, turns, sessions

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)

    def each_turn(self) -> Sequence[int]:
        """The turns that hold the word."""
        found: Sequence[int] = self._engine.begins(self.places, STATEMENT_BITS)
        return found

    def with_new(self, new: Sequence[int]) -> Postings:
        """The same with some more places, which are in order."""
        return Postings(
            self._engine,
            self._engine.insert(self.places, new),
            self.turns + self._unknown(new, STATEMENT_BITS),
            self.sessions + self._unknown(new, SESSION_BITS),
        )

    def _unknown(self, new: Sequence[int], bits: int) -> int:
        return sum(not begins_with(self.places, begin, bits) for begin in {place >> bits for place in new})


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
    renew(tx)


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


def renew(tx: Transaction) -> None:
    """Say that the lists are not what they were."""
    tx.execute("DELETE FROM lists_state")
    tx.execute("INSERT INTO lists_state VALUES (?)", (tx.new_id("l"),))


def _known(tx: Transaction, words: Sequence[str]) -> set[str]:
    """Those of the words that have a row."""
    marks = ",".join("?" * len(words))
    return {row[0] for row in tx.execute(f"SELECT DISTINCT word FROM lists WHERE word IN ({marks})", words)}


def _insert(tx: Transaction, word: str, places: Sequence[int]) -> None:
    held = tx.execute(
        f"SELECT {_PLACES} FROM lists WHERE word = ?1 AND first >= coalesce((SELECT max(first) FROM lists"
        " WHERE word = ?1 AND first <= ?2), 0) AND first <= ?3 ORDER BY first",
        (word, places[0] | _LAST, places[-1] | _LAST),
    ).fetchall()
    firsts = [row[0] for row in held]
    # What is said last mostly has its place after all others: then there is one row to go on with.
    parts: Iterable[tuple[int, Iterable[int]]] = [(0, places)]
    if len(held) > 1:
        parts = groupby(places, key=partial(_row_of, firsts))
    for index, new in parts:
        old = _places(*held[index]) if held else ()
        if held:
            tx.execute("DELETE FROM lists WHERE word = ? AND first = ?", (word, firsts[index]))
        both = [*old, *new]
        if old and both[len(old)] <= both[len(old) - 1]:  # mostly they come after all that are there
            both = sorted(set(both))
        _write(tx, word, both)


def _row_of(firsts: Sequence[int], place: int) -> int:
    """The row for a place: the one that has others of its turn, if any does."""
    return max(0, bisect_right(firsts, place | _LAST) - 1)


def _write(tx: Transaction, word: str, places: Sequence[int]) -> None:
    tx.db.executemany(_ADD, _rows(word, places))


def _rows(word: str, places: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Rows of about the same length, none of which ends inside a turn."""
    if len(places) == 1:
        yield word, places[0], 1, 1, b""  # many words are said once: `first` says where
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
                f"SELECT {_PLACES} FROM lists WHERE word = ? AND first <= ? ORDER BY first DESC LIMIT 1",
                (word, place),
            ).fetchone()
            if row is None:
                continue
            left = [other for other in _places(*row) if other != place]
            tx.execute("DELETE FROM lists WHERE word = ? AND first = ?", (word, row[0]))
            _write(tx, word, left)
    renew(tx)


def every(db: sqlite3.Connection) -> set[int]:
    """Every place that was gathered."""
    return set(read(db, _EVERY))


def said(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """(word, place) of everything that was gathered, in the order of the full-text table."""
    rows = db.cursor().execute(f"SELECT word, {_PLACES} FROM lists WHERE word <> ? ORDER BY word, first", (_EVERY,))
    return ((word, place) for word, *row in rows for place in _places(*row))


def listed(db: sqlite3.Connection, places: Iterable[int]) -> set[int]:
    """Those of the places that were gathered."""
    gathered = read(db, _EVERY).places
    return {place for place in places if begins_with(gathered, place, 0)}


def stems(db: sqlite3.Connection, texts: Sequence[str]) -> list[list[str]]:
    """The words of each text as the full-text table's tokenizer gives them, in order."""
    db.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.scratch USING {_SCRATCH}")
    db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.scratch_said USING fts5vocab('temp', 'scratch', 'instance')")
    db.executemany("INSERT INTO temp.scratch (rowid, text) VALUES (?, ?)", enumerate(texts))
    found: list[list[str]] = [[] for _ in texts]
    for number, _, stem in sorted(db.execute("SELECT doc, offset, term FROM temp.scratch_said")):
        found[number].append(stem)
    db.execute("INSERT INTO temp.scratch (scratch) VALUES ('delete-all')")
    return found


def read(db: sqlite3.Connection, stem: str, engine: Engine = LISTS) -> Postings:
    """The places that hold a word, as far as they were gathered."""
    return read_each(db, [stem], engine)[stem]


def read_each(db: sqlite3.Connection, stems: Sequence[str], engine: Engine = LISTS) -> dict[str, Postings]:
    """For each word the places that hold it, as far as they were gathered."""
    rows: dict[str, list[list[Any]]] = {stem: [] for stem in stems}
    for word, *row in db.execute(
        f"SELECT word, {_PLACES}, turns, sessions FROM json_each(?) given CROSS JOIN lists ON word = given.value",
        (json.dumps(list(rows)),),  # each once: two words of a question may have one stem
    ):
        rows[word].append(row)
    return {stem: _postings(engine, sorted(of)) for stem, of in rows.items()}


def _postings(engine: Engine, rows: Sequence[list[Any]]) -> Postings:
    """The rows of one word, as read, in order."""
    packed = [_packed(first, places) for first, places, _, _ in rows]
    places = engine.unpack(b"".join(packed))
    turns, sessions = sum([row[2] for row in rows]), sum([row[3] for row in rows])
    end = 0
    for part in packed[:-1]:  # a session may go on in the next row
        end += len(part) // 8
        sessions -= int(places[end - 1]) >> SESSION_BITS == int(places[end]) >> SESSION_BITS
    return Postings(engine, places, turns, sessions)


def few(db: sqlite3.Connection, stem: str, most: int) -> list[int]:
    """The places that hold a word, as far as they were gathered; of more than `most` only some."""
    found: list[int] = []
    for row in db.execute(f"SELECT {_PLACES} FROM lists WHERE word = ? ORDER BY first", (stem,)):
        found += _places(*row)
        if len(found) > most:
            break
    return found


def of_places(engine: Engine, places: Sequence[int]) -> Postings:
    return Postings(engine, engine.unpack(b""), 0, 0).with_new(places)


def _counts(places: Iterable[int]) -> tuple[int, int]:
    turns = {place >> STATEMENT_BITS for place in places}
    return len(turns), len({turn >> TURN_BITS for turn in turns})


def _packed(first: int, places: bytes) -> bytes:
    if len(places) % 8:
        raise sqlite3.DatabaseError("a posting list is damaged")
    return places or array("q", (first,)).tobytes()


def _places(first: int, places: bytes) -> Sequence[int]:
    return array("q", _packed(first, places))
