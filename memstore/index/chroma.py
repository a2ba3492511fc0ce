"""Chroma: an approximate index of the ledger's vectors, for large stores and for those who run a Chroma server.

It is a copy, and never believed. What it proposes is looked up in the ledger: a vector that is not there, or is not
the one that Chroma measured, is left out, and the copy is made again. What it does not hold yet is compared here,
one by one. Where it cannot be used at all (another process owns it, the server is down), the exact scan answers.

    beside the store   `agent.db.chroma/`, owned by one process at a time, which holds a lock on `agent.db.chroma.lock`:
                       Chroma loses vectors when several processes write one folder. The others scan.
    a server           any number of processes, over HTTP

`chroma_state` in the ledger says up to which vector a copy was filled, and of which generation of them. Deleting in
Chroma leaves the bytes in its files, so forgetting makes a new generation: the folder of the old one is deleted whole,
and a certificate is pending until that is done. Chroma also writes memory to disk that it never filled, with whatever
was there before. So a process in which something was forgotten makes no new folder: it scans, and the next one fills.
On a server the collections are dropped at the next chance; what its disk keeps is out of reach, and every certificate
names it.

No model is loaded and nothing is reported: Chroma gets vectors and places, never words. There is a collection for each
scope, since a filter inside one costs more than the search.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.index import vector
from memstore.index.chroma_client import BESIDE, Client, pass_on
from memstore.index.embedding import DIMENSIONS
from memstore.index.places import STATEMENT_BITS, TURN_BITS
from memstore.ledger.connection import Ledger
from memstore.reports import Problem

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.closeness import Near
    from memstore.index.embedding import Encoder
    from memstore.index.vector import Matrix

# Vectors given to Chroma between two writes of the watermark, and how many may be missing while it is still asked.
_BATCH = 2_000
_TAIL = 4_000
# How many vectors are asked for each turn that is wanted: several may be of one turn.
_OVERFETCH = 4
# By how much what Chroma measured may differ from the ledger's vector before it counts as another vector.
_SLACK = 1e-3
_SAMPLES = 8
_erased_before: dict[Path, int] = {}
_SESSION_BITS = STATEMENT_BITS + TURN_BITS
_CREATE = (
    "CREATE TABLE IF NOT EXISTS chroma_state (place TEXT PRIMARY KEY, generation TEXT NOT NULL,"
    " filled INTEGER NOT NULL)"
)


def cleared(db: sqlite3.Connection, store: Path, mine: Chroma | None) -> bool:
    """Drop the copies that still hold what was forgotten; False while one is out of this process's hands."""
    if not _exists(db):
        return True
    state = vector.state(db)
    current = None if state is None else state[2]
    done = True
    for where, generation in db.execute("SELECT place, generation FROM chroma_state").fetchall():
        if generation == current or where != BESIDE:
            continue
        holder = mine if mine is not None and mine.place == BESIDE else Chroma(store, BESIDE)
        if holder.drop(generation):
            db.execute("DELETE FROM chroma_state WHERE place = ? AND generation = ?", (where, generation))
        else:
            done = False
    return done


class Chroma:
    """The copy of one store's vectors, for the threads of this process. It offers what `vector.Matrix` offers.

    `exact` answers when the copy cannot.
    """

    def __init__(self, store: Path, where: str, exact: Matrix | None = None) -> None:
        self.place = where
        self._client = Client(store, where)
        self._path = store.resolve()
        self._exact = exact or vector.Matrix()
        self._lock = threading.RLock()
        self._generation = ""  # of the copy, once it was found sound
        self._doubted = False
        # For the question that is being answered: its snapshot, and the vectors that Chroma does not hold yet.
        self._db: sqlite3.Connection
        self._encoder: Encoder
        self._missing: dict[int, bytes]

    # --- filling ------------------------------------------------------------------------------------------------

    def begin(self, db: sqlite3.Connection) -> None:
        """Note what had been forgotten when this process first opened the store: nothing of it is in its memory."""
        _erased_before.setdefault(self._path, _erased(db))

    def catch_up(self, ledger: Ledger, limit: int | None = None) -> int:
        """Give Chroma the vectors it lacks, all or about `limit`; returns how many. Its failures are `problems`."""
        done = 0
        if limit is None:  # somebody asks for it: now is the time to try again
            self._client.try_again()
        while not ledger.read_only and (limit is None or done < limit):
            # A question does not wait for another thread that is filling.
            if not self._lock.acquire(blocking=limit is None):
                break
            try:
                given = self._step(ledger, patient=limit is None)
            except BaseException as error:  # Chroma's engine is Rust: on damaged files it may panic
                self._client.fail(error)
                break
            finally:
                self._lock.release()
            if not given:
                break
            done += given
        return done

    def _step(self, ledger: Ledger, *, patient: bool) -> int:
        """One batch, or a new beginning (which counts as one); 0 when there is nothing to do."""
        with ledger.reading() as db:
            state, row = vector.state(db), self._row(db)
            retired = self.place == BESIDE and _erased(db) > _erased_before.get(self._path, 0)
        if state is None:
            return 0
        _, changed, generation = state
        if retired:
            self._client.close()
            if row is not None and row[0] != generation:
                ledger.finish_erasures()
            return 0
        if not self._client.reach():
            return 0
        batch = None
        if row is not None and row[0] == generation and not self._doubted:
            with ledger.reading() as db:
                if self._sound(db, *row):
                    batch = _batch(db, row[1]) if row[1] < changed else []
        if batch is None or row is None:
            return self._begin(ledger, generation if row is None else row[0], generation)
        if not batch:
            return 0
        for scope, rows in _by_scope(batch).items():
            self._client.collection(generation, scope).upsert(
                ids=[str(at) for at, _ in rows], embeddings=_floats([blob for _, blob in rows])
            )
        with ledger.writing(patient=patient) as tx:
            # Only from where it was: another process may have begun anew, or something may have been forgotten.
            tx.execute(
                "UPDATE chroma_state SET filled = ? WHERE place = ? AND generation = ? AND filled = ?"
                " AND generation = (SELECT generation FROM vectors_state)",
                (batch[-1][3], self.place, generation, row[1]),
            )
        return len(batch)

    def _begin(self, ledger: Ledger, old: str, generation: str) -> int:
        """Drop what is there, and note, before anything is filled in, that there will be a copy."""
        if not self.drop(old) or not self._client.reach():
            return 0
        with ledger.writing() as tx:
            tx.execute(_CREATE)
            tx.execute("INSERT OR REPLACE INTO chroma_state VALUES (?, ?, 0)", (self.place, generation))
            # Certificates of forgetting name it: what its disk keeps is out of reach.
            if self.place != BESIDE and not tx.execute("SELECT 1 FROM copies WHERE path = ?", (self.place,)).fetchone():
                row = (tx.at, "Chroma server", self.place)
                tx.execute("INSERT INTO copies (at, kind, path) VALUES (?, ?, ?)", row)
        self._doubted = self._client.fresh = False
        self._generation = generation
        ledger.finish_erasures()
        return 1

    def _sound(self, db: sqlite3.Connection, generation: str, filled: int) -> bool:
        """Once for each opening: whether Chroma holds what it was given, and finds a few of them."""
        if self._generation == generation and not self._client.fresh:
            return True
        try:
            sound = self._holds(db, generation, filled) and self._finds(db, generation, filled)
        except BaseException as error:
            pass_on(error)
            if self.place != BESIDE:  # a server that does not answer has lost nothing
                raise
            sound = False
        if sound:
            self._generation, self._client.fresh = generation, False
        return sound

    def _holds(self, db: sqlite3.Connection, generation: str, filled: int) -> bool:
        by_session = db.execute(
            "SELECT place >> ?, count(*) FROM vectors WHERE added <= ? GROUP BY 1", (_SESSION_BITS, filled)
        ).fetchall()
        scope_of = _scopes_of(db, [session for session, _ in by_session])
        expected: Counter[int] = Counter()
        for session, count in by_session:
            expected[scope_of[session]] += count
        # More than expected is no loss: a batch was given, and the process killed before that was noted.
        return all(self._client.collection(generation, scope).count() >= count for scope, count in expected.items())

    def _finds(self, db: sqlite3.Connection, generation: str, filled: int) -> bool:
        first, last = db.execute("SELECT min(place), max(place) FROM vectors").fetchone()
        for index in range(_SAMPLES if filled else 0):
            row = db.execute(
                "SELECT place, vector FROM vectors WHERE place >= ? AND added <= ? ORDER BY place LIMIT 1",
                (first + (last - first) * index // _SAMPLES, filled),
            ).fetchone()
            if row is None:
                continue
            scopes = _scopes(db, frozenset({row[0] >> _SESSION_BITS}))
            found = self._query(generation, scopes, _floats([row[1]])[0], 1)
            if not found or found[0][1] > _SLACK:
                return False
        return True

    def _row(self, db: sqlite3.Connection) -> tuple[str, int] | None:
        if not _exists(db):
            return None
        row: tuple[str, int] | None = db.execute(
            "SELECT generation, filled FROM chroma_state WHERE place = ?", (self.place,)
        ).fetchone()
        return row

    # --- asking -------------------------------------------------------------------------------------------------

    def follow(self, db: sqlite3.Connection, encoder: Encoder) -> bool:
        """Whether Chroma can be asked in this snapshot: it is ours, of this generation, and lacks little."""
        state, row = vector.state(db), self._row(db)
        if not self._client.connected or self._doubted or state is None or row is None:
            return False
        if state[0] != encoder.name or not row[0] == state[2] == self._generation:
            return False
        missing = db.execute(
            "SELECT place, vector FROM vectors WHERE added > ? AND length(vector) = ? LIMIT ?",
            (row[1], DIMENSIONS, _TAIL + 1),
        ).fetchall()
        self._db, self._encoder, self._missing = db, encoder, dict(missing)
        return len(missing) <= _TAIL

    def nearest(self, query: np.ndarray, count: int, sessions: frozenset[int] | None) -> list[int]:
        """The `count` turns with the closest vectors, closest first, as far as Chroma finds them."""
        db = self._db
        proposed = self._proposed(query, _OVERFETCH * count, _scopes(db, sessions))
        if proposed is None:
            return self._exact.nearest(query, count, sessions) if self._exact.follow(db, self._encoder) else []
        measured = _cosines(query, _vectors(db, [at for at, _ in proposed]))
        for at, distance in proposed:
            if at not in measured or abs(1 - distance - measured[at]) > _SLACK:
                measured.pop(at, None)
                self._doubted = True
        measured |= _cosines(query, self._missing)
        near = sorted(
            (-cosine, at >> STATEMENT_BITS)
            for at, cosine in measured.items()
            if sessions is None or at >> _SESSION_BITS in sessions
        )
        return list(dict.fromkeys(turn for _, turn in near))[:count]

    def near(self, query: np.ndarray, turns: Sequence[int]) -> Near:
        """How close the vectors of turns are, which are sorted."""
        import numpy as np

        from memstore.index.closeness import Near

        held: dict[int, bytes] = {}
        for first, last in _runs(turns):
            held |= self._db.execute(
                "SELECT place, vector FROM vectors WHERE place BETWEEN ? AND ? AND length(vector) = ?",
                (first << STATEMENT_BITS, (last + 1 << STATEMENT_BITS) - 1, DIMENSIONS),
            ).fetchall()
        return Near(np.array(list(held), dtype=np.int64), np.array(list(_cosines(query, held).values())))

    def _proposed(self, query: np.ndarray, count: int, scopes: Sequence[int]) -> list[tuple[int, float]] | None:
        """What Chroma finds; None if it fails, or another thread is filling it just now."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._query(self._generation, scopes, query, count)
        except BaseException as error:
            self._client.fail(error)
            return None
        finally:
            self._lock.release()

    def _query(self, generation: str, scopes: Iterable[int], query: np.ndarray, count: int) -> list[tuple[int, float]]:
        """(place, distance) of the closest, of every scope."""
        found: list[tuple[int, float]] = []
        for scope in scopes:
            answer = self._client.collection(generation, scope).query(
                query_embeddings=[query.astype("float32")], n_results=count, include=["distances"]
            )
            found += zip(map(int, answer["ids"][0]), answer["distances"][0], strict=True)
        return found

    # --- looking after it ---------------------------------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """Why the copy is not used just now. That it lags is no problem: what it lacks is compared one by one."""
        if self._client.trouble is None:
            return []
        said = f"{self._client.trouble}: recall scans instead; rebuild makes the copy again"
        return [Problem("index", "chroma", said)]

    def drop(self, generation: str) -> bool:
        """Delete everything that Chroma holds of a generation; False if that is not in this process's hands."""
        with self._lock:
            self._generation = ""
            return self._client.drop(generation)

    def close(self) -> None:
        """Let another process own the folder."""
        with self._lock:
            self._generation = ""
            self._client.close()


def _erased(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(pk), 0) FROM erasures").fetchone()[0])


def _exists(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'chroma_state'").fetchone() is not None


def _batch(db: sqlite3.Connection, filled: int) -> list[tuple[int, bytes, int, int]]:
    """(place, vector, scope, added) of what comes next: always everything that was added at once."""
    (upto,) = db.execute(
        "SELECT max(added) FROM (SELECT added FROM vectors WHERE added > ? ORDER BY added LIMIT ?)", (filled, _BATCH)
    ).fetchone()
    if upto is None:
        return []
    rows = db.execute(
        "SELECT place, vector, added FROM vectors WHERE added > ? AND added <= ? AND length(vector) = ?"
        " ORDER BY added, place",
        (filled, upto, DIMENSIONS),
    ).fetchall()
    scope_of = _scopes_of(db, {at >> _SESSION_BITS for at, _, _ in rows})
    return [(at, blob, scope_of[at >> _SESSION_BITS], added) for at, blob, added in rows]


def _by_scope(batch: Iterable[tuple[int, bytes, int, int]]) -> dict[int, list[tuple[int, bytes]]]:
    result: dict[int, list[tuple[int, bytes]]] = {}
    for at, blob, scope, _ in batch:
        result.setdefault(scope, []).append((at, blob))
    return result


def _runs(turns: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of the turns that follow one another."""
    for begin, turn in enumerate(turns):
        if begin and turns[begin - 1] == turn - 1:
            continue
        last = turn
        while begin + last - turn + 1 < len(turns) and turns[begin + last - turn + 1] == last + 1:
            last += 1
        yield turn, last


def _scopes_of(db: sqlite3.Connection, sessions: Iterable[int]) -> dict[int, int]:
    wanted = set(sessions)
    return {pk: scope for pk, scope in db.execute("SELECT pk, scope FROM sessions") if pk in wanted}


def _scopes(db: sqlite3.Connection, sessions: frozenset[int] | None) -> list[int]:
    if sessions is None:
        return [pk for (pk,) in db.execute("SELECT pk FROM scopes ORDER BY pk")]
    return sorted(set(_scopes_of(db, sessions).values()))


def _vectors(db: sqlite3.Connection, places: Sequence[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for begin in range(0, len(places), 500):
        part = places[begin : begin + 500]
        marks = ",".join("?" * len(part))
        found |= db.execute(
            f"SELECT place, vector FROM vectors WHERE place IN ({marks}) AND length(vector) = ?", (*part, DIMENSIONS)
        ).fetchall()
    return found


def _floats(blobs: Sequence[bytes]) -> np.ndarray:
    import numpy as np

    return np.frombuffer(b"".join(blobs), dtype=np.int8).reshape(len(blobs), DIMENSIONS).astype(np.float32)


def _cosines(query: np.ndarray, vectors: dict[int, bytes]) -> dict[int, float]:
    """As `Matrix` measures them, so that both give the same score."""
    import numpy as np

    from memstore.index.closeness import cosines, lengths

    held = np.frombuffer(b"".join(vectors.values()), dtype=np.int8).reshape(len(vectors), DIMENSIONS)
    return dict(zip(vectors, cosines(query, held, lengths(held)).tolist(), strict=True))
