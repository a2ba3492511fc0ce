"""Columns of numbers with numpy: see `columns`, which says what they do. Loaded only where numpy may be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from memstore.index.columns import Engine


class _Tally:
    def __init__(self) -> None:
        self._keys, self._values = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._new: list[tuple[np.ndarray, int]] = []

    def __len__(self) -> int:
        self._settle()
        return len(self._keys)

    def _settle(self) -> None:
        """Add up what was only put aside: nobody asks after every addition."""
        if not self._new:
            return
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._new)])
        values = np.concatenate([self._values, np.repeat([w for _, w in self._new], [len(k) for k, _ in self._new])])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        self._new = []
        if len(keys):
            first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            self._keys, self._values = keys[first], np.add.reduceat(values[order], first)

    def add(self, keys: np.ndarray, worth: int) -> None:
        self._new.append((keys, worth))

    def add_if_known(self, places: np.ndarray, bits: int, worth: int) -> None:
        self._settle()
        if len(places):
            at = np.searchsorted(places, self._keys << bits)
            at[at == len(places)] = 0
            self._values[places[at] >> bits == self._keys] += worth

    def keep(self, least: int) -> None:
        self._settle()
        kept = self._values >= least
        self._keys, self._values = self._keys[kept], self._values[kept]

    def last_of_best(self, count: int) -> int:
        self._settle()
        at = len(self._values) - count
        return int(np.partition(self._values, at)[at] if at > 0 else self._values.min())

    def best(self, count: int) -> list[int]:
        self._settle()
        if len(self._keys) > count:
            self.keep(self.last_of_best(count))
        order = np.argsort(-self._values, kind="stable")[:count]
        found: list[int] = self._keys[order].tolist()
        return found


class _Arrays:
    name = "arrays"
    tally = _Tally

    def column(self, values: Sequence[float]) -> np.ndarray:
        return np.array(values)

    def take(self, column: np.ndarray, indexes: np.ndarray) -> Any:
        return column[indexes]

    def unpack(self, packed: bytes) -> np.ndarray:
        return np.frombuffer(packed, dtype=np.int64)

    def insert(self, places: np.ndarray, new: Sequence[int]) -> Any:
        more = np.array(new, dtype=np.int64)
        at = np.searchsorted(places, more)
        if len(places):
            missing = places[np.minimum(at, len(places) - 1)] != more
            at, more = at[missing], more[missing]
        return np.insert(places, at, more)

    def begins(self, places: np.ndarray, bits: int) -> np.ndarray:
        keys = places >> bits
        return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys

    def among(self, keys: np.ndarray, bits: int, allowed: Collection[int]) -> np.ndarray:
        return keys[np.isin(keys >> bits, np.array(sorted(allowed), dtype=np.int64))]

    def hits(self, lists: Sequence[np.ndarray], ranges: Sequence[tuple[int, int]], bits: int) -> _Hits:
        return _Hits(lists, ranges, bits)

    def joined(self, columns: Sequence[np.ndarray]) -> Any:
        return np.concatenate([np.zeros(0, dtype=np.int64), *columns])

    def repeated(self, column: np.ndarray, times: int, apart: float = 0) -> Any:
        return (np.arange(times)[:, None] * apart + column).reshape(-1)

    def stretched(self, column: np.ndarray, times: int) -> Any:
        return np.repeat(column, times)

    def summed(self, column: np.ndarray, times: int, length: int) -> Any:
        total = np.zeros(length)
        for part in column.reshape(times, length):
            total += part
        return total

    def most(self, columns: Sequence[np.ndarray]) -> Any:
        return np.maximum.reduce(columns)

    def rounded(self, column: np.ndarray, digits: int) -> list[float]:
        unit = 10.0**digits
        found: list[float] = (np.rint(column * unit) / unit).tolist()
        return found

    def holders(self, column: np.ndarray) -> Any:
        return (column > 0).view("int8")

    def spaced(self, keys: np.ndarray, apart: np.ndarray, most: int) -> Any:
        steps = np.minimum(np.diff(keys, prepend=0), most)
        steps[apart != 0] = most
        steps[1:][apart[:-1] != 0] = most
        return steps.cumsum()

    def laid(self, column: np.ndarray, slots: np.ndarray, size: int, empty: float) -> Any:
        found = np.full(size, empty, dtype=column.dtype)
        found[slots] = column
        return found

    def at(self, keys: np.ndarray, wanted: Sequence[int]) -> Any:
        at, known = _at(keys, np.array(wanted, dtype=np.int64))
        return at[known]

    def near(self, slots: np.ndarray, taken: np.ndarray, reach: int) -> Any:
        beside = np.zeros(len(taken), dtype=bool)
        for step in range(-reach, reach + 1):
            beside[slots + step] = True
        return np.flatnonzero(beside & (taken > 0))


class _Hits:
    def __init__(self, lists: Sequence[np.ndarray], ranges: Sequence[tuple[int, int]], bits: int) -> None:
        bounds = np.array(ranges, dtype=np.int64).reshape(-1)
        found = [_within(places, bounds) for places in lists]
        counts = np.array([len(places) for places, _ in found], dtype=np.intp)
        self._places = np.concatenate([np.zeros(0, dtype=np.int64), *[places for places, _ in found]])
        self._keys = self._places >> bits
        self._list = np.repeat(np.arange(len(lists)), counts)
        self._in = np.repeat(
            np.arange(len(lists) * len(ranges)), np.concatenate([np.zeros(0, dtype=np.intp), *[n for _, n in found]])
        )
        self._lists, self._ranges = len(lists), len(ranges)

    def by_range(self) -> np.ndarray:
        first = np.ones(len(self._keys), dtype=bool)
        first[1:] = (self._keys[1:] != self._keys[:-1]) | (self._in[1:] != self._in[:-1])
        return np.bincount(self._in[first], minlength=self._lists * self._ranges)

    def by_slot(self, keys: np.ndarray, slots: np.ndarray, size: int) -> np.ndarray:
        at, known = _at(keys, self._keys)
        return np.bincount((slots[at] + self._list * size)[known] if len(keys) else at, minlength=self._lists * size)

    def of(self, keys: Sequence[int]) -> list[tuple[int, int]]:
        _, known = _at(np.array(sorted(keys), dtype=np.int64), self._keys)
        return list(zip(self._list[known].tolist(), self._places[known].tolist(), strict=True))


def _within(places: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places between each two bounds, and how many those are."""
    at = np.searchsorted(places, bounds)
    begins, counts = at[::2], np.maximum(at[1::2] - at[::2], 0)  # damaged lists have no order
    ends = counts.cumsum()
    indexes = np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - ends + counts, counts)
    return places[indexes], counts


def _at(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the wanted is among sorted keys, and whether it is there; of no keys, none."""
    if not len(keys):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=bool)
    at = np.searchsorted(keys, wanted)
    at[at == len(keys)] = 0
    return at, keys[at] == wanted


ARRAYS: Engine = _Arrays()
