"""A reader of bare strings: what a sentence's own words say about how settled it is.

It stands in for whoever reads a recollection that carries no mark. It is a short list of cues, written for the
harness and sharing nothing with the tagger under test, and it is far from perfect: `agreement` says how often it
agrees with labelled sentences, and the modality task prints that beside every figure that rests on it. Scores use it
to compare a text with its own source, so that what it misreads in both is not counted as a loss.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


def _any(*cues: str) -> re.Pattern[str]:
    return re.compile("|".join(cues), re.IGNORECASE)


QUESTION = _any(
    r"\?\s*[\"')\]*]*\s*$",
    r"^\W*(?:can|could|would|will) you\b",
    r"\bI(?:'m| am)? (?:wonder|wondering|curious)\b",
    r"\bI(?:'m| am) (?:not sure|unsure) (?:how|if|whether|what|why|which)\b",
    r"\b(?:don't|do not) understand\b",
    r"^\W*(?:what|why|how|when|where|who|which)\b[^.]*$",
    r"\bhelp me\b",
)
OPTION = _any(
    r"\bcould\b(?! not)",
    r"\b(?:might|may) want\b",
    r"\bmaybe\b[^.]*\b(?:we|you|should|use|rename|add|just)\b",
    r"\bone (?:option|alternative|way)\b",
    r"\balternativ\w+\b",
    r"\banother (?:option|approach|way|possibility)\b",
    r"\bwhat if\b|\bhow about\b|\bshould we\b|\bthinking (?:of|about)\b",
    r"\bconsider(?:ing|ed)?\b",
    r"\bI think (?:we|you|it|I) (?:should|could|would)\b",
    r"\bwould be (?:better|nice|good|great|helpful|useful|possible)\b",
    r"\b(?:suggest|propose|recommend)\w*\b",
    r"\boptionally\b|\binstead of\b|\bprefer(?:able|ably)\b|\bideally\b",
)
HYPOTHESIS = _any(
    r"\b(?:probably|perhaps|possibly|presumably|likely|unlikely|apparently|supposedly|maybe)\b",
    r"\b(?:may|might)\b",
    r"\b(?:seem|appear)s?\b",
    r"\bI (?:think|guess|suspect|believe|assume|suppose|imagine|hope|expect|doubt)\b",
    r"\bshould (?:work|be (?:fine|ok|okay|enough|possible|able))\b",
    r"\bnot sure\b",
    r"\bif\b[^.]*\bwould\b|\bwould\b[^.]*\bif\b",
    r"\b(?:worried|concerned|afraid|unclear)\b",
)
DECISION = _any(
    r"\b(?:must|shall|will|won't|going to|let's|decided|decide to|agreed|chose|chosen|settled on|committed)\b",
    r"\b(?:we|I)'ll\b",
    r"\b(?:always|never)\b",
    r"\bI(?:'m| am) (?:using|moving|planning|implementing|switching)\b",
    r"\b(?:I|we) (?:want|need|plan|prefer|use)\b",
    r"\bthis (?:RFC|proposal|document|ADR)\b[^.]*\b(?:adds|makes|introduces|proposes|defines|changes)\b",
    r"\bshould\b|\btrying to\b",
    r"^\W*(?:use|add|remove|rename|make|keep|do|don't|please|replace|move|change|set|avoid|ensure|include)\b",
)
CUES = (("question", QUESTION), ("option_considered", OPTION), ("hypothesis", HYPOTHESIS), ("decision", DECISION))

UNSETTLED = frozenset({"option_considered", "hypothesis", "question"})


def read(text: str) -> str:
    """One of the five modalities: the first kind whose cue stands in the text, weakest claim first."""
    return next((modality for modality, cue in CUES if cue.search(text)), "observation")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the reader does on labelled sentences: n, share right, Cohen's κ, and hedges that it reads as decisions."""

    n: int
    accuracy: float
    kappa: float
    false_decision: float


def agreement(labelled: Iterable[tuple[str, str]]) -> Agreement:
    """Agreement with pairs of (text, label). κ is (observed − chance) / (1 − chance) [Cohen 1960]."""
    pairs = [(label, read(text)) for text, label in labelled]
    n = len(pairs)
    observed = sum(gold == got for gold, got in pairs) / n
    labels = {label for pair in pairs for label in pair}
    chance = sum(
        sum(gold == label for gold, _ in pairs) * sum(got == label for _, got in pairs) / n**2 for label in labels
    )
    hedged = [got for gold, got in pairs if gold in UNSETTLED]
    return Agreement(
        n=n,
        accuracy=observed,
        kappa=(observed - chance) / (1 - chance) if chance < 1 else 1.0,
        false_decision=sum(got == "decision" for got in hedged) / len(hedged) if hedged else 0.0,
    )
