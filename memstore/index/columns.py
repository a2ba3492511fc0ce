"""Columns of numbers, with numpy or without: the same operations, and the same results to the last digit.

numpy answers a question three times as fast, and takes longer to load (a tenth of a second) than a whole question
takes without it. So the first question of a process goes without, unless numpy is there already, and the second loads
it. What is done with columns is written once, against `Engine`; here it is carried out on lists, in `arrays` by numpy.
Arithmetic is elementwise, in double precision and in the order written, so that both agree in every bit.
"""

from __future__ import annotations

import heapq
import operator
import struct
import sys
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain, repeat
from typing import Any, Protocol

# What comes of counting with a damaged index whose pages are sound, but hold text or bytes for a number, or a wild one.
NO_NUMBERS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
# Looking one key up takes a list as long as reading so many.
_ASK = 20
_asked = 0


class Tally(Protocol):
    """Keys with a whole number each, added up."""

    def __len__(self) -> int: ...

    def add(self, keys: Any, worth: int) -> None:
        """Add to each of the keys, which are sorted and distinct."""

    def add_if_known(self, places: Any, bits: int, worth: int) -> None:
        """Add to those keys, known already, that are the beginning (all but so many bits) of a sorted place."""

    def keep(self, least: int) -> None:
        """Drop what is below."""

    def last_of_best(self, count: int) -> int: ...

    def best(self, count: int) -> list[int]:
        """The keys with the largest numbers, at most so many; ties go to the smaller key."""


class Hits(Protocol):
    """Those places of some sorted lists that are of some groups; a key is a place without its last bits."""

    def by_group(self) -> Any:
        """For each list, one after another, how many keys there are of each group: a column, lists times groups."""

    def by_slot(self, keys: Any, slots: Any, size: int) -> Any:
        """For each list, one after another, how many places each slot's key has: a column, lists times size."""

    def of(self, keys: Sequence[int]) -> list[tuple[int, int]]:
        """(number of the list, place) of the places with these keys, list by list, in order."""


class Engine(Protocol):
    """A column is a sequence that adds, multiplies, divides, masks and shifts by elements.

    Places are sorted columns of integers.
    """

    name: str
    lasting: bool
    """Whether more questions will be asked with it: what is read beyond need is then worth keeping."""

    def column(self, values: Sequence[float]) -> Any: ...

    def take(self, column: Any, indexes: Any) -> Any: ...

    def stacked(self, columns: Sequence[Sequence[int]]) -> Any:
        """Columns of whole numbers, of one length, that are kept, cut and joined together."""

    def part(self, stack: Any, begin: int, end: int) -> Any:
        """The same numbers of each column of a stack."""

    def unstacked(self, stacks: Sequence[Any], count: int) -> Sequence[Any]:
        """The `count` columns of stacks, one stack after another."""

    def unpack(self, packed: bytes) -> Any:
        """Places from eight bytes each, native order."""

    def insert(self, places: Any, new: Sequence[int]) -> Any:
        """The places with some more, which are sorted and distinct."""

    def begins(self, places: Any, bits: int) -> Any:
        """Each place without its last bits, once."""

    def among(self, keys: Any, bits: int, allowed: Collection[int]) -> Any:
        """Those keys that, without their last bits, are allowed."""

    def hits(self, lists: Sequence[Any], groups: Any, group_bits: int, bits: int) -> Hits:
        """What lists of places have of groups, which are places without their last `group_bits` bits, in order."""

    def tally(self) -> Tally: ...

    def joined(self, columns: Sequence[Any]) -> Any:
        """Columns one after another."""

    def take_of_each(self, column: Any, times: int, indexes: Any) -> Any:
        """The same indexes of each of the `times` columns that are given one after another."""

    def repeated(self, column: Any, times: int) -> Any:
        """The column so many times."""

    def stretched(self, column: Any, times: int) -> Any:
        """Each number so many times."""

    def summed(self, column: Any, times: int, length: int) -> Any:
        """What `times` columns of a length, given one after another, add up to, in that order."""

    def most(self, columns: Sequence[Any]) -> Any: ...

    def distinct(self, column: Any) -> Any:
        """The numbers of a column, each once, in order."""

    def best(self, column: Any, digits: int) -> tuple[list[int], list[float]]:
        """(indexes, numbers) of a column, rounded, the largest first; ties go to the earlier."""

    def holders(self, column: Any) -> Any:
        """1 where a number is above 0, else 0."""

    def are(self, column: Any, numbers: Collection[int]) -> Any:
        """1 where a number is one of a few, else 0."""

    def spaced(self, keys: Any, apart: Any, most: int) -> Any:
        """A slot for each of the sorted keys, as far behind the last as the keys are, at most `most`.

        Where `apart` is not 0, the slots before and behind are `most` away.
        """

    def laid(self, column: Any, slots: Any, size: int, empty: float) -> Any:
        """The numbers in their slots, in all other slots up to `size` what is empty."""

    def at(self, keys: Any, wanted: Any) -> Any:
        """Where the wanted are among sorted keys, those that are, in the order wanted."""

    def near(self, slots: Any, wanted: Any, size: int, reach: int) -> Any:
        """Which of the slots, all below `size`, are at most so far from any of the wanted. None reaches the ends."""


def engine() -> Engine:
    """What to carry this question out with."""
    global _asked
    _asked += 1
    if _asked == 1 and "numpy" not in sys.modules:
        return LISTS
    from memstore.index.arrays import ARRAYS

    return ARRAYS


class Column(list[Any]):
    """A list that adds, multiplies, divides, masks and shifts by elements, as an array does."""

    def __add__(self, other: Any) -> Column:
        return self._each(operator.add, other)

    def __sub__(self, other: Any) -> Column:
        return self._each(operator.sub, other)

    def __mul__(self, other: Any) -> Column:
        return self._each(operator.mul, other)

    def __truediv__(self, other: Any) -> Column:
        return self._each(operator.truediv, other)

    def __rsub__(self, other: Any) -> Column:
        return Column(map(operator.sub, repeat(other), self))

    def __and__(self, other: Any) -> Column:
        return self._each(operator.and_, other)

    def __floordiv__(self, other: Any) -> Column:
        return self._each(operator.floordiv, other)

    def __rshift__(self, other: Any) -> Column:
        return self._each(operator.rshift, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def _each(self, act: Callable[[Any, Any], Any], other: Any) -> Column:
        return Column(map(act, self, other if isinstance(other, list) else repeat(other)))

    def tolist(self) -> list[Any]:
        return self


class _Tally:
    def __init__(self) -> None:
        self._of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, keys: Collection[int], worth: int) -> None:
        # Few keys are there already, and what is done for all others takes no Python.
        both = self._of.keys() & keys
        self._of.update(dict.fromkeys(set(keys) - both, worth))
        for key in both:
            self._of[key] += worth

    def add_if_known(self, places: Sequence[int], bits: int, worth: int) -> None:
        if len(places) < _ASK * len(self._of):
            known = self._of.keys() & set(map(operator.rshift, places, repeat(bits)))
        else:
            known = {key for key in self._of if begins_with(places, key, bits)}
        for key in known:
            self._of[key] += worth

    def keep(self, least: int) -> None:
        self._of = {key: value for key, value in self._of.items() if value >= least}

    def last_of_best(self, count: int) -> int:
        return heapq.nlargest(count, self._of.values())[-1]

    def best(self, count: int) -> list[int]:
        if len(self._of) <= count:
            return sorted(self._of, key=lambda key: (-self._of[key], key))
        edge = self.last_of_best(count)
        above = sorted((-value, key) for key, value in self._of.items() if value > edge)
        level = sorted(key for key, value in self._of.items() if value == edge)
        return [key for _, key in above] + level[: count - len(above)]


def begins_with(places: Sequence[int], key: int, bits: int) -> bool:
    """Whether any of the sorted places is this key, but for its last bits."""
    at = bisect_left(places, key << bits)
    return at < len(places) and places[at] >> bits == key


class _Lists:
    name = "lists"
    lasting = False
    tally = _Tally

    def column(self, values: Sequence[float]) -> Column:
        return Column(values)

    def take(self, column: Sequence[Any], indexes: Sequence[int]) -> Column:
        return Column(map(column.__getitem__, indexes))

    def stacked(self, columns: Sequence[Sequence[int]]) -> Sequence[Sequence[int]]:
        return columns

    def part(self, stack: Sequence[Sequence[int]], begin: int, end: int) -> list[Sequence[int]]:
        return [column[begin:end] for column in stack]

    def unstacked(self, stacks: Sequence[Sequence[Sequence[int]]], count: int) -> list[Column]:
        return [Column(chain.from_iterable(stack[at] for stack in stacks)) for at in range(count)]

    def unpack(self, packed: bytes) -> array[int]:
        return array("q", packed)

    def insert(self, places: array[int], new: Sequence[int]) -> array[int]:
        whole = places[:]
        for place in new:
            if not begins_with(whole, place, 0):
                insort(whole, place)
        return whole

    def begins(self, places: Sequence[int], bits: int) -> list[int]:
        return list(dict.fromkeys(map(operator.rshift, places, repeat(bits))))

    def among(self, keys: Sequence[int], bits: int, allowed: Collection[int]) -> list[int]:
        return [key for key in keys if key >> bits in allowed]

    def hits(self, lists: Sequence[Sequence[int]], groups: Sequence[int], group_bits: int, bits: int) -> _Hits:
        return _Hits(lists, groups, group_bits, bits)

    def joined(self, columns: Sequence[Sequence[int]]) -> Column:
        return Column(chain.from_iterable(columns))

    def take_of_each(self, column: Sequence[Any], times: int, indexes: Sequence[int]) -> Column:
        length = len(column) // max(1, times)
        parts = [column[at * length : (at + 1) * length] for at in range(times)]
        return Column(chain.from_iterable(map(part.__getitem__, indexes) for part in parts))

    def repeated(self, column: Sequence[float], times: int) -> Column:
        return Column(chain.from_iterable(repeat(column, times)))

    def stretched(self, column: Sequence[float], times: int) -> Column:
        return Column(chain.from_iterable(map(repeat, column, repeat(times))))

    def summed(self, column: Sequence[float], times: int, length: int) -> Column:
        total = Column([0.0] * length)
        for begin in range(0, times * length, length):
            total = total + column[begin : begin + length]
        return total

    def most(self, columns: Sequence[Sequence[float]]) -> Column:
        return Column(map(max, zip(*columns, strict=True)))

    def distinct(self, column: Sequence[int]) -> Column:
        return Column(sorted(set(column)))

    def best(self, column: Sequence[float], digits: int) -> tuple[list[int], list[float]]:
        unit = 10.0**digits
        rounded = [round(value * unit) / unit for value in column]
        order = sorted(range(len(rounded)), key=lambda index: (-rounded[index], index))
        return order, [rounded[index] for index in order]

    def holders(self, column: Sequence[float]) -> Column:
        return Column(map(operator.lt, repeat(0), column))

    def are(self, column: Sequence[int], numbers: Collection[int]) -> Column:
        return Column([int(value in numbers) for value in column])

    def spaced(self, keys: Sequence[int], apart: Sequence[int], most: int) -> Column:
        found, slot, last, lonely = Column(), 0, 0, 0
        for key, alone in zip(keys, apart, strict=True):
            slot += most if alone or lonely else min(key - last, most)
            found.append(slot)
            last, lonely = key, alone
        return found

    def laid(self, column: Sequence[float], slots: Sequence[int], size: int, empty: float) -> Column:
        found = Column([empty] * size)
        for slot, value in zip(slots, column, strict=True):
            found[slot] = value
        return found

    def at(self, keys: Sequence[int], wanted: Sequence[int]) -> Column:
        known = {key: index for index, key in enumerate(keys)}
        return Column([known[key] for key in wanted if key in known])

    def near(self, slots: Sequence[int], wanted: Sequence[int], size: int, reach: int) -> Column:
        beside = {near for slot in wanted for near in range(slot - reach, slot + reach + 1)}
        return Column([index for index, slot in enumerate(slots) if slot in beside])


class _Hits:
    def __init__(self, lists: Sequence[Sequence[int]], groups: Sequence[int], group_bits: int, bits: int) -> None:
        self._bits = bits
        ranges = [(group << group_bits, group + 1 << group_bits) for group in groups]
        self._parts = [[_between(places, *range_) for range_ in ranges] for places in lists]

    def by_group(self) -> Column:
        return Column([len(set(self._keys(part))) for parts in self._parts for part in parts])

    def by_slot(self, keys: Sequence[int], slots: Sequence[int], size: int) -> Column:
        slot_of, found = dict(zip(keys, slots, strict=True)), Column([0] * (size * len(self._parts)))
        for begin, parts in zip(range(0, len(found), size or 1), self._parts, strict=False):
            for key in self._keys(chain.from_iterable(parts)):
                if key in slot_of:
                    found[begin + slot_of[key]] += 1
        return found

    def of(self, keys: Sequence[int]) -> list[tuple[int, int]]:
        wanted = set(keys)
        return [
            (number, place)
            for number, parts in enumerate(self._parts)
            for place in chain.from_iterable(parts)
            if place >> self._bits in wanted
        ]

    def _keys(self, places: Iterable[int]) -> Iterable[int]:
        return map(operator.rshift, places, repeat(self._bits))


def _between(places: Sequence[int], low: int, high: int) -> Sequence[int]:
    begin = bisect_left(places, low)
    return places[begin : bisect_left(places, high, begin)] if begin < len(places) and places[begin] < high else ()


LISTS: Engine = _Lists()
