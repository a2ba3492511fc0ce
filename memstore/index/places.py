"""Where a statement stands in the conversation, packed into one integer, so that context is arithmetic.

    place = session · turn within the session · statement within the turn        (23 + 22 + 18 bits)

A turn's neighbours are the numbers beside its own, a conversation is a range, and the entries of an index that are
keyed by place come out grouped by turn. `turns` holds, beside each turn, the little that ranking wants to know about
it without reading its words; `statements` says which fact stands at a place. Both are caches, made again by
`rebuild`. What is remembered by hand, outside any conversation, has neighbours only by accident: it is marked ALONE.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from enum import IntFlag
from typing import NamedTuple

from memstore.errors import UsageError
from memstore.ledger.connection import Transaction
from memstore.ledger.events import BY_HAND_SESSION
from memstore.model import Origin
from memstore.policy import BINDING_AUTHORITY, authority

STATEMENT_BITS = 18
TURN_BITS = 22
_LAST_STATEMENT = (1 << STATEMENT_BITS) - 1
_LAST_TURN = (1 << TURN_BITS) - 1

CREATE = (
    "CREATE TABLE turns (turn INTEGER PRIMARY KEY, event INTEGER NOT NULL UNIQUE, words INTEGER NOT NULL,"
    " marks INTEGER NOT NULL, speaker TEXT, at INTEGER NOT NULL)",
    "CREATE TABLE statements (place INTEGER PRIMARY KEY, fact INTEGER NOT NULL)",
    "CREATE INDEX statements_by_fact ON statements (fact)",
    # Running totals of each session, and under 0 of all, so that lengths can be put in proportion.
    "CREATE TABLE talks (session INTEGER PRIMARY KEY, turns INTEGER NOT NULL, words INTEGER NOT NULL)",
)
TABLES = ("turns", "statements", "talks")

# "Ann: we ship on Friday" names who speaks; so does a role that is not one of the usual ones.
_SPEAKER = re.compile(r"\s*([^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){0,3}):\s")
_RULE = re.compile(
    r"(?:^|[.!?,;]\s+|\b(?:and|so|but|also|please)\s+)(?:always|never|from now on|going forward)\b"
    r"|\bi(?:'d|’d| would)? (?:always )?(?:prefer|rather)\b",
    re.IGNORECASE,
)
_NEVER = re.compile(r"\b(?:i|we)(?:['’]ve| have)? (?:actually )?never\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d")


class Mark(IntFlag):
    """What ranking knows of a turn without its words."""

    ASKS = 1  # it holds a question
    OWN = 2  # the words of a user or the system, whose authority binds
    RULE = 4  # own words that state a standing instruction or preference
    NUMBER = 8  # own words with a figure in them
    NEVER = 16  # own words that deny something ever happened
    ALONE = 32  # outside any conversation: no neighbours


class Turn(NamedTuple):
    """A row of `turns`: `marks` of `Mark`, `speaker` in lower case if one is named, `at` in microseconds."""

    turn: int
    event: int
    words: int
    marks: int
    speaker: str | None
    at: int


def settle(tx: Transaction, event: int) -> int:
    """The turn of an event, given a number if it has none: its rank among the events of its session."""
    row = tx.execute("SELECT turn FROM turns WHERE event = ?", (event,)).fetchone()
    if row:
        return int(row[0])
    session, name, origin, at, text = tx.execute(
        "SELECT e.session, s.name, e.origin, e.at, e.text FROM events e JOIN sessions s ON s.pk = e.session"
        " WHERE e.pk = ?",
        (event,),
    ).fetchone()
    turn = session << TURN_BITS | _rank(tx, session, event)
    words = text.count(" ") + 1
    tx.execute(
        "INSERT INTO turns (turn, event, words, marks, speaker, at) VALUES (?, ?, ?, ?, ?, ?)",
        (turn, event, words, marks(text, Origin(origin), alone=name == BY_HAND_SESSION), speaker(text), at),
    )
    tx.db.executemany(
        "INSERT INTO talks (session, turns, words) VALUES (?, 1, ?)"
        " ON CONFLICT (session) DO UPDATE SET turns = turns + 1, words = words + excluded.words",
        [(session, words), (0, words)],
    )
    return turn


def _rank(tx: Transaction, session: int, event: int) -> int:
    # Counting from the last turn before it keeps a long session cheap; the number is the same either way.
    first = session << TURN_BITS
    row = tx.execute(
        "SELECT turn, event FROM turns WHERE turn BETWEEN ? AND ? AND event < ? ORDER BY turn DESC LIMIT 1",
        (first, first | _LAST_TURN, event),
    ).fetchone()
    known, since = (row[0] - first, row[1]) if row else (0, 0)
    (between,) = tx.execute(
        "SELECT count(*) FROM events WHERE session = ? AND pk > ? AND pk <= ?", (session, since, event)
    ).fetchone()
    if known + between > _LAST_TURN:
        raise UsageError(f"one session holds at most {_LAST_TURN:,} turns: begin another")
    return int(known + between)


def take(tx: Transaction, event: int, fact: int) -> int:
    """The next free place in an event's turn, now the fact's."""
    first = settle(tx, event) << STATEMENT_BITS
    (last,) = tx.execute(
        "SELECT max(place) FROM statements WHERE place BETWEEN ? AND ?", (first, first | _LAST_STATEMENT)
    ).fetchone()
    place = first + 1 if last is None else last + 1
    if place > first | _LAST_STATEMENT:
        raise UsageError(f"one turn holds at most {_LAST_STATEMENT:,} facts: record the text in parts")
    tx.execute("INSERT INTO statements (place, fact) VALUES (?, ?)", (place, fact))
    return place


def of_facts(db: sqlite3.Connection, facts: Sequence[int]) -> dict[int, int]:
    """{place: fact} of the facts that are indexed."""
    result = {}
    for begin in range(0, len(facts), 500):
        part = facts[begin : begin + 500]
        marks_ = ",".join("?" * len(part))
        result.update(db.execute(f"SELECT place, fact FROM statements WHERE fact IN ({marks_})", part))
    return result


def around(db: sqlite3.Connection, turns: Iterable[int], reach: int) -> dict[int, Turn]:
    """The turns named and those up to `reach` beside them in the same session, as far as they exist."""
    found: dict[int, Turn] = {}
    for low, high in _ranges(sorted(turns), reach):
        for row in db.execute(
            "SELECT turn, event, words, marks, speaker, at FROM turns WHERE turn BETWEEN ? AND ?", (low, high)
        ):
            found[row[0]] = Turn(*row)
    return found


def _ranges(turns: Sequence[int], reach: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover every turn with its neighbourhood, joined where they touch."""
    low = high = None
    for turn in turns:
        first = turn >> TURN_BITS << TURN_BITS
        begin, end = max(first, turn - reach), turn + reach
        if high is not None and low is not None and begin <= high + 1:
            high = max(high, end)
            continue
        if high is not None and low is not None:
            yield low, high
        low, high = begin, end
    if high is not None and low is not None:
        yield low, high


def marks(text: str, origin: Origin, *, alone: bool) -> int:
    """What a turn's words show at a glance."""
    own = authority(origin) >= BINDING_AUTHORITY
    found = Mark(0)
    for mark, holds in (
        (Mark.ASKS, "?" in text),
        (Mark.OWN, own),
        (Mark.RULE, own and _RULE.search(text)),
        (Mark.NUMBER, own and _NUMBER.search(text)),
        (Mark.NEVER, own and _NEVER.search(text)),
        (Mark.ALONE, alone),
    ):
        if holds:
            found |= mark
    return int(found)


def speaker(text: str) -> str | None:
    """Who speaks, by name: from a "Name:" at the start of the words."""
    named = _SPEAKER.match(text)
    return named[1].casefold() if named else None
