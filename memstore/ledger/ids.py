"""Ids: ninety bits that begin with the time, spelt in letters that sort as the numbers do."""

from __future__ import annotations

import os
from itertools import product

# Crockford's base 32 (no i, l, o, u), two letters at once: an id is made for every fact and every event.
_TWO = ["".join(letters) for letters in product("0123456789abcdefghjkmnpqrstvwxyz", repeat=2)]


class Numbers:
    """The numbers of ids, one after the other: fifty bits of milliseconds, and forty that begin at random.

    What is written in one millisecond is numbered on, so that ids sort in the order of writing however fast that goes,
    and whoever ranks equals by their ids ranks them the same each time. One for each handle, used under its write lock.
    """

    def __init__(self) -> None:
        self._last = 0

    def begin(self, micros: int) -> None:
        """A transaction begins at this time, which is never before that of an earlier one."""
        millisecond = micros // 1000 % (1 << 50)
        if millisecond > self._last >> 40:
            self._last = millisecond << 40 | int.from_bytes(os.urandom(5), "big")

    def next(self) -> int:
        self._last += 1
        return self._last


def spelt(number: int) -> str:
    """A number of ninety bits as eighteen letters."""
    return "".join([_TWO[number >> shift & 1023] for shift in range(80, -1, -10)])
