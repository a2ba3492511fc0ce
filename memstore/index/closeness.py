"""How close vectors of signed bytes are to a query, to the same digit whatever the order they are summed in.

A query is taken apart into three digits of eight bits. Then every sum is a whole number below 2^24, which single
precision holds without rounding: a library may multiply as fast as it can, in any order and any batch, and the result
is the same on every machine. Loaded where numpy is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memstore.index.places import STATEMENT_BITS

DIGITS = 6
# 257 is the largest digit, 127 the largest number in a vector: 257 · 127 · 384 < 2^24.
_SCALE = float(1 << 24)
# Vectors multiplied at a time, so that they stay in the processor's cache.
_BATCH = 512


def cosines(query: np.ndarray, vectors: np.ndarray, lengths: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """The cosines of a unit vector with those of signed bytes (of some rows, if any are named), rounded."""
    top = float(np.abs(query).max()) or 1.0
    whole = np.rint(query.astype(np.float64) * (_SCALE / top)).astype(np.int64)
    low = (whole + 128 & 255) - 128
    middle = ((whole - low >> 8) + 128 & 255) - 128
    high = (whole - low >> 8) - middle >> 8
    digits = np.stack([high, middle, low], axis=1).astype(np.float32)
    count = len(vectors) if rows is None else len(rows)
    products = np.empty((count, 3), dtype=np.float32)
    for begin in range(0, count, _BATCH):
        batch = slice(begin, begin + _BATCH)
        products[batch] = vectors[batch if rows is None else rows[batch]].astype(np.float32) @ digits
    sums = products.astype(np.float64) @ np.array([65536.0, 256.0, 1.0])
    found: np.ndarray = np.round(sums * (top / _SCALE) / (lengths if rows is None else lengths[rows]), DIGITS)
    return found


def lengths(vectors: np.ndarray) -> np.ndarray:
    """The lengths of vectors of signed bytes, none of them 0."""
    found = np.empty(len(vectors), dtype=np.float32)
    for begin in range(0, len(vectors), 1 << 16):
        part = vectors[begin : begin + (1 << 16)].astype(np.float32)
        found[begin : begin + (1 << 16)] = np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), 1e-6)
    return found


class Near:
    """How close the vectors of some turns are to a query, in the order of their places."""

    def __init__(self, places: np.ndarray, cosines: np.ndarray) -> None:
        self._places, self._cosines = places, cosines

    def of_turns(self, turns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """For each of the same turns, which are sorted: the cosine of its own vector, and of its closest one."""
        first = np.array(turns, dtype=np.int64) << STATEMENT_BITS
        begin, end = np.searchsorted(self._places, first), np.searchsorted(self._places, first + (1 << STATEMENT_BITS))
        own, closest = np.zeros(len(first)), np.zeros(len(first))
        held = begin < end
        if held.any():
            closest[held] = np.maximum.reduceat(self._cosines, begin[held])
            held[held] = self._places[begin[held]] == first[held]
            own[held] = self._cosines[begin[held]]
        return own, closest

    def of_statement(self, place: int) -> float:
        """The cosine of a statement, or of its turn where it has no vector of its own."""
        for where in (place, place >> STATEMENT_BITS << STATEMENT_BITS):
            at = int(np.searchsorted(self._places, where))
            if at < len(self._places) and self._places[at] == where:
                return float(self._cosines[at])
        return 0.0
