"""Vectors, kept in the ledger's own file and scanned exactly: nothing to corrupt between processes, nothing to trust.

Every turn has one vector, of its first words; every statement of a user or of the system has one of its own, because
one sentence of a long message may be the answer. An assistant's long turns are found by how they begin.

A vector is 384 signed bytes: cosine does not mind the scale. The matrix lives in memory and follows the table by a
watermark. A scan first compares signs (48 bytes a vector, Hamming distance), then measures the closest in full.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from memstore.index import places
from memstore.index.embedding import DIMENSIONS, Encoder
from memstore.index.places import STATEMENT_BITS, TURN_BITS, Mark
from memstore.ledger.connection import Ledger, Transaction

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.closeness import Near
    from memstore.reports import Problem

# How much of a turn its vector stands for, in characters.
_HEAD_OWN = 600
_HEAD_OTHER = 400
# Vectors measured in full after the comparison of signs.
_SHORTLIST = 1_500
# Facts embedded between two writes.
_BATCH = 64

_CREATE = (
    "CREATE TABLE vectors (place INTEGER PRIMARY KEY, added INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE INDEX vectors_by_added ON vectors (added)",
    # `upto`: the facts up to this one have their vectors. `changed` counts additions; `generation` is new whenever
    # something was taken out, or the table made again.
    "CREATE TABLE vectors_state (encoder TEXT NOT NULL, upto INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " generation TEXT NOT NULL)",
)


def exists(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'vectors_state'").fetchone() is not None


def state(db: sqlite3.Connection) -> tuple[str, int, str] | None:
    """(encoder, changed, generation) of the table; None if there is none."""
    return db.execute("SELECT encoder, changed, generation FROM vectors_state").fetchone() if exists(db) else None


def drop(tx: Transaction) -> None:
    for table in ("vectors", "vectors_state"):
        tx.execute(f"DROP TABLE IF EXISTS {table}")


def rebuild(tx: Transaction) -> None:
    """Forget every vector; `catch_up` makes them again."""
    drop(tx)


def remove(tx: Transaction, held: Iterable[int]) -> None:
    """Take out the vectors of statements, and of their turns, which were made of the same words."""
    if not exists(tx.db):
        return
    gone = set(held)
    gone |= {place >> STATEMENT_BITS << STATEMENT_BITS for place in gone}
    tx.db.executemany("DELETE FROM vectors WHERE place = ?", [(place,) for place in gone])
    tx.execute("UPDATE vectors_state SET generation = ?", (tx.new_id("v"),))


def lag(db: sqlite3.Connection) -> int:
    """Facts that have no vector yet, as far as the watermark tells."""
    row = db.execute("SELECT upto FROM vectors_state").fetchone() if exists(db) else None
    upto = row[0] if row is not None else 0
    return int(db.execute("SELECT count(*) FROM facts WHERE pk > ?", (upto,)).fetchone()[0])


def catch_up(ledger: Ledger, encoder: Encoder, limit: int | None = None) -> int:
    """Embed facts that have no vector, at most `limit`; returns how many. The model runs outside the write lock."""
    if ledger.read_only:
        return 0
    done = 0
    while limit is None or done < limit:
        with ledger.reading() as db:
            upto = _watermark(db, encoder)
            batch = _waiting(db, upto, _BATCH if limit is None else min(_BATCH, limit - done))
            words = _words(db, [fact for fact, _ in batch], encoder)
        if not batch:
            break
        rows = {place: pack(encoder.encode(text)) for place, text in words.items()}
        with ledger.writing(patient=limit is None) as tx:  # a question does not wait for another's write
            _store(tx, encoder, rows, upto, batch[-1][0])
        done += len(batch)
    return done


def _watermark(db: sqlite3.Connection, encoder: Encoder) -> int:
    row = db.execute("SELECT encoder, upto FROM vectors_state").fetchone() if exists(db) else None
    return int(row[1]) if row is not None and row[0] == encoder.name else 0


def _waiting(db: sqlite3.Connection, upto: int, limit: int) -> list[tuple[int, int]]:
    return db.execute("SELECT pk, state FROM facts WHERE pk > ? ORDER BY pk LIMIT ?", (upto, limit)).fetchall()


def _words(db: sqlite3.Connection, facts: Sequence[int], encoder: Encoder) -> dict[int, str]:
    """{place: words to embed} of facts, and of their turns where those have no vector of this encoder yet."""
    found: dict[int, str] = {}
    here = state(db)
    known = here is not None and here[0] == encoder.name
    for place, fact in sorted(places.of_facts(db, facts).items()):
        turn = place >> STATEMENT_BITS
        row = db.execute(
            "SELECT t.marks, e.text, f.text, f.state FROM turns t JOIN events e ON e.pk = t.event, facts f"
            " WHERE t.turn = ? AND f.pk = ?",
            (turn, fact),
        ).fetchone()
        if row is None or row[3] >= 4:
            continue
        marks, said, text, _ = row
        head = turn << STATEMENT_BITS
        own = marks & Mark.OWN
        opening = said[: _HEAD_OWN if own else _HEAD_OTHER]
        if head not in found and not (
            known and db.execute("SELECT 1 FROM vectors WHERE place = ?", (head,)).fetchone()
        ):
            found[head] = opening
        if own and text != opening:
            found[place] = text
    return found


def _store(tx: Transaction, encoder: Encoder, rows: Mapping[int, bytes], since: int, upto: int) -> None:
    here = state(tx.db)
    if here is None or here[0] != encoder.name:
        drop(tx)
        for statement in _CREATE:
            tx.execute(statement)
        tx.execute("INSERT INTO vectors_state VALUES (?, 0, 0, ?)", (encoder.name, tx.new_id("v")))
    reached, changed = tx.execute("SELECT upto, changed FROM vectors_state").fetchone()
    if reached != since:  # another process was faster, or the table was made anew: the next turn of the loop sees it
        return
    # What was forgotten while the model ran has lost its place.
    still = {place for place in rows if _held(tx.db, place)}
    tx.db.executemany(
        "INSERT OR REPLACE INTO vectors (place, added, vector) VALUES (?, ?, ?)",
        [(place, changed + 1, vector) for place, vector in rows.items() if place in still],
    )
    tx.execute("UPDATE vectors_state SET upto = ?, changed = changed + 1", (upto,))


def _held(db: sqlite3.Connection, place: int) -> bool:
    first = place >> STATEMENT_BITS << STATEMENT_BITS
    if place == first:  # a turn's own vector stands while any of its statements does
        last = first | (1 << STATEMENT_BITS) - 1
        return db.execute("SELECT 1 FROM statements WHERE place BETWEEN ? AND ?", (first, last)).fetchone() is not None
    return db.execute("SELECT 1 FROM statements WHERE place = ?", (place,)).fetchone() is not None


def pack(vector: np.ndarray) -> bytes:
    """A unit vector as signed bytes, its largest component at ±127."""
    import numpy as np

    top = float(np.abs(vector).max()) or 1.0
    return np.rint(vector * (127.0 / top)).astype(np.int8).tobytes()


class Matrix:
    """The vectors of one store in memory, following the table. One a process is enough; it is not shared by threads.

    Costs 384 + 48 + 12 bytes a vector.
    """

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._places: np.ndarray
        self._vectors: np.ndarray
        self._signs: np.ndarray
        self._lengths: np.ndarray

    def follow(self, db: sqlite3.Connection, encoder: Encoder) -> bool:
        """Read what was added since the last time, or everything if something was taken out. False if there is none."""
        here = state(db)
        if here is None or here[0] != encoder.name:
            return False
        _, changed, generation = here
        if self._seen != (generation, changed):
            self._load(db, self._seen[1] if self._seen is not None and self._seen[0] == generation else None)
            self._seen = (generation, changed)
        return len(self._places) > 0

    def _load(self, db: sqlite3.Connection, since: int | None) -> None:
        import numpy as np

        from memstore.index import closeness

        where, given = ("", ()) if since is None else (" WHERE added > ?", (since,))
        rows = db.execute(f"SELECT place, vector FROM vectors{where} ORDER BY place", given).fetchall()
        rows = [row for row in rows if len(row[1]) == DIMENSIONS]
        at = np.array([row[0] for row in rows], dtype=np.int64)
        vectors = np.frombuffer(b"".join([row[1] for row in rows]), dtype=np.int8).reshape(len(rows), DIMENSIONS)
        if since is not None:
            kept = ~np.isin(self._places, at)
            at = np.concatenate([self._places[kept], at])
            vectors = np.concatenate([self._vectors[kept], vectors])
            order = np.argsort(at, kind="stable")
            at, vectors = at[order], vectors[order]
        self._places, self._vectors = at, vectors
        # Word by word, as they are compared.
        self._signs = np.ascontiguousarray(np.packbits(vectors > 0, axis=1).view(np.uint64).T)
        self._lengths = closeness.lengths(vectors)

    def nearest(self, query: np.ndarray, count: int, sessions: frozenset[int] | None) -> list[int]:
        """The `count` turns with the closest vectors, closest first; only of the sessions given, if any are."""
        import numpy as np

        from memstore.index.closeness import cosines

        held, rows = self._signs, np.arange(len(self._places))
        if sessions is not None:
            rows = rows[np.isin(self._places >> (STATEMENT_BITS + TURN_BITS), np.array(sorted(sessions)))]
            held = held[:, rows]
        if len(rows) > 2 * _SHORTLIST:
            apart = np.zeros(len(rows), dtype=np.uint16)
            for ours, theirs in zip(held, np.packbits(query > 0).view(np.uint64), strict=True):
                apart += np.bitwise_count(ours ^ theirs)
            # Everything as close as the last of the shortlist comes along, so that ties are not left to chance.
            edge = np.searchsorted(np.bincount(apart).cumsum(), _SHORTLIST, side="right")
            rows = rows[apart <= edge]
        near = cosines(query, self._vectors, self._lengths, rows)
        turns = self._places[rows] >> STATEMENT_BITS
        order = np.lexsort((turns, -near))
        return list(dict.fromkeys(turns[order][: 8 * count].tolist()))[:count]

    def near(self, query: np.ndarray, turns: Sequence[int]) -> Near:
        """How close the vectors of turns are, which are sorted."""
        import numpy as np

        from memstore.index.closeness import Near, cosines

        first = np.array(turns, dtype=np.int64) << STATEMENT_BITS
        low, high = np.searchsorted(self._places, first), np.searchsorted(self._places, first + (1 << STATEMENT_BITS))
        counts = high - low
        rows = np.arange(counts.sum()) + np.repeat(high - counts.cumsum(), counts)
        return Near(self._places[rows], cosines(query, self._vectors, self._lengths, rows))


def problems(db: sqlite3.Connection) -> list[Problem]:
    """Vectors whose statement is gone, or whose size is wrong. That some are missing is no problem: they lag."""
    from memstore.reports import Problem

    if not exists(db):
        return []
    try:
        bad = db.execute("SELECT count(*) FROM vectors WHERE length(vector) <> ?", (DIMENSIONS,)).fetchone()[0]
        stray = db.execute(
            f"SELECT count(*) FROM vectors v WHERE (v.place & {(1 << STATEMENT_BITS) - 1}) <> 0"
            " AND NOT EXISTS (SELECT 1 FROM statements s WHERE s.place = v.place)"
        ).fetchone()[0]
    except sqlite3.DatabaseError as error:
        return [Problem("index", "vectors", f"the vectors are damaged: {error}: rebuild")]
    if bad or stray:
        return [Problem("index", "vectors", f"{bad} vectors are damaged, {stray} have no statement: rebuild")]
    return []
