"""The nouns of memstore: closed sets and frozen records, with no behaviour beyond their own shape.

Everything here is immutable. An `Event` is what was said, word for word; a `Fact` is a statement derived
from it; a `Transition` is something that happened to facts; a `Recollection` is the answer to a query.
Times are aware datetimes in UTC. Offsets count Unicode code points of the stored text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Modality(StrEnum):
    """Epistemic status: what the words themselves claim to be doing."""

    DECISION = "decision"
    OPTION_CONSIDERED = "option_considered"
    HYPOTHESIS = "hypothesis"
    QUESTION = "question"
    OBSERVATION = "observation"


class Kind(StrEnum):
    """What a fact is about. `feedback` holds corrections and confirmations alike."""

    USER = "user"
    FEEDBACK = "feedback"
    PROJECT = "project"
    REFERENCE = "reference"


class Origin(StrEnum):
    """Who said it. Its standing is `memstore.policy.authority(origin)`."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    DOCUMENT = "document"
    SYSTEM = "system"


class Status(StrEnum):
    """Where a fact stands at a moment. Derived from transitions and the clock, never written by hand."""

    LIVE = "live"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    RETRACTED = "retracted"
    SUSPECT = "suspect"
    FORGOTTEN = "forgotten"


class Change(StrEnum):
    """The kinds of transition. Every one but FORGOTTEN can be reverted by a REVERTED transition.

    USED, WRONG and STALE are reports on what was recalled: see `Verdict`.
    """

    SUPERSEDED = "superseded"
    AMENDED = "amended"
    RETRACTED = "retracted"
    CONFIRMED = "confirmed"
    FLAGGED = "flagged"
    REVALIDATED = "revalidated"
    REVERTED = "reverted"
    FORGOTTEN = "forgotten"
    USED = "used"
    WRONG = "wrong"
    STALE = "stale"


class Verdict(StrEnum):
    """What somebody reports who acted on a fact: it helped, it is not so, or it is so no longer."""

    USED = "used"
    WRONG = "wrong"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Event:
    """One verbatim item of the source. Identified by (scope, session, ref); without a ref, by role, time and hash."""

    id: str
    scope: str
    session: str
    ref: str | None
    role: str
    origin: Origin
    at: datetime
    recorded_at: datetime
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Span:
    """`[start, end)` code points of one event's text."""

    event_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact came from: `quote == event.text[start:end]`, derived by `extractor`."""

    event_id: str
    ref: str | None
    session: str
    role: str
    origin: Origin
    at: datetime
    start: int
    end: int
    quote: str
    extractor: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement held in memory. Immutable: what happens to it later is in its transitions.

    `probability` is how sure the tagger was of the modality, in [0, 1]. `expires_at` is None for a fact
    without a lifetime. `context` is what the words need to stand alone (speaker, section, antecedent …).
    `conflicts` are the refusals recorded when this fact was remembered.
    """

    id: str
    scope: str
    key: str | None
    text: str
    modality: Modality
    kind: Kind
    origin: Origin
    said_at: datetime
    recorded_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    expires_at: datetime | None
    probability: float
    provenance: tuple[Provenance, ...]
    context: Mapping[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that happened to facts: `new` replaced (or amended …) `old`, at a time, for a reason."""

    id: str
    scope: str
    change: Change
    old: tuple[str, ...]
    new: tuple[str, ...]
    at: datetime
    reason: str
    event_id: str | None
    reverts: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A transition that policy refused (invariant 6). Both facts stay; the clash is kept to be reviewed.

    `possible` where nothing forbids it: an update that was seen, and is not certain enough to retire anything.
    """

    id: str
    scope: str
    change: Change
    old: tuple[str, ...]
    new: tuple[str, ...]
    at: datetime
    reason: str
    refusal: str
    possible: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """A sentence said just before or after, quoted so that a recollection can be understood.

    `what` it is to the recollection: the "question" it answers, or the "answer" it got.
    """

    what: str
    role: str
    text: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Recollection:
    """One answer to a query, with its standing. `replaces` are the texts this fact took the place of.

    `contests` are the texts it would have taken the place of if policy let it: both stand, nobody has settled it yet.
    `tokens` are those of its line, by the counter that `why` names. `beside` is there where its words need it.
    """

    fact_id: str
    text: str
    modality: Modality
    kind: Kind
    origin: Origin
    authority: int
    binding: bool
    status: Status
    confidence: float
    recorded_at: datetime
    valid_from: datetime
    said_at: datetime
    expires_at: datetime | None
    provenance: tuple[Provenance, ...]
    replaces: tuple[str, ...]
    score: float
    tokens: int
    why: Mapping[str, object] = field(default_factory=dict)
    beside: Beside | None = None
    contests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens booked for one purpose, and the session they were spent on, where it was one.

    `cost_usd` is None when the price is not known, never 0.
    """

    at: datetime
    purpose: str
    model: str
    counter: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    price_date: str | None
    session: str | None = None


class Concern(StrEnum):
    """Why something waits for somebody to look at it."""

    SUSPECT = "suspect"
    CONFLICT = "conflict"
    POSSIBLE_UPDATE = "possible_update"
    EXPIRING = "expiring"


class Remedy(StrEnum):
    """What settles a review item: its facts hold, the later replaces the earlier, or some are withdrawn."""

    CONFIRM = "confirm"
    REPLACE = "replace"
    RETRACT = "retract"
