"""Where recalled words came from: the turns of a sample by ref, and how much of one text stands in another.

An arm that keeps pointers is taken at its word (and `evals.scorers.provenance` checks that word). One that keeps none,
such as a hand-written file, is attributed by content: a line belongs to the turn whose words it has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from evals.model import Answer, Recalled, Sample, Turn

# SequenceMatcher is quadratic; beyond this many words a text is compared by its distinct words instead.
LONGEST = 600
# A line without a pointer belongs to a turn when this share of the words of one stands in the other, in order.
SAME = 0.8
# Shorter texts ("Yes.", a heading) stand in too many turns to be anyone's.
FEWEST = 4


def turns(sample: Sample) -> dict[str, Turn]:
    return {item.ref: item for item in sample.items if isinstance(item, Turn)}


def words(text: str) -> list[str]:
    """Lower-case words and numbers; punctuation and layout say nothing about fidelity."""
    return re.findall(r"\w+(?:['’.]\w+)*", text.lower())


def contained(part: str, whole: str) -> float:
    """The share of the words of `part` that stand in `whole` in the same order: 1.0 for a quotation."""
    return _contained(words(part), words(whole))


def _contained(inner: list[str], outer: list[str]) -> float:
    if not inner:
        return 0.0
    if f" {' '.join(inner)} " in f" {' '.join(outer)} ":
        return 1.0
    if max(len(inner), len(outer)) > LONGEST:
        distinct = set(outer)
        return sum(word in distinct for word in inner) / len(inner)
    matched = sum(block.size for block in SequenceMatcher(None, inner, outer, autojunk=False).get_matching_blocks())
    return matched / len(inner)


def refs_of(item: Recalled, sample: Sample) -> tuple[str, ...]:
    """The source items a recollection comes from: those it names, else those whose words it has."""
    if item.refs:
        return item.refs
    inner = words(item.text)
    found: dict[str, float] = {}
    for ref, turn in turns(sample).items():
        outer = words(turn.text)
        short, long = sorted((inner, outer), key=len)
        # Counting shared words first keeps the costly comparison for the few that can pass.
        distinct = set(long)
        if len(short) < FEWEST or sum(word in distinct for word in short) < SAME * len(short):
            continue
        found[ref] = _contained(short, long)
    # "a 30-day TTL" is nearly "a 90-day TTL": only the nearest turns are its source.
    best = max(found.values(), default=0.0)
    return tuple(ref for ref, share in found.items() if share == best) if best >= SAME else ()


def attributed(answer: Answer, sample: Sample) -> list[tuple[Recalled, tuple[str, ...]]]:
    """Every recollection with the source items it comes from, best first."""
    return [(item, refs_of(item, sample)) for item in answer.recalled]


def carrier(answer: Answer, sample: Sample, refs: Sequence[str], said: str) -> Recalled | None:
    """The recollection of `refs` that brings most of the words `said` back; None if none does.

    What an arm puts into every prompt is in front of the reader as well: its lines are looked at last.
    """
    wanted = set(refs)
    candidates = [item for item, of in attributed(answer, sample) if wanted & set(of)]
    if not candidates:
        lines = (Recalled(line) for line in answer.injected.splitlines())
        candidates = [line for line in lines if wanted & set(refs_of(line, sample))]
    # max keeps the first of equals, which is the best ranked.
    return max(candidates, key=lambda item: contained(said, item.text), default=None)
