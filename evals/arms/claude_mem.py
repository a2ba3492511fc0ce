"""A claude-mem database that already exists, searched as claude-mem searches it: a lossy, approximate memory.

The database is made beforehand by claude-mem itself, watching an agent through the sample's conversation (it needs a
model and its own runtime, so nothing here can make one). `MEMEVAL_CLAUDE_MEM` names a folder with one `SAMPLE.db` for
each; other samples are skipped with that reason. It is opened read-only.

Each fact of an observation is a document of its own, as are its narrative and the parts of a summary. A question takes
the nearest hundred, leaves out what is older than ninety days, and gives the newest first. A session begins with the
titles of the last fifty observations. No pointer to a turn is kept: what comes back is attributed by its words.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.arms import vectors
from evals.arms.base import BaseArm
from evals.model import EvalError, Item, Query, Recalled, Sample, Tokens
from evals.settings import claude_mem_databases

NEAREST = 100
WINDOW = timedelta(days=90)
TITLES = 50
SUMMARY = ("request", "investigated", "learned", "completed", "next_steps", "notes")
FILES = "{name}.db"


class ClaudeMem(BaseArm):
    name = "claude_mem"
    about = "an existing claude-mem database: each fact a document, nearest 100, 90 days, newest first"
    caveat = "claude_mem reads databases that claude-mem made; the model that wrote them is not run here."
    package = "chromadb"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"nearest": NEAREST, "window_days": WINDOW.days, "titles": TITLES, "model": vectors.MODEL}

    @classmethod
    def missing(cls) -> str | None:
        if claude_mem_databases() is None:
            return "needs databases that claude-mem made: name their folder in MEMEVAL_CLAUDE_MEM"
        return vectors.missing("chromadb")

    def applies(self, sample: Sample) -> str | None:
        path = _database(sample)
        return None if path.is_file() else f"no claude-mem database {path.name} for this sample"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.path = _database(sample)

    def ingest(self, items: Sequence[Item]) -> int:
        """Reads what claude-mem wrote; the items themselves are not looked at."""
        try:
            connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
            connection.row_factory = sqlite3.Row
            with connection:
                observations = _table(connection, "observations")
                summaries = _table(connection, "session_summaries")
            connection.close()
        except sqlite3.DatabaseError as error:
            raise EvalError(f"{self.path} is not a claude-mem database ({error})") from None
        if not observations and not summaries:
            raise EvalError(f"{self.path} holds no observations and no summaries: is it a claude-mem database?")
        self.titles = [(_at(row), str(row["title"])) for row in observations if row.get("title")]
        held = [(_at(row), text) for row in observations for text in _documents(row)]
        held += [(_at(row), str(row[part])) for row in summaries for part in SUMMARY if row.get(part)]
        self.held = held
        collection = vectors.Collection(self.workdir / "chroma", [text for _, text in held])
        self.collection = self.resources.enter_context(closing(collection))
        spent = sum(int(row.get("discovery_tokens") or 0) for row in (*observations, *summaries))
        if spent:  # what its own model took, as it booked it
            self._spent.append(Tokens("compress", spent, "claude-mem discovery_tokens"))
        return len(held)

    def inject(self, now: datetime, scope: str | None = None) -> str:
        latest = sorted((t for t in self.titles if t[0] <= now), key=lambda t: t[0])[-TITLES:]
        return "\n".join(f"- {at:%Y-%m-%d %H:%M} {title}" for at, title in latest)

    def recall(self, query: Query) -> list[Recalled]:
        known = query.as_of or query.now
        near = [(self.held[i], score) for i, score in self.collection.rank(query.text, NEAREST)]
        window = [(fact, score) for fact, score in near if known - WINDOW <= fact[0] <= known]
        newest = sorted(window, key=lambda one: (one[0][0], one[1]), reverse=True)
        return [Recalled(text, score=score) for (_, text), score in newest[: query.k]]


def _database(sample: Sample) -> Path:
    folder = claude_mem_databases() or Path()
    return folder / FILES.format(name="".join(c if c.isalnum() or c in "-_." else "_" for c in sample.id))


def _table(connection: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    """The rows of a table, none where the database has no such table: its schema has changed often."""
    if not connection.execute("select 1 from sqlite_master where type = 'table' and name = ?", (name,)).fetchone():
        return []
    return [dict(row) for row in connection.execute(f"select * from {name} order by id")]


def _documents(row: Mapping[str, Any]) -> Iterator[str]:
    """An observation's facts, its narrative and its older free text, each a document."""
    try:
        facts = json.loads(row.get("facts") or "[]")
    except ValueError:
        facts = []
    yield from (fact for fact in facts if isinstance(fact, str) and fact.strip())
    yield from (str(row[part]) for part in ("narrative", "text") if row.get(part))


def _at(row: Mapping[str, Any]) -> datetime:
    """When a row was made; claude-mem counts milliseconds."""
    return datetime.fromtimestamp(int(row.get("created_at_epoch") or 0) / 1000, UTC)
