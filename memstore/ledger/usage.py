"""Tokens booked: what a memory costs to write, inject, retrieve, compress and judge, whoever asks."""

from __future__ import annotations

import sqlite3

from memstore.ledger.connection import Transaction
from memstore.ledger.times import from_micros, to_micros
from memstore.model import Usage

PURPOSES = ("write", "inject", "retrieve", "compress", "judge")


def book(tx: Transaction, entry: Usage, scope: int | None) -> None:
    tx.execute(
        "INSERT INTO usage (at, scope, purpose, model, counter, input_tokens, output_tokens, cost_usd, price_date)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        ),
    )


def entries(db: sqlite3.Connection, scope: str | None = None) -> list[Usage]:
    rows = db.execute(
        "SELECT u.at, u.purpose, u.model, u.counter, u.input_tokens, u.output_tokens, u.cost_usd, u.price_date"
        " FROM usage u LEFT JOIN scopes s ON s.pk = u.scope WHERE ? IS NULL OR s.name = ? ORDER BY u.pk",
        (scope, scope),
    )
    return [Usage(from_micros(at), *rest) for at, *rest in rows]
