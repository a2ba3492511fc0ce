"""Ties of facts to files: what each saw when it was last looked at, and the doubt that it raised.

A tie is about the world as it is now, so a row is updated when what it points at moves or is confirmed; what became
of the fact stays on record in the transitions. Only facts that can still be current are looked after.

A tie that came with an export is looked at only under a root that somebody named here: its own root is a path of
another machine, or of whoever wrote the file. Until then it is kept, marked as one from elsewhere, and nothing is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from memstore.ledger.connection import Transaction


class Tie(NamedTuple):
    """One row. `lines` are 1-based and inclusive; `doubt` is the flagging that this tie raised, if nobody
    answered or reverted it."""

    pk: int
    fact: int
    root: str
    path: str
    lines: tuple[int, int] | None
    symbol: str | None
    sha256: str
    form: str
    seen: str
    blob: str | None
    commit: str | None
    at: int
    doubt: int | None = None


_ELSEWHERE = "elsewhere:"  # before the root of a tie from an export; a root that was named here is an absolute path

# CROSS JOIN keeps SQLite from reading every fact to find the few that are tied to something.
_SELECT = (
    "SELECT a.pk, a.fact, r.path, a.path, a.first, a.last, a.symbol, a.sha256, a.form, a.seen, a.git_blob,"
    " a.git_commit, a.at, CASE WHEN t.effective THEN t.pk END FROM anchors a"
    " CROSS JOIN roots r ON r.pk = a.root CROSS JOIN facts f ON f.pk = a.fact LEFT JOIN transitions t ON t.pk = a.doubt"
)
_LOOKED_AT = f"f.state < 2 AND r.path NOT GLOB '{_ELSEWHERE}*'"


def add(tx: Transaction, tie: Tie) -> int:
    """Write a new tie; its `pk` is ignored."""
    tx.execute("INSERT OR IGNORE INTO roots (path) VALUES (?)", (tie.root,))
    return tx.insert(
        "INSERT INTO anchors (fact, path, first, last, symbol, sha256, form, seen, git_blob, git_commit, at, doubt,"
        " root) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, pk FROM roots WHERE path = ?",
        (*_values(tie), tie.root),
    )


def save(tx: Transaction, tie: Tie) -> None:
    """Write a tie back."""
    tx.execute(
        "UPDATE anchors SET fact = ?, path = ?, first = ?, last = ?, symbol = ?, sha256 = ?, form = ?, seen = ?,"
        " git_blob = ?, git_commit = ?, at = ?, doubt = ? WHERE pk = ?",
        (*_values(tie), tie.pk),
    )


def bound(root: str, named: str | None, *, anywhere: bool) -> str:
    """The root for a tie from an export: the one that was named here, if it is the same or stands for any."""
    return named if named is not None and (anywhere or root == named) else _ELSEWHERE + root


def named_root(root: str) -> tuple[str, bool]:
    """The root of a tie as it was first named, and whether it was named here."""
    return root.removeprefix(_ELSEWHERE), not root.startswith(_ELSEWHERE)


def take_in(tx: Transaction, tie: Tie) -> bool:
    """Write a tie from an export; False if it is there, which it may find a root for, or its fact is forgotten."""
    (forgotten,) = tx.execute("SELECT state = 4 FROM facts WHERE pk = ?", (tie.fact,)).fetchone()
    if forgotten:
        return False
    first, last = tie.lines or (None, None)
    same = tx.execute(
        "SELECT a.pk, r.path FROM anchors a JOIN roots r ON r.pk = a.root WHERE a.fact = ? AND a.path = ?"
        " AND a.first IS ? AND a.last IS ? AND a.symbol IS ?",
        (tie.fact, tie.path, first, last, tie.symbol),
    ).fetchall()
    for pk, root in same:
        if tie.root == root or not named_root(tie.root)[1]:
            return False
        if not named_root(root)[1]:
            tx.execute("INSERT OR IGNORE INTO roots (path) VALUES (?)", (tie.root,))
            tx.execute("UPDATE anchors SET root = (SELECT pk FROM roots WHERE path = ?) WHERE pk = ?", (tie.root, pk))
            return False
    add(tx, tie)
    return True


def drop(tx: Transaction, tie: Tie) -> None:
    """The fact no longer depends on this file."""
    tx.execute("DELETE FROM anchors WHERE pk = ?", (tie.pk,))


def forget(tx: Transaction, fact: int) -> None:
    """Erase what a forgotten fact's ties saw."""
    tx.execute("DELETE FROM anchors WHERE fact = ?", (fact,))


def get(db: sqlite3.Connection, pk: int) -> Tie | None:
    """The tie, if it is still there and its fact can still be current."""
    found = db.execute(f"{_SELECT} WHERE a.pk = ? AND {_LOOKED_AT}", (pk,)).fetchone()
    return _tie(found) if found else None


def of_facts(db: sqlite3.Connection, facts: Iterable[int], *, elsewhere: bool = False) -> list[Tie]:
    """The ties of facts that can still be current; with `elsewhere` those that are not looked at here, too."""
    which = "f.state < 2" if elsewhere else _LOOKED_AT
    wanted = list(facts)
    found: list[Tie] = []
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        marks = ",".join("?" * len(part))
        rows = db.execute(f"{_SELECT} WHERE a.fact IN ({marks}) AND {which} ORDER BY a.pk", part)
        found += [_tie(row) for row in rows]
    return found


def in_scopes(
    db: sqlite3.Connection, scopes: Sequence[int], root: str | None = None, paths: Collection[str] | None = None
) -> list[Tie]:
    """The ties of facts in scopes that can still be current: all, or those under a root, or to some paths there."""
    marks = ",".join("?" * len(scopes))
    rows = db.execute(
        f"{_SELECT} WHERE f.scope IN ({marks}) AND {_LOOKED_AT} AND (? IS NULL OR r.path = ?) ORDER BY a.pk",
        (*scopes, root, root),
    )
    return [tie for tie in map(_tie, rows) if paths is None or tie.path in paths]


def roots(db: sqlite3.Connection, scopes: Sequence[int]) -> list[str]:
    """The directories that facts in scopes are tied to files under."""
    marks = ",".join("?" * len(scopes))
    return [
        row[0]
        for row in db.execute(
            "SELECT DISTINCT r.path FROM anchors a"
            " CROSS JOIN roots r ON r.pk = a.root CROSS JOIN facts f ON f.pk = a.fact"
            f" WHERE f.scope IN ({marks}) AND {_LOOKED_AT} ORDER BY r.path",
            tuple(scopes),
        )
    ]


def _values(tie: Tie) -> tuple[Any, ...]:
    first, last = tie.lines or (None, None)
    return (
        tie.fact, tie.path, first, last, tie.symbol, tie.sha256, tie.form, tie.seen, tie.blob, tie.commit, tie.at,
        tie.doubt,
    )  # fmt: skip


def _tie(row: Sequence[Any]) -> Tie:
    pk, fact, root, path, first, last, *rest = row
    return Tie(pk, fact, root, path, None if first is None else (first, last), *rest)
