"""Tokens booked: what a memory costs to write, inject, retrieve, compress and judge, whoever asks."""

from __future__ import annotations

import sqlite3

from memstore.ledger.connection import Transaction
from memstore.ledger.times import from_micros, to_micros
from memstore.model import Usage

PURPOSES = ("write", "inject", "retrieve", "compress", "judge")


def book(tx: Transaction, entry: Usage, scope: int | None, ref: str | None = None) -> None:
    """Book tokens to a scope, and to its session of that name, if it has one; under one `ref` only once."""
    tx.execute(
        "INSERT INTO usage"
        " (at, scope, purpose, model, counter, input_tokens, output_tokens, cost_usd, price_date, ref, session)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT pk FROM sessions WHERE scope = ? AND name = ?))"
        " ON CONFLICT (scope, ref) WHERE ref IS NOT NULL DO NOTHING",
        (
            to_micros(entry.at),
            scope,
            entry.purpose,
            entry.model,
            entry.counter,
            entry.input_tokens,
            entry.output_tokens,
            entry.cost_usd,
            entry.price_date,
            ref,
            scope,
            entry.session,
        ),
    )


def entries(db: sqlite3.Connection, scope: str | None = None) -> list[Usage]:
    rows = db.execute(
        "SELECT u.at, u.purpose, u.model, u.counter, u.input_tokens, u.output_tokens, u.cost_usd, u.price_date, n.name"
        " FROM usage u LEFT JOIN scopes s ON s.pk = u.scope LEFT JOIN sessions n ON n.pk = u.session"
        " WHERE ? IS NULL OR s.name = ? ORDER BY u.pk",
        (scope, scope),
    )
    return [Usage(from_micros(at), *rest) for at, *rest in rows]


def booked(db: sqlite3.Connection, scope: str, session: str) -> int:
    """How many bookings name this session: 0 for one that was never recorded."""
    (count,) = db.execute(
        "SELECT COUNT(*) FROM usage WHERE session ="
        " (SELECT n.pk FROM sessions n JOIN scopes s ON s.pk = n.scope WHERE s.name = ? AND n.name = ?)",
        (scope, session),
    ).fetchone()
    return int(count)


def booked_since(db: sqlite3.Connection, scope: str, purpose: str, counter: str, since: int) -> int:
    """How many bookings of a purpose, by one counter, name no session and were made at a time or after it."""
    (count,) = db.execute(
        "SELECT COUNT(*) FROM usage WHERE at >= ? AND purpose = ? AND counter = ? AND session IS NULL"
        " AND scope = (SELECT pk FROM scopes WHERE name = ?)",
        (since, purpose, counter, scope),
    ).fetchone()
    return int(count)
