"""Choosing by keyword: the same words always give the same order, and nothing is loaded to do it.

It stands in for the model that reads one-line descriptions and picks files. Words are weighted by how few of the
candidates hold them (idf of BM25, Robertson & Zaragoza 2009, without length normalisation: a description is one line).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        """a about after all also am an and any are as at be been before but by can could did do does for from get got
        had has have he her him his how i if in into is it its just like may me might more my no not now of on one or
        our out really she should so some than that the their them then there these they thing think this to up us
        was we well were what when where which while who why will with would yes you your""",
    )
)


def words(text: str) -> list[str]:
    """The telling words of a text, folded, in order. A plural counts as its singular.

    >>> words("How do the TTLs of short_links expire?")
    ['ttl', 'short_link', 'expire']
    """
    return [_singular(w) for w in _WORD.findall(text.casefold()) if len(w) > 1 and w not in _COMMON]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def scores(query: str, candidates: Sequence[str]) -> list[float]:
    """For each candidate the summed idf of the query's words that it holds; 0.0 when it holds none."""
    wanted = sorted(set(words(query)))
    held = [set(words(candidate)) for candidate in candidates]
    n = len(held)
    weight = {}
    for word in wanted:
        df = sum(word in one for one in held)
        weight[word] = math.log1p((n - df + 0.5) / (df + 0.5))
    return [math.fsum(weight[word] for word in wanted if word in one) for one in held]


def best(query: str, candidates: Sequence[str], *, limit: int) -> list[int]:
    """Positions of the best candidates that share a word with the query, best first; ties keep their order."""
    scored = scores(query, candidates)
    order = sorted((i for i, score in enumerate(scored) if score > 0), key=lambda i: -scored[i])
    return order[:limit]


def telling(text: str, held_by: Counter[str], n: int, *, characters: int) -> str:
    """The words that tell this text from the `n` others, most telling first, as they fit in `characters`.

    `held_by` counts, for every word, how many of the texts hold it.
    """
    counted = Counter(words(text))
    order = sorted(counted, key=lambda w: (-(1 + math.log(counted[w])) * math.log((n + 1) / held_by[w]), w))
    chosen: list[str] = []
    room = characters
    for word in order:
        if word.isdigit() or len(word) + 2 > room:
            continue
        chosen.append(word)
        room -= len(word) + 2
    return ", ".join(chosen)
