"""What the store gives back besides facts and recollections: what was done, what was found, what waits for somebody.

Frozen records like those of `memstore.model`, in a module of their own because an agent waits for recall, and recall
builds none of these: making a frozen class takes a millisecond, so they are loaded by what returns them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from memstore.model import Concern, Conflict, Event, Fact, Remedy, Status, Transition, Usage


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """What a capture did: counts, and the lines or turns that were passed over, with the reason.

    `problems` also says when a fact names code that it was not tied to for want of a package, and how to get that.

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
    anchors: int = 0


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
    has changed or gone, and nobody has answered that. `here` is False of one that came with an export, until an import
    names where its root is on this machine: nothing is looked at for it.
    """

    fact_id: str
    root: str
    path: str
    lines: tuple[int, int] | None
    symbol: str | None
    commit: str | None
    at: datetime
    doubtful: bool
    here: bool = True


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
