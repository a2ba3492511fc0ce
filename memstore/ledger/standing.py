"""The state of a fact, derived from its transitions. Pure: the same rows give the same answer, on any machine.

The ledger keeps the derived state beside each fact for speed; `verify` derives it again with these functions, and
"as of" derives it for any moment of the past. The clock enters only through `status`, which compares a lifetime
with the `now` it is given: nothing has to sweep the store for a fact to expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from memstore.model import Change, Status


class State(IntEnum):
    """What transitions make of a fact, without the clock. Below SUPERSEDED a fact can still be current."""

    LIVE = 0
    SUSPECT = 1
    SUPERSEDED = 2
    RETRACTED = 3
    FORGOTTEN = 4


_STATUS = {
    State.SUPERSEDED: Status.SUPERSEDED,
    State.RETRACTED: Status.RETRACTED,
    State.FORGOTTEN: Status.FORGOTTEN,
}


#: When a transition happened: its recorded time, then its key, for those of one moment. An import brings
#: transitions that happened before others which are here already, so the key alone does not tell.
Moment = tuple[int, int]
NEVER: Moment = (-(2**63), 0)


class Step(NamedTuple):
    """One transition as a fact sees it: which side it stood on, and when the words behind it were said."""

    pk: int
    change: Change
    at: int
    side: str
    target: int | None
    refused: bool
    said_at: int | None

    @property
    def when(self) -> Moment:
        return self.at, self.pk


class Standing(NamedTuple):
    """`since` is when the state became what it is, `cleared` when somebody last said that a fact holds after all.

    Both are NEVER where that did not happen. `doubts` are the flaggings (pk) that nobody has answered.
    `complaints` counts those among them that report the fact to be wrong or stale, `uses` how often it helped.
    """

    state: State
    expires_at: int | None
    confirmations: int
    since: Moment = NEVER
    cleared: Moment = NEVER
    doubts: tuple[int, ...] = ()
    complaints: int = 0
    uses: int = 0


_COMPLAINTS = (Change.WRONG, Change.STALE)


def effective(steps: Iterable[tuple[int, int | None, bool, bool]]) -> dict[int, bool]:
    """Which transitions count, given (pk, target, is a reversal, refused) in order of pk.

    A reversal undoes its target, and may itself be reversed. A reversal always comes after its target, so going
    from the newest to the oldest settles each before it is needed.
    """
    result: dict[int, bool] = {}
    undone: set[int] = set()
    for pk, target, reversal, refused in sorted(steps, reverse=True):
        result[pk] = not refused and pk not in undone
        if reversal and result[pk] and target is not None:
            undone.add(target)
    return result


def derive(steps: Iterable[Step], said_at: int, ttl: int | None) -> Standing:
    """The state and end of life of a fact from all its transitions up to a moment, in the order they happened."""
    if not (taken := list(steps)):  # most facts were said once, and nothing happened to them since
        return Standing(State.LIVE, None if ttl is None else said_at + ttl, 0)
    ordered = sorted(taken, key=lambda step: step.when)
    counts = effective((s.pk, s.target, s.change is Change.REVERTED, s.refused) for s in ordered)
    state = State.LIVE
    flags: dict[int, Moment] = {}
    complaints: set[int] = set()
    alive_from = said_at
    confirmations = uses = 0
    since = cleared = NEVER
    for step in ordered:
        if not counts[step.pk]:
            continue
        if step.change is Change.SUPERSEDED and step.side == "old":
            state, since = max(state, State.SUPERSEDED), step.when
        elif step.change is Change.RETRACTED:
            state, since = max(state, State.RETRACTED), step.when
        elif step.change is Change.FORGOTTEN:
            state, since = State.FORGOTTEN, step.when
        elif step.change is Change.FLAGGED:
            flags[step.pk] = step.when
        elif step.change in _COMPLAINTS:
            flags[step.pk] = step.when
            complaints.add(step.pk)
        elif step.change is Change.USED:
            uses += 1
        elif step.change is Change.CONFIRMED:
            flags.clear()
            cleared = step.when
            confirmations += 1
            alive_from = max(alive_from, step.said_at if step.said_at is not None else step.at)
        elif step.change is Change.REVALIDATED:
            # One doubt answered, or, without a target, all of them.
            if step.target is not None:
                flags.pop(step.target, None)
            else:
                flags.clear()
                cleared = step.when
    if flags and state is State.LIVE:
        state, since = State.SUSPECT, max(flags.values())
    expires_at = None if ttl is None else alive_from + ttl
    unanswered = len(complaints & set(flags))
    return Standing(state, expires_at, confirmations, since, cleared, tuple(sorted(flags)), unanswered, uses)


def status(state: State, expires_at: int | None, now: int) -> Status:
    """The status at a moment. A fact that is past its time is expired, whatever else is doubted about it."""
    if state in _STATUS:
        return _STATUS[state]
    if expires_at is not None and expires_at <= now:
        return Status.EXPIRED
    return Status.SUSPECT if state is State.SUSPECT else Status.LIVE


def current(status_: Status) -> bool:
    """Whether a fact may be given as current: live, or suspect and marked so."""
    return status_ in (Status.LIVE, Status.SUSPECT)
