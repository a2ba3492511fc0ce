"""Token counters, each with a name, because a count without its counter means nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts the tokens of a text. `name` goes wherever the number goes."""

    name: str
    count: Callable[[str], int]


#: Characters divided by four, rounded up: the rule of thumb that published comparisons use.
CHARACTERS = Counter("chars/4", lambda text: -(-len(text) // 4))
