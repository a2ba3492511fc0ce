"""Full text over the words of facts: SQLite FTS5, porter-stemmed, in the store's own file.

An entry is written in the transaction that writes its fact. If the table is missing or was tampered with, `rebuild`
makes it again from the ledger; until then recall reads the facts themselves.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from memstore.ledger.connection import Transaction
from memstore.model import Problem

_CREATE = (
    "CREATE VIRTUAL TABLE words USING fts5(text, content='facts', content_rowid='pk',"
    " tokenize='porter unicode61 remove_diacritics 2')"
)
_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    """a an and are as at be but by did do does for from had has have he her his how i in is it its me my of on or
    our she so that the their them they this to us was we were what when where which who why will with you your
    """.split()
)


def create(tx: Transaction) -> None:
    """Make the index if it is not there, from all facts that are."""
    if not exists(tx.db):
        tx.execute(_CREATE)
        tx.execute("INSERT INTO words (rowid, text) SELECT pk, text FROM facts WHERE state < 4")


def exists(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'words'").fetchone() is not None


def add(tx: Transaction, entries: Iterable[tuple[int, str]]) -> None:
    tx.db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", entries)


def remove(tx: Transaction, entries: Sequence[tuple[int, str]]) -> None:
    """Take facts out, so that nothing of their words remains: also not as deletion markers in older segments."""
    if not exists(tx.db):
        return
    tx.db.executemany("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", entries)
    if entries:
        tx.execute("INSERT INTO words (words) VALUES ('optimize')")


def rebuild(tx: Transaction) -> None:
    """Drop the index and make it again from the ledger."""
    tx.execute("DROP TABLE IF EXISTS words")
    create(tx)


def search(db: sqlite3.Connection, query: str, scopes: Sequence[int], limit: int) -> list[tuple[int, float]]:
    """(fact, score) of facts that share words with the query, best first; higher scores are better.

    Falls back to reading the facts themselves if the index is missing or broken: slower, never wrong.
    """
    words = list(dict.fromkeys(w.casefold() for w in _WORD.findall(query)))
    telling = [w for w in words if w not in _COMMON] or words
    if not telling or not scopes:
        return []
    expression = " OR ".join(f'"{w}"' for w in telling)
    marks = ",".join("?" * len(scopes))
    try:
        found = db.execute(
            "SELECT words.rowid, bm25(words) FROM words JOIN facts ON facts.pk = words.rowid"
            f" WHERE words MATCH ? AND facts.scope IN ({marks}) ORDER BY bm25(words), words.rowid LIMIT ?",
            (expression, *scopes, limit),
        ).fetchall()
    except sqlite3.DatabaseError:
        return _scan(db, telling, scopes, limit)
    return [(pk, -score) for pk, score in found]


def _scan(db: sqlite3.Connection, words: Sequence[str], scopes: Sequence[int], limit: int) -> list[tuple[int, float]]:
    marks = ",".join("?" * len(scopes))
    wanted = set(words)
    scored = []
    for pk, text in db.execute(f"SELECT pk, text FROM facts WHERE state < 4 AND scope IN ({marks})", tuple(scopes)):
        shared = wanted & {w.casefold() for w in _WORD.findall(text)}
        if shared:
            scored.append((pk, float(len(shared))))
    scored.sort(key=lambda hit: (-hit[1], hit[0]))
    return scored[:limit]


def problems(db: sqlite3.Connection) -> Iterator[Problem]:
    """How the index differs from the facts: `rebuild` mends all of it."""
    if not exists(db):
        yield Problem("index", "words", "the full-text index is missing: run  memstore verify --rebuild")
        return
    try:
        stray = db.execute(
            "SELECT count(*) FROM words_docsize d LEFT JOIN facts f ON f.pk = d.id WHERE f.pk IS NULL OR f.state = 4"
        ).fetchone()[0]
        missing = db.execute(
            "SELECT count(*) FROM facts f LEFT JOIN words_docsize d ON d.id = f.pk WHERE d.id IS NULL AND f.state < 4"
        ).fetchone()[0]
        if stray or missing:
            yield Problem("index", "words", f"{missing} facts are not indexed, {stray} entries have no fact")
    except sqlite3.DatabaseError as error:
        yield Problem("index", "words", f"the full-text index is damaged: {error}")
