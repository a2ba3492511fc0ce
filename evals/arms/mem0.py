"""mem0 2.2 (Apache-2.0) without a model: turns stored as they are (`infer=False`), vectors in a local Qdrant.

With a model it would extract facts first; this arm measures its store and search, not its extractor. mem0 takes an
embedder by provider name, so the harness's own encoder stands in for its Hugging Face provider, which would download.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evals.arms import vectors
from evals.arms.base import BaseArm, may_answer
from evals.model import Item, Query, Recalled, Sample, Turn
from evals.settings import confine_mem0

USER = "memeval"
FETCH = 100


class Embedder:
    """The interface that mem0 asks of an embedder, over the shared vectors."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return vectors.encode([text])[0].tolist()

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = None) -> list[list[float]]:
        return vectors.encode(list(texts)).tolist()


class Mem0(BaseArm):
    name = "mem0"
    about = "mem0, infer=False: turns as they are, MiniLM vectors in a local Qdrant; no model"
    caveat = "mem0 without a model stores turns as they are: this says nothing of what its extractor would do."
    package = "mem0ai"

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"infer": False, "vector_store": "qdrant, local", "embedder": vectors.MODEL}

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing() if find_spec("mem0") else "needs mem0ai: pip install 'memstore[peers]'"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        confine_mem0(workdir)
        logging.getLogger("mem0").setLevel(logging.ERROR)
        from mem0 import Memory
        from mem0.utils.factory import EmbedderFactory

        EmbedderFactory.provider_to_class["huggingface"] = f"{__name__}.Embedder"
        store = {
            "path": str(workdir / "qdrant"),
            "embedding_model_dims": 384,
            "collection_name": "turns",
            "on_disk": True,
        }
        self.memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {"provider": "huggingface", "config": {"embedding_dims": 384}},
                # Never asked: infer=False. The constructor wants one all the same.
                "llm": {"provider": "openai", "config": {"api_key": "unused"}},
                "history_db_path": str(workdir / "history.db"),
            }
        )
        self.resources.callback(self.memory.vector_store.client.close)
        self.resources.callback(self.memory.close)

    def ingest(self, items: Sequence[Item]) -> int:
        turns = [item for item in items if isinstance(item, Turn)]
        vectors.encode([turn.text for turn in turns])  # in one batch; mem0 then asks for them one by one
        self.turn_of = {turn.ref: turn for turn in turns}
        for turn in turns:
            self.memory.add(turn.text, user_id=USER, infer=False, metadata={"ref": turn.ref})
        return len(turns)

    def recall(self, query: Query) -> list[Recalled]:
        results = self.memory.search(query.text, top_k=FETCH, filters={"user_id": USER})["results"]
        found = [(r, self.turn_of[r["metadata"]["ref"]]) for r in results]
        said = [(r, turn) for r, turn in found if may_answer(turn, query)]
        return [Recalled(r["memory"], (t.ref,), score=r["score"], quote=t.text) for r, t in said[: query.k]]
