"""The shipped network, run with numpy alone.

It looks twice. A small network judges every sentence; where it leaves in doubt what a sentence does, that goes
to the large network that taught the small one. Sentences that need the second look wait until there are enough of
like length, so that both looks work on full batches.

Nearly all the time goes into multiplying matrices, and two things keep those small: past the first layers only some
positions go on, those that the others paid most attention to (`picked`; after Goyal et al., "PoWER-BERT", 2020), and
the second look is rare.

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
_BATCH = 24
_HEAD = 32
_DECISION = list(Modality).index(Modality.DECISION)
#: What the first look still says where there was a second.
_FIRST_SHARE = 0.25
#: The probability of a decision that is the most doubtful, and what it weighs beside how sure the likeliest class is.
_MOST_DOUBTFUL, _UNSURE = 0.3, 0.4


def doubt(probabilities: NDArray[Any]) -> NDArray[Any]:
    """How much a second look could change of rows [n, 5]: whether it is a decision, and what it is otherwise."""
    found: NDArray[Any] = _UNSURE * (1 - probabilities.max(1)) - np.abs(probabilities[:, _DECISION] - _MOST_DOUBTFUL)
    return found


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
        #: For each look, how many positions each of its layers works on; 0 for all of them.
        self._picked: list[list[int]] = self.settings["picked"]
        self._temperatures: list[float] = self.settings["temperatures"]
        self._doubtful: float = self.settings["doubtful"]

    def probabilities(self, texts: Sequence[str], cues: Sequence[Collection[str]]) -> Array:
        """[texts, 5] in the order of `Modality`, calibrated."""
        rows = [self._tokens.encode(text, self._limit) for text in texts]
        first = self._first_looks(rows, cues)
        found = _softmax(first / self._temperatures[0])
        again = np.flatnonzero(doubt(found) > self._doubtful)
        both = _both(first[again], self._second_looks([rows[i] for i in again]))
        found[again] = _softmax(both / self._temperatures[1])
        return found

    def looks(self, texts: Sequence[str], cues: Sequence[Collection[str]]) -> Array:
        """The logits [2, texts, 5] after the first look and after both, of every text: what calibration needs."""
        rows = [self._tokens.encode(text, self._limit) for text in texts]
        first = self._first_looks(rows, cues)
        return np.stack([first, _both(first, self._second_looks(rows))])

    def _first_looks(self, rows: Sequence[Sequence[int]], cues: Sequence[Collection[str]]) -> Array:
        found = self._from_cues(cues)
        for part in _batches(rows):
            found[part] += self._first_look(*self._padded([rows[i] for i in part]))
        return found

    def _second_looks(self, rows: Sequence[Sequence[int]]) -> Array:
        found = np.zeros((len(rows), len(Modality)), np.float32)
        if rows and self._packed:  # not every run comes here
            self._w |= _spread(self._packed)
            self._packed = {}
        for part in _batches(rows):
            found[part] = self._second_look(*self._padded([rows[i] for i in part]))
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
        """Logits without the cues': from what the last layer sees at the first position, and the mean before it."""
        h, received = self._embed(ids, ""), inside
        *picked, last = self._picked[0]
        for i, few in enumerate(picked):
            h, inside, received = self._layer(h, inside, received, few, f"{i}.", _relu)
        look, _, _ = self._layer(h, inside, received, last, f"{len(picked)}.", _relu)
        logits: Array = np.concatenate([look, _mean(h, inside)], 1) @ self._w["out.w"] + self._w["out.b"]
        return logits

    def _second_look(self, ids: NDArray[np.int32], inside: Array) -> Array:
        """All of the teacher's layers; logits from the mean over the positions that are left."""
        h, received = self._embed(ids, "more."), inside
        for i, few in enumerate(self._picked[1]):
            h, inside, received = self._layer(h, inside, received, few, f"more.{i}.", _gelu)
        logits: Array = _mean(h, inside) @ self._w["more.out.w"] + self._w["more.out.b"]
        return logits

    def _embed(self, ids: NDArray[np.int32], name: str) -> Array:
        embedded: Array = self._w[name + "words"][ids] + self._w[name + "positions"][: ids.shape[1]]
        return self._norm(embedded.reshape(ids.size, -1), name + "norm")

    def _layer(
        self, h: Array, inside: Array, received: Array, few: int, name: str, bend: _Bend
    ) -> tuple[Array, Array, Array]:
        """One post-norm layer for the `few` positions of each sentence that received most attention (0: for all).

        Their vectors [batch * few, hidden], which of them are inside, and what attention they received now.
        """
        own, stay, best = h, inside, None
        if 0 < few < inside.shape[1]:
            best = np.argsort(-received, axis=1, kind="stable")[:, :few]
            best += np.arange(0, inside.size, inside.shape[1])[:, None]
            own, stay = h[best.ravel()], inside.ravel()[best]
        queries, keys_values = self._through(own, name + "q"), self._through(h, name + "kv")
        own, received = self._attend(own, stay, queries, keys_values, inside, name, bend)
        return own, stay, received if best is None else received.ravel()[best]

    def _attend(
        self, own: Array, stay: Array, queries: Array, keys_values: Array, inside: Array, name: str, bend: _Bend
    ) -> tuple[Array, Array]:
        """What becomes of `own`, and the attention that each position of `inside` received: the first has it all."""
        batch = len(inside)
        (asking,), (asked, told) = _heads(queries, batch, 1), _heads(keys_values, batch, 2)
        scores = asking @ asked.swapaxes(-1, -2)
        scores += np.where(inside > 0, np.float32(0), np.float32(-1e9))[:, None, None, :]
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        received = (stay[:, None, :] @ scores.sum(1))[:, 0]
        received[inside == 0] = -1
        received[:, 0] = np.inf
        mixed = self._through((scores @ told).swapaxes(1, 2).reshape(len(own), -1), name + "o")
        mixed += own
        own = self._norm(mixed, name + "norm1")
        added = self._through(bend(self._through(own, name + "up")), name + "down")
        added += own
        return self._norm(added, name + "norm2"), received

    def _through(self, x: Array, name: str) -> Array:
        found: Array = x @ self._w[name + ".w"]
        found += self._w[name + ".b"]
        return found

    def _norm(self, x: Array, name: str) -> Array:
        """Layer normalisation, in place."""
        share = np.full(x.shape[1], 1 / x.shape[1], np.float32)
        x -= (x @ share)[:, None]
        spread = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
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


def _batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of rows of like length, so that little is padding."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return (order[start : start + _BATCH] for start in range(0, len(order), _BATCH))


def _heads(x: Array, batch: int, kinds: int) -> Array:
    """[batch * positions, kinds * heads * 32] → [kinds, batch, heads, positions, 32]."""
    return x.reshape(batch, len(x) // batch, kinds, -1, _HEAD).transpose(2, 0, 3, 1, 4)


def _mean(h: Array, inside: Array) -> Array:
    """The mean of h [batch * positions, hidden] over the positions of each sentence that are inside."""
    mean: Array = (inside[:, None, :] @ h.reshape(*inside.shape, -1))[:, 0] / inside.sum(1, keepdims=True)
    return mean


def _relu(x: Array) -> Array:
    return np.maximum(x, 0, out=x)


def _gelu(x: Array) -> Array:
    """x·Φ(x) in place, with Φ by its usual tanh form (off by less than 0.001), written as a logistic function."""
    odds = x * x
    odds *= np.float32(-0.0713548)
    odds -= np.float32(1.5957691)
    odds *= x
    with np.errstate(over="ignore"):  # far below 0 the odds are infinite, and the share is 0
        np.exp(odds, out=odds)
    odds += 1
    x /= odds
    return x


def _both(first: Array, second: Array) -> Array:
    """The logits of two looks together."""
    return np.float32(_FIRST_SHARE) * first + np.float32(1 - _FIRST_SHARE) * second


def _softmax(logits: Array) -> Array:
    shifted: Array = np.exp(logits - logits.max(1, keepdims=True))
    shifted /= shifted.sum(1, keepdims=True)
    return shifted
