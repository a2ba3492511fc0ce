"""What happened to facts: dated rows with a cause, and the chains that they form.

Appending is all that is ever done here. Whether a change is *allowed* is decided in `coherence`; a refused one is
appended too, with its refusal, and has no effect.
"""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from memstore.errors import NotFound
from memstore.ledger import facts, standing
from memstore.ledger.connection import Transaction
from memstore.ledger.times import from_micros
from memstore.model import Change, Conflict, Transition


def append(
    tx: Transaction,
    *,
    scope: int,
    change: Change,
    old: Sequence[int],
    new: Sequence[int] = (),
    reason: str,
    event: int | None = None,
    target: int | None = None,
    refusal: str | None = None,
    possible: bool = False,
    id_and_time: tuple[str, int] | None = None,
) -> int:
    """Write a transition and settle the state of the facts it touches; returns its pk.

    `possible` marks a refusal that nothing but uncertainty speaks for. It is new and happens now, unless it comes with
    the id and time that it had where it was exported.
    """
    id_, at = id_and_time or (tx.new_id("t"), tx.at)
    pk = tx.insert(
        "INSERT INTO transitions (id, scope, change, at, reason, event, target, refusal, effective, possible)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (id_, scope, change.value, at, reason, event, target, refusal, refusal is None, possible),
    )
    tx.db.executemany(
        "INSERT OR IGNORE INTO involved (fact, transition, side) VALUES (?, ?, ?)",
        [(fact, pk, "old") for fact in old] + [(fact, pk, "new") for fact in new],
    )
    if refusal is None:
        if change is Change.REVERTED:
            _settle_effects(tx, pk)
        facts.settle(tx, {*old, *new})
    return pk


def _settle_effects(tx: Transaction, reversal: int) -> None:
    """Derive again which transitions count among those that undo one another around this one."""
    related = tx.execute(
        "WITH RECURSIVE line(pk) AS (SELECT ? UNION SELECT CASE t.pk WHEN line.pk THEN t.target ELSE t.pk END"
        " FROM line JOIN transitions t ON t.change = 'reverted' AND (t.pk = line.pk OR t.target = line.pk))"
        " SELECT pk, target, change = 'reverted', refusal IS NOT NULL FROM transitions"
        " WHERE pk IN (SELECT pk FROM line)",
        (reversal,),
    ).fetchall()
    steps = ((pk, target, bool(undoes), bool(refused)) for pk, target, undoes, refused in related)
    for pk, counts in standing.effective(steps).items():
        tx.execute("UPDATE transitions SET effective = ? WHERE pk = ?", (counts, pk))


def pk_of(db: sqlite3.Connection, transition_id: str) -> int:
    row = db.execute("SELECT pk FROM transitions WHERE id = ?", (transition_id,)).fetchone()
    if row is None:
        raise NotFound(f"no transition {transition_id!r} in this store")
    return int(row[0])


_COLUMNS = (
    "t.pk, t.id, s.name, t.change, t.at, t.reason, t.refusal, t.possible, e.id, target.id"
    " FROM transitions t JOIN scopes s ON s.pk = t.scope LEFT JOIN events e ON e.pk = t.event"
    " LEFT JOIN transitions target ON target.pk = t.target"
)


def read(db: sqlite3.Connection, pks: Iterable[int]) -> list[Transition | Conflict]:
    """Transitions and conflicts by pk, in the order they happened."""
    wanted = list(pks)
    sides: dict[int, dict[str, list[str]]] = {pk: {"old": [], "new": []} for pk in wanted}
    result: list[Transition | Conflict] = []
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        marks = ",".join("?" * len(part))
        for pk, side, fact in db.execute(
            "SELECT i.transition, i.side, f.id FROM involved i JOIN facts f ON f.pk = i.fact"
            f" WHERE i.transition IN ({marks}) ORDER BY f.pk",
            part,
        ):
            sides[pk][side].append(fact)
        for row in db.execute(f"SELECT {_COLUMNS} WHERE t.pk IN ({marks}) ORDER BY t.pk", part):
            result.append(_record(row, tuple(sides[row[0]]["old"]), tuple(sides[row[0]]["new"])))
    return result


def _record(row: Sequence[Any], old: tuple[str, ...], new: tuple[str, ...]) -> Transition | Conflict:
    _, id_, scope, change, at, reason, refused, possible, event, target = row
    if refused is not None:
        return Conflict(id_, scope, Change(change), old, new, from_micros(at), reason, refused, bool(possible))
    return Transition(
        id_,
        scope,
        Change(change),
        old,
        new,
        from_micros(at),
        reason,
        event,
        target,
    )


def involving(db: sqlite3.Connection, fact_pks: Iterable[int], as_of: int | None = None) -> list[int]:
    """The transitions in which any of the facts took part, oldest first."""
    found = db.execute(
        "SELECT DISTINCT t.pk FROM json_each(?) CROSS JOIN involved i ON i.fact = value"
        " CROSS JOIN transitions t ON t.pk = i.transition WHERE ? IS NULL OR t.at <= ? ORDER BY t.pk",
        (json.dumps(list(fact_pks)), as_of, as_of),
    )
    return [row[0] for row in found]


def explain_sharing(db: sqlite3.Connection, held: Sequence[int]) -> bool:
    """Whether what is on record explains that several facts hold one key.

    A fact may have come back to it by a reversal. All others must hang together by refusals: each was kept beside
    another because policy, or an import, would not decide between them.
    """
    marks = ",".join("?" * len(held))
    came_back = db.execute(
        "SELECT i.fact FROM involved i JOIN transitions t ON t.pk = i.transition"
        " WHERE t.change IN ('superseded', 'retracted') AND t.effective = 0 AND t.refusal IS NULL AND i.side = 'old'"
        f" AND i.fact IN ({marks})",
        tuple(held),
    )
    apart = set(held) - {row[0] for row in came_back}
    beside: dict[int, set[int]] = {}
    for transition, fact in db.execute(
        "SELECT i.transition, i.fact FROM involved i JOIN transitions t ON t.pk = i.transition"
        f" WHERE t.refusal IS NOT NULL AND i.fact IN ({marks})",
        tuple(held),
    ):
        beside.setdefault(transition, set()).add(fact)
    together = {apart.pop()} if apart else set()
    while joined := [facts_ for facts_ in beside.values() if facts_ & together and not facts_ <= together]:
        together = together.union(*joined)
    return apart <= together


# --- chains ----------------------------------------------------------------------------------------------------


def _effective_as_of(db: sqlite3.Connection, as_of: int | None) -> str:
    """SQL that is true of a transition `t` which counts, now or (by replaying the reversals) at a moment."""
    if as_of is None:
        return "t.effective = 1"
    reversals = db.execute(
        "SELECT pk, target, refusal IS NOT NULL FROM transitions"
        " WHERE target IS NOT NULL AND change = 'reverted' AND at <= ?",
        (as_of,),
    ).fetchall()
    steps = {target: (target, None, False, False) for _, target, _ in reversals}
    steps |= {pk: (pk, target, True, bool(refused)) for pk, target, refused in reversals}
    undone = [pk for pk, counts in standing.effective(steps.values()).items() if not counts]
    return f"t.at <= {as_of:d} AND t.refusal IS NULL AND t.pk NOT IN ({','.join(map(str, undone))})"


def successors(db: sqlite3.Connection, pks: Iterable[int], as_of: int | None = None) -> dict[int, list[int]]:
    """Every supersession edge reachable forwards from the facts: {old: [new, …]}."""
    return _edges(db, pks, "old", "new", as_of)


def predecessors(db: sqlite3.Connection, pks: Iterable[int], as_of: int | None = None) -> dict[int, list[int]]:
    """Every supersession edge reachable backwards from the facts: {new: [old, …]}."""
    return _edges(db, pks, "new", "old", as_of)


def _edges(db: sqlite3.Connection, pks: Iterable[int], near: str, far: str, as_of: int | None) -> dict[int, list[int]]:
    # One question for chains of any length. CROSS JOIN keeps SQLite on the way from a fact to what it took part in.
    step = (
        f"CROSS JOIN involved a ON a.fact = {{}} AND a.side = '{near}' CROSS JOIN transitions t ON t.pk = a.transition"
        f" AND t.change = 'superseded' AND {_effective_as_of(db, as_of)}"
        f" CROSS JOIN involved b ON b.transition = t.pk AND b.side = '{far}'"
    )
    edges: dict[int, list[int]] = {pk: [] for pk in pks}
    for here, there in db.execute(
        f"WITH RECURSIVE line(here, there) AS (SELECT a.fact, b.fact FROM json_each(?) {step.format('value')}"
        f" UNION SELECT a.fact, b.fact FROM line {step.format('line.there')}) SELECT * FROM line ORDER BY here, there",
        (json.dumps(list(edges)),),
    ):
        edges.setdefault(here, []).append(there)
        edges.setdefault(there, [])
    return edges


class Clash(NamedTuple):
    """A replacement that policy refused: the facts (pk) on both sides."""

    old: tuple[int, ...]
    new: tuple[int, ...]


def clashes(db: sqlite3.Connection, pks: Iterable[int]) -> dict[int, Clash]:
    """The refused replacements among some transitions (pk), latest first; what was only a possible one is left out."""
    found: dict[int, Clash] = {}
    for pk, fact, side in db.execute(
        "SELECT t.pk, i.fact, i.side FROM json_each(?) CROSS JOIN transitions t ON t.pk = value"
        " CROSS JOIN involved i ON i.transition = t.pk"
        " WHERE t.change = 'superseded' AND t.refusal IS NOT NULL AND NOT t.possible ORDER BY t.pk DESC, i.fact",
        (json.dumps(list(pks)),),
    ):
        old, new = found.get(pk, Clash((), ()))
        found[pk] = Clash((*old, fact), new) if side == "old" else Clash(old, (*new, fact))
    return found


def reachable(edges: dict[int, list[int]], start: int) -> list[int]:
    """Everything that can be reached from a fact along the edges, itself left out, nearest first."""
    seen: dict[int, None] = {}
    queue = deque(edges.get(start, ()))
    while queue:
        fact = queue.popleft()
        if fact not in seen and fact != start:
            seen[fact] = None
            queue += edges.get(fact, ())
    return list(seen)


def heads(edges: dict[int, list[int]], start: int) -> list[int]:
    """The live ends of the chain that a fact stands in: itself, if nothing replaced it."""
    if not edges.get(start):
        return [start]
    return [fact for fact in reachable(edges, start) if not edges.get(fact)]


def heads_of_each(edges: dict[int, list[int]], starts: Iterable[int]) -> dict[int, list[int]]:
    """The live ends of the chains of many facts, each edge followed once."""
    found: dict[int, list[int]] = {}
    begun: set[int] = set()
    for start in starts:
        waiting = [start]
        while waiting:
            fact = waiting[-1]
            if fact not in begun:
                begun.add(fact)
                waiting += [new for new in edges.get(fact, ()) if new not in begun]
                continue
            waiting.pop()
            if fact not in found:
                # What is not found yet can only be a circle, which only a hand in the file can make.
                below = [found.get(new, []) for new in edges.get(fact, ())]
                if not below:
                    found[fact] = [fact]
                elif len(below) == 1:
                    found[fact] = below[0]
                else:
                    found[fact] = list(dict.fromkeys(head for many in below for head in many))
    return found
