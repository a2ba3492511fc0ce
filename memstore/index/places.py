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
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import IntFlag
from typing import Any, NamedTuple

from memstore.errors import UsageError
from memstore.index.columns import Engine
from memstore.index.kept import Kept
from memstore.ledger.connection import Transaction
from memstore.ledger.events import BY_HAND_SESSION
from memstore.model import Origin
from memstore.policy import BINDING_AUTHORITY, authority

STATEMENT_BITS = 18
TURN_BITS = 22
_LAST_STATEMENT = (1 << STATEMENT_BITS) - 1
_LAST_TURN = (1 << TURN_BITS) - 1
# Turns in a session that is read whole where others will be asked for. Of a longer one those asked for now are.
_SHORT = 300

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
# Compiled with the first turn that is written; who only asks does not wait for it.
_SPEAKER = r"\s*([^\W\d_][\w.'’-]*(?: [^\W\d_][\w.'’-]*){0,3}):\s"
_RULE = (
    r"(?:^|[.!?,;]\s+|\b(?:and|so|but|also|please)\s+)(?:always|never|from now on|going forward)\b"
    r"|\bi(?:'d|’d| would)? (?:always )?(?:prefer|rather)\b"
)
# One of these is in every text that the pattern fits; looking for them first is ten times faster.
_RULE_HINTS = ("always", "never", "from now on", "going forward", "prefer", "rather")
_NEVER = r"\b(?:i|we)(?:['’]ve| have)? (?:actually )?never\b"
_NUMBER = re.compile(r"\d")
_BINDING = frozenset(origin.value for origin in Origin if authority(origin) >= BINDING_AUTHORITY)


class Mark(IntFlag):
    """What ranking knows of a turn without its words."""

    ASKS = 1  # it holds a question
    OWN = 2  # the words of a user or the system, whose authority binds
    RULE = 4  # own words that state a standing instruction or preference
    NUMBER = 8  # own words with a figure in them
    NEVER = 16  # own words that deny something ever happened
    ALONE = 32  # outside any conversation: no neighbours


_ASKS, _OWN, _RULES, _FIGURE, _DENIES, _ALONE = map(int, Mark)  # plain numbers: one is made for every event


class Turn(NamedTuple):
    """What ranking reads of a row of `turns`.

    `marks` are those of `Mark`, `speaker` is in lower case if one is named, `at` is in microseconds.
    """

    turn: int
    words: int
    marks: int
    speaker: str | None
    at: int


class Turns(NamedTuple):
    """Many a `Turn`, in order, as columns; `speakers` are numbers of names."""

    numbers: Any
    words: Any
    marks: Any
    speakers: Any
    at: Any


def take(tx: Transaction, events: Sequence[int]) -> list[int]:
    """The next free place in the turn of each event, in the order given; an event named twice gives two places.

    A turn that has no number yet is settled. Who takes a place must put a statement there (`fill`).
    """
    turn_of, fresh = _settle(tx, sorted(set(events)))
    free: dict[int, int] = {}
    places = []
    for event in events:
        first = turn_of[event] << STATEMENT_BITS
        if event not in free:
            free[event] = first + 1 if event in fresh else _after_last(tx, first)
        if free[event] > first | _LAST_STATEMENT:
            raise UsageError(f"one turn holds at most {_LAST_STATEMENT:,} facts: record the text in parts")
        places.append(free[event])
        free[event] += 1
    return places


def fill(tx: Transaction, statements: Iterable[tuple[int, int]]) -> None:
    """Put facts (place, fact) at the places that were taken for them."""
    tx.db.executemany("INSERT INTO statements (place, fact) VALUES (?, ?)", statements)


def _after_last(tx: Transaction, first: int) -> int:
    (last,) = tx.execute(
        "SELECT max(place) FROM statements WHERE place BETWEEN ? AND ?", (first, first | _LAST_STATEMENT)
    ).fetchone()
    return int(last or first) + 1


def _settle(tx: Transaction, events: Sequence[int]) -> tuple[dict[int, int], set[int]]:
    """The turns of events, given numbers where they have none, and which those are: sorted events, each once."""
    turn_of: dict[int, int] = {}
    fresh: list[tuple[Any, ...]] = []
    by_session: dict[int, list[int]] = {}
    for row in _said(tx, events):
        event, turn, session, *_ = row
        if turn is not None:
            turn_of[event] = turn
        else:
            fresh.append(row)
            by_session.setdefault(session, []).append(event)
    for session, members in by_session.items():
        turn_of |= {event: session << TURN_BITS | rank for event, rank in _ranks(tx, session, sorted(members))}
    rows = []
    talks: dict[int, list[int]] = {}
    for event, _, session, name, origin, at, text in fresh:
        words = text.count(" ") + 1
        seen = marks(text, origin, alone=name == BY_HAND_SESSION)
        rows.append((turn_of[event], event, words, seen, speaker(text), at))
        talks.setdefault(session, []).append(words)
    if rows:
        rows.sort()
        totals = [(session, len(words), sum(words)) for session, words in talks.items()]
        everywhere = 0, len(rows), sum([row[2] for row in rows])
        tx.db.executemany("INSERT INTO turns (turn, event, words, marks, speaker, at) VALUES (?, ?, ?, ?, ?, ?)", rows)
        tx.db.executemany(
            "INSERT INTO talks (session, turns, words) VALUES (?, ?, ?) ON CONFLICT (session)"
            " DO UPDATE SET turns = turns + excluded.turns, words = words + excluded.words",
            [everywhere, *totals],
        )
    return turn_of, {row[0] for row in fresh}


def settle_again(tx: Transaction, facts: Sequence[int]) -> None:
    """Count the turns of facts that were taken out as `_settle` would count them now, so that `rebuild` agrees."""
    spans = f"t.turn << {STATEMENT_BITS} AND (t.turn << {STATEMENT_BITS}) + {_LAST_STATEMENT}"
    events = {row[0] for fact in facts for row in tx.execute("SELECT event FROM provenance WHERE fact = ?", (fact,))}
    for event in sorted(events):
        found = tx.execute(
            f"SELECT t.turn, t.marks & {_ALONE}, e.session, e.origin, e.text,"
            f" EXISTS (SELECT 1 FROM statements WHERE place BETWEEN {spans})"
            " FROM turns t JOIN events e ON e.pk = t.event WHERE t.event = ?",
            (event,),
        ).fetchone()
        if found is None:
            continue
        turn, alone, session, origin, text, held = found
        words = text.count(" ") + 1 if held else 0
        tx.execute(
            "UPDATE talks SET turns = turns - ?, words = words + ? - (SELECT words FROM turns WHERE turn = ?)"
            " WHERE session IN (0, ?)",
            (not held, words, turn, session),
        )
        if held:
            row = words, marks(text, origin, alone=alone), speaker(text), turn
            tx.execute("UPDATE turns SET words = ?, marks = ?, speaker = ? WHERE turn = ?", row)
        else:
            tx.execute("DELETE FROM turns WHERE turn = ?", (turn,))
    tx.execute("DELETE FROM talks WHERE turns <= 0")


def _said(tx: Transaction, events: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """(event, turn, session, its name, origin, time, text) of events; those with a turn come without their text."""
    for begin in range(0, len(events), 500):
        part = events[begin : begin + 500]
        yield from tx.execute(
            "SELECT e.pk, t.turn, e.session, s.name, e.origin, e.at, CASE WHEN t.turn IS NULL THEN e.text END"
            " FROM events e JOIN sessions s ON s.pk = e.session LEFT JOIN turns t ON t.event = e.pk"
            f" WHERE e.pk IN ({','.join('?' * len(part))})",
            part,
        )


def _ranks(tx: Transaction, session: int, events: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(event, its rank among the events of its session) of some of them, in order."""
    # Counting from the last turn before them keeps a long session cheap; the number is the same either way.
    first = session << TURN_BITS
    row = tx.execute(
        "SELECT turn, event FROM turns WHERE turn BETWEEN ? AND ? AND event < ? ORDER BY turn DESC LIMIT 1",
        (first, first | _LAST_TURN, events[0]),
    ).fetchone()
    rank, since = (row[0] - first, row[1]) if row else (0, 0)
    wanted = set(events)
    for (event,) in tx.execute(
        "SELECT pk FROM events WHERE session = ? AND pk > ? AND pk <= ? ORDER BY pk", (session, since, events[-1])
    ):
        rank += 1
        if event in wanted:
            if rank > _LAST_TURN:
                raise UsageError(f"one session holds at most {_LAST_TURN:,} turns: begin another")
            yield event, rank


def of_facts(db: sqlite3.Connection, facts: Sequence[int]) -> dict[int, int]:
    """{place: fact} of the facts that are indexed."""
    result: dict[int, int] = {}
    for begin in range(0, len(facts), 500):
        part = facts[begin : begin + 500]
        marks_ = ",".join("?" * len(part))
        result.update(db.execute(f"SELECT place, fact FROM statements WHERE fact IN ({marks_})", part))
    return result


def talks(db: sqlite3.Connection, known: Kept, sessions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """{session: (turns, words in them)} of those named at least; under 0 of all sessions."""
    if named := [session for session in sessions if session not in known.talks]:
        found = db.execute(
            "SELECT t.session, t.turns, t.words FROM json_each(?) given CROSS JOIN talks t ON t.session = given.value",
            (str(named),),
        )
        known.talks.update((session, (turns, words)) for session, turns, words in found)
    return known.talks


def spoken(db: sqlite3.Connection, facts: Sequence[int]) -> tuple[dict[int, int], dict[int, Turn]]:
    """{fact: place} of those that are indexed, and their turns with the one before and the one after, by number."""
    found = db.execute(
        "SELECT s.fact, s.place, t.turn, t.words, t.marks, t.speaker, t.at FROM json_each(?) given"
        " CROSS JOIN statements s ON s.fact = given.value CROSS JOIN turns t"
        f" ON t.turn BETWEEN (s.place >> {STATEMENT_BITS}) - 1 AND (s.place >> {STATEMENT_BITS}) + 1",
        (str(list(facts)),),
    ).fetchall()
    return {row[0]: row[1] for row in found}, {row[2]: Turn._make(row[2:]) for row in found}


def around(db: sqlite3.Connection, known: Kept, turns: Collection[int], reach: int, engine: Engine) -> Turns:
    """The turns named and those up to `reach` beside them in the same session, as far as they exist, in order.

    Short sessions are read, and kept, whole if more questions are to come: of these all turns come back.
    """
    sessions = sorted({turn >> TURN_BITS for turn in turns})
    of = talks(db, known, sessions)
    held: dict[int, Any] = {}
    fresh, in_part = [], set()
    for session in sessions:
        count, kept_ = of.get(session, (0, 0))[0], known.turns.get((engine.name, session))
        if count > _SHORT or not engine.lasting:
            in_part.add(session)
        elif kept_ is not None and len(kept_[0]) == count:
            held[session] = kept_
        else:
            fresh.append(session)
    if fresh:
        whole = _turns(db, f"BETWEEN given.value AND given.value + {_LAST_TURN}", str([s << TURN_BITS for s in fresh]))
        read = _by_session(whole, known, engine)
        known.keep_turns(engine, read)
        held |= read
    if in_part:
        beside = {near for turn in turns for near in range(turn - reach, turn + reach + 1)}
        near = [one for one in sorted(beside) if one >> TURN_BITS in in_part]
        held |= _by_session(_turns(db, "= given.value", str(near)), known, engine)
    parts = [held[session] for session in sessions if session in held]
    return Turns._make(engine.unstacked(parts, len(Turns._fields)))


def _turns(db: sqlite3.Connection, which: str, given: str) -> Iterable[tuple[Any, ...]]:
    """The columns of `Turn`, of the turns that are wanted, in order."""
    return db.execute(
        "SELECT t.turn, t.words, t.marks, t.speaker, t.at FROM json_each(?) given CROSS JOIN turns t"
        f" ON t.turn {which}",
        (given,),
    )


def _by_session(turns: Iterable[tuple[Any, ...]], known: Kept, engine: Engine) -> dict[int, Any]:
    """The columns of `Turns` by session, stacked."""
    rows = list(turns)
    if not rows:
        return {}
    numbers, words, marks, speakers, at = zip(*rows, strict=True)
    number_of = {name: known.speakers.number(name) for name in dict.fromkeys(speakers)}
    whole = engine.stacked((numbers, words, marks, [number_of[name] for name in speakers], at))
    found, begin = {}, 0
    while begin < len(numbers):
        session = numbers[begin] >> TURN_BITS
        end = bisect_left(numbers, session + 1 << TURN_BITS, begin)
        found[session] = engine.part(whole, begin, end)
        begin = end
    return found


def marks(text: str, origin: str, *, alone: bool) -> int:
    """What a turn's words show at a glance."""
    found = _ALONE if alone else 0
    if "?" in text:
        found |= _ASKS
    if origin in _BINDING:
        found |= _OWN
        words = text.lower()
        if any(map(words.__contains__, _RULE_HINTS)) and re.search(_RULE, text, re.I):
            found |= _RULES
        if _NUMBER.search(text):
            found |= _FIGURE
        if "never" in words and re.search(_NEVER, text, re.I):
            found |= _DENIES
    return found


def speaker(text: str) -> str | None:
    """Who speaks, by name: from a "Name:" at the start of the words."""
    named = re.match(_SPEAKER, text) if ":" in text else None
    return named[1].casefold() if named else None
