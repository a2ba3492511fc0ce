"""Forgetting: erase content everywhere in the file, leave tombstones, and certify it.

Forgetting a fact blanks the words it quotes in their events (character for character, so that the spans of its
neighbours still hold), and every fact whose words overlap them goes too. Forgetting an event blanks all of it; facts
that others said as well lose only that pointer. What a resumed session brought along of it is that turn again, and
goes with it. Ids, times and chains stay: they carry no content. What depended on a forgotten fact is doubted from
then on.

`secure_delete` overwrites what is deleted inside pages; copies in the gaps of pages go when the file is rewritten, and
old page images in the write-ahead log when it is truncated, which an open reader can delay. Until then a certificate
is `pending` (in its row: 2 before the file is rewritten, 1 before the log is empty), and whoever forgets something or
opens the store next tries again (`Ledger.finish_erasures`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence

from memstore.ledger import anchors, facts, transitions
from memstore.ledger.connection import Transaction
from memstore.ledger.events import sha256
from memstore.ledger.standing import State
from memstore.ledger.times import from_micros
from memstore.model import Change
from memstore.reports import Certificate

BLANK = "\N{FULL BLOCK}"
FORGOTTEN = "[forgotten]"
"""In the place of a reason, which may quote what was forgotten."""
_Quote = tuple[int, int, int]
"""An event, and from where to where in it."""


def facts_quoting(db: sqlite3.Connection, fact_pks: Iterable[int]) -> set[int]:
    """The given facts and every fact whose words overlap theirs."""
    found = set(fact_pks)
    frontier = list(found)
    while frontier:
        overlapping = db.execute(
            "SELECT DISTINCT b.fact FROM provenance a JOIN provenance b"
            " ON b.event = a.event AND b.start < a.stop AND a.start < b.stop WHERE a.fact = ?",
            (frontier.pop(),),
        )
        for (fact,) in overlapping:
            if fact not in found:
                found.add(fact)
                frontier.append(fact)
    return found


def events_of(db: sqlite3.Connection, scope: int, session: str | None) -> list[int]:
    rows = db.execute(
        "SELECT events.pk FROM events JOIN sessions ON sessions.pk = events.session"
        " WHERE sessions.scope = ? AND (? IS NULL OR sessions.name = ?) AND sha256 IS NOT NULL",
        (scope, session, session),
    )
    return [row[0] for row in rows]


def brought_on(db: sqlite3.Connection, scope: int, event_pks: Collection[int]) -> list[tuple[int, int]]:
    """Later events of a scope that are these turns again, as (turn, copy): by one name, at one time, to the letter."""
    told = db.execute(
        "SELECT pk, ref, at, sha256 FROM events WHERE pk IN (SELECT value FROM json_each(?))"
        " AND ref IS NOT NULL AND sha256 IS NOT NULL ORDER BY pk DESC",  # the first overwrites others
        (json.dumps(list(event_pks)),),
    )
    turns = {(ref, at, digest): pk for pk, ref, at, digest in told}
    if not turns:
        return []
    every = db.execute(
        "SELECT e.pk, e.ref, e.at, e.sha256 FROM sessions s JOIN events e ON e.session = s.pk"
        " WHERE s.scope = ? AND e.ref IS NOT NULL AND e.sha256 IS NOT NULL",
        (scope,),
    )
    return [(turn, pk) for pk, *named in every if (turn := turns.get(tuple(named), pk)) < pk]


def erase(
    tx: Transaction,
    *,
    scope: int,
    event_pks: Sequence[int],
    fact_pks: Sequence[int],
    unindex: Callable[[Transaction, Sequence[tuple[int, str]]], None],
    reason: str,
) -> int:
    """Erase events and facts inside a transaction; returns the key of the certificate, which is still pending."""
    named = facts_quoting(tx.db, fact_pks)
    copied = _copied(tx.db, scope, named)
    named = facts_quoting(tx.db, named | _over(tx.db, copied))
    event_pks = sorted({*event_pks, *(copy for _, copy in brought_on(tx.db, scope, event_pks))})
    founded = _founded_on(tx.db, event_pks)
    rows = {pk: row for pk, row in facts.rows(tx.db, named | founded).items() if row.state is not State.FORGOTTEN}
    doomed = set(rows)
    _blank(tx, [*_quotes(tx.db, named & doomed), *copied])
    _forget_context(tx, event_pks, doomed)
    orphaned = _orphaned(tx.db, doomed - named) - set(event_pks)
    for event in event_pks:
        tx.execute("UPDATE events SET text = '', sha256 = NULL, forgotten_at = ? WHERE pk = ?", (tx.at, event))
        tx.execute("DELETE FROM provenance WHERE event = ? AND since IS NOT NULL", (event,))
        tx.execute("DELETE FROM pending WHERE event = ?", (event,))
    _blank_facts(tx, doomed)
    if doomed:
        transitions.append(tx, scope=scope, change=Change.FORGOTTEN, old=sorted(doomed), reason=reason)
    unindex(tx, [(pk, row.text) for pk, row in rows.items()])  # now that their turns are as they stay
    for event in orphaned:
        tx.execute("INSERT OR IGNORE INTO pending (event) VALUES (?)", (event,))
    tx.erased = True
    event_ids = [tx.execute("SELECT id FROM events WHERE pk = ?", (pk,)).fetchone()[0] for pk in event_pks]
    return tx.insert(
        "INSERT INTO erasures (id, scope, at, events, facts, pending) VALUES (?, ?, ?, ?, ?, 2)",
        (tx.new_id("x"), scope, tx.at, json.dumps(event_ids), json.dumps(sorted(r.id for r in rows.values()))),
    )


def _founded_on(db: sqlite3.Connection, event_pks: Sequence[int]) -> set[int]:
    """Facts that were first derived from the events (not merely said again in them)."""
    found: set[int] = set()
    for begin in range(0, len(event_pks), 500):
        part = event_pks[begin : begin + 500]
        marks = ",".join("?" * len(part))
        found |= {
            row[0]
            for row in db.execute(f"SELECT fact FROM provenance WHERE since IS NULL AND event IN ({marks})", part)
        }
    return found


def _quotes(db: sqlite3.Connection, fact_pks: Iterable[int]) -> list[_Quote]:
    """The words that facts quote."""
    found = "SELECT event, start, stop FROM provenance WHERE fact = ?"
    return [quote for fact in fact_pks for quote in db.execute(found, (fact,))]


def _copied(db: sqlite3.Connection, scope: int, fact_pks: Iterable[int]) -> list[_Quote]:
    """The words that facts quote, where they stand in later copies of the turns."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for event, start, stop in _quotes(db, fact_pks):
        spans.setdefault(event, []).append((start, stop))
    return [(copy, *span) for turn, copy in brought_on(db, scope, spans) for span in spans[turn]]


def _over(db: sqlite3.Connection, quotes: Iterable[_Quote]) -> set[int]:
    """The facts whose words overlap these."""
    found = "SELECT fact FROM provenance WHERE event = ? AND start < ? AND ? < stop"
    return {fact for event, start, stop in quotes for (fact,) in db.execute(found, (event, stop, start))}


def _blank(tx: Transaction, quotes: Iterable[_Quote]) -> None:
    """Overwrite words in their events, character for character, and hash what is left."""
    for event, start, stop in quotes:
        (text,) = tx.execute("SELECT text FROM events WHERE pk = ?", (event,)).fetchone()
        blanked = text[:start] + BLANK * (stop - start) + text[stop:]
        tx.execute(
            "UPDATE events SET text = ?, sha256 = ?, forgotten_at = ? WHERE pk = ?",
            (blanked, sha256(blanked), tx.at, event),
        )


def _forget_context(tx: Transaction, event_pks: Sequence[int], doomed: Iterable[int]) -> None:
    """Neighbours may carry the forgotten words as their antecedent or heading: they lose their context."""
    events = set(event_pks)
    for fact in doomed:
        events |= {row[0] for row in tx.execute("SELECT event FROM provenance WHERE fact = ?", (fact,))}
    for event in events:
        tx.execute(
            "UPDATE facts SET context = NULL WHERE context IS NOT NULL"
            " AND pk IN (SELECT fact FROM provenance WHERE event = ?)",
            (event,),
        )


def _orphaned(db: sqlite3.Connection, founded: Iterable[int]) -> set[int]:
    """Events that only said again what goes now: from here on they speak for themselves."""
    events: set[int] = set()
    for fact in founded:
        events |= {
            row[0] for row in db.execute("SELECT event FROM provenance WHERE fact = ? AND since IS NOT NULL", (fact,))
        }
    return events


def _blank_facts(tx: Transaction, doomed: Iterable[int]) -> None:
    for pk in doomed:
        anchors.forget(tx, pk)
        row = tx.execute(
            "SELECT id, modality, kind, origin, said_at, recorded_at, valid_from, valid_to, ttl, probability"
            " FROM facts WHERE pk = ?",
            (pk,),
        ).fetchone()
        tx.execute(
            "UPDATE facts SET text = '', key = NULL, key_seal = NULL, digest = NULL, seal = ? WHERE pk = ?",
            (facts.seal(row[0], "", *row[1:]), pk),
        )
        tx.execute(
            "UPDATE transitions SET reason = ?, refusal = CASE WHEN refusal IS NULL THEN NULL ELSE ? END"
            " WHERE pk IN (SELECT transition FROM involved WHERE fact = ?)",
            (FORGOTTEN, FORGOTTEN, pk),
        )


def unfinished(db: sqlite3.Connection) -> list[int]:
    """The keys of the certificates that are still pending, oldest first."""
    return [row[0] for row in db.execute("SELECT pk FROM erasures WHERE pending > 0 ORDER BY pk")]


def certificate(db: sqlite3.Connection, pk: int) -> Certificate:
    id_, scope, at, event_ids, fact_ids, pending = db.execute(
        "SELECT x.id, s.name, x.at, x.events, x.facts, x.pending FROM erasures x JOIN scopes s ON s.pk = x.scope"
        " WHERE x.pk = ?",
        (pk,),
    ).fetchone()
    copies = [
        f"{kind} {path}"
        for kind, path in db.execute(
            "SELECT DISTINCT kind, path FROM copies WHERE at <= ? AND kind <> 'markdown'", (at,)
        )
    ]
    return Certificate(
        id=id_,
        scope=scope,
        at=from_micros(at),
        events=tuple(json.loads(event_ids)),
        facts=tuple(json.loads(fact_ids)),
        pending=bool(pending),
        out_of_reach=(
            *copies,
            "backups, exports and version control that memstore did not make",
            "the files that were read",
        ),
    )
