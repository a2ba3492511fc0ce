"""The rules, as pure functions: standing of a speaker, who may unseat whom, and how long a fact lasts.

Nothing here touches a database or a clock. Each rule has one home, so that changing a policy is changing a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from memstore.model import Concern, Kind, Modality, Origin

#: The keys of files that an agent keeps in the store begin so: they are there to be opened, not to be recited.
FILE_KEYS = "memory-tool:"

# --- authority: whose words they are (never what they say) -----------------------------------------------------

_AUTHORITY = {
    Origin.SYSTEM: 2,
    Origin.USER: 2,
    Origin.ASSISTANT: 1,
    Origin.DOCUMENT: 0,
    Origin.TOOL: 0,
}
BINDING_AUTHORITY = 2

_ORIGIN_OF_ROLE = {
    "user": Origin.USER,
    "human": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "system": Origin.SYSTEM,
    "developer": Origin.SYSTEM,
    "tool": Origin.TOOL,
    "function": Origin.TOOL,
    "document": Origin.DOCUMENT,
    "file": Origin.DOCUMENT,
}


def authority(origin: Origin) -> int:
    """The standing of an origin: 2 system and user, 1 assistant, 0 document and tool."""
    return _AUTHORITY[origin]


def origin_of(role: str) -> Origin:
    """Who speaks in a role. A role nobody has heard of has the least standing."""
    return _ORIGIN_OF_ROLE.get(role.lower(), Origin.TOOL)


def binding(modality: Modality, origin: Origin) -> bool:
    """A decision (or standing instruction, which is one) with the authority of user or system."""
    return modality is Modality.DECISION and authority(origin) >= BINDING_AUTHORITY


# --- who may unseat whom (invariant 6) -------------------------------------------------------------------------

_UNSEATS: Mapping[Modality, frozenset[Modality]] = {
    Modality.DECISION: frozenset(Modality),
    Modality.OBSERVATION: frozenset({Modality.OBSERVATION, Modality.HYPOTHESIS, Modality.QUESTION}),
    Modality.HYPOTHESIS: frozenset({Modality.HYPOTHESIS, Modality.QUESTION}),
    Modality.OPTION_CONSIDERED: frozenset({Modality.OPTION_CONSIDERED, Modality.QUESTION}),
    Modality.QUESTION: frozenset({Modality.QUESTION}),
}

# From the weakest claim to the strongest: where two readings of a sentence differ, the weaker wins.
_STRENGTH = {
    Modality.QUESTION: 0,
    Modality.OPTION_CONSIDERED: 1,
    Modality.HYPOTHESIS: 2,
    Modality.OBSERVATION: 3,
    Modality.DECISION: 4,
}


def strength(modality: Modality) -> int:
    """How much a modality claims, 0 (question) to 4 (decision)."""
    return _STRENGTH[modality]


def weaker(one: Modality, other: Modality) -> Modality:
    """The weaker of two readings of the same words (invariant 4)."""
    return min(one, other, key=strength)


def refusal(new: tuple[Modality, Origin], old: tuple[Modality, Origin]) -> str | None:
    """Why `new` may not supersede `old`, or None if it may."""
    (new_modality, new_origin), (old_modality, old_origin) = new, old
    if authority(new_origin) < authority(old_origin):
        return f"{new_origin} has less authority than {old_origin}"
    if old_modality not in _UNSEATS[new_modality]:
        return f"{_a(new_modality)} may not supersede {_a(old_modality)}"
    return None


def _a(modality: Modality) -> str:
    return f"{'an' if modality[0] in 'aeiou' else 'a'} {modality}"


# --- news: how things stand, which is stale by tomorrow --------------------------------------------------------

# What passes and fails from one hour to the next, and how it stands meanwhile.
_TURNED = r"pass(?:es|ed)|fail(?:s|ed)|crash(?:es|ed)|succeed(?:s|ed)"
_STANDS = r"green|red|broken|down|up|running|offline|online|stuck|timing out|unreachable|healthy|degraded"
_NOW = r"just|now|all|still|already|again|currently|fully|back|mostly|partly"
_IS = r"is|are|was|were|has been|have been"
_MOMENTARY = (
    r"\b(?:build|tests?|test suite|ci|pipeline|deploy(?:ment)?|server|service|staging|production|branch|job|"
    r"queue|site|cluster|database|api|endpoint|linter|type ?check(?:er)?)\b[^.?!]{0,60}?"
    rf"\b(?:{_TURNED}|(?:pass|fail|crash)(?:ing)?|succeed|{_STANDS}|back up)\b"
    r"|\b(?:right now|currently|at the moment|this (?:morning|afternoon|evening))\b"
)
# One thing, nobody's wish and no condition among its words, and what became of it, to the end of the sentence.
_ONLY_NEWS = (
    r"^\W*(?!(?:i|we|you|he|she|they|one|let's|please)\b)"
    r"(?:(?!(?:i|we|you|they|he|she|may|might|must|should|shall|can|could|would|will|need|needs|if|unless|until|not|"
    r"never|keep|leave|take|get|make|let|want|wants)\b)[\w./#:'-]+\s+){1,6}?"
    rf"(?:(?:(?:{_IS}|{_NOW})\s+)*(?:{_TURNED}|finish(?:es|ed)|completed|expire[sd]|landed)"
    r"|(?:tests?|checks?|jobs?|builds?|suites?|pipelines?)\s+(?:all\s+)?(?:now\s+)?(?:pass|fail)"
    rf"|(?:{_IS})\s+(?:(?:{_NOW}|being)\s+)*(?:(?:pass|fail|crash)ing|{_STANDS}|unhealthy|done|finished|merged|"
    r"deployed|ready|full|flaky|completed?))"
    r"(?:\s+(?:again|now|already|right now|today|yesterday|tonight|at last|this (?:morning|afternoon|evening|week)|"
    r"(?:on|in|at|for|with|since|after)\s+[^,.;]{1,40}))*\s*[.!]*\s*$"
)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when first asked for: reading needs none of these."""
    return re.compile(pattern, re.IGNORECASE)


def momentary(text: str) -> bool:
    """Whether an observation describes the state of things at one moment rather than how things are."""
    return _compiled(_MOMENTARY).search(text) is not None


def only_news(text: str) -> bool:
    """Whether all that a sentence says is how one thing stands or what became of it ("the build is green again").

    Somebody may have settled that it be so; the sentence reports it, and is never read as a decision.
    """
    return _compiled(_ONLY_NEWS).match(text.replace("’", "'")) is not None


# --- lifetimes -------------------------------------------------------------------------------------------------

_WEEK = timedelta(weeks=1)

#: How long a class of fact may be believed without hearing it again. None: until something says otherwise.
DEFAULT_LIFETIMES: Mapping[tuple[Modality, Kind], timedelta | None] = {
    # What was settled stays settled until somebody unsettles it.
    **{(Modality.DECISION, kind): None for kind in Kind},
    # What was floated and never taken up is dead weight within weeks.
    **{(Modality.OPTION_CONSIDERED, kind): 4 * _WEEK for kind in Kind},
    # A guess is either confirmed or overtaken sooner than that.
    **{(Modality.HYPOTHESIS, kind): 3 * _WEEK for kind in Kind},
    **{(Modality.QUESTION, kind): 2 * _WEEK for kind in Kind},
    # A person's circumstances and reactions hold until they say otherwise; projects and references drift.
    (Modality.OBSERVATION, Kind.USER): None,
    (Modality.OBSERVATION, Kind.FEEDBACK): None,
    (Modality.OBSERVATION, Kind.PROJECT): 13 * _WEEK,
    (Modality.OBSERVATION, Kind.REFERENCE): 26 * _WEEK,
}

MOMENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The TTL policy of a store: a table by (modality, kind), and a day for observations of a moment.

    `stated`: a limit that the words themselves give ("until Friday", "due in four hours") ends it sooner.
    """

    table: Mapping[tuple[Modality, Kind], timedelta | None] = None  # type: ignore[assignment]
    moment: timedelta | None = MOMENT
    stated: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", {**DEFAULT_LIFETIMES, **(self.table or {})})

    def of(self, text: str, modality: Modality, kind: Kind, stated: timedelta | None = None) -> timedelta | None:
        """The lifetime of a fact, counted from when it was said; None if it has none.

        `stated` is how long its words say that it holds, if they do.
        """
        momentous = modality is Modality.OBSERVATION and kind is not Kind.USER and momentary(text)
        lifetime = self.moment if momentous else self.table[modality, kind]
        if stated is None or stated <= timedelta(0) or not self.stated:
            return lifetime
        return stated if lifetime is None else min(stated, lifetime)


# --- what to look at first -------------------------------------------------------------------------------------

_URGENCY = {Concern.SUSPECT: 1.0, Concern.CONFLICT: 0.8, Concern.POSSIBLE_UPDATE: 0.6, Concern.EXPIRING: 0.3}
_WEIGHT = {
    Modality.DECISION: 1.0,
    Modality.OBSERVATION: 0.6,
    Modality.HYPOTHESIS: 0.3,
    Modality.OPTION_CONSIDERED: 0.2,
    Modality.QUESTION: 0.1,
}


def harm(concern: Concern, modality: Modality, origin: Origin, conclusions: int) -> float:
    """How much a wrong fact could do: urgency × what it claims (twice if binding) × (1 + what rests on it)."""
    claim = _WEIGHT[modality] * (2.0 if binding(modality, origin) else 1.0)
    return _URGENCY[concern] * claim * (1 + conclusions)


#: What was never more than floated or asked, and lapsed so long ago, is let go by consolidation (reversibly).
ABANDONED = 26 * _WEEK
LAPSING = frozenset({Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION})
