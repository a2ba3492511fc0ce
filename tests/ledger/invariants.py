"""What holds of any store at any time. Each function raises AssertionError with the record that breaks it.

Shared by the state machine, the kill tests and the races, so that one list says what "sound" means.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from memstore import MemoryStore, Status
from memstore.ledger import transitions

NOT_CURRENT = {Status.SUPERSEDED, Status.EXPIRED, Status.RETRACTED, Status.FORGOTTEN}


def verify_finds_nothing(store: MemoryStore) -> None:
    """Everything that can be derived again agrees with what is kept: statuses, effects, hashes, spans, chains, keys."""
    assert store.verify() == []


def every_quote_is_in_its_event(store: MemoryStore, scopes: Iterable[str]) -> None:
    """Invariant 2: each fact has a pointer, and each quote is `event.text[start:end]`."""
    for fact in store.facts(scope=list(scopes)):
        assert fact.provenance, fact
        for pointer in fact.provenance:
            event = store.event(pointer.event_id, scope=fact.scope)
            assert pointer.quote == event.text[pointer.start : pointer.end] != "", (fact, pointer)


def nothing_stale_is_current(store: MemoryStore, query: str, scopes: Iterable[str]) -> None:
    """Invariant 7: recall gives nothing as current that is superseded, expired, retracted or forgotten."""
    for found in store.recall(query, k=10_000, current_only=True, scope=list(scopes)):
        assert found.status not in NOT_CURRENT, found
        assert store.status(found.fact_id, scope=list(scopes)) is found.status, found


def heads_are_ends(store: MemoryStore, scopes: Iterable[str]) -> None:
    """Every chain ends, without circles, in facts that nothing replaced, and a fact's story says where.

    Of a store of many facts an evenly spaced part is asked for its story: telling a long one takes a while.
    """
    facts = store.facts(scope=list(scopes))
    with store.ledger.reading() as db:
        id_of = dict(db.execute("SELECT pk, id FROM facts"))
        replaced = {row[0] for row in db.execute("SELECT id FROM facts WHERE state = 2")}
        ends = transitions.heads_of_each(transitions.successors(db, id_of), id_of)
    heads_of = {id_of[pk]: {id_of[head] for head in heads} for pk, heads in ends.items()}
    assert all(heads_of.values())
    assert not replaced & {head for heads in heads_of.values() for head in heads}
    for fact in facts[:: max(1, len(facts) // 16)] if len(facts) > 500 else facts:
        assert set(store.history(fact, scope=fact.scope).heads) == heads_of[fact.id], fact


def the_file_is_sound(path: Path) -> None:
    """SQLite's own checks, over a connection of its own."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()


def nothing_is_half_there(path: Path) -> None:
    """A fact has its pointer and its index entry, a transition its facts, an event its session."""
    connection = sqlite3.connect(path)
    try:
        for what, query in {
            "facts of nothing": "SELECT id FROM facts WHERE pk NOT IN (SELECT fact FROM provenance) AND state < 4",
            "transitions of nothing": "SELECT id FROM transitions WHERE pk NOT IN (SELECT transition FROM involved)",
            "one-sided supersessions": "SELECT id FROM transitions t WHERE change = 'superseded' AND 2 > (SELECT"
            " count(DISTINCT side) FROM involved i WHERE i.transition = t.pk)",
        }.items():
            assert connection.execute(query).fetchall() == [], what
    finally:
        connection.close()


def all_hold(store: MemoryStore, query: str, scopes: Iterable[str] = ("default",)) -> None:
    """Everything above, of an open store."""
    verify_finds_nothing(store)
    every_quote_is_in_its_event(store, scopes)
    nothing_stale_is_current(store, query, scopes)
    heads_are_ends(store, scopes)
    the_file_is_sound(store.ledger.path)
    nothing_is_half_there(store.ledger.path)
