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


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """What a capture did: counts, and the lines or turns that were passed over, with the reason.

    `updates` counts what new statements did to held ones: replaced, amended, confirmed, refused (by policy), possible
    (waiting for `review`). `bill` is what Claude was paid, booked already.
    """

    events: int
    facts: int
    corroborated: int
    skipped: Mapping[str, int]
    problems: tuple[str, ...] = ()
    updates: Mapping[str, int] = field(default_factory=dict)
    bill: tuple[Usage, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: records added, records that were there already, and lines skipped on request."""

    events: int
    facts: int
    transitions: int
    present: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Synced:
    """What `sync` did with the Markdown files in `folder`: `written` are those that it changed, made or removed.

    Facts by id: `added` from words that somebody wrote there (`said`, each with its modality), `withdrawn` because
    their line was taken out, `restored` because it was and may not be withdrawn so, or with its whole file.
    `conflicts` are the edits that policy refused: both sides stay. `shown` counts the facts in the files now;
    `problems` are files and facts that were left out.
    """

    folder: str
    written: tuple[str, ...]
    added: tuple[str, ...]
    said: tuple[str, ...]
    withdrawn: tuple[str, ...]
    restored: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    problems: tuple[Problem, ...]
    shown: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing `verify` found wrong: what kind, in which record, and what to do."""

    code: str
    record: str
    message: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What `forget` did. `pending` while an open reader still pins old pages; `files` are Markdown that it rewrote."""

    id: str
    scope: str
    at: datetime
    events: tuple[str, ...]
    facts: tuple[str, ...]
    pending: bool
    out_of_reach: tuple[str, ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens booked for one purpose. `cost_usd` is None when the price is not known, never 0."""

    at: datetime
    purpose: str
    model: str
    counter: str
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    price_date: str | None


@dataclass(frozen=True, slots=True)
class History:
    """The chain a fact stands in: its facts from the oldest to the newest, their status, and what happened."""

    facts: tuple[Fact, ...]
    statuses: Mapping[str, Status]
    heads: tuple[str, ...]
    transitions: tuple[Transition, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a fact is believed as far as it is: its source, standing, chain, and what moved its confidence."""

    fact: Fact
    status: Status
    authority: int
    binding: bool
    confidence: float
    why: Mapping[str, object]
    sources: tuple[Event, ...]
    premises: tuple[Fact, ...]
    history: History


@dataclass(frozen=True, slots=True)
class Anchor:
    """A fact's tie to a file under `root`, to lines of it (1-based, inclusive), or to a symbol in it.

    `commit` was checked out when it was looked at; None outside a repository. `doubtful` while what was seen there
    has changed or gone, and nobody has answered that.
    """

    fact_id: str
    root: str
    path: str
    lines: tuple[int, int] | None
    symbol: str | None
    commit: str | None
    at: datetime
    doubtful: bool


@dataclass(frozen=True, slots=True)
class AnchorReport:
    """What a look at the files found: the facts (id) it made suspect, or live again, or whose anchor followed a move.

    `unreadable` says what could not be looked at, and why; `unchecked` counts what there was no time for.
    """

    checked: int
    flagged: tuple[str, ...]
    restored: tuple[str, ...]
    moved: tuple[str, ...]
    unreadable: tuple[str, ...]
    unchecked: int


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


@dataclass(frozen=True, slots=True)
class Advice:
    """What Claude would do about a review item: a proposal, never a decision.

    `facts` are the ids it is about, `evidence` exact quotes from what it was shown, `confidence` its own, from 0 to 1.
    """

    remedy: Remedy
    facts: tuple[str, ...]
    evidence: tuple[str, ...]
    reason: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One thing to settle: by confirming, replacing or retracting its facts.

    `facts` is what is in doubt, or both sides of a clash, the older first. `harm` orders the list: how much is claimed,
    how much rests on it, and how urgent the concern is; it has no unit. `conflict` is the id of the refused change;
    `advice` is Claude's, where it was asked for and had any.
    """

    concern: Concern
    facts: tuple[Fact, ...]
    reasons: tuple[str, ...]
    harm: float
    conflict: str | None = None
    advice: Advice | None = None


@dataclass(frozen=True, slots=True)
class Consolidation:
    """What consolidating did, or would do (`dry_run`): each entry names facts by id, the survivor of a merge first.

    `merged` are groups of one statement, `dropped` what lapsed long ago unanswered, `proposed` what waits for review.
    `advised` are the facts of what was settled on Claude's advice. `left` counts what changed under its hands or was
    out of time: run it again.
    """

    dry_run: bool
    anchors: AnchorReport
    merged: tuple[tuple[str, ...], ...]
    dropped: tuple[str, ...]
    proposed: int
    left: int
    advised: tuple[tuple[str, ...], ...] = ()
