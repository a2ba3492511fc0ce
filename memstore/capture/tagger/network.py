"""The shipped network, run with numpy alone.

The model file holds 8-bit weights with one scale a column; they are spread to float32 once, when loaded.
Sentences of like length share a batch, so that little is computed for padding. What is computed is
exactly `train/student.py`; tests/test_tagger_network.py holds the figures it gave when it was trained.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memstore.capture.tagger.wordpiece import WordPiece

Array = NDArray[np.float32]

#: Sentences computed together. More would not be faster: the inner arrays should stay in the cache.
_BATCH = 16
_HEAD = 32


class Network:
    """Texts and their cue names → logits. Knows its own vocabulary; `settings` carry version and calibration."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            raw = {name: archive[name] for name in archive.files}
        self.settings: dict[str, Any] = json.loads(raw.pop("settings").tobytes())
        vocabulary = raw.pop("vocabulary").tobytes().decode().split("\n")
        self._cue_index = {name: i for i, name in enumerate(raw.pop("cue_names").tobytes().decode().split("\n"))}
        self._w: dict[str, Array] = {
            name: values.astype(np.float32) * raw[name + ":scale"] if name + ":scale" in raw else values
            for name, values in raw.items()
            if not name.endswith(":scale")
        }
        self._tokens = WordPiece(vocabulary)
        self._limit = len(self._w["positions"])
        self._blocks: int = self.settings["blocks"]

    def logits(self, texts: Sequence[str], cues: Sequence[Collection[str]]) -> Array:
        """[texts, 5] in the order of `Modality`, before calibration."""
        rows = [self._tokens.encode(text, self._limit) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = np.zeros((len(rows), self._w["out.b"].shape[0]), np.float32)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            ids = np.full((len(part), len(rows[part[-1]])), self._tokens.pad, np.int32)
            lengths = np.array([len(rows[i]) for i in part])
            for k, i in enumerate(part):
                ids[k, : lengths[k]] = rows[i]
            found[part] = self._forward(ids, lengths)
        table = self._w["cues"]
        for i, names in enumerate(cues):
            index = [self._cue_index[name] for name in names if name in self._cue_index]
            if index:
                found[i] += table[index].sum(0)
        return found

    def _forward(self, ids: NDArray[np.int32], lengths: NDArray[Any]) -> Array:
        w, (batch, length) = self._w, ids.shape
        places = np.arange(length)
        inside = places[None, :] < lengths[:, None]
        bias = np.where(inside, np.float32(0), np.float32(-1e9))[:, None, None, :]
        embedded: Array = w["words"][ids] + w["positions"][:length]
        h = self._norm(embedded.reshape(batch * length, -1), "norm")
        for i in range(self._blocks - 1):
            h = self._block(h, h, bias, batch, f"{i}.")
        rows = h.reshape(batch, length, -1)
        look = self._block(h, np.ascontiguousarray(rows[:, 0]), bias, batch, f"{self._blocks - 1}.")
        mean = np.einsum("blh,bl->bh", rows, inside.astype(np.float32)) / lengths[:, None].astype(np.float32)
        return np.concatenate([look, mean], 1) @ w["out.w"] + w["out.b"]

    def _block(self, h: Array, own: Array, bias: Array, batch: int, name: str) -> Array:
        """One post-norm layer: `own` looks at `h` of the same sentence; both are [batch * positions, hidden]."""
        w = self._w
        keys_values = self._heads(h @ w[name + "kv.w"] + w[name + "kv.b"], batch, 2)
        queries = self._heads(own @ w[name + "q.w"] + w[name + "q.b"], batch, 1)[0]
        scores = queries @ keys_values[0].swapaxes(-1, -2)
        scores += bias
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ keys_values[1]).swapaxes(1, 2).reshape(len(own), -1)
        own = self._norm(own + (mixed @ w[name + "o.w"] + w[name + "o.b"]), name + "norm1")
        inner = own @ w[name + "up.w"] + w[name + "up.b"]
        np.maximum(inner, 0, out=inner)
        return self._norm(own + (inner @ w[name + "down.w"] + w[name + "down.b"]), name + "norm2")

    def _heads(self, x: Array, batch: int, kinds: int) -> Array:
        """[batch * positions, kinds * heads * 32] → [kinds, batch, heads, positions, 32]."""
        return x.reshape(batch, len(x) // batch, kinds, -1, _HEAD).transpose(2, 0, 3, 1, 4)

    def _norm(self, x: NDArray[Any], name: str) -> Array:
        x = x - x.mean(-1, keepdims=True)
        spread = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[-1])
        x *= (1 / np.sqrt(spread + np.float32(1e-12)))[:, None]
        x *= self._w[name + ".w"]
        x += self._w[name + ".b"]
        return x
