"""Which of two answers is the current one, where nobody said so: the same thing asked about, said later, otherwise.

Supersession settles this when it was recorded. Often it was not: "the budget is $65" is followed, weeks later, by "I
adjusted the budget to $75", and the older words, being the plainer ones, match a question better. For a question
about how things are, the later turn goes before the earlier one if both speak of what is asked (one of the first
words that tell, and two in all), both give a figure, the later one gives another, and it does not answer much worse.
Words of change ("adjusted", "now", "new") allow for more distance. Only the order changes: nothing is retired on a
guess, and both come back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from memstore.recall.understanding import Query

# How much worse the later turn may answer: in general, and where it speaks of a change.
_DISTANCE = 3.0
_DISTANCE_OF_CHANGE = 5.0
_FIRST_WORDS = 2
_SHARED = 2

# Compiled when they are first asked for: few questions need all of them, and a hook has no time to spare.
_STATE = (
    r"\s*(?:what|which|who|where|when|how (?:many|much|often|far|old|big|large|high|low|fast)"
    r"|by (?:what|when)|on (?:what|which)|is|are|am|do|does)\b"
)
# Questions that need both figures have no current one.
_OF_BOTH = (
    r"\bbetween\b|\bhow (?:many (?:days|weeks|months|years)|long)\b|\b(?:and|or) (?:which|when|how)\b"
    r"|\bcompar|\bdifferen"
)
_FIGURE = r"(?<![\w.])[$€£]?\d(?:[\d,.:/]*\d)?"
_DIGIT = re.compile(r"\d")
_NUMBERS = frozenset("one two three four five six seven eight nine ten eleven twelve".split())
_CHANGE = (
    r"\b(?:now|recently|updat\w+|adjust\w+|increas\w+|decreas\w+|reduc\w+|rais(?:ed|ing)|lower(?:ed|ing)|extend\w+"
    r"|chang\w+|mov(?:ed|ing)|reschedul\w+|postpon\w+|push(?:ed)? back|pull(?:ed)? (?:in|forward)|new(?:ly)?|latest"
    r"|current(?:ly)?|instead|no longer|anymore|switch\w*|replac\w+|upgrad\w+|improv\w+|revis\w+|grew|grown|rose"
    r"|dropped|fell|cut|expand\w+|add(?:ed|itional)|another|more|up from|down (?:to|from)|managed to|actually"
    r"|already|finally|since then)\b"
)
_WORD = re.compile(r"\w+")
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|ly)$")


class Said(NamedTuple):
    """What comparing needs of an answer: the words of its turn, when they were said, their standing, its score."""

    words: str
    at: int
    authority: int
    score: float


def asks_for_state(query: Query) -> bool:
    """Whether a query is about how things are, so that of two figures the later one answers it."""
    if query.past or query.overview or query.ever:
        return False
    return bool(re.match(_STATE, query.text, re.I)) and not re.search(_OF_BOTH, query.text, re.I)


def order(query: Query, said: Sequence[Said]) -> list[tuple[int, int | None]]:
    """The answers in their new order, as (index, index of the one it was moved before or None)."""
    result: list[tuple[int, int | None]] = [(index, None) for index in range(len(said))]
    asked = [_stem(word) for word in query.words]
    # What speaks of something else, or gives no figure, is neither renewed nor renews.
    first = asked[:_FIRST_WORDS]
    read = [_read(one.words, asked, first) for one in said]
    told = [index for index, (figures, stems) in enumerate(read) if figures and stems.intersection(first)]
    if len(told) < 2:
        return result
    place = 0
    while place < len(result):
        index = result[place][0]
        later = [
            (said[other].at, -position, position)
            for position, (other, _) in enumerate(result[place + 1 :] if index in told else (), place + 1)
            if other in told and _renews(asked, said[index], read[index], said[other], read[other])
        ]
        if later:
            _, _, position = max(later)
            result.insert(place, (result.pop(position)[0], index))
        place += 1
    return result


def _renews(
    asked: Sequence[str],
    old: Said,
    of_old: tuple[frozenset[str], set[str]],
    new: Said,
    of_new: tuple[frozenset[str], set[str]],
) -> bool:
    if new.at <= old.at or new.authority < old.authority or not of_old[0] or not of_new[0] - of_old[0]:
        return False
    shared = of_old[1] & of_new[1]
    if not shared.intersection(asked[:_FIRST_WORDS]) or len(shared.intersection(asked)) < _SHARED:
        return False
    if new.score >= old.score - _DISTANCE:
        return True
    return new.score >= old.score - _DISTANCE_OF_CHANGE and re.search(_CHANGE, new.words, re.I) is not None


def _read(text: str, asked: Sequence[str], first: Sequence[str]) -> tuple[frozenset[str], set[str]]:
    """The figures in a text that may hold one of the first words, and which of the stems asked for are in it."""
    folded = text.casefold()
    in_digits = _DIGIT.search(text)
    # Most texts hold neither: looking for the letters first is faster than reading the words.
    if not any(word[:3] in folded for word in first) or not (in_digits or any(map(folded.__contains__, _NUMBERS))):
        return frozenset(), set()
    words = _WORD.findall(folded)
    figures = _NUMBERS.intersection(words)
    if in_digits:
        figures = figures.union([figure.casefold() for figure in re.findall(_FIGURE, text)])
    if not figures:
        return figures, set()
    begin = {word[:3] for word in asked}
    return figures, {_stem(word) for word in words if word[:3] in begin}


def _stem(word: str) -> str:
    return _ENDING.sub("", word.casefold())
