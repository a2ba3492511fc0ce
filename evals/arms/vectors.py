"""A Chroma collection of texts with MiniLM vectors, as its documentation sets one up: cosine, HNSW defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evals.arms import encoder
from evals.model import EvalError

BATCH = 1000


def missing() -> str | None:
    """Why vectors cannot be had here, or None."""
    from importlib.util import find_spec

    if find_spec("chromadb") is None:
        return "needs chromadb: pip install 'memstore[vectors]'"
    return encoder.missing()


class Collection:
    """Texts by position. Chroma keeps them on disk in `directory`, which one process owns."""

    def __init__(self, directory: Path, texts: Sequence[str]) -> None:
        reason = missing()
        if reason:
            raise EvalError(f"the vector index {reason}")
        import chromadb
        from chromadb.config import Settings

        client = chromadb.PersistentClient(str(directory), Settings(anonymized_telemetry=False))
        self._collection = client.create_collection(
            "turns", configuration={"hnsw": {"space": "cosine", "num_threads": 1}}, embedding_function=None
        )
        self.size = len(texts)
        vectors = encoder.encode(texts)
        for start in range(0, len(texts), BATCH):
            part = range(start, min(start + BATCH, len(texts)))
            self._collection.add(ids=[str(i) for i in part], embeddings=vectors[part.start : part.stop])

    def rank(self, text: str, k: int) -> list[tuple[int, float]]:
        """(position, cosine similarity) of the nearest k, best first."""
        if not self.size:
            return []
        found = self._collection.query(
            query_embeddings=encoder.encode([text]), n_results=min(k, self.size), include=["distances"]
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return sorted(((int(i), 1.0 - float(d)) for i, d in pairs), key=lambda pair: (-pair[1], pair[0]))
