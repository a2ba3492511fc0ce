"""Columns of numbers, with numpy or without: the same operations, and the same results to the last digit.

numpy answers a question three times as fast, and takes longer to load (a tenth of a second) than a whole question
takes without it. So the first question of a process goes without, unless numpy is there already, and the second loads
it. What is done with columns is written once, against `Engine`; this module has the two ways of carrying it out.
Arithmetic is elementwise, in double precision and in the order written, so that both agree in every bit.
"""

from __future__ import annotations

import heapq
import operator
import sys
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

Ranges = Any

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


class Slots(Protocol):
    def count(self, places: Any, bits: int) -> Any:
        """For each slot how many of the places are its key's but for their last bits."""


class Engine(Protocol):
    """A column is a sequence that adds, multiplies and divides by elements. Places are sorted columns of integers."""

    name: str

    def column(self, values: Sequence[float]) -> Any: ...

    def take(self, column: Any, indexes: Any) -> Any: ...

    def unpack(self, packed: bytes) -> Any:
        """Places from eight bytes each, native order."""

    def insert(self, places: Any, new: Sequence[int]) -> Any:
        """The places with some more, which are sorted and distinct."""

    def begins(self, places: Any, bits: int) -> Any:
        """Each place without its last bits, once."""

    def among(self, keys: Any, bits: int, allowed: Collection[int]) -> Any:
        """Those keys that, without their last bits, are allowed."""

    def ranges(self, ranges: Sequence[tuple[int, int]]) -> Ranges:
        """(from, to before), in order, none overlapping another: to be asked for of many columns."""

    def within(self, places: Any, ranges: Ranges) -> Any:
        """The places in the ranges."""

    def begins_within(self, places: Any, bits: int, ranges: Ranges) -> list[int]:
        """For each range how many there are in it, without their last bits, each once."""

    def rounded(self, column: Any, digits: int) -> list[float]: ...

    def holders(self, column: Any) -> Any:
        """1 where a number is above 0, else 0."""

    def slots(self, keys: Sequence[int], slots: Sequence[int], size: int) -> Slots:
        """Sorted keys laid out in slots below `size`."""

    def tally(self) -> Tally: ...


def engine() -> Engine:
    """What to carry this question out with."""
    global _asked
    _asked += 1
    return ARRAYS if _asked > 1 or "numpy" in sys.modules else LISTS


# --- without numpy --------------------------------------------------------------------------------------------------


class Column(list[Any]):
    """A list that adds, multiplies and divides by elements, as an array does."""

    def __add__(self, other: Any) -> Column:
        return self._each(operator.add, other)

    def __sub__(self, other: Any) -> Column:
        return self._each(operator.sub, other)

    def __mul__(self, other: Any) -> Column:
        return self._each(operator.mul, other)

    def __truediv__(self, other: Any) -> Column:
        return self._each(operator.truediv, other)

    __radd__ = __add__
    __rmul__ = __mul__

    def _each(self, act: Callable[[Any, Any], Any], other: Any) -> Column:
        return Column(map(act, self, other if isinstance(other, list) else repeat(other)))

    def tolist(self) -> list[Any]:
        return self


class _ListTally:
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
            known = {key for key in self._of if _begins_with(places, key, bits)}
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


def _begins_with(places: Sequence[int], key: int, bits: int) -> bool:
    at = bisect_left(places, key << bits)
    return at < len(places) and places[at] >> bits == key


class _Lists:
    name = "lists"
    tally = _ListTally

    def column(self, values: Sequence[float]) -> Column:
        return Column(values)

    def take(self, column: Sequence[Any], indexes: Sequence[int]) -> Column:
        return Column(map(column.__getitem__, indexes))

    def unpack(self, packed: bytes) -> array[int]:
        return array("q", packed)

    def insert(self, places: array[int], new: Sequence[int]) -> array[int]:
        whole = places[:]
        for place in new:
            if not _begins_with(whole, place, 0):
                insort(whole, place)
        return whole

    def begins(self, places: Sequence[int], bits: int) -> list[int]:
        return list(dict.fromkeys(map(operator.rshift, places, repeat(bits))))

    def among(self, keys: Sequence[int], bits: int, allowed: Collection[int]) -> list[int]:
        return [key for key in keys if key >> bits in allowed]

    def ranges(self, ranges: Sequence[tuple[int, int]]) -> Ranges:
        return ranges

    def rounded(self, column: Sequence[float], digits: int) -> list[float]:
        unit = 10.0**digits
        return [round(value * unit) / unit for value in column]

    def within(self, places: Sequence[int], ranges: Sequence[tuple[int, int]]) -> Column:
        found = Column()
        for low, high in ranges:
            begin = bisect_left(places, low)
            if begin < len(places) and places[begin] < high:
                found += places[begin : bisect_left(places, high, begin)]
        return found

    def begins_within(self, places: Sequence[int], bits: int, ranges: Sequence[tuple[int, int]]) -> list[int]:
        found = []
        for low, high in ranges:
            begin = bisect_left(places, low)
            part = places[begin : bisect_left(places, high, begin)]
            found.append(len(set(map(operator.rshift, part, repeat(bits)))) if len(part) > 1 else len(part))
        return found

    def holders(self, column: Sequence[int]) -> Column:
        return Column(map(bool, column))

    def slots(self, keys: Sequence[int], slots: Sequence[int], size: int) -> _ListSlots:
        return _ListSlots(dict(zip(keys, slots, strict=True)), size)


class _ListSlots:
    def __init__(self, of: dict[int, int], size: int) -> None:
        self._of, self._size = of, size

    def count(self, places: Sequence[int], bits: int) -> Column:
        found = Column([0] * self._size)
        for place in places:
            slot = self._of.get(place >> bits)
            if slot is not None:
                found[slot] += 1
        return found


# --- with numpy -----------------------------------------------------------------------------------------------------


class _ArrayTally:
    def __init__(self) -> None:
        import numpy as np

        self._keys, self._values = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        self._new: list[tuple[np.ndarray, int]] = []

    def __len__(self) -> int:
        self._settle()
        return len(self._keys)

    def _settle(self) -> None:
        """Add up what was only put aside: nobody asks after every addition."""
        import numpy as np

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
        import numpy as np

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
        import numpy as np

        self._settle()
        at = len(self._values) - count
        return int(np.partition(self._values, at)[at] if at > 0 else self._values.min())

    def best(self, count: int) -> list[int]:
        import numpy as np

        self._settle()
        if len(self._keys) > count:
            self.keep(self.last_of_best(count))
        order = np.argsort(-self._values, kind="stable")[:count]
        found: list[int] = self._keys[order].tolist()
        return found


class _Arrays:
    name = "arrays"
    tally = _ArrayTally

    def column(self, values: Sequence[float]) -> np.ndarray:
        import numpy as np

        return np.array(values)

    def take(self, column: np.ndarray, indexes: np.ndarray) -> Any:
        return column[indexes]

    def unpack(self, packed: bytes) -> np.ndarray:
        import numpy as np

        return np.frombuffer(packed, dtype=np.int64)

    def insert(self, places: np.ndarray, new: Sequence[int]) -> Any:
        import numpy as np

        more = np.array(new, dtype=np.int64)
        at = np.searchsorted(places, more)
        if len(places):
            missing = places[np.minimum(at, len(places) - 1)] != more
            at, more = at[missing], more[missing]
        return np.insert(places, at, more)

    def begins(self, places: np.ndarray, bits: int) -> np.ndarray:
        import numpy as np

        keys = places >> bits
        return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys

    def among(self, keys: np.ndarray, bits: int, allowed: Collection[int]) -> np.ndarray:
        import numpy as np

        return keys[np.isin(keys >> bits, np.array(sorted(allowed), dtype=np.int64))]

    def ranges(self, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
        import numpy as np

        return np.array(ranges, dtype=np.int64).reshape(-1)

    def rounded(self, column: np.ndarray, digits: int) -> list[float]:
        import numpy as np

        unit = 10.0**digits
        found: list[float] = (np.rint(column * unit) / unit).tolist()
        return found

    def within(self, places: np.ndarray, ranges: np.ndarray) -> Any:
        return places[self._indexes(places, ranges)[0]]

    def begins_within(self, places: np.ndarray, bits: int, ranges: np.ndarray) -> list[int]:
        import numpy as np

        indexes, counts = self._indexes(places, ranges)
        if counts.max(initial=0) < 2:
            found: list[int] = counts.tolist()
            return found
        keys = places[indexes] >> bits
        first = np.concatenate([[True], keys[1:] != keys[:-1]])
        of = np.repeat(np.arange(len(counts)), counts)
        counted: list[int] = np.bincount(of[first], minlength=len(counts)).tolist()
        return counted

    def _indexes(self, places: np.ndarray, ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the places in the ranges are, and how many there are in each."""
        import numpy as np

        bounds = np.searchsorted(places, ranges)
        begins, counts = bounds[::2], np.maximum(bounds[1::2] - bounds[::2], 0)  # damaged lists have no order
        ends = counts.cumsum()
        return np.arange(ends[-1] if len(ends) else 0) + np.repeat(begins - ends + counts, counts), counts

    def holders(self, column: np.ndarray) -> np.ndarray:
        return column > 0

    def slots(self, keys: Sequence[int], slots: Sequence[int], size: int) -> _ArraySlots:
        return _ArraySlots(keys, slots, size)


class _ArraySlots:
    def __init__(self, keys: Sequence[int], slots: Sequence[int], size: int) -> None:
        import numpy as np

        self._keys, self._slots, self._size = np.array(keys, dtype=np.int64), np.array(slots, dtype=np.intp), size

    def count(self, places: np.ndarray, bits: int) -> np.ndarray:
        import numpy as np

        if not len(places) or not len(self._keys):
            return np.zeros(self._size, dtype=np.intp)
        keys = places >> bits
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        return np.bincount(self._slots[at[self._keys[at] == keys]], minlength=self._size)


LISTS: Engine = _Lists()
ARRAYS: Engine = _Arrays()
