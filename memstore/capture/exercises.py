"""Exercises: a stretch of talk that somebody opens as not meant, and closes again.

"Let's brainstorm. This is just exploratory. … OK, enough brainstorming, back to what we really do." What is said in between
holds within the exercise: it settles nothing outside, and is over when the exercise is. Both ends must be said, by
the user, in one session: what only looks like a beginning changes nothing, for a decision taken after it may well be meant.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memstore.capture.extract import Claim
from memstore.model import Event, Modality, Origin
from memstore.policy import weaker

_PLAY = (
    r"(?:brainstorm\w*|thought\s+experiments?|role[\s-]?play\w*|what[\s-]ifs?|hypotheticals?|hypothetically|simulations?|dry\s+runs?|mock\s+\w+|sandbox(?:\s+\w+)?|"
    r"scenario\s+planning|contingency\s+planning|rough\s+(?:estimat\w+|draft\w*)|spitball\w*|explorations?|exploring|exploratory|pretend\w*|imagin\w+|thinking\s+out\s+loud|drafting|exercises?)"
)
_OPENS = re.compile(
    rf"\b(?:this|it|that|(?:every|any)thing\s+(?:here|i\s+say)|what\s+follows|the\s+following|the\s+next\s+(?:bit|part))(?:\s+is|(?:'|’)s)\s+(?:all\s+)?(?:just|only|purely|merely|strictly|all)\s+(?:an?\s+)?{_PLAY}"
    rf"|\b(?:just|only)\s+{_PLAY}\s+(?:here|now|for\s+(?:now|a\s+(?:bit|minute|moment|while)))"
    rf"|\blet(?:'|’)?s\s+(?:just\s+)?(?:brainstorm|role[\s-]?play|spitball|pretend|imagine|(?:do|run|try)\s+(?:an?|some|the)\s+(?:(?:quick|short|little|pricing|\w+)\s+)?{_PLAY})"
    r"|\bfor\s+the\s+sake\s+of\s+(?:the\s+)?argument\b",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    r"\b(?:that(?:'|’)?s|that\s+is|that\s+was)\s+enough\b[^.!?]{0,60}?\bfor\s+(?:now|today)\b"
    rf"|\benough\s+(?:of\s+(?:the|this)\s+)?{_PLAY}"
    rf"|\b(?:end|done|finished|out)\s+(?:of|with)\s+(?:the|this|that|our)\s+{_PLAY}"
    rf"|\b{_PLAY}\s+(?:is|(?:'|’)s)\s+(?:over|done|finished)"
    r"|\bback\s+to\s+(?:reality|real\s+\w+|the\s+real\s+\w+|business|what\s+we\s+(?:really|actually))\b"
    r"|\blet(?:'|’)?s\s+(?:talk|get|go\s+back|return|move\s+on|switch)\s+(?:about|to|back\s+to)\s+(?:the\s+)?(?:real|actual|firm|binding)\s+\w+",
    re.IGNORECASE,
)
_WITHIN = {Modality.DECISION: Modality.OPTION_CONSIDERED, Modality.OBSERVATION: Modality.HYPOTHESIS}


@dataclass(frozen=True, slots=True)
class Exercise:
    """The words that opened it, and the event whose words closed it."""

    opened: str
    closed: Event


def exercises(events: Sequence[Event]) -> dict[str, Exercise]:
    """For each event (by id) that was said within an exercise, that exercise. Events of one session, in order."""
    found: dict[str, Exercise] = {}
    within: list[Event] = []
    opened = ""
    for event in events:
        if event.origin is Origin.USER:
            closes, opens = _CLOSES.search(event.text), _OPENS.search(event.text)
            if opened and closes:
                found |= dict.fromkeys((one.id for one in within), Exercise(opened, event))
                within, opened = [], ""
                opens = _OPENS.search(event.text, closes.end())
            if not opened and opens:
                opened = opens[0]
        if opened:
            within.append(event)
    return found


def bounded(claim: Claim, exercise: Exercise) -> Claim:
    """A claim as far as it holds: as no more than a thought, and until the exercise is over."""
    modality = weaker(claim.modality, _WITHIN.get(claim.modality, claim.modality))
    until = exercise.closed.at if claim.valid_to is None else min(claim.valid_to, exercise.closed.at)
    since = None if claim.valid_from is None or claim.valid_from >= until else claim.valid_from
    context = {**claim.context, "exercise": exercise.opened}
    if modality is not claim.modality:
        context["weakened"] = f"said in an exercise: {exercise.opened!r}"
    return replace(claim, modality=modality, valid_from=since, valid_to=until, context=context)
