"""Doubt travels from premises to conclusions: truth maintenance over `depends_on`.

After Doyle, *A Truth Maintenance System* (Artificial Intelligence 12, 1979): a belief is held for its
justifications, and when a premise goes OUT what was concluded from it goes OUT too, until something supports it
again. Here OUT is a doubt, never a deletion, and the labels are not kept but derived at every reading, so that there
is nothing to repair: undo the fall of the premise and the conclusion stands again.

A premise falls when it is superseded, retracted, forgotten or suspect. One that gave way to the same statement
(a merged duplicate) has not fallen; its successor answers for it. A conclusion is free of a doubt when somebody
confirmed or revalidated it, or a fact between it and the premise, after the premise fell.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from memstore.ledger import facts, transitions
from memstore.ledger.facts import digest
from memstore.ledger.standing import Moment, Standing, State, Step, derive

MOST_STEPS, MOST_WORDS = 12, 300
"""How many facts of a path, and characters of the premise, are told: both ends of a path say most."""


class Doubt(NamedTuple):
    """Why a conclusion is doubted: the facts (pk) from it down to the premise that fell, and how that fell."""

    path: tuple[int, ...]
    state: State
    since: Moment


def carried(db: sqlite3.Connection, pks: Iterable[int], as_of: int | None = None) -> dict[int, Doubt]:
    """The doubts that reach the given facts through their premises; those nothing is wrong with are left out.

    Of several, the latest is given, over the shortest path.
    """
    if db.execute("SELECT 1 FROM dependencies LIMIT 1").fetchone() is None:
        return {}  # most stores conclude nothing from anything
    wanted = set(pks)
    premises, successors = _support(db, wanted, as_of)
    if not any(premises.values()):
        return {}
    rows = facts.rows(db, premises)
    taken = facts.steps(db, rows, as_of)
    standings = {pk: _standing(row, taken) for pk, row in rows.items()}
    rests_on: dict[int, list[int]] = {}
    for fact, below in premises.items():
        for premise in below:
            rests_on.setdefault(premise, []).append(fact)
    found: dict[int, Doubt] = {}
    wave = [
        (pk, Doubt((pk,), standing.state, standing.since))
        for pk, standing in standings.items()
        if standing.state is not State.LIVE and pk not in successors
    ]
    while wave:
        following = []
        for pk, doubt in wave:
            for fact in rests_on.get(pk, ()):
                if doubt.since <= standings[fact].cleared:
                    continue
                known = found.get(fact)
                if known is None or known.since < doubt.since:
                    # A duplicate's successor stands in for it: it is no step of the path.
                    path = doubt.path if fact in successors else (fact, *doubt.path)
                    found[fact] = Doubt(path, doubt.state, doubt.since)
                    following.append((fact, found[fact]))
        wave = following
    return {pk: found[pk] for pk in wanted if pk in found}


def concluded(db: sqlite3.Connection, scopes: Sequence[int]) -> dict[int, Doubt]:
    """The doubts that reach facts of the scopes through their premises."""
    marks = ",".join("?" * len(scopes))
    drawn = db.execute(
        f"SELECT DISTINCT fact FROM dependencies JOIN facts ON pk = fact WHERE scope IN ({marks})", tuple(scopes)
    )
    return carried(db, [row[0] for row in drawn])


def support(db: sqlite3.Connection, pks: Iterable[int]) -> list[int]:
    """The given facts and everything that they rest on."""
    return list(_support(db, set(pks), None)[0])


def told(doubt: Doubt, rows: dict[int, facts.Row]) -> str:
    """The doubt in words, with its path: what this rests on, in the end, and what happened to that."""
    fallen = rows[doubt.path[-1]]
    steps = [rows[pk].id for pk in doubt.path]
    if len(steps) > MOST_STEPS:
        half = MOST_STEPS // 2
        steps[half:-half] = [f"… {len(steps) - 2 * half} more …"]
    words = fallen.text if len(fallen.text) <= MOST_WORDS else f"{fallen.text[:MOST_WORDS]}…"
    premise = f"«{words}», which is {doubt.state.name.lower()}" if words else "what was forgotten"
    return f"rests on {premise} ({' ← '.join(steps)})"


def _standing(row: facts.Row, taken: dict[int, list[Step]]) -> Standing:
    standing = derive(taken[row.pk], row.said_at, row.ttl)
    return Standing(State.FORGOTTEN, None, 0, standing.since) if row.state is State.FORGOTTEN else standing


def _support(db: sqlite3.Connection, pks: set[int], as_of: int | None) -> tuple[dict[int, list[int]], set[int]]:
    """{fact: what it rests on}, closed under premises, and which of the facts gave way to the same statement."""
    support: dict[int, list[int]] = {}
    replaced: set[int] = set()
    frontier = set(pks)
    while frontier:
        below: dict[int, list[int]] = {pk: [] for pk in sorted(frontier)}
        for fact, premise in db.execute(
            "SELECT d.fact, d.premise FROM json_each(?) CROSS JOIN dependencies d ON d.fact = value ORDER BY d.premise",
            (json.dumps(list(below)),),
        ):
            below[fact].append(premise)
        for pk, heads in _same_statement(db, below, as_of).items():
            replaced.add(pk)
            below[pk] += heads
        support |= below
        frontier = {premise for many in below.values() for premise in many} - support.keys()
    return support, replaced


def _same_statement(db: sqlite3.Connection, pks: Collection[int], as_of: int | None) -> dict[int, list[int]]:
    """{fact: the heads that replaced it}, for facts whose heads say the same as they do."""
    result: dict[int, list[int]] = {}
    if not pks:
        return result
    forwards = transitions.successors(db, pks, as_of)
    if not any(forwards.values()):
        return result
    heads_of = transitions.heads_of_each(forwards, pks)
    rows = facts.rows(db, {*pks, *(head for pk in pks for head in heads_of[pk])})
    for pk in pks:
        heads = heads_of[pk]
        if (
            heads != [pk]
            and rows[pk].text  # of what was forgotten nobody can tell any more
            and all(
                rows[head].modality is rows[pk].modality and digest(rows[head].text) == digest(rows[pk].text)
                for head in heads
            )
        ):
            result[pk] = heads
    return result
