"""Verbatim turns in Chroma with MiniLM vectors: what most people mean by giving an agent a memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from evals.arms import vectors
from evals.arms.base import TurnArm
from evals.arms.together import write_together
from evals.model import Item, Sample, Turn

FETCH = 200  # more than any k, so that leaving out what was not yet said never runs short


class Chroma(TurnArm):
    name = "chroma"
    about = "verbatim turns in Chroma, all-MiniLM-L6-v2 int8, cosine"
    package = "chromadb"
    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"model": vectors.MODEL, "space": "cosine"}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing("chromadb")

    def ingest(self, items: Sequence[Item]) -> int:
        if self.writers == 1:
            return super().ingest(items)
        self.turns = [item for item in items if isinstance(item, Turn)]
        written = write_together(_write_share, self.workdir, self.turns, self.writers)
        self.collection = self.resources.enter_context(closing(vectors.Collection(self.workdir / "chroma", [])))
        return written

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.writers = int(sample.extras.get("writers", 1))
        # A position in the conversation is the id of its vector, whichever process writes it.
        refs = {item.ref: position for position, item in enumerate(sample.items)} if self.writers > 1 else {}
        (workdir / "positions.json").write_text(json.dumps(refs), encoding="utf-8")

    def build(self) -> None:
        collection = vectors.Collection(self.workdir / "chroma", [t.text for t in self.turns])
        self.collection = self.resources.enter_context(closing(collection))

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        return self.collection.rank(text, FETCH)


def _write_share(workdir: Path, turns: Sequence[Turn]) -> int:
    """What one of several processes writes."""
    positions = json.loads((workdir / "positions.json").read_text(encoding="utf-8"))
    with closing(vectors.Collection(workdir / "chroma", [])) as collection:
        for turn in turns:  # one at a time, as they are said
            collection.add([positions[turn.ref]], [turn.text])
    return len(turns)
