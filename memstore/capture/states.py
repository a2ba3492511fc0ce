"""States of one thing that exclude each other, and times that run down: what a later statement makes untrue unsaid.

"Build 12 passed" and "Build 12 failed the scan" share a subject and no value, no negation and no word of change; yet
both cannot be how things stand. And "due in four hours", "due in fifteen minutes" are one deadline seen from two moments:
the later saying is what the time left is now. Patterns alone; what they are worth is weighed in `capture.updates`.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from memstore.capture.subjects import Subject, subject

# One kind of state a line: what is well, and what is not.
_KINDS = (
    (
        r"pass(?:es|ed|ing)?|succeed(?:s|ed|ing)?|green|ready|stable|healthy",
        r"fail(?:s|ed|ing)?|red|broken|blocked|unstable|unhealthy",
    ),
    (
        r"up|online|operational|reachable|restored|resolved|available|fixed|working",
        r"down|offline|unreachable|unavailable|degraded|broken|(?:being\s+)?investigated|timing\s+out|out\s+of\s+(?:order|service)",
    ),
    (
        r"approved|accepted|confirmed|granted|signed\s+off|green-?lit",
        r"rejected|denied|declined|refused|cancel+ed|revoked|vetoed|frozen|called\s+off",
    ),
    (r"open(?:ed)?|reopened", r"closed|shut"),
    (r"enabled|active|activated", r"disabled|inactive|deactivated"),
    (
        r"on\s+(?:track|schedule|time)|ahead\s+of\s+schedule",
        r"delayed|behind\s+schedule|late|on\s+hold|postponed|at\s+risk",
    ),
)
_LEADING = (
    r"(?:(?:is|are|has|have|had|been|was|were|got|now|back|still|already|fully|all|again|currently|just|a|the)\s+)*"
)
_NOT = re.compile(r"\b(?:not|never|no\s+longer|n(?:'|’)t)\b", re.IGNORECASE)
_STATES = tuple(
    (re.compile(rf"{_LEADING}(?:not\s+|no\s+longer\s+)?(?:{good})\b", re.IGNORECASE),
     re.compile(rf"{_LEADING}(?:not\s+|no\s+longer\s+)?(?:{bad})\b", re.IGNORECASE))
    for good, bad in _KINDS
)  # fmt: skip
_ANY = re.compile("|".join(rf"\b(?:{good}|{bad})\b" for good, bad in _KINDS), re.IGNORECASE)
# "enabled in staging", "open on weekdays", "down if it rains": where, for whom or when it is so, and not beyond.
_LIMIT = re.compile(
    r"\b(?:in|on|for|to|at|under|during|after|before|outside|except|by\s+default|only|when(?:ever)?|if|unless|while|until|once|tomorrow|next)\b.*",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\b(?:by\s+default|when(?:ever)?|if|unless|while|until|once|tomorrow|next)\b", re.IGNORECASE)
_HAPPENED = re.compile(r"(?:was|were|had)\b", re.IGNORECASE)
_MATTER = re.compile(
    r"^\W*(?:ready|green|stable|approved|blocked|delayed|good\s+to\s+go|on\s+(?:track|schedule|hold)|at\s+risk)\b",
    re.IGNORECASE,
)

_COUNT = r"(?:\d{1,3}|a|an|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_UNIT = r"(?:minutes?|mins?|hours?|hrs?|days?|weeks?|months?)"
# Not "within five minutes of boot", "in 30 days from receipt": those count from something else than now.
_LEFT = re.compile(
    rf"\b(?:in|within)\s+{_COUNT}\s+{_UNIT}\b(?!\s+(?:of|after|before|per|from\s+(?!now\b|today\b)))|\b{_COUNT}[\s-]+{_UNIT}\s+(?:away|left|remaining|to\s+go|from\s+now)\b|\({_COUNT}\s+{_UNIT}\)"
    r"|\b(?:today|tonight|tomorrow)\b",
    re.IGNORECASE,
)
_NEAR = re.compile(r"\b(?:today|tonight|tomorrow)\b", re.IGNORECASE)
_AWAITED = re.compile(
    r"\b(?:due|deadlines?|expir(?:es?|ing|y|ation)|(?:auto-?)?renew(?:s|al|ing)?|ends?|ending|closes?|closing|breach(?:es)?|cut-?off|last\s+day|"
    r"starts|begins|launches|arrives|departs|scheduled)\b",
    re.IGNORECASE,
)
# What ends, expires or begins is so from then on: "support for 3.9 ends today". Unless the words are of the time left.
_TURNS = re.compile(r"\b(?:expir(?:es?|ing)|ends?|ending|closes?|closing|starts|begins|launches)\b", re.IGNORECASE)
_REMAINS = re.compile(r"\b(?:left|remaining|to\s+go)\b", re.IGNORECASE)
_AFTERWARDS = re.compile(
    r"\b(?:after\s+(?:that|which|this)|afterwards?|thereafter|from\s+(?:then|that\s+\w+|there)\s+on|(?<!by )(?<!until )(?<!till )then)\b",
    re.IGNORECASE,
)
_PAST = re.compile(r"\b(?:was|were|had|ago|yesterday|last)\b", re.IGNORECASE)
# What somebody means to do by then is a commitment: it is not over because the time has come.
_MEANT = re.compile(
    r"\b(?:i|we)(?:(?:'|’)ll|\s+(?:will|shall|must|need|plan|want)|(?:'|’)(?:m|re)\s+going)\b|\blet(?:'|’)?s\b",
    re.IGNORECASE,
)
# "Sessions expire in 15 minutes", "a reset link expires in 24 hours": a rule of how long such things last, whenever they
# begin. Many things without an article, any one of a kind, or what is made anew all day.
_RULE = re.compile(
    r"^\W*(?:an?|each|every|any|all)\s[^.;!?]{0,60}?\b(?:due|expires?|ends?|(?:auto-?)?renews?|starts?|begins?|closes?|launch(?:es)?|arrives?|departs?)\b"
    r"|^\W*(?!(?:the|our|my|your|their|his|her|its|these|those|both)\b)(?:[\w-]+\s+){0,3}?[\w-]+[^\Ws]s\s+(?:(?:will|must|should|shall|always|usually|typically)\s+)*(?:are\s+due|expire|end|(?:auto-?)?renew|start|begin|close|launch|arrive|depart)\b"
    r"|\b(?:tokens?|sessions?|links?|cookies?|caches?|entry|entries|codes?|otps?|locks?|leases?|urls?|jwts?|keys?|records?|messages?|passwords?)\s+(?:(?:will|must|should|shall|always|usually|typically)\s+)*(?:expires?|ends?|closes?|(?:auto-?)?renews?|starts?)\b",
    re.IGNORECASE,
)
# "TICKET-9999", "VendorX", "#1234": words that are names by their spelling.
_IDENTIFIER = re.compile(r"#\d+|\b(?=[\w-]*(?:\d|[a-z][A-Z]))(?=[\w-]*[A-Za-z])[A-Za-z][\w-]*\w")


class State(NamedTuple):
    """What kind of state a statement gives its subject, and on which side of it; `subject` as `capture.subjects` has it.

    `over` where it says how things stood: "the build was broken". `limit` says how far it goes: "in staging".
    """

    kind: int
    well: bool
    over: bool
    limit: str
    subject: Subject

    def may_hold_beside(self, other: State) -> bool:
        """Each may be so in its own place or case: "enabled in staging", "disabled in production"."""
        if self.limit == other.limit:
            return False
        if (self.limit and other.limit) or _CONDITION.search(self.limit + " " + other.limit):
            return True
        # What happened once happened, wherever: "passed", then "failed in the last step".
        return bool(self.limit) and self.kind not in _REACHED


@lru_cache(maxsize=4096)
def states(text: str, about: str = "") -> tuple[State, ...]:
    """The states that the first clause of `text` gives its subject; of a fragment without one, to that of `about`."""
    of = subject(text)
    if of.words:
        said = text[of.end :]
    elif about and fragment(text):
        of, said = subject(about), text.lstrip(" \t*_-—–>•")
    else:
        return ()
    found = []
    for kind, (good, bad) in enumerate(_STATES):
        well, ill = good.match(said), bad.match(said)
        match = well or ill
        if match is None or not of.words:
            continue
        over = kind != _DECIDED and bool(_HAPPENED.match(match[0]))
        limit = _LIMIT.search(said, match.end())
        told = limit[0].rstrip(" .!").lower() if limit else ""
        found.append(State(kind, bool(well) != bool(_NOT.search(match[0])), over, told, of))
    return tuple(found)


_DECIDED = 2
"""The kind of state that is reached once: "was approved" says how things stand, "was down" how they stood."""
_REACHED = (0, _DECIDED, 5)
"""Those that come of one event: it passed, was refused, is late."""


def fragment(text: str) -> bool:
    """A state without its subject, as notes put it after a full stop: "Ready for release." """
    return len(text.split()) <= 6 and bool(_MATTER.match(text))


def tells_state(text: str) -> bool:
    """Cheaply, whether a text may say a state or a time left at all."""
    return bool(_ANY.search(text) or (_LEFT.search(text) and _AWAITED.search(text)))


def opposed(new: tuple[State, ...], old: tuple[State, ...]) -> tuple[State, State] | None:
    """The state that the one gives a subject, and the one that the other gives it, where they exclude each other."""
    for now in new:
        for was in old:
            alike = now.kind == was.kind and now.subject.words & was.subject.words
            if alike and now.well != was.well and not now.subject.differs(was.subject):
                return now, was
    return None


@lru_cache(maxsize=4096)
def counts_down(text: str) -> bool:
    """Does it say how long it is until something awaited, as seen from the moment of saying?"""
    runs = _LEFT.search(text) and _AWAITED.search(text)
    if not runs or _PAST.search(text) or _MEANT.search(text):
        return False
    return not rules(text)


def runs_out(text: str) -> bool:
    """Is a count-down over when its time has come, with nothing in it that is true from then on?"""
    return counts_down(text) and (bool(_REMAINS.search(text)) or not _TURNS.search(text))


def goes_on(text: str) -> bool:
    """Does it also say how things are after a time that it names: "until Friday; after that"?"""
    return bool(_AFTERWARDS.search(text))


@lru_cache(maxsize=4096)
def rules(text: str) -> bool:
    """Does it say how long each thing of a kind lasts, and so no moment at which one ends?"""
    return bool(_RULE.search(text)) and not _NEAR.search(text)


@lru_cache(maxsize=4096)
def identifiers(text: str) -> frozenset[str]:
    """Words that are names by their spelling: digits or capitals inside."""
    return frozenset(word.lower() for word in _IDENTIFIER.findall(text))
