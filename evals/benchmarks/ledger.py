"""What the ledger costs, against sqlite3 written by hand.

The hand-written side writes the very same rows, into the same tables with the same indexes and full-text entries,
in the same transactions under the same pragmas; it only has to insert them, because their values were taken from a
store. So the ratio says what memstore's own work (hashing, masking, rules, reading back) adds to SQLite's.

    durable remember   one fact a transaction, synced
    bulk import        export files, in the importer's batches; by hand their lines are parsed and inserted, and the
                       packed lists of words written as memstore leaves them after each file, but nothing is checked
                       and no list is made up (a second ratio leaves the parsing out as well)
    get by key         at the full size
    size               bytes of file a fact beyond its text, in pages that hold something (those that an index gave
                       back are used again, and counted apart); memory while importing
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click

from memstore import MemoryStore

_START = datetime(2026, 1, 1, tzinfo=UTC)
# Each table with the order of its rows; those of the index come after the facts they are about.
_ROW_TABLES = {
    "events": "pk",
    "facts": "pk",
    "provenance": "fact, event",
    "turns": "turn",
    "statements": "place",
    "words": "place",
}
_TALKS = (
    "INSERT INTO main.talks VALUES (?, ?, ?) ON CONFLICT (session)"
    " DO UPDATE SET turns = turns + excluded.turns, words = words + excluded.words"
)
_WORDS = "SELECT s.place, f.text FROM model.statements s JOIN model.facts f ON f.pk = s.fact ORDER BY s.place"
_NOUNS = (
    "cache queue gateway scheduler ledger parser router index worker proxy broker session token shard replica".split()
)
_VERBS = "uses keeps drops retries signs compresses rejects mirrors batches expires rotates limits".split()


def sentence(rng: random.Random, number: int) -> str:
    """A sentence of the length people write (about 70 characters), with words that recur as words do."""
    return (
        f"The {rng.choice(_NOUNS)} {number} {rng.choice(_VERBS)} {rng.randrange(1, 900)} entries "
        f"for the {rng.choice(_NOUNS)} in region {rng.randrange(40)}."
    )


def export_lines(count: int, first: int = 0) -> Iterator[str]:
    """A synthetic export of `count` one-sentence facts from number `first` on, each with one event and a key."""
    rng = random.Random(first)
    yield json.dumps({"type": "header", "format": "memstore", "version": 1, "scopes": ["default"]})
    texts = [sentence(rng, number) for number in range(first, first + count)]
    for number, text in enumerate(texts, first):
        at = (_START + timedelta(seconds=number)).isoformat()
        yield json.dumps(
            {
                "type": "event", "id": f"e_{number:018d}", "scope": "default", "session": f"s{number // 200}",
                "ref": f"t{number}", "role": "user", "origin": "user", "at": at, "recorded_at": at, "text": text,
                "sha256": hashlib.sha256(text.encode()).hexdigest(), "forgotten_at": None, "pending": False,
            }
        )  # fmt: skip
    for number, text in enumerate(texts, first):
        at = (_START + timedelta(seconds=number)).isoformat()
        pointer = {"event": f"e_{number:018d}", "start": 0, "end": len(text), "extractor": "verbatim/1"}
        yield json.dumps(
            {
                "type": "fact", "id": f"f_{number:018d}", "scope": "default", "key": f"key-{number}", "text": text,
                "modality": "decision", "kind": "project", "origin": "user", "said_at": at, "recorded_at": at,
                "valid_from": at, "valid_to": None, "ttl_seconds": None, "probability": 0.97, "context": {},
                "provenance": [pointer], "premises": [],
            }
        )  # fmt: skip
    yield json.dumps({"type": "footer", "events": count, "facts": count, "transitions": 0})


class ByHand:
    """The same file, written by nothing but sqlite3."""

    def __init__(self, path: Path, like: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.execute("ATTACH ? AS model", (str(like),))
        shadow = "name NOT LIKE 'sqlite_%' AND name NOT LIKE 'words\\__%' ESCAPE '\\' AND sql IS NOT NULL"
        for (sql,) in self.db.execute(f"SELECT sql FROM model.sqlite_master WHERE {shadow}").fetchall():
            self.db.execute(sql)
        for table in ("scopes", "sessions", "extractors", "clock"):
            self.db.execute(f"INSERT OR IGNORE INTO main.{table} SELECT * FROM model.{table}")

    def rows(self, table: str) -> sqlite3.Cursor:
        """The rows that memstore wrote into a table, to be written again."""
        if table == "words":
            return self.db.execute(_WORDS)
        return self.db.execute(f"SELECT * FROM model.{table} ORDER BY {_ROW_TABLES[table]}")

    def insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if table == "words":
            self.db.executemany("INSERT INTO main.words (rowid, text) VALUES (?, ?)", rows)
        else:
            self.db.executemany(f"INSERT INTO main.{table} VALUES ({','.join('?' * len(rows[0]))})", rows)

    def transaction(
        self, number: int, rows: dict[str, list[tuple[Any, ...]]], talks: list[tuple[int, int, int]]
    ) -> None:
        """The rows of some tables, the running totals and the clock in one write, as memstore writes them."""
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("UPDATE main.clock SET last = ?", (number + 1,))
        for table, new in rows.items():
            self.insert(table, new)
        self.db.executemany(_TALKS, talks)
        self.db.execute("COMMIT")


def talks_of(turns: list[tuple[Any, ...]]) -> list[tuple[int, int, int]]:
    """What turns add to the totals of their sessions and of all: (session, turns, words)."""
    totals: dict[int, list[int]] = {0: [0, 0]}
    for turn, _, words, *_ in turns:
        for total in (totals[0], totals.setdefault(turn >> 22, [0, 0])):
            total[0] += 1
            total[1] += words
    return [(session, turns_, words) for session, (turns_, words) in totals.items()]


def one_by_one(directory: Path, count: int, block: int = 50) -> dict[str, float]:
    """Durable single writes: blocks of each side in turn, so that a drifting machine slows both."""
    rng = random.Random(11)
    model = MemoryStore(directory / "model.db")
    texts = [sentence(rng, number) for number in range(count)]
    for number, text in enumerate(texts):
        model.remember(text, modality="decision", key=f"key-{number}", at=_START + timedelta(seconds=number))
    model.close()
    hand = ByHand(directory / "hand.db", directory / "model.db")
    written = {table: hand.rows(table).fetchall() for table in _ROW_TABLES}
    talks = [talks_of([turn]) for turn in written["turns"]]
    memory = MemoryStore(directory / "memstore.db")
    seconds = {"memstore": 0.0, "by hand": 0.0}
    for begin in range(0, count, block):
        started = time.perf_counter()
        for number in range(begin, begin + block):
            memory.remember(
                texts[number], modality="decision", key=f"key-{number}", at=_START + timedelta(seconds=number)
            )
        middle = time.perf_counter()
        for number in range(begin, begin + block):
            hand.transaction(number, {table: [rows[number]] for table, rows in written.items()}, talks[number])
        seconds["memstore"] += middle - started
        seconds["by hand"] += time.perf_counter() - middle
    return seconds


def in_bulk(directory: Path, count: int, batch: int = 1000) -> dict[str, Any]:
    """Importing export files, against inserting the rows they become: a file of each side in turn."""
    part = max(10_000, count // 10)
    files = []
    for first in range(0, count, part):
        files.append(directory / f"export-{first}.jsonl")
        with files[-1].open("w") as file:
            file.writelines(f"{line}\n" for line in export_lines(min(part, count - first), first))
    model = MemoryStore(directory / "model-bulk.db")
    peaks = []
    for source in files:
        model.import_(source)
        peaks.append(_peak_mb())
    keys = _key_lookups(model, count)
    model.ledger.checkpoint()
    model.close()
    text_bytes = sum(len(text) for text in _texts(directory / "model-bulk.db"))
    used, free = _pages(directory / "model-bulk.db")
    hand = _Importing(ByHand(directory / "bulk-hand.db", directory / "model-bulk.db"), batch)
    memory = MemoryStore(directory / "bulk.db")
    seconds = cpu = 0.0
    for number, source in enumerate(files):
        started, ran = time.perf_counter(), time.process_time()
        memory.import_(source)
        seconds += time.perf_counter() - started
        cpu += time.process_time() - ran
        hand.take(source, min(part, count - number * part))
        hand.pack(directory / "bulk.db")
    by_hand = hand.reading.seconds + hand.inserting.seconds
    return {
        "memstore_s": seconds,
        "by_hand_s": by_hand,
        "inserts_s": hand.inserting.seconds,
        "cpu_ratio": (hand.reading.cpu + hand.inserting.cpu) / cpu,
        "get_by_key_ms": keys,
        "bytes_beyond_text": (used - text_bytes) / count,
        "free_bytes": free / count,
        "text_bytes": text_bytes / count,
        "memory_grown_mb": peaks[-1] - peaks[0],
    }


class _Spent:
    """Time spent on something, by the clock and by the processor."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def add(self, work: Callable[[], object]) -> None:
        started, ran = time.perf_counter(), time.process_time()
        work()
        self.seconds += time.perf_counter() - started
        self.cpu += time.process_time() - ran


class _Importing:
    """Reading export files by hand and inserting their rows, with the rows' other values given.

    The events of a file come first, then each batch of facts with all that belongs to them, as its lines do.
    """

    def __init__(self, hand: ByHand, batch: int) -> None:
        self.hand, self.batch = hand, batch
        self.cursors = {table: hand.rows(table) for table in _ROW_TABLES}
        self.reading, self.inserting = _Spent(), _Spent()
        self.number = 0

    def take(self, source: Path, count: int) -> None:
        with source.open() as file:
            for tables in (["events"], [table for table in _ROW_TABLES if table != "events"]):
                for begin in range(0, count, self.batch):
                    some = min(self.batch, count - begin)
                    rows = {table: self.cursors[table].fetchmany(some) for table in tables}
                    talks = talks_of(rows["turns"]) if "turns" in rows else []
                    self.reading.add(lambda some=some: [json.loads(line) for line in islice(file, some)])
                    self.inserting.add(lambda rows=rows, talks=talks: self.hand.transaction(self.number, rows, talks))
                    self.number += 1

    def pack(self, like: Path) -> None:
        """Bring the packed lists of words to where memstore's are, written row by row in one transaction."""
        both = sqlite3.connect(like)
        both.execute("ATTACH ? AS hand", (str(self.hand.path),))
        new = both.execute("SELECT * FROM main.lists EXCEPT SELECT * FROM hand.lists ORDER BY word, first").fetchall()
        old = both.execute("SELECT word, first FROM hand.lists EXCEPT SELECT word, first FROM main.lists").fetchall()
        gathered = both.execute("SELECT 1 FROM words_docsize LIMIT 1").fetchone() is None
        both.close()
        self.inserting.add(lambda: self._pack(new, old, gathered))

    def _pack(self, new: list[tuple[Any, ...]], old: list[tuple[str, int]], gathered: bool) -> None:
        db = self.hand.db
        db.execute("BEGIN IMMEDIATE")
        db.executemany("DELETE FROM main.lists WHERE word = ? AND first = ?", old)
        db.executemany("INSERT OR REPLACE INTO main.lists VALUES (?, ?, ?, ?, ?)", new)
        if gathered:
            db.execute("INSERT INTO main.words (words) VALUES ('delete-all')")
        db.execute("COMMIT")


def _texts(path: Path) -> Iterator[bytes]:
    db = sqlite3.connect(path)
    for (text,) in db.execute("SELECT text FROM facts"):
        yield text.encode()


def _pages(path: Path) -> tuple[int, int]:
    """The bytes of a file's pages that hold something, and of those that hold nothing."""
    db = sqlite3.connect(path)
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    db.close()
    return (pages - free) * size, free * size


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _key_lookups(memory: MemoryStore, count: int, lookups: int = 2000) -> dict[str, float]:
    rng = random.Random(3)
    took = []
    for _ in range(lookups):
        key = f"key-{rng.randrange(count)}"
        started = time.perf_counter()
        found = memory.get(key)
        took.append((time.perf_counter() - started) * 1000)
        assert found is not None
        assert found.key == key
    return {"p50": statistics.median(took), "p95": statistics.quantiles(took, n=20)[18]}


@click.command()
@click.option("--facts", default=100_000, show_default=True, help="facts to import")
@click.option("--single", default=1_000, show_default=True, help="facts to remember one by one")
@click.option("--dir", "where", type=click.Path(file_okay=False, path_type=Path), help="a directory to work in")
def main(facts: int, single: int, where: Path | None) -> None:
    """Measure the ledger against hand-written sqlite3 and print one JSON object."""
    directory = Path(tempfile.mkdtemp(prefix="memstore-bench-", dir=where))
    try:
        alone = one_by_one(directory, single)
        bulk = in_bulk(directory, facts)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    json.dump(
        {
            "durable_remember": {
                "n": single,
                "memstore_ms": round(alone["memstore"] / single * 1000, 3),
                "by_hand_ms": round(alone["by hand"] / single * 1000, 3),
                "speed_ratio": round(alone["by hand"] / alone["memstore"], 3),
            },
            "bulk_import": {
                "n": facts,
                "memstore_facts_per_s": round(facts / bulk["memstore_s"]),
                "by_hand_facts_per_s": round(facts / bulk["by_hand_s"]),
                "speed_ratio": round(bulk["by_hand_s"] / bulk["memstore_s"], 3),
                "cpu_ratio": round(bulk["cpu_ratio"], 3),
                "speed_ratio_to_inserts_alone": round(bulk["inserts_s"] / bulk["memstore_s"], 3),
                "memory_grown_mb": round(bulk["memory_grown_mb"], 1),
            },
            "get_by_key_ms": {name: round(value, 3) for name, value in bulk["get_by_key_ms"].items()},
            "bytes_per_fact_beyond_its_text": round(bulk["bytes_beyond_text"]),
            "free_bytes_per_fact": round(bulk["free_bytes"]),
            "text_bytes_per_fact": round(bulk["text_bytes"]),
        },
        sys.stdout,
        indent=2,
    )
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
