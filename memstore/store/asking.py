"""Answers out: a fact whole, the chain it stands in, and why it is believed. Each reads one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memstore.coherence import doubt
from memstore.errors import NotFound
from memstore.ledger import events, facts, transitions
from memstore.ledger.standing import Standing, State, current, derive, status
from memstore.ledger.times import from_micros
from memstore.model import Conflict, Fact, Status, Transition
from memstore.policy import authority, binding, strength

if TYPE_CHECKING:
    from memstore.reports import Explanation, History


def standing_of(db: sqlite3.Connection, rows: dict[int, facts.Row], as_of: int | None) -> dict[int, Standing]:
    """What the transitions up to a moment made of facts."""
    taken = facts.steps(db, rows, as_of)
    return {
        pk: Standing(State.FORGOTTEN, None, 0)  # what was forgotten since stays forgotten
        if row.state is State.FORGOTTEN
        else derive(taken[pk], row.said_at, row.ttl)
        for pk, row in rows.items()
    }


def whole(db: sqlite3.Connection, pks: Sequence[int], as_of: int | None = None) -> list[Fact]:
    """Facts with their provenance, in the order asked; those not yet recorded at `as_of` are left out."""
    rows = facts.rows(db, pks)
    held = {pk: rows[pk] for pk in pks if as_of is None or rows[pk].recorded_at <= as_of}
    standings = standing_of(db, held, as_of)
    pointers = facts.provenance(db, held, as_of)
    return [facts.whole(row, pointers[pk], standings[pk].expires_at) for pk, row in held.items()]


def statuses(db: sqlite3.Connection, pks: Sequence[int], now: int, as_of: int | None = None) -> dict[int, Status]:
    """Where facts stand at a moment, doubt that reaches them through their premises included."""
    rows = facts.rows(db, pks)
    carried = doubt.carried(db, rows, as_of)
    found = {
        pk: status(standing.state, standing.expires_at, now) for pk, standing in standing_of(db, rows, as_of).items()
    }
    return {pk: Status.SUSPECT if s is Status.LIVE and pk in carried else s for pk, s in found.items()}


def status_of(db: sqlite3.Connection, pk: int, now: int, as_of: int | None) -> Status:
    held(db, pk, as_of)
    return statuses(db, [pk], now, as_of)[pk]


def held(db: sqlite3.Connection, pk: int, as_of: int | None) -> None:
    """Raise NotFound for a fact that the store had not learnt by then."""
    row = facts.rows(db, [pk])[pk]
    if as_of is not None and row.recorded_at > as_of:
        raise NotFound(f"{row.id} was recorded later, at {from_micros(row.recorded_at).isoformat()}")


def by_key(
    db: sqlite3.Connection, scopes: Sequence[str], key: str, now: int, as_of: int | None, valid_at: int | None
) -> Fact | None:
    """The fact that holds a key: where a conflict left several, the one with the best standing, then the latest."""
    rows = facts.under_key(db, scopes, key, ever=as_of is not None or valid_at is not None)
    rows = {pk: row for pk, row in rows.items() if as_of is None or row.recorded_at <= as_of}
    standings = standing_of(db, rows, as_of)
    if valid_at is None:
        rows = {pk: row for pk, row in rows.items() if current(_status(standings[pk], now))}
    else:
        forwards = transitions.successors(db, rows, as_of)
        known = facts.rows(db, {new for many in forwards.values() for new in many})
        rows = {
            pk: row
            for pk, row in rows.items()
            if standings[pk].state < State.RETRACTED and _true_at(row, [known[n] for n in forwards[pk]], valid_at)
        }
    if not rows:
        return None
    best = max(rows.values(), key=lambda row: (authority(row.origin), strength(row.modality), row.recorded_at, row.pk))
    pointers = facts.provenance(db, [best.pk], as_of)[best.pk]
    return facts.whole(best, pointers, standings[best.pk].expires_at)


def _status(standing: Standing, now: int) -> Status:
    return status(standing.state, standing.expires_at, now)


def _true_at(row: facts.Row, successors: Sequence[facts.Row], moment: int) -> bool:
    ends = [s.valid_from for s in successors] + ([row.valid_to] if row.valid_to is not None else [])
    return row.valid_from <= moment and all(moment < end for end in ends)


def history(db: sqlite3.Connection, pk: int, now: int, as_of: int | None) -> History:
    """The whole chain around a fact, oldest first, with everything that happened to its members."""
    from memstore.reports import History

    held(db, pk, as_of)
    back = transitions.predecessors(db, [pk], as_of)
    roots = {pk, *transitions.reachable(back, pk)}
    forwards = transitions.successors(db, roots, as_of)
    members = sorted({*roots, *forwards})
    rows = facts.rows(db, members)
    members = [m for m in members if as_of is None or rows[m].recorded_at <= as_of]
    records = transitions.read(db, transitions.involving(db, members, as_of))
    status_of = statuses(db, members, now, as_of)
    return History(
        facts=tuple(whole(db, members, as_of)),
        statuses={rows[m].id: status_of[m] for m in members},
        heads=tuple(rows[h].id for h in transitions.heads(forwards, pk) if h in rows),
        transitions=tuple(r for r in records if isinstance(r, Transition)),
        conflicts=tuple(r for r in records if isinstance(r, Conflict)),
    )


def explain(db: sqlite3.Connection, pk: int, now: int) -> Explanation:
    """A fact with its source turns, its standing and what moved it."""
    from memstore.coherence.confidence import confidence, gather, shown
    from memstore.reports import Explanation

    (fact,) = whole(db, [pk])
    row = facts.rows(db, [pk])[pk]
    standing = standing_of(db, {pk: row}, None)[pk]
    premises = [r[0] for r in db.execute("SELECT premise FROM dependencies WHERE fact = ? ORDER BY premise", (pk,))]
    story = history(db, pk, now, None)
    doubts = [record.reason for record in transitions.read(db, standing.doubts)]
    for found in doubt.carried(db, [pk]).values():
        doubts.append(doubt.told(found, facts.rows(db, found.path)))
    evidence = gather(
        row,
        standing,
        facts.steps(db, [pk])[pk],
        sources=len({p.event_id for p in fact.provenance}),
        doubts=len(doubts),
        now=now,
    )
    sure = confidence(evidence)
    return Explanation(
        fact=fact,
        status=statuses(db, [pk], now)[pk],
        authority=authority(fact.origin),
        binding=binding(fact.modality, fact.origin),
        confidence=sure.probability,
        why={
            "confirmations": standing.confirmations,
            **shown(sure, evidence),
            **({"doubts": tuple(doubts)} if doubts else {}),
        },
        sources=tuple(events.get(db, event_id) for event_id in dict.fromkeys(p.event_id for p in fact.provenance)),
        premises=tuple(whole(db, premises)),
        history=story,
    )


def with_conflicts(db: sqlite3.Connection, fact: Fact, pk: int) -> Fact:
    """The fact with the refusals that it met."""
    met = transitions.read(db, transitions.involving(db, [pk]))
    return replace(fact, conflicts=tuple(r for r in met if isinstance(r, Conflict)))


def conflicts(db: sqlite3.Connection, scopes: Sequence[int]) -> list[Conflict]:
    """Every refusal on record in the scopes, oldest first."""
    marks = ",".join("?" * len(scopes))
    found = db.execute(
        f"SELECT pk FROM transitions WHERE refusal IS NOT NULL AND scope IN ({marks}) ORDER BY pk", tuple(scopes)
    )
    return [r for r in transitions.read(db, [row[0] for row in found]) if isinstance(r, Conflict)]
