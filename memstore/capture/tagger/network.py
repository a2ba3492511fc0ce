"""The shipped network, run with numpy alone.

It looks twice. A small network judges every sentence; where it leaves in doubt what a sentence does, that goes
to the large network that taught the small one. Sentences that need the second look wait until there are enough of
like length, so that both looks work on full batches.

Nearly all the time goes into multiplying matrices, and three things keep those small: past the first layers only some
positions go on, those that the others paid most attention to (`picked`; after Goyal et al., "PoWER-BERT", 2020), the
second look is rare, and what is linear is done where there is least of it (`_Entrance`, `Network._glance`).

The model file holds 8-bit weights with one scale a column; they are spread to float32 once, when first needed (words,
which have a scale of their own, whenever they occur).
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

#: Positions computed together. More would not be faster: the inner arrays should stay in the cache.
_TOGETHER = 700
#: So many are worth a batch of their own, where a longer sentence would leave more than a twentieth to padding.
_ENOUGH, _PADDED = 150, 1.05
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
        _keep_freed_memory()
        with np.load(path, allow_pickle=False) as archive:
            raw = {name: archive[name] for name in archive.files}
        self.settings: dict[str, Any] = json.loads(raw.pop("settings").tobytes())
        vocabulary = raw.pop("vocabulary").tobytes().decode().split("\n")
        self._cue_index = {name: i for i, name in enumerate(raw.pop("cue_names").tobytes().decode().split("\n"))}
        self._packed = {name: raw.pop(name) for name in list(raw) if name.startswith("more.")}
        self._w = _spread(raw)
        self._entrances: dict[str, _Entrance] = {}
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
        h, received = self._enter(ids, inside, "", _relu)
        between = self._picked[0][1:-1]
        for i, few in enumerate(between, 1):
            h, inside, received = self._layer(h, inside, received, few, f"{i}.", _relu)
        look = self._glance(h, inside, f"{len(between) + 1}.", _relu)
        logits: Array = np.concatenate([look, _mean(h, inside)], 1) @ self._w["out.w"] + self._w["out.b"]
        return logits

    def _second_look(self, ids: NDArray[np.int32], inside: Array) -> Array:
        """All of the teacher's layers; logits from the mean over the positions that are left."""
        h, received = self._enter(ids, inside, "more.", _gelu)
        for i, few in enumerate(self._picked[1][1:], 1):
            h, inside, received = self._layer(h, inside, received, few, f"more.{i}.", _gelu)
        logits: Array = _mean(h, inside) @ self._w["more.out.w"] + self._w["more.out.b"]
        return logits

    def _enter(self, ids: NDArray[np.int32], inside: Array, name: str, bend: _Bend) -> tuple[Array, Array]:
        """The vectors [batch * length, hidden] after the first layer, and the attention that each received there."""
        if name not in self._entrances:
            self._entrances[name] = _Entrance(self._w, name)
        h, projected = self._entrances[name].of(ids)
        wide = self._w[name + "0.q.w"].shape[1]
        return self._attend(h, inside, projected[:, :wide], projected[:, wide:], inside, name + "0.", bend)

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
        scores = _shares(asking @ asked.swapaxes(-1, -2), inside[:, None, None])
        received = (stay[:, None, :] @ scores.sum(1))[:, 0]
        received[inside == 0] = -1
        received[:, 0] = np.inf
        mixed = (scores @ told).swapaxes(1, 2).reshape(len(own), -1)
        return self._move(own, mixed, name, bend), received

    def _glance(self, h: Array, inside: Array, name: str, bend: _Bend) -> Array:
        """One layer for the first position of each sentence alone [batch, hidden].

        As only one asks, its questions are carried back through the keys' weights to the vectors as they are, and what
        it is told goes through the values' weights when it is mixed: a tenth of the work of projecting every vector.
        """
        batch, hidden = len(inside), h.shape[1]
        seen = h.reshape(batch, -1, hidden)
        own = seen[:, 0].copy()
        keys, values = self._w[name + "kv.w"].reshape(hidden, 2, -1, _HEAD).transpose(1, 2, 0, 3)
        queries = self._through(own, name + "q").reshape(batch, -1, _HEAD).swapaxes(0, 1)
        asking: Array = (queries @ keys.swapaxes(1, 2)).swapaxes(0, 1)
        scores: Array = asking @ seen.swapaxes(1, 2)  # without the keys' bias, which would add the same to each
        each: Array = _shares(scores, inside[:, None]) @ seen
        mixed: Array = (each.swapaxes(0, 1) @ values).swapaxes(0, 1).reshape(batch, -1)
        mixed += self._w[name + "kv.b"][mixed.shape[1] :]
        return self._move(own, mixed, name, bend)

    def _move(self, own: Array, mixed: Array, name: str, bend: _Bend) -> Array:
        """What becomes of vectors that were told `mixed`: the rest of a layer."""
        told = self._through(mixed, name + "o")
        told += own
        own = self._norm(told, name + "norm1")
        added = self._through(bend(self._through(own, name + "up")), name + "down")
        added += own
        return self._norm(added, name + "norm2")

    def _through(self, x: Array, name: str) -> Array:
        found: Array = x @ self._w[name + ".w"]
        found += self._w[name + ".b"]
        return found

    def _norm(self, x: Array, name: str) -> Array:
        """Layer normalisation, in place."""
        x *= _centred(x)[:, None]
        x *= self._w[name + ".w"]
        x += self._w[name + ".b"]
        return x


class _Entrance:
    """Word pieces in; out what enters the first layer, and its three projections there (`q`, `kv`), side by side.

    That layer sees norm(word + position), which but for one scale a position is a sum of two vectors: so is its
    projection, and a word's share in it is always the same. It is computed when the word is first met, not for each of
    its occurrences: two fifths of a first layer are saved.
    """

    def __init__(self, w: Mapping[str, Array], name: str) -> None:
        self._words, self._scales = w[name + "words"], w[name + "words:scale"]
        self._positions = w[name + "positions"]
        self._gain, self._shift = w[name + "norm.w"], w[name + "norm.b"]
        project = np.concatenate([w[name + "0.q.w"], w[name + "0.kv.w"]], 1)
        self._constant = self._shift @ project + np.concatenate([w[name + "0.q.b"], w[name + "0.kv.b"]])
        self._project = self._gain[:, None] * project
        self._project -= self._project.mean(0)  # as if what is projected were centred
        self._from_positions = self._positions @ self._project
        self._from_words = np.empty((len(self._words), project.shape[1]), np.float32)
        self._met = np.zeros(len(self._words), bool)

    def of(self, ids: NDArray[np.int32]) -> tuple[Array, Array]:
        """Of pieces [batch, length]: their vectors [batch * length, hidden], and projections, as wide as all three."""
        new = np.unique(ids[~self._met[ids]])
        self._from_words[new] = self._vectors(new) @ self._project
        self._met[new] = True
        h = self._vectors(ids)
        h += self._positions[: ids.shape[1]]
        projected = self._from_words[ids]
        projected += self._from_positions[: ids.shape[1]]
        h, projected = h.reshape(ids.size, -1), projected.reshape(ids.size, -1)
        scale = _centred(h)[:, None]
        projected *= scale
        projected += self._constant
        h *= scale
        h *= self._gain
        h += self._shift
        return h, projected

    def _vectors(self, ids: NDArray[Any]) -> Array:
        found: Array = self._words[ids] * self._scales[ids]
        return found


def _centred(x: Array) -> Array:
    """Takes its mean from each row of x, in place; what then scales the row to a variance of one."""
    x -= (x @ np.full(x.shape[1], 1 / x.shape[1], np.float32))[:, None]
    spread = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
    scale: Array = 1 / np.sqrt(spread + np.float32(1e-12))
    return scale


def _keep_freed_memory() -> None:
    """Arrays of a megabyte or two come and go by the hundred: glibc gets each from the system anew, at a tenth of all
    time, until it has seen a larger one freed. This one is never touched."""
    np.empty(30 << 20, np.int8)


def _spread(raw: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """8-bit values times their scales; what has no scale, and the words, of which few are needed, as they are."""
    return {
        name: values * raw[name + ":scale"] if name + ":scale" in raw and not name.endswith("words") else values
        for name, values in raw.items()
        if not name.endswith(":scale") or name.endswith("words:scale")
    }


def _batches(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of rows of like length, so that little is padding."""
    part: list[int] = []
    filled = 0
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        length = len(rows[i])
        positions = (len(part) + 1) * length
        padded = filled > _ENOUGH and positions > _PADDED * (filled + length)
        if part and (positions > _TOGETHER or padded):
            yield part
            part, filled = [], 0
        part.append(i)
        filled += length
    if part:
        yield part


def _heads(x: Array, batch: int, kinds: int) -> Array:
    """[batch * positions, kinds * heads * 32] → [kinds, batch, heads, positions, 32]."""
    return x.reshape(batch, len(x) // batch, kinds, -1, _HEAD).transpose(2, 0, 3, 1, 4)


def _shares(scores: Array, inside: Array) -> Array:
    """Softmax over the last axis, in place, with nothing for what is not `inside`."""
    scores += np.where(inside > 0, np.float32(0), np.float32(-1e9))
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores @ np.ones((scores.shape[-1], 1), np.float32)  # their sum, several times as fast
    return scores


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
