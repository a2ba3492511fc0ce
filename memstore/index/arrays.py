"""Columns of numbers with numpy: see `columns`, which says what they do. Loaded only where numpy may be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from memstore.index.columns import Engine

_NONE = np.zeros(0, dtype=np.int64)


class _Tally:
    def __init__(self) -> None:
        self._keys, self._values = _NONE, _NONE
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
        order = keys.argsort(kind="stable")
        keys = keys[order]
        self._new = []
        if len(keys):
            (first,) = _firsts(keys).nonzero()
            self._keys, self._values = keys[first], np.add.reduceat(values[order], first)

    def add(self, keys: np.ndarray, worth: int) -> None:
        self._new.append((keys, worth))

    def add_if_known(self, places: np.ndarray, bits: int, worth: int) -> None:
        self._settle()
        if len(places):
            at = places.searchsorted(self._keys << bits)
            at[at == len(places)] = 0
            self._values[places[at] >> bits == self._keys] += worth

    def keep(self, least: int) -> None:
        self._settle()
        kept = self._values >= least
        self._keys, self._values = self._keys[kept], self._values[kept]

    def last_of_best(self, count: int) -> int:
        self._settle()
        at = len(self._values) - count
        if at <= 0:
            return int(self._values.min())
        values = self._values.copy()
        values.partition(at)
        return int(values[at])

    def best(self, count: int) -> list[int]:
        self._settle()
        if len(self._keys) > count:
            self.keep(self.last_of_best(count))
        order = (-self._values).argsort(kind="stable")[:count]
        found: list[int] = self._keys[order].tolist()
        return found


class _Arrays:
    name = "arrays"
    lasting = True
    tally = _Tally

    def column(self, values: Sequence[float]) -> np.ndarray:
        return np.array(values)

    def take(self, column: np.ndarray, indexes: np.ndarray) -> Any:
        return column.take(indexes)

    def stacked(self, columns: Sequence[Sequence[int]]) -> np.ndarray:
        return np.array(columns, dtype=np.int64)

    def part(self, stack: np.ndarray, begin: int, end: int) -> np.ndarray:
        return stack[:, begin:end]

    def unstacked(self, stacks: Sequence[np.ndarray], count: int) -> Any:
        return np.concatenate([np.zeros((count, 0), dtype=np.int64), *stacks], axis=1)

    def unpack(self, packed: bytes) -> np.ndarray:
        return np.frombuffer(packed, dtype=np.int64)

    def insert(self, places: np.ndarray, new: Sequence[int]) -> Any:
        both = np.concatenate([places, np.array(new, dtype=np.int64)])
        both.sort(kind="stable")
        return both[_firsts(both)]

    def begins(self, places: np.ndarray, bits: int) -> Any:
        keys = places >> bits
        return keys[_firsts(keys)]

    def among(self, keys: np.ndarray, bits: int, allowed: Collection[int]) -> np.ndarray:
        return keys[np.isin(keys >> bits, np.array(sorted(allowed), dtype=np.int64))]

    def hits(self, lists: Sequence[np.ndarray], groups: np.ndarray, group_bits: int, bits: int) -> _Hits:
        return _Hits(lists, groups, group_bits, bits)

    def joined(self, columns: Sequence[np.ndarray]) -> Any:
        return np.concatenate([_NONE, *columns])

    def take_of_each(self, column: np.ndarray, times: int, indexes: np.ndarray) -> Any:
        return column.reshape(times, -1).take(indexes, axis=1).reshape(-1) if times else column

    def repeated(self, column: np.ndarray, times: int) -> Any:
        return np.concatenate([column[:0], *[column] * times])

    def stretched(self, column: np.ndarray, times: int) -> Any:
        return column.repeat(times)

    def summed(self, column: np.ndarray, times: int, length: int) -> Any:
        total = np.zeros(length)
        for part in column.reshape(times, length):
            total += part
        return total

    def most(self, columns: Sequence[np.ndarray]) -> Any:
        return np.maximum.reduce(columns)

    def distinct(self, column: np.ndarray) -> Any:
        ordered = np.sort(column)
        return ordered[_firsts(ordered)]

    def best(self, column: np.ndarray, digits: int) -> tuple[list[int], list[float]]:
        unit = 10.0**digits
        rounded = np.rint(column * unit) / unit
        order = (-rounded).argsort(kind="stable")
        return order.tolist(), rounded[order].tolist()

    def holders(self, column: np.ndarray) -> Any:
        return (column > 0).view("int8")

    def are(self, column: np.ndarray, numbers: Collection[int]) -> Any:
        found = np.zeros(len(column), dtype=bool)
        for number in numbers:
            found |= column == number
        return found.view("int8")

    def spaced(self, keys: np.ndarray, apart: np.ndarray, most: int) -> Any:
        steps = keys.copy()
        steps[1:] -= keys[:-1]
        steps = np.minimum(steps, most)
        (lonely,) = apart.nonzero()
        steps[lonely] = most
        steps[lonely[lonely < len(keys) - 1] + 1] = most
        return steps.cumsum()

    def laid(self, column: np.ndarray, slots: np.ndarray, size: int, empty: float) -> Any:
        found = np.empty(size, dtype=column.dtype)
        found.fill(empty)
        found[slots] = column
        return found

    def at(self, keys: np.ndarray, wanted: Sequence[int]) -> Any:
        at, known = _at(keys, np.asarray(wanted, dtype=np.int64))
        return at[known]

    def near(self, slots: np.ndarray, wanted: np.ndarray, size: int, reach: int) -> Any:
        beside = np.zeros(size, dtype=bool)
        beside[wanted + np.arange(-reach, reach + 1)[:, None]] = True
        return beside[slots].nonzero()[0]


class _Hits:
    def __init__(self, lists: Sequence[np.ndarray], groups: np.ndarray, group_bits: int, bits: int) -> None:
        self._groups = len(lists) * len(groups)
        edges = np.concatenate([groups << group_bits, groups + 1 << group_bits])
        bounds = np.concatenate([_NONE, *(places.searchsorted(edges) for places in lists)])
        bounds = bounds.reshape(len(lists), 2, len(groups))
        begins = bounds[:, 0].reshape(-1)
        counts = np.maximum(bounds[:, 1].reshape(-1) - begins, 0)  # damaged lists have no order
        ends = counts.cumsum()
        # Which group, of which list, each place is from, and where it is there.
        of = np.arange(self._groups).repeat(counts)
        at = np.arange(len(of)) + (begins - ends + counts).repeat(counts)
        of_list = [0, *ends[len(groups) - 1 :: len(groups)].tolist()] if self._groups else [0]
        parts = [places[at[begin:end]] for places, (begin, end) in zip(lists, pairwise(of_list), strict=False)]
        self._places = np.concatenate([_NONE, *parts])
        # A key may have many places: from here on it is looked at once.
        keys = self._places >> bits
        (first,) = (_firsts(keys) | _firsts(of)).nonzero()
        self._keys, self._in = keys[first], of[first]
        self._counts = np.concatenate([first[1:], [len(keys)]])[: len(first)] - first
        self._list, self._lists = self._in // max(1, len(groups)), len(lists)

    def by_group(self) -> np.ndarray:
        # As what they are multiplied with: converting once is faster than at every step.
        return np.bincount(self._in, minlength=self._groups).astype(np.float64, copy=False)

    def by_slot(self, keys: np.ndarray, slots: np.ndarray, size: int) -> np.ndarray:
        at, known = _at(keys, self._keys)
        found = (slots[at] + self._list * size)[known] if len(keys) else at
        return np.bincount(found, self._counts[known] if len(keys) else None, self._lists * size).astype(
            np.float64, copy=False
        )

    def of(self, keys: Sequence[int]) -> list[tuple[int, int]]:
        _, known = _at(np.array(sorted(keys), dtype=np.int64), self._keys)
        if not len(known):
            return []
        lists, places = self._list.repeat(known * self._counts), self._places[known.repeat(self._counts)]
        return list(zip(lists.tolist(), places.tolist(), strict=True))


def _firsts(keys: np.ndarray) -> np.ndarray:
    """Which keys are other than the one before them."""
    first = np.empty(len(keys), dtype=bool)
    first[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return first


def _at(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of the wanted is among sorted keys, and whether it is there; of no keys, none."""
    if not len(keys):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=bool)
    at = keys.searchsorted(wanted)
    at[at == len(keys)] = 0
    return at, keys[at] == wanted


ARRAYS: Engine = _Arrays()
