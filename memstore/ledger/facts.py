"""Facts and their provenance: written once, read whole.

A fact's row is sealed with a checksum of everything in it that never changes, so that a hand in the database is
noticed. Its `digest` is a checksum of its wording (case, spacing and punctuation aside), by which the same
statement made again is recognised.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from memstore.errors import NotFound
from memstore.ledger.connection import Transaction
from memstore.ledger.standing import State, Step, derive
from memstore.ledger.times import from_micros, optional
from memstore.model import Change, Fact, Kind, Modality, Origin, Provenance, Status

_NOT_WORDS = re.compile(r"[^\w]+")
_ASCII_WORDS = bytes(ord(c.lower()) if c.isascii() and (c.isalnum() or c == "_") else 32 for c in map(chr, range(256)))
_encode = json.JSONEncoder(ensure_ascii=False).encode


class Draft(NamedTuple):
    """A fact about to be written. Spans are (event pk, start, end); times and `ttl` in microseconds."""

    scope: int
    key: str | None
    text: str
    modality: Modality
    kind: Kind
    origin: Origin
    said_at: int
    valid_from: int
    valid_to: int | None
    ttl: int | None
    probability: float
    spans: Sequence[tuple[int, int, int]]
    extractor: str
    context: Mapping[str, str]


class Row(NamedTuple):
    """A fact as the ledger reads it for ranking: everything but its provenance, with its cached standing."""

    pk: int
    id: str
    scope: str
    key: str | None
    text: str
    modality: Modality
    kind: Kind
    origin: Origin
    said_at: int
    recorded_at: int
    valid_from: int
    valid_to: int | None
    ttl: int | None
    probability: float
    state: State
    expires_at: int | None
    context: str | None


_ROW = """
    facts.pk, facts.id, scopes.name, facts.key, facts.text, facts.modality, facts.kind, facts.origin, facts.said_at,
    facts.recorded_at, facts.valid_from, facts.valid_to, facts.ttl, facts.probability, facts.state, facts.expires_at,
    facts.context
"""
_TABLES = "facts JOIN scopes ON scopes.pk = facts.scope"


def _checksum(value: bytes) -> int:
    import hashlib  # only what is written is sealed: a question starts without it

    return int.from_bytes(hashlib.sha256(value).digest()[:8], "big", signed=True)


def digest(text: str) -> int:
    """A checksum of the wording: the same for texts that differ only in case, spacing and punctuation."""
    said = text.encode()
    if text.isascii():
        words = said.translate(_ASCII_WORDS).split()
    else:
        import unicodedata

        words = _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).encode().split()
    return _checksum(b" ".join(words) or said)


def seal(id_: str, text: str, *columns: object) -> int:
    """A checksum of what never changes in a fact but its key: id, text, classes, times, lifetime, probability."""
    return _checksum(f"{id_}\x1f{columns}\x1f{text}".encode())


def key_seal(id_: str, key: str | None) -> int | None:
    return None if key is None else _checksum(f"{id_}\n{key}".encode())


def extractor_pk(tx: Transaction, name: str) -> int:
    row = tx.execute("SELECT pk FROM extractors WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else tx.insert("INSERT INTO extractors (name) VALUES (?)", (name,))


def add(tx: Transaction, draft: Draft) -> tuple[int, str]:
    """Write a new fact with its provenance; returns its pk and its id."""
    id_ = tx.new_id("f")
    row = values(
        id_=id_,
        scope=draft.scope,
        key=draft.key,
        text=draft.text,
        modality=draft.modality.value,
        kind=draft.kind.value,
        origin=draft.origin.value,
        said_at=draft.said_at,
        recorded_at=tx.at,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        ttl=draft.ttl,
        probability=draft.probability,
        context=draft.context,
    )
    fact = tx.insert(INSERT, (None, *row))
    point(tx, fact, draft.spans, draft.extractor, since=None)
    return fact, id_


INSERT = (
    "INSERT INTO facts (pk, id, scope, key, text, modality, kind, origin, said_at, recorded_at, valid_from, valid_to,"
    " ttl, probability, context, digest, seal, key_seal, expires_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def values(
    *,
    id_: str,
    scope: int,
    key: str | None,
    text: str,
    modality: str,
    kind: str,
    origin: str,
    said_at: int,
    recorded_at: int,
    valid_from: int,
    valid_to: int | None,
    ttl: int | None,
    probability: float,
    context: Mapping[str, str],
) -> tuple[object, ...]:
    """The columns of a fact after its pk, in the order of `INSERT`, with its checksums and end of life."""
    sealed = (modality, kind, origin, said_at, recorded_at, valid_from, valid_to, ttl, probability)
    return (
        id_,
        scope,
        key,
        text,
        *sealed,
        _encode(dict(context)) if context else None,
        digest(text),
        seal(id_, text, *sealed),
        key_seal(id_, key),
        None if ttl is None else said_at + ttl,
    )


def point(tx: Transaction, fact: int, spans: Iterable[tuple[int, int, int]], extractor: str, since: int | None) -> None:
    """Add provenance pointers to a fact; `since` is the transition that brought them, None for the first ones."""
    by = extractor_pk(tx, extractor)
    for event, start, stop in spans:
        tx.execute(
            "INSERT OR IGNORE INTO provenance (fact, event, start, stop, extractor, since) VALUES (?, ?, ?, ?, ?, ?)",
            (fact, event, start, stop, by, since),
        )


def depend(tx: Transaction, fact: int, premises: Iterable[int]) -> None:
    """Record that a fact was concluded from others."""
    for premise in premises:
        tx.execute("INSERT OR IGNORE INTO dependencies (fact, premise) VALUES (?, ?)", (fact, premise))


def pks_of(db: sqlite3.Connection, ids: Sequence[str], scopes: Sequence[int] | None = None) -> list[int]:
    """The keys of facts by id, in the order given. Raises NotFound for one that is not in the named scopes."""
    marks = ",".join("?" * len(ids))
    found = {
        row[1]: row[0]
        for row in db.execute(f"SELECT pk, id, scope FROM facts WHERE id IN ({marks})", tuple(ids))
        if scopes is None or row[2] in scopes
    }
    for id_ in ids:
        if id_ not in found:
            raise NotFound(f"no fact {id_!r} in this scope")
    return [found[id_] for id_ in ids]


def rows(db: sqlite3.Connection, pks: Iterable[int]) -> dict[int, Row]:
    wanted = list(pks)
    result: dict[int, Row] = {}
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        marks = ",".join("?" * len(part))
        for row in db.execute(f"SELECT {_ROW} FROM {_TABLES} WHERE facts.pk IN ({marks})", part):
            result[row[0]] = _row(row)
    return result


def under_key(db: sqlite3.Connection, scopes: Sequence[str], key: str, *, ever: bool) -> dict[int, Row]:
    """The facts under a key that can still be current, or that `ever` were, in scopes by name."""
    below = State.FORGOTTEN + 1 if ever else State.SUPERSEDED
    found = db.execute(
        # CROSS JOIN: scopes first, because the index of keys begins with them.
        f"SELECT {_ROW} FROM scopes CROSS JOIN facts ON facts.scope = scopes.pk"
        f" WHERE scopes.name IN ({','.join('?' * len(scopes))}) AND facts.key = ?"
        f" AND facts.state < {below:d}",
        (*scopes, key),
    )
    return {row[0]: _row(row) for row in found}


def any_forgotten(db: sqlite3.Connection, pks: Iterable[int]) -> bool:
    found = db.execute(
        f"SELECT EXISTS (SELECT 1 FROM json_each(?) CROSS JOIN facts ON pk = value WHERE state = {State.FORGOTTEN:d})",
        (json.dumps(list(pks)),),
    )
    return bool(found.fetchone()[0])


# Asking a dictionary is five times as fast as asking an enumeration, and a question asks for all of its candidates.
_MODALITIES = {one.value: one for one in Modality}
_KINDS = {one.value: one for one in Kind}
_ORIGINS = {one.value: one for one in Origin}
_STATES = {one.value: one for one in State}


def _row(row: Sequence[Any]) -> Row:
    modality, kind, origin, state = _MODALITIES[row[5]], _KINDS[row[6]], _ORIGINS[row[7]], _STATES[row[14]]
    return Row._make((*row[:5], modality, kind, origin, *row[8:14], state, *row[15:]))


def provenance(
    db: sqlite3.Connection, pks: Iterable[int], as_of: int | None = None
) -> dict[int, tuple[Provenance, ...]]:
    """The pointers of facts with the words they point at, first ones first; as of a moment if one is given."""
    result: dict[int, list[Provenance]] = {pk: [] for pk in pks}
    wanted = list(result)
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        marks = ",".join("?" * len(part))
        found = db.execute(
            "SELECT p.fact, e.id, e.ref, s.name, e.role, e.origin, e.at, p.start, p.stop,"
            " substr(e.text, p.start + 1, p.stop - p.start), x.name, coalesce(p.since, 0)"
            " FROM provenance p JOIN events e ON e.pk = p.event JOIN sessions s ON s.pk = e.session"
            " JOIN extractors x ON x.pk = p.extractor LEFT JOIN transitions t ON t.pk = p.since"
            f" WHERE p.fact IN ({marks}) AND (? IS NULL OR t.at IS NULL OR t.at <= ?)"
            " ORDER BY p.fact, p.event, p.start",
            (*part, as_of, as_of),
        ).fetchall()
        # That is the order of the table, which costs SQLite nothing; only what was said again has to move.
        found.sort(key=itemgetter(-1))
        for fact, event, ref, session, role, origin, at, start, stop, quote, extractor, _ in found:
            if len(quote) != stop - start:  # SQLite's substr ends at a NUL; Python's does not
                (whole_text,) = db.execute("SELECT text FROM events WHERE id = ?", (event,)).fetchone()
                quote = whole_text[start:stop]
            result[fact].append(
                Provenance(event, ref, session, role, Origin(origin), from_micros(at), start, stop, quote, extractor)
            )
    return {pk: tuple(pointers) for pk, pointers in result.items()}


def turns(db: sqlite3.Connection, pks: Sequence[int], length: int) -> dict[int, str]:
    """The first `length` characters of the turn that each fact was first derived from."""
    marks = ",".join("?" * len(pks))
    found = db.execute(
        "SELECT p.fact, substr(e.text, 1, ?) FROM provenance p JOIN events e ON e.pk = p.event"
        f" WHERE p.fact IN ({marks}) AND p.since IS NULL ORDER BY p.fact, p.event DESC",
        (length, *pks),
    )
    return dict(found.fetchall())


def whole(row: Row, pointers: tuple[Provenance, ...], expires_at: int | None) -> Fact:
    """The public record of a fact. Its expiry is passed in, because confirmations move it."""
    return Fact(
        id=row.id,
        scope=row.scope,
        key=row.key,
        text=row.text,
        modality=row.modality,
        kind=row.kind,
        origin=row.origin,
        said_at=from_micros(row.said_at),
        recorded_at=from_micros(row.recorded_at),
        valid_from=from_micros(row.valid_from),
        valid_to=optional(row.valid_to),
        expires_at=optional(expires_at),
        probability=row.probability,
        provenance=pointers,
        context=json.loads(row.context) if row.context else {},
    )


def written(draft: Draft, *, id_: str, scope: str, recorded_at: int, pointers: tuple[Provenance, ...]) -> Fact:
    """The public record of a fact just written: what `whole` would give if it were read back."""
    return Fact(
        id=id_,
        scope=scope,
        key=draft.key,
        text=draft.text,
        modality=draft.modality,
        kind=draft.kind,
        origin=draft.origin,
        said_at=from_micros(draft.said_at),
        recorded_at=from_micros(recorded_at),
        valid_from=from_micros(draft.valid_from),
        valid_to=optional(draft.valid_to),
        expires_at=None if draft.ttl is None else from_micros(draft.said_at + draft.ttl),
        probability=draft.probability,
        provenance=pointers,
        context=dict(draft.context),
    )


def holders(db: sqlite3.Connection, scope: int, key: str) -> list[int]:
    """The facts that hold a key: those under it that can still be current."""
    found = db.execute(
        f"SELECT pk FROM facts WHERE key = ? AND scope = ? AND state < {State.SUPERSEDED:d}", (key, scope)
    )
    return [row[0] for row in found]


def by_key(db: sqlite3.Connection, scopes: Sequence[int], key: str) -> list[int]:
    """Every fact that is or was under a key."""
    marks = ",".join("?" * len(scopes))
    found = db.execute(f"SELECT pk FROM facts WHERE key = ? AND scope IN ({marks}) ORDER BY scope, pk", (key, *scopes))
    return [row[0] for row in found]


def select(
    db: sqlite3.Connection,
    scopes: Sequence[int],
    *,
    event: int | None = None,
    key_prefix: str | None = None,
    modality: Modality | None = None,
    status: Status | None = None,
    now: int = 0,
    doubted: Iterable[int] = (),
    newest: int | None = None,
) -> list[int]:
    """Every fact in the scopes that was not forgotten, oldest first, narrowed by what is given.

    `event`: drawn from it. `status`: at `now`, where `doubted` are suspect for what they rest on. `newest`: only the
    last so many of them.
    """
    states, expiry = _STANDS[status]
    where = [f"scope IN ({','.join('?' * len(scopes))})"]
    values: list[object] = list(scopes)
    if event is not None:
        where.append("pk IN (SELECT fact FROM provenance WHERE event = ?)")
        values.append(event)
    if key_prefix is not None:
        where.append("key >= ? AND key < ?")
        values += [key_prefix, key_prefix + "\U0010ffff"]
    if modality is not None:
        where.append("modality = ?")
        values.append(modality.value)
    where.append(states)
    if "?" in states:
        values.append(json.dumps(list(doubted)))
    if expiry:
        where.append(expiry)
        values.append(now)
    values.append(-1 if newest is None else newest)
    found = db.execute(f"SELECT pk FROM facts WHERE {' AND '.join(where)} ORDER BY pk DESC LIMIT ?", values)
    return [row[0] for row in found][::-1]


_LISTED = "(SELECT value FROM json_each(?))"
#: For each status, the states that may have it and what the clock adds.
_STANDS = {
    None: ("state < 4", None),
    Status.LIVE: (f"state = 0 AND pk NOT IN {_LISTED}", "(expires_at IS NULL OR expires_at > ?)"),
    Status.SUSPECT: (f"(state = 1 OR (state = 0 AND pk IN {_LISTED}))", "(expires_at IS NULL OR expires_at > ?)"),
    Status.EXPIRED: ("state < 2", "expires_at <= ?"),
    Status.SUPERSEDED: ("state = 2", None),
    Status.RETRACTED: ("state = 3", None),
    Status.FORGOTTEN: ("state = 4", None),
}


def same_statement(tx: Transaction, draft: Draft) -> int | None:
    """A current fact of the same wording, modality, kind and origin in the same scope, if there is one."""
    row = tx.execute(
        "SELECT pk FROM facts WHERE digest = ? AND state < 2 AND scope = ? AND modality = ? AND kind = ?"
        " AND origin = ? AND key IS ? ORDER BY pk LIMIT 1",
        (
            digest(draft.text),
            draft.scope,
            draft.modality.value,
            draft.kind.value,
            draft.origin.value,
            draft.key,
        ),
    ).fetchone()
    return row[0] if row else None


def derived_already(tx: Transaction, draft: Draft) -> bool:
    """Whether these very words already gave a fact of this wording, whatever became of it since.

    An event may be read again, and what was superseded or retracted must not come back that way.
    """
    event, start, stop = draft.spans[0]
    found = tx.execute(
        "SELECT 1 FROM provenance p JOIN facts f ON f.pk = p.fact"
        " WHERE p.event = ? AND p.start = ? AND p.stop = ? AND f.digest = ? LIMIT 1",
        (event, start, stop, digest(draft.text)),
    )
    return found.fetchone() is not None


def steps(db: sqlite3.Connection, pks: Iterable[int], as_of: int | None = None) -> dict[int, list[Step]]:
    """The transitions that facts were involved in, up to a moment."""
    result: dict[int, list[Step]] = {pk: [] for pk in pks}
    wanted = list(result)
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        marks = ",".join("?" * len(part))
        found = db.execute(
            "SELECT i.fact, t.pk, t.change, t.at, i.side, t.target, t.refusal IS NOT NULL, e.at"
            " FROM involved i JOIN transitions t ON t.pk = i.transition LEFT JOIN events e ON e.pk = t.event"
            f" WHERE i.fact IN ({marks}) AND (? IS NULL OR t.at <= ?)",
            (*part, as_of, as_of),
        )
        for fact, pk, change, at, side, target, refused, said_at in found:
            result[fact].append(Step(pk, Change(change), at, side, target, bool(refused), said_at))
    return result


def settle(tx: Transaction, pks: Iterable[int]) -> None:
    """Derive the state of facts again and keep it beside them."""
    affected = list(pks)
    taken = steps(tx.db, affected)
    for pk, row in rows(tx.db, affected).items():
        standing = derive(taken[pk], row.said_at, row.ttl)
        if (standing.state, standing.expires_at) != (row.state, row.expires_at):
            tx.execute(
                "UPDATE facts SET state = ?, expires_at = ? WHERE pk = ?",
                (standing.state.value, standing.expires_at, pk),
            )
