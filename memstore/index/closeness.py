"""How close vectors of signed bytes are to a query, to the same digit whatever the order they are summed in.

A query is put on a grid of whole numbers. Then every sum is a whole number below 2^53, which double precision holds
without rounding: a library may multiply as fast as it can, in any order and any batch, and the result is the same on
every machine. Loaded where numpy is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memstore.index.places import STATEMENT_BITS

DIGITS = 6
# 2^36 · 127 · 384 < 2^53: the largest number in a query, the largest in a vector, and how many there are.
_GRID = float(1 << 36)
# Vectors multiplied at a time, so that they stay in the processor's cache.
_BATCH = 512


def cosines(query: np.ndarray, vectors: np.ndarray, lengths: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """The cosines of a unit vector with those of signed bytes (of some rows, if any are named), rounded."""
    step = (float(np.abs(query).max()) or 1.0) / _GRID
    whole = np.rint(query.astype(np.float64) / step)
    sums = np.empty(len(vectors) if rows is None else len(rows))
    for begin in range(0, len(sums), _BATCH):
        batch = slice(begin, begin + _BATCH)
        part = vectors[batch] if rows is None else vectors.take(rows[batch], axis=0)
        sums[batch] = part.astype(np.float64) @ whole
    found: np.ndarray = np.round(sums * step / (lengths if rows is None else lengths[rows]), DIGITS)
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

    def of_statements(self, places: Sequence[int]) -> list[float]:
        """The cosine of each statement, or of its turn where it has no vector of its own."""
        wanted = np.array(places, dtype=np.int64)
        turns, turn_known = self._of(wanted >> STATEMENT_BITS << STATEMENT_BITS)
        own, known = self._of(wanted)
        found: list[float] = np.where(known, own, np.where(turn_known, turns, 0.0)).tolist()
        return found

    def _of(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cosines of places, and whether they have one."""
        if not len(self._places):
            return np.zeros(len(places)), np.zeros(len(places), dtype=bool)
        at = np.searchsorted(self._places, places)
        at[at == len(self._places)] = 0
        return self._cosines[at], self._places[at] == places
