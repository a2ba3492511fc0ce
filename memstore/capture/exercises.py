"""Exercises: a stretch of talk that somebody opens as not meant, and closes again.

"Let's brainstorm. This is just exploratory. … OK, enough brainstorming, back to what we really do." What is said in between
holds within the exercise: it settles nothing outside, and is over when the exercise is. Both ends must be said, by
the user, in one session: what only looks like a beginning changes nothing, for a decision taken after it may well be meant.
What was taken in before the end was said is withdrawn when it is said (`store.ending`).
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memstore.capture.extract import Claim
from memstore.capture.values import content
from memstore.model import Event, Modality, Origin
from memstore.policy import weaker

# Talk that is play by its name. What is done to things ("a dry run", "a mock server", "a rough draft") is no such talk:
# what is said beside it is meant.
_PLAY = (
    r"(?:brainstorm\w*|thought\s+experiments?|role[\s-]?play\w*|what[\s-]ifs?|hypotheticals?|hypothetically|scenario\s+planning|contingency\s+planning|"
    r"spitball\w*|exploratory|make[\s-]believe|pretend(?:ing)?|imagining|(?:thinking|musing)\s+(?:out\s+)?loud|playing\s+devil(?:'|’)s\s+advocate)"
)
_ALL_OF_IT = (
    r"(?:this|it|that|(?:every|any)thing\s+(?:here|i\s+say)|what\s+follows|the\s+following|the\s+next\s+(?:bit|part))"
)
_OPENS = re.compile(
    # Nothing may follow but the end: "this is just an exploratory test" tells of a test.
    rf"\b{_ALL_OF_IT}(?:\s+is|(?:'|’)s)\s+(?:all\s+)?(?:just|only|purely|merely|strictly|all)\s+(?:an?\s+)?{_PLAY}(?=\s*(?:[.!,;:…)—–]|-\s|$|(?:for|right)\s+now\b|talk\b|discussion\b|session\b|exercise\b))"
    rf"|\b(?:just|only)\s+{_PLAY}\s+(?:here|now|for\s+(?:now|a\s+(?:bit|minute|moment|while)))"
    rf"|\blet(?:'|’)?s\s+(?:just\s+)?(?:brainstorm|role[\s-]?play|spitball|pretend|(?:do|run|try|have)\s+(?:an?|some)\s+(?:(?:quick|short|little)\s+)?{_PLAY})"
    r"|\bfor\s+the\s+sake\s+of\s+(?:the\s+)?argument\b",
    re.IGNORECASE,
)
# It closes by its name, or by going back to what is real. "That's enough for today" ends a day's work, and is neither.
_CLOSES = re.compile(
    rf"\benough\s+(?:of\s+(?:the|this|that)\s+|with\s+the\s+)?{_PLAY}"
    rf"|\b(?:end|done|finished|out)\s+(?:of|with)\s+(?:the|this|that|our)\s+{_PLAY}"
    rf"|\b(?:done|finished|stop)\s+{_PLAY}"
    rf"|\b{_PLAY}\s+(?:is|(?:'|’)s)\s+(?:over|done|finished)"
    r"|\bback\s+to\s+(?:reality|real\s+\w+|the\s+real\s+\w+|what\s+we\s+(?:really|actually))\b"
    r"|\blet(?:'|’)?s\s+(?:talk|get|go\s+back|return|move\s+on|switch)\s+(?:about|to|back\s+to)\s+(?:the\s+)?(?:reality|(?:real|actual)\s+(?!time\b)\w+)",
    re.IGNORECASE,
)
# Said within, and meant all the same.
_MEANT = re.compile(
    r"\b(?:for\s+real|in\s+earnest|seriously|no\s+joke|not\s+(?:part\s+of|just)\s+(?:the|this|an?)\s+\w+|(?:we|i)(?:(?:'|’)ve|\s+have)?\s+(?:already\s+|really\s+|actually\s+)?decided|regardless)\b",
    re.IGNORECASE,
)
_AROUND = frozenset(
    content(
        "ok okay alright right well then now just here bit minute moment while quick quickly together today talk discussion "
        "session exercise stuff thing things guys everyone back work start begin continue move on moving "
        "commitments decisions plans topic subject matter question problem task project world life"
    )
)
"""Words that say no more beside such a beginning or end."""
# "Let's switch to the real database" names what is chosen; "stop thinking out loud", "not done brainstorming" bid something.
_REAL = re.compile(r"\b(?:real|actual)\s+(\w+)", re.IGNORECASE)
_BIDS = re.compile(r"^\W*(?:please\s+)?stop\b|\b(?:not|never)\b|n(?:'|’)t\b", re.IGNORECASE)
LONGEST = 40
"""Events that an exercise may last. What was opened and not closed by then was left without a word."""
_WITHIN = {Modality.DECISION: Modality.OPTION_CONSIDERED, Modality.OBSERVATION: Modality.HYPOTHESIS}


# Whose talk can be play. What a tool, a file or the system says meanwhile is as true as ever.
_SPEAKERS = frozenset({Origin.USER, Origin.ASSISTANT})


@dataclass(frozen=True, slots=True)
class Exercise:
    """The words that opened it, and the event whose words closed it."""

    opened: str
    closed: Event


def frames(text: str) -> bool:
    """Whether a sentence does nothing but begin or end an exercise: once that is done, it says nothing to remember."""
    left = _CLOSES.sub(" ", _OPENS.sub(" ", text))
    real = (of for match in _REAL.finditer(text) for of in content(match[1]))
    return left != text and not _BIDS.search(text) and _AROUND.issuperset([*content(left), *real])


def closes(event: Event) -> bool:
    """Whether its words end an exercise, if one is open."""
    return event.origin is Origin.USER and bool(_CLOSES.search(event.text))


def exercises(events: Sequence[Event]) -> dict[str, Exercise]:
    """For each event (by id) that was said within an exercise, that exercise. Events of one session, in order.

    What closed where depends on no more than the `LONGEST` events before it, so that these may be read piece by piece.
    """
    found: dict[str, Exercise] = {}
    opened: list[tuple[int, str]] = []
    for place, event in enumerate(events):
        if event.origin is not Origin.USER:
            continue
        end = _CLOSES.search(event.text)
        if end:
            since, words = next((one for one in opened if place - one[0] <= LONGEST), (place, ""))
            found |= {within.id: Exercise(words, event) for within in events[since:place]}
            opened = []
        begins = _OPENS.search(event.text, end.end() if end else 0)
        if begins:
            opened.append((place, begins[0]))
    return found


def played(text: str, origin: Origin) -> bool:
    """Whether words said within an exercise are part of it: spoken, and not said to be meant all the same."""
    return origin in _SPEAKERS and not _MEANT.search(text)


def bounded(claim: Claim, exercise: Exercise) -> Claim:
    """A claim as far as it holds: as no more than a thought, and until the exercise is over; unless it is no part of it."""
    if not played(claim.text, claim.origin):
        return claim
    modality = weaker(claim.modality, _WITHIN.get(claim.modality, claim.modality))
    until = exercise.closed.at if claim.valid_to is None else min(claim.valid_to, exercise.closed.at)
    since = None if claim.valid_from is None or claim.valid_from >= until else claim.valid_from
    context = {**claim.context, "exercise": exercise.opened}
    if modality is not claim.modality:
        context["weakened"] = f"said in an exercise: {exercise.opened!r}"
    return replace(claim, modality=modality, valid_from=since, valid_to=until, context=context)
