"""mempalace 3.11 (MIT): verbatim drawers in Chroma, ranked by MiniLM and BM25, through its own miner and search.

It would download its encoder on first use, so the harness's own (the same model, as int8) stands in for it. A turn is
one source file, cut into drawers as its miner cuts files.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evals.arms import vectors
from evals.arms.base import BaseArm, may_answer
from evals.model import Item, Query, Recalled, Sample, Turn
from evals.settings import confine_mempalace

FETCH = 50  # more than any k, so that two drawers of one turn and what was not yet said can be left out


class Encoder:
    """The interface that mempalace asks of a Chroma embedding function, over the shared encoder."""

    def __init__(self, **ignored: Any) -> None:
        pass

    @staticmethod
    def name() -> str:
        return "default"

    @staticmethod
    def build_from_config(config: Any) -> Encoder:
        return Encoder()

    def get_config(self) -> dict[str, Any]:
        return {}

    def default_space(self) -> str:
        return "cosine"

    def supported_spaces(self) -> list[str]:
        return ["cosine"]

    def is_legacy(self) -> bool:
        return False

    def __call__(self, input: Sequence[str]) -> list[Any]:
        return list(vectors.encode(list(input)))

    embed_query = embed_documents = __call__


class MemPalace(BaseArm):
    name = "mempalace"
    about = "mempalace: verbatim drawers, MiniLM and BM25 re-ranked; no model"
    package = "mempalace"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"candidates": "vector", "embedder": vectors.MODEL}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing() if find_spec("mempalace") else "needs mempalace: pip install 'memstore[peers]'"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.resources.callback(confine_mempalace(workdir))
        logging.getLogger("mempalace_mcp").setLevel(logging.ERROR)
        path = sys.path[:]
        from mempalace import embedding

        sys.path[:] = path  # importing it takes what PYTHONPATH named out of the path
        embedding._build_ef_class = lambda: Encoder
        embedding._EF_CACHE.clear()
        from mempalace.backends import get_backend
        from mempalace.palace import get_collection

        self.palace = str(workdir / "palace")
        self.resources.callback(get_backend("chroma").close_palace, self.palace)
        self.collection = get_collection(self.palace, create=True)

    def ingest(self, items: Sequence[Item]) -> int:
        from mempalace.miner import add_drawer, chunk_text

        turns = [item for item in items if isinstance(item, Turn)]
        self.turn_of = {turn.ref: turn for turn in turns}
        for turn in turns:
            # Its chunker leaves out what is shorter than a sentence; a short turn is a drawer all the same.
            for part in chunk_text(turn.text, turn.ref) or [{"content": turn.text, "chunk_index": 0}]:
                session = "".join(c if c.isalnum() else "-" for c in turn.session)
                add_drawer(
                    self.collection, "memeval", session, part["content"], turn.ref, part["chunk_index"], turn.role
                )
        return len(turns)

    def recall(self, query: Query) -> list[Recalled]:
        from mempalace.searcher import search_memories

        found = search_memories(query.text, self.palace, n_results=FETCH)
        hits = [(hit, self.turn_of[hit["source_path"]]) for hit in found.get("results", ())]
        said = [(hit, turn) for hit, turn in hits if may_answer(turn, query)]
        return [
            Recalled(
                hit["text"], (turn.ref,), score=hit["similarity"], quote=turn.text, origin=turn.origin or turn.role
            )
            for hit, turn in said[: query.k]
        ]
