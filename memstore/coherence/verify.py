"""Verify: derive everything again and report what does not agree. Reads one snapshot; changes nothing.

Codes, each for one kind of damage or tampering:

    file      SQLite's own integrity check, or a foreign key, fails
    hash      an event's text is not what its hash says
    lineage   a fact has no pointer to an event
    span      a pointer reaches outside its event
    quote     a fact that quotes an event word for word no longer does
    text      a fact's wording is not what was written
    key       a fact's key is not what was written, or several facts hold a key without a recorded conflict
    fact      another immutable column of a fact (modality, origin, times …) is not what was written
    status    the kept state of a fact is not what its transitions make it
    effect    the kept effect of a transition is not what its reversals make it
    chain     a chain has a circle, or a supersession lacks a side
    index     the full-text index is damaged (whether it agrees with the facts, `memstore.index` says)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from memstore.ledger import facts, standing, transitions
from memstore.ledger.events import sha256
from memstore.ledger.standing import State
from memstore.model import Change
from memstore.reports import Problem

_BATCH = 2000


def verify(db: sqlite3.Connection) -> list[Problem]:
    """Every problem found, in a stable order. An empty list: all that can be checked holds."""
    damage = list(_file(db))
    if any(problem.record == "file" for problem in damage):
        return damage  # a damaged file cannot be read on; what follows would only be noise
    return [*damage, *_events(db), *_facts(db), *_keys(db), *_effects(db), *_chains(db)]


def _file(db: sqlite3.Connection) -> Iterator[Problem]:
    try:
        for (message,) in db.execute("PRAGMA integrity_check(20)"):
            if message != "ok":
                where = "index" if "malformed inverted index" in message else "file"
                yield Problem("index" if where == "index" else "file", where, message)
    except sqlite3.DatabaseError as error:
        yield Problem("file", "file", str(error))
        return
    for table, row, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield Problem("file", f"{table} row {row}", f"points at a row of {parent} that is not there")


def _events(db: sqlite3.Connection) -> Iterator[Problem]:
    for id_, text, digest, forgotten_at in db.execute("SELECT id, text, sha256, forgotten_at FROM events ORDER BY pk"):
        if digest is None and forgotten_at is None:
            yield Problem("hash", id_, "the event has no hash")
        elif digest is None and text:
            yield Problem("hash", id_, "the event was forgotten, yet it has words")
        elif digest is not None and sha256(text) != digest:
            yield Problem("hash", id_, "the event's text is not what its hash says")


def _facts(db: sqlite3.Connection) -> Iterator[Problem]:
    (last,) = db.execute("SELECT coalesce(max(pk), 0) FROM facts").fetchone()
    for begin in range(1, last + 1, _BATCH):
        pks = [row[0] for row in db.execute("SELECT pk FROM facts WHERE pk >= ? AND pk < ?", (begin, begin + _BATCH))]
        for pk, id_, state in _in(db, "SELECT pk, id, state FROM facts", pks):
            if state not in set(State):
                yield Problem("status", id_, f"{state!r} is no state that a fact can be in")
                pks.remove(pk)
        rows = facts.rows(db, pks)
        pointers = _pointers(db, pks)
        taken = facts.steps(db, pks)
        seals = {pk: (d, s, k) for pk, d, s, k in _in(db, "SELECT pk, digest, seal, key_seal FROM facts", pks)}
        for pk in pks:
            row = rows[pk]
            yield from _row(row, *seals[pk])
            if row.state is not State.FORGOTTEN:
                yield from _lineage(row, pointers.get(pk, []))
            made = standing.derive(taken[pk], row.said_at, row.ttl)
            if (made.state, made.expires_at) != (row.state, row.expires_at):
                yield Problem(
                    "status",
                    row.id,
                    f"kept as {row.state.name.lower()}, expiring {row.expires_at};"
                    f" its transitions make it {made.state.name.lower()}, expiring {made.expires_at}",
                )


def _row(row: facts.Row, digest: int | None, seal: int, key_seal: int | None) -> Iterator[Problem]:
    if row.state is State.FORGOTTEN and not row.text and digest is None:
        pass
    elif facts.digest(row.text) != digest:
        yield Problem("text", row.id, "the fact's wording is not what was written")
        return
    if facts.key_seal(row.id, row.key) != key_seal:
        yield Problem("key", row.id, "the fact's key is not what was written")
    times = (row.said_at, row.recorded_at, row.valid_from, row.valid_to, row.ttl, row.probability)
    if facts.seal(row.id, row.text, row.modality.value, row.kind.value, row.origin.value, *times) != seal:
        yield Problem("fact", row.id, "a column that never changes was changed: wording, class, origin or times")


def _lineage(row: facts.Row, pointers: list[tuple[int, int, int, str, str]]) -> Iterator[Problem]:
    if not pointers:
        yield Problem("lineage", row.id, "the fact has no pointer to an event")
    for start, stop, length, quote, extractor in pointers:
        if not 0 <= start < stop <= length:
            yield Problem("span", row.id, f"[{start}, {stop}) is not inside the {length} characters of its event")
        elif extractor.startswith("verbatim/") and len(pointers) == 1 and facts.digest(quote) != facts.digest(row.text):
            yield Problem(
                "quote", row.id, f"the fact was taken word for word, but [{start}, {stop}) says something else"
            )


def _pointers(db: sqlite3.Connection, pks: list[int]) -> dict[int, list[tuple[int, int, int, str, str]]]:
    found: dict[int, list[tuple[int, int, int, str, str]]] = {}
    query = "SELECT p.fact, p.event, p.start, p.stop, x.name FROM provenance p JOIN extractors x ON x.pk = p.extractor"
    last, text = None, ""  # cut here, not by SQLite, whose length() and substr() stop at a NUL
    for fact, event, start, stop, extractor in _in(db, query, pks, "p.fact"):
        if event != last:
            last, (text,) = event, db.execute("SELECT text FROM events WHERE pk = ?", (event,)).fetchone()
        found.setdefault(fact, []).append((start, stop, len(text), text[max(start, 0) : stop], extractor))
    return found


def _in(db: sqlite3.Connection, query: str, pks: list[int], column: str = "pk") -> Iterator[tuple[Any, ...]]:
    if pks:
        yield from db.execute(f"{query} WHERE {column} BETWEEN ? AND ?", (pks[0], pks[-1]))


def _keys(db: sqlite3.Connection) -> Iterator[Problem]:
    crowded = db.execute(
        "SELECT scope, key FROM facts WHERE key IS NOT NULL AND state < 2 GROUP BY scope, key HAVING count(*) > 1"
    )
    for scope, key in crowded.fetchall():
        held = [
            row[0] for row in db.execute("SELECT pk FROM facts WHERE scope = ? AND key = ? AND state < 2", (scope, key))
        ]
        if not transitions.explain_sharing(db, held):
            ids = ", ".join(row.id for row in facts.rows(db, held).values())
            yield Problem("key", ids, f"several facts hold the key {key!r}, and no conflict or reversal explains it")


def _effects(db: sqlite3.Connection) -> Iterator[Problem]:
    rows = db.execute(
        "SELECT pk, id, target, change = 'reverted', refusal IS NOT NULL, effective FROM transitions"
    ).fetchall()
    counts = standing.effective((pk, target, bool(u), bool(r)) for pk, _, target, u, r, _ in rows)
    for pk, id_, _, _, _, kept in rows:
        if bool(kept) != counts[pk]:
            yield Problem(
                "effect", id_, f"kept as {'in effect' if kept else 'without effect'}, which its reversals deny"
            )


def _chains(db: sqlite3.Connection) -> Iterator[Problem]:
    for (id_,) in db.execute(
        "SELECT t.id FROM transitions t WHERE t.change = 'superseded' AND ("
        " NOT EXISTS (SELECT 1 FROM involved i WHERE i.transition = t.pk AND i.side = 'old') OR"
        " NOT EXISTS (SELECT 1 FROM involved i WHERE i.transition = t.pk AND i.side = 'new'))"
    ):
        yield Problem("chain", id_, "a supersession that lacks a side")
    edges: dict[int, list[int]] = {}
    for old, new in db.execute(
        "SELECT a.fact, b.fact FROM transitions t JOIN involved a ON a.transition = t.pk AND a.side = 'old'"
        " JOIN involved b ON b.transition = t.pk AND b.side = 'new'"
        " WHERE t.change = ? AND t.effective = 1 AND t.refusal IS NULL",
        (Change.SUPERSEDED.value,),
    ):
        edges.setdefault(old, []).append(new)
    for fact in _circular(edges):
        (id_,) = db.execute("SELECT id FROM facts WHERE pk = ?", (fact,)).fetchone()
        yield Problem("chain", id_, "the fact stands in a circle of supersessions")


def _circular(edges: dict[int, list[int]]) -> list[int]:
    """Facts on a circle: what is left when everything that leads nowhere is taken away, again and again."""
    incoming: dict[int, list[int]] = {}
    outgoing: dict[int, int] = {}
    for old, news in edges.items():
        outgoing[old] = len(news)
        for new in news:
            incoming.setdefault(new, []).append(old)
            outgoing.setdefault(new, len(edges.get(new, ())))
    ends = [fact for fact, count in outgoing.items() if count == 0]
    while ends:
        for before in incoming.get(ends.pop(), ()):
            outgoing[before] -= 1
            if outgoing[before] == 0:
                ends.append(before)
    stuck = {fact for fact, count in outgoing.items() if count > 0}
    return sorted(fact for fact in stuck if _returns(edges, fact))


def _returns(edges: dict[int, list[int]], fact: int) -> bool:
    return any(fact in edges.get(there, ()) for there in (fact, *transitions.reachable(edges, fact)))
