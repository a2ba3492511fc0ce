"""Events: what was said, word for word, with the hash of its UTF-8.

An event is identified by (scope, session, ref); without a ref, by role, time and hash. Recording it again gives
back what is there. The same ref with other words is refused: an event never changes. A forgotten event leaves a
tombstone that keeps its ref, so that reading the same transcript again does not bring the words back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from memstore.errors import NotFound, UsageError
from memstore.ledger.connection import Transaction
from memstore.ledger.times import from_micros
from memstore.model import Event, Origin

#: The session of facts that were remembered by hand, outside any conversation.
BY_HAND_SESSION = "remember"
#: The extractor of what was not read out of a turn, but remembered as it is.
BY_HAND = "remember/1"


class Recorded(NamedTuple):
    """An event that is in the store, with its key and its scope's."""

    pk: int
    scope: int
    event: Event


_COLUMNS = """
    events.id, scopes.name, sessions.name, events.ref, events.role, events.origin,
    events.at, events.recorded_at, events.text, events.sha256
"""
_TABLES = "events JOIN sessions ON sessions.pk = events.session JOIN scopes ON scopes.pk = sessions.scope"
# What makes an event the same event, as the schema's unique indexes say it.
_BY_REF = "(session, ref) WHERE ref IS NOT NULL"
_BY_CONTENT = "(session, at, role, sha256) WHERE ref IS NULL AND forgotten_at IS NULL"


def sha256(text: str) -> bytes:
    """SHA-256 of the text's UTF-8. Raises UsageError for text that has none (lone surrogates)."""
    import hashlib  # a question starts without it

    try:
        return hashlib.sha256(text.encode()).digest()
    except UnicodeEncodeError as error:
        raise UsageError(f"the text is not valid Unicode: {error.reason} at {error.start}") from None


def scope_pk(tx: Transaction, name: str) -> int:
    """The key of a scope, made if it is new."""
    row = tx.execute("SELECT pk FROM scopes WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else tx.insert("INSERT INTO scopes (name) VALUES (?)", (name,))


def session_pk(tx: Transaction, scope: int, name: str) -> int:
    row = tx.execute("SELECT pk FROM sessions WHERE scope = ? AND name = ?", (scope, name)).fetchone()
    return int(row[0]) if row else tx.insert("INSERT INTO sessions (scope, name) VALUES (?, ?)", (scope, name))


def in_scope(tx: Transaction, scope: str, session: str) -> tuple[int, int]:
    """The keys of a scope and of a session in it, made if they are new."""
    row = tx.execute(
        "SELECT scopes.pk, sessions.pk FROM scopes JOIN sessions ON sessions.scope = scopes.pk"
        " WHERE scopes.name = ? AND sessions.name = ?",
        (scope, session),
    ).fetchone()
    if row:
        return int(row[0]), int(row[1])
    scope_key = scope_pk(tx, scope)
    return scope_key, session_pk(tx, scope_key, session)


def find_scopes(db: sqlite3.Connection, names: Sequence[str]) -> dict[int, str]:
    """{pk: name} of the named scopes that exist; a scope nobody wrote to is simply empty."""
    marks = ",".join("?" * len(names))
    return dict(db.execute(f"SELECT pk, name FROM scopes WHERE name IN ({marks})", tuple(names)))


def add(
    tx: Transaction,
    *,
    scope: str,
    session: str,
    ref: str | None,
    role: str,
    origin: Origin,
    at: int,
    text: str,
    pending: bool,
) -> Recorded:
    """Store an event, or give back the one that is there. Raises UsageError if the ref holds other words."""
    digest = sha256(text)
    scope_key, session_key = in_scope(tx, scope, session)
    new_id = tx.new_id("e")
    written = tx.execute(
        "INSERT INTO events (id, session, ref, role, origin, at, recorded_at, text, sha256)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT {_BY_CONTENT if ref is None else _BY_REF} DO NOTHING",
        (new_id, session_key, ref, role, origin.value, at, tx.at, text, digest),
    )
    if not written.rowcount:
        found = _existing(tx, session_key, ref, role, at, digest)
        event = by_pk(tx.db, [found])[found]
        (forgotten_at,) = tx.execute("SELECT forgotten_at FROM events WHERE pk = ?", (found,)).fetchone()
        if forgotten_at is None and event.text != text:
            raise UsageError(
                f"session {session!r} already holds other words under ref {ref!r}: events never change, use a new ref"
            )
        return Recorded(found, scope_key, event)
    pk = written.lastrowid
    assert pk is not None
    if pending:
        tx.execute("INSERT INTO pending (event) VALUES (?)", (pk,))
    event = Event(
        id=new_id,
        scope=scope,
        session=session,
        ref=ref,
        role=role,
        origin=origin,
        at=from_micros(at),
        recorded_at=from_micros(tx.at),
        text=text,
        sha256=digest.hex(),
    )
    return Recorded(pk, scope_key, event)


def _existing(tx: Transaction, session: int, ref: str | None, role: str, at: int, digest: bytes) -> int:
    """The event with this identity, which is there."""
    if ref is not None:
        row = tx.execute("SELECT pk FROM events WHERE session = ? AND ref = ?", (session, ref)).fetchone()
    else:
        row = tx.execute(
            "SELECT pk FROM events WHERE session = ? AND at = ? AND role = ? AND sha256 = ?"
            " AND ref IS NULL AND forgotten_at IS NULL",
            (session, at, role, digest),
        ).fetchone()
    return int(row[0])


def pk_of(db: sqlite3.Connection, event_id: str) -> int:
    row = db.execute("SELECT pk FROM events WHERE id = ?", (event_id,)).fetchone()
    if row is None:
        raise NotFound(f"no event {event_id!r} in this store")
    return int(row[0])


def by_pk(db: sqlite3.Connection, pks: Iterable[int]) -> dict[int, Event]:
    wanted = list(pks)
    marks = ",".join("?" * len(wanted))
    rows = db.execute(f"SELECT events.pk, {_COLUMNS} FROM {_TABLES} WHERE events.pk IN ({marks})", wanted)
    return {row[0]: _event(row[1:]) for row in rows}


def get(db: sqlite3.Connection, event_id: str) -> Event:
    row = db.execute(f"SELECT {_COLUMNS} FROM {_TABLES} WHERE events.id = ?", (event_id,)).fetchone()
    if row is None:
        raise NotFound(f"no event {event_id!r} in this store")
    return _event(row)


def unchanged(tx: Transaction, seen: Iterable[Event]) -> bool:
    """Whether events still are what was read outside this transaction: nobody forgot words of them since."""
    for event in seen:
        (digest,) = tx.execute("SELECT sha256 FROM events WHERE id = ?", (event.id,)).fetchone()
        if (digest.hex() if digest else "") != event.sha256:
            return False
    return True


def waiting(db: sqlite3.Connection, scope: str, session: str | None, limit: int) -> list[tuple[int, Event]]:
    """Events that no extractor has read yet, oldest first."""
    rows = db.execute(
        f"SELECT events.pk, {_COLUMNS} FROM pending CROSS JOIN {_TABLES}"
        " WHERE events.pk = pending.event AND scopes.name = ? AND (? IS NULL OR sessions.name = ?)"
        " ORDER BY events.pk LIMIT ?",
        (scope, session, session, limit),
    )
    return [(row[0], _event(row[1:])) for row in rows]


def before(db: sqlite3.Connection, event: int, count: int) -> list[Event]:
    """The `count` events of the same session that came before, oldest first: what the words answer to."""
    return [found for _, found in before_with_keys(db, event, count)]


def before_with_keys(db: sqlite3.Connection, event: int, count: int) -> list[tuple[int, Event]]:
    rows = db.execute(
        f"SELECT events.pk, {_COLUMNS} FROM {_TABLES}"
        " WHERE events.session = (SELECT session FROM events WHERE pk = ?) AND events.pk < ?"
        " ORDER BY events.pk DESC LIMIT ?",
        (event, event, count),
    ).fetchall()
    return [(row[0], _event(row[1:])) for row in reversed(rows)]


def _event(row: Sequence[Any]) -> Event:
    event_id, scope, session, ref, role, origin, at, recorded_at, text, digest = row
    return Event(
        id=event_id,
        scope=scope,
        session=session,
        ref=ref,
        role=role,
        origin=Origin(origin),
        at=from_micros(at),
        recorded_at=from_micros(recorded_at),
        text=text,
        sha256=digest.hex() if digest else "",
    )
