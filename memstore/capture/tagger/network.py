"""The shipped network, run with numpy alone.

It looks twice. A small network judges every sentence; where it is sure that something is or is not a decision,
that is the answer. The rest, about one in ten, goes to the large network that taught the small one: taking a
hedge for a decision, or a decision for a hedge, is the error that matters. Sentences that need the second look
wait until there are enough of like length, so that both looks work on full batches.

The model file holds 8-bit weights with one scale a column; they are spread to float32 once, when first needed.
What is computed is exactly `train/student.py` and, for the second look, `train/encoder.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memstore.capture.tagger.wordpiece import WordPiece
from memstore.model import Modality

Array = NDArray[np.float32]
_Bend = Callable[[Array], Array]

#: Sentences computed together. More would not be faster: the inner arrays should stay in the cache.
_BATCH = 16
_HEAD = 32
_DECISION = list(Modality).index(Modality.DECISION)


class Network:
    """Texts and their cue names → probabilities. Knows its own vocabulary; `settings` carry version and calibration."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as archive:
            raw = {name: archive[name] for name in archive.files}
        self.settings: dict[str, Any] = json.loads(raw.pop("settings").tobytes())
        vocabulary = raw.pop("vocabulary").tobytes().decode().split("\n")
        self._cue_index = {name: i for i, name in enumerate(raw.pop("cue_names").tobytes().decode().split("\n"))}
        self._packed = {name: raw.pop(name) for name in list(raw) if name.startswith("more.")}
        self._w = _spread(raw)
        self._tokens = WordPiece(vocabulary)
        self._limit = len(self._w["positions"])
        self._layers: list[int] = self.settings["layers"]
        self._temperatures: list[float] = self.settings["temperatures"]
        self._doubtful: tuple[float, float] = self.settings["doubtful"]

    def probabilities(self, texts: Sequence[str], cues: Sequence[Collection[str]]) -> Array:
        """[texts, 5] in the order of `Modality`, calibrated."""
        rows = [self._tokens.encode(text, self._limit) for text in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = np.zeros((len(rows), self._w["out.b"].shape[0]), np.float32)
        from_cues = self._from_cues(cues)
        for part in _batches(order):
            logits = self._first_look(*self._padded([rows[i] for i in part])) + from_cues[part]
            found[part] = _softmax(logits / self._temperatures[0])
        low, high = self._doubtful
        for part in _batches([i for i in order if low < found[i, _DECISION] < high]):
            logits = self._second_look(*self._padded([rows[i] for i in part]))
            found[part] = _softmax(logits / self._temperatures[1])
        return found

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], Array]:
        """Piece ids [batch, length], and 1 where they are, 0 on the padding."""
        ids = np.full((len(rows), max(map(len, rows))), self._tokens.pad, np.int32)
        inside = np.zeros(ids.shape, np.float32)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = row
            inside[k, : len(row)] = 1
        return ids, inside

    def _from_cues(self, cues: Sequence[Collection[str]]) -> Array:
        """What the cues of each text add to its five logits."""
        table = self._w["cues"]
        found = np.zeros((len(cues), table.shape[1]), np.float32)
        for i, names in enumerate(cues):
            index = [self._cue_index[name] for name in names if name in self._cue_index]
            if index:
                found[i] = table[index].sum(0)
        return found

    def _first_look(self, ids: NDArray[np.int32], inside: Array) -> Array:
        """Two layers and one that looks from the first position only; logits without the cues'."""
        h, bias, batch = self._embed(ids, ""), _bias(inside), len(ids)
        last = self._layers[0] - 1
        for i in range(last):
            h = self._block(h, h, bias, batch, f"{i}.", _relu)
        rows = h.reshape(*ids.shape, -1)
        look = self._block(h, np.ascontiguousarray(rows[:, 0]), bias, batch, f"{last}.", _relu)
        logits: Array = np.concatenate([look, _mean(rows, inside)], 1) @ self._w["out.w"] + self._w["out.b"]
        return logits

    def _second_look(self, ids: NDArray[np.int32], inside: Array) -> Array:
        """All six layers; logits from the mean over the positions."""
        if self._packed:  # not every run comes here
            self._w |= _spread(self._packed)
            self._packed = {}
        h, bias = self._embed(ids, "more."), _bias(inside)
        for i in range(self._layers[1]):
            h = self._block(h, h, bias, len(ids), f"more.{i}.", _gelu)
        logits: Array = _mean(h.reshape(*ids.shape, -1), inside) @ self._w["more.out.w"] + self._w["more.out.b"]
        return logits

    def _embed(self, ids: NDArray[np.int32], name: str) -> Array:
        embedded: Array = self._w[name + "words"][ids] + self._w[name + "positions"][: ids.shape[1]]
        return self._norm(embedded.reshape(ids.size, -1), name + "norm")

    def _block(self, h: Array, own: Array, bias: Array, batch: int, name: str, bend: _Bend) -> Array:
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
        return self._norm(own + (bend(inner) @ w[name + "down.w"] + w[name + "down.b"]), name + "norm2")

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


def _spread(raw: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """8-bit values times their scales; what has no scale is kept as it is."""
    return {
        name: values.astype(np.float32) * raw[name + ":scale"] if name + ":scale" in raw else values
        for name, values in raw.items()
        if not name.endswith(":scale")
    }


def _batches(items: Sequence[int]) -> Iterator[Sequence[int]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _bias(inside: Array) -> Array:
    """What padding adds to attention scores."""
    return np.where(inside > 0, np.float32(0), np.float32(-1e9))[:, None, None, :]


def _mean(rows: Array, inside: Array) -> Array:
    """The mean of [batch, length, hidden] over the positions that are inside."""
    mean: Array = np.einsum("blh,bl->bh", rows, inside) / inside.sum(1, keepdims=True)
    return mean


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _gelu(x: Array) -> Array:
    """x·Φ(x), with Φ by its usual tanh form (off by less than 0.001)."""
    bent = x * x
    bent *= np.float32(0.0356774)
    bent += np.float32(0.7978846)
    bent *= x
    np.tanh(bent, out=bent)
    bent += 1
    bent *= x
    bent *= np.float32(0.5)
    return bent


def _softmax(logits: Array) -> Array:
    shifted: Array = np.exp(logits - logits.max(1, keepdims=True))
    shifted /= shifted.sum(1, keepdims=True)
    return shifted
