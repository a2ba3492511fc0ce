"""Ids: ninety bits that begin with the time, spelt in letters that sort as the numbers do."""

from __future__ import annotations

import os
from itertools import product

# Crockford's base 32 (no i, l, o, u), two letters at once: an id is made for every fact and every event.
_TWO = ["".join(letters) for letters in product("0123456789abcdefghjkmnpqrstvwxyz", repeat=2)]


def random_number(micros: int) -> int:
    """Fifty bits of milliseconds and forty random ones: where the ids of one transaction begin."""
    return (micros // 1000 % (1 << 50)) << 40 | int.from_bytes(os.urandom(5), "big")


def spelt(number: int) -> str:
    """A number of ninety bits as eighteen letters."""
    return "".join([_TWO[number >> shift & 1023] for shift in range(80, -1, -10)])
