"""inspeximus 3.23 (MIT): one record a turn, keyed where the task keys it, so that a new value retires the old one.

Its `auto` mode ranks by words while the store is small and fuses words with vectors once it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from evals.arms import vectors
from evals.arms.base import BaseArm, verbatim, within
from evals.model import Item, Query, Recalled, Sample, Turn

FETCH = 100


class Inspeximus(BaseArm):
    name = "inspeximus"
    about = "inspeximus: lexical and MiniLM fused by rank, keyed supersession; no model"
    package = "inspeximus"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"mode": "auto", "embedder": vectors.MODEL}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing() if find_spec("inspeximus") else "needs inspeximus: pip install 'memstore[peers]'"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        from inspeximus import Inspeximus as Store

        self.store = Store(str(workdir / "inspeximus.db"), embed=lambda text: vectors.encode([text])[0].tolist())

    def ingest(self, items: Sequence[Item]) -> int:
        turns = [item for item in items if isinstance(item, Turn)]
        vectors.encode([turn.text for turn in turns])  # in one batch; the store then asks for them one by one
        self.turn_of: dict[str, Turn] = {}
        for turn in turns:
            record = self.store.remember(turn.text, key=turn.key, valid_from=turn.at.timestamp())
            self.turn_of[record] = turn
        return len(turns)

    def recall(self, query: Query) -> list[Recalled]:
        as_of: datetime | None = query.as_of
        fetch = query.k if query.scope is None else max(FETCH, query.k)
        found = self.store.recall(query.text, k=fetch, as_of=as_of.timestamp() if as_of else None)
        said = [(record, self.turn_of[record["id"]]) for record in found]
        inside = [(record, turn) for record, turn in said if within(turn, query.scope)]
        return [verbatim(turn, record.get("score")) for record, turn in inside[: query.k]]
