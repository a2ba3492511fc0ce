"""Provenance: does the pointer of a recollection lead to words that state it?

`provenance/pointed` is the share of recollections with a pointer at all; `provenance/resolves` the share whose pointer
leads to existing items that say it: the quote stands there word for word, and nine tenths of the words of the text do
too. Where it names several, each has to state the text or stand in it. A pointer to a wrong item, to an invented one,
or to everything there is, does not resolve. Both are unscored where nothing came back.
"""

from __future__ import annotations

from collections.abc import Mapping

from evals.model import Answer, Probe, Recalled, Sample, Turn
from evals.scorers.source import contained, turns, words

STATES = 0.9


class Provenance:
    name = "provenance"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        if answer.error or not answer.recalled:
            return {"provenance/pointed": None, "provenance/resolves": None}
        sources = turns(sample)
        n = len(answer.recalled)
        return {
            "provenance/pointed": sum(bool(item.refs) for item in answer.recalled) / n,
            "provenance/resolves": sum(resolves(item, sources) for item in answer.recalled) / n,
        }


def resolves(item: Recalled, sources: Mapping[str, Turn]) -> bool:
    if not item.refs or any(ref not in sources for ref in item.refs):
        return False
    said = [sources[ref].text for ref in item.refs]
    quoted = item.quote is None or any(_stands_in(item.quote, text) for text in said)
    stated = contained(item.text, "\n".join(said)) >= STATES
    return quoted and stated and all(max(contained(item.text, t), contained(t, item.text)) >= STATES for t in said)


def _stands_in(quote: str, text: str) -> bool:
    return bool(words(quote)) and f" {' '.join(words(quote))} " in f" {' '.join(words(text))} "
