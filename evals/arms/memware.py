"""memware 0.11 (MIT): passages of turns over FTS5, ranked by BM25, recency and use, through its own ingest and search.

Its ledger of beliefs is filled by a model or by hand and stays empty here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evals.arms.base import BaseArm, may_answer
from evals.model import Item, Query, Recalled, Sample, Turn

FETCH = 100  # more than any k, so that leaving out what was not yet said never runs short


class Memware(BaseArm):
    name = "memware"
    about = "memware: passages of turns over FTS5, BM25 × recency × use; no model"
    package = "memware"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"passages_per_turn": 3, "record_use": False}

    @classmethod
    def missing(cls) -> str | None:
        return None if find_spec("memware") else "needs memware: pip install 'memstore[peers]'"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        from memware.store import Store

        self.store = self.resources.enter_context(closing(Store(workdir / "memware.db")))

    def ingest(self, items: Sequence[Item]) -> int:
        from memware import ingest

        turns = [item for item in items if isinstance(item, Turn)]
        transcript = self.workdir / "transcript.jsonl"
        rows = ([t.session, t.at.isoformat(), t.role, t.text] for t in turns)
        transcript.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

        def parse(path: Path, offset: int) -> Iterator[tuple[int, Any]]:
            with path.open("rb") as lines:
                lines.seek(offset)
                for line in iter(lines.readline, b""):
                    yield lines.tell(), ingest.Turn(*json.loads(line))

        ingest.register("memeval", parse)
        written = ingest.sync_file(self.store, transcript, harness="memeval")
        order = self.store.conn.execute("select id from turn order by seq").fetchall()
        self.turn_of = {row[0]: turn for row, turn in zip(order, turns, strict=True)}
        return written

    def recall(self, query: Query) -> list[Recalled]:
        from memware.index import search_turns

        hits = search_turns(self.store, query.text, k=FETCH, record_use=False)
        found = [(hit, self.turn_of[hit.id]) for hit in hits]
        said = [(hit, turn) for hit, turn in found if may_answer(turn, query)]
        return [Recalled(hit.text, (turn.ref,), score=hit.score, quote=turn.text) for hit, turn in said[: query.k]]
