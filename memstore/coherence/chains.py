"""Changes to what is believed, allowed or refused by policy (invariant 6), never silent.

Each function runs inside the caller's write transaction. It returns the key of the transition that it appended;
where policy refuses, that transition carries the refusal, has no effect, and both facts stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from memstore.coherence.confidence import MOST_USES
from memstore.errors import ScopeError, UsageError
from memstore.ledger import facts, transitions
from memstore.ledger.connection import Transaction
from memstore.ledger.standing import NEVER, State, Step, derive, effective
from memstore.model import Change, Modality, Origin, Verdict
from memstore.policy import authority, refusal

#: Reports to one effect that are kept of a fact: more move neither its rank nor its confidence.
MOST_REPORTS = MOST_USES


def supersede(tx: Transaction, old: Sequence[int], new: Sequence[int], *, reason: str, event: int | None = None) -> int:
    """`new` replace `old`. Many to many: a real supersession may split or merge.

    Raises UsageError if that would make a fact its own ancestor, or if one of them is gone.
    """
    rows = _both_sides(tx, old, new)
    if set(old) & set(new):
        raise UsageError("a fact cannot supersede itself")
    forwards = transitions.successors(tx.db, new)
    for fact in new:
        if set(transitions.reachable(forwards, fact)) & set(old):
            raise UsageError(
                f"{rows[fact].id} was itself superseded, in the end, by what it would replace: a chain has no circles"
            )
        if rows[fact].state is State.RETRACTED:
            raise UsageError(f"{rows[fact].id} was retracted and cannot replace anything: revert that first")
    refused = None
    for before in old:
        for after in new:
            refused = refused or refusal(
                (rows[after].modality, rows[after].origin), (rows[before].modality, rows[before].origin)
            )
    return _append(tx, Change.SUPERSEDED, old, new, reason, event, refused)


def amend(tx: Transaction, old: Sequence[int], new: Sequence[int], *, reason: str, event: int | None = None) -> int:
    """`new` add to `old`, which stay."""
    _both_sides(tx, old, new)
    if set(old) & set(new):
        raise UsageError("a fact cannot amend itself")
    return _append(tx, Change.AMENDED, old, new, reason, event, None)


def retract(tx: Transaction, old: Sequence[int], *, reason: str, event: int | None, by: Origin) -> int:
    """Withdraw facts, on the word of `by`, whose authority may not be lower than theirs."""
    rows = _present(tx, old)
    refused = None
    for fact in old:
        refused = refused or refusal((Modality.DECISION, by), (rows[fact].modality, rows[fact].origin))
    return _append(tx, Change.RETRACTED, old, (), reason, event, refused)


def confirm(tx: Transaction, old: Sequence[int], *, reason: str, event: int | None = None, by: Origin) -> int:
    """Somebody says it still holds: doubts are cleared and the lifetime runs again from then.

    What was reported to be wrong or stale was reported with the authority to do so: it takes as much to say otherwise.
    """
    rows = _present(tx, old)
    taken = facts.steps(tx.db, old)
    refused = next(
        (
            f"{by} has less authority than {row.origin}, who called it wrong or out of date"
            for row in rows.values()
            if authority(by) < authority(row.origin) and derive(taken[row.pk], row.said_at, row.ttl).complaints
        ),
        None,
    )
    return _append(tx, Change.CONFIRMED, old, (), reason, event, refused)


def flag(tx: Transaction, old: Sequence[int], *, reason: str, event: int | None = None) -> int:
    """Doubt facts: they stay, marked suspect, until confirmed, revalidated or replaced."""
    _present(tx, old)
    return _append(tx, Change.FLAGGED, old, (), reason, event, None)


def revalidate(
    tx: Transaction, old: Sequence[int], *, reason: str, event: int | None = None, answers: int | None = None
) -> int:
    """A check found facts good again: clears one doubt (`answers`, a flagging), or all of them."""
    _present(tx, old)
    return _append(tx, Change.REVALIDATED, old, (), reason, event, None, answers)


def report(tx: Transaction, old: Sequence[int], *, verdict: Verdict, reason: str, event: int | None, by: Origin) -> int:
    """Somebody acted on facts, and says how that went.

    That a fact helped, anybody may say. A complaint makes it suspect, so it needs the authority to withdraw it: what a
    tool or a document says cannot cast doubt on what a user said.

    Praise, and complaints that are refused, cost nobody anything to repeat. What has been said of a fact as often as it
    can count is not written once more, or an agent that reports at every turn would make it slow to recall: the last
    report to the same effect stands for it.
    """
    rows = _present(tx, old)
    change = Change(verdict.value)
    refused = None
    if verdict is not Verdict.USED:
        for fact in old:
            refused = refused or refusal((Modality.DECISION, by), (rows[fact].modality, rows[fact].origin))
    if verdict is Verdict.USED or refused is not None:
        taken = facts.steps(tx.db, old)
        said = {fact: _reports(taken[fact], rows[fact], change, refused=refused is not None) for fact in old}
        old = [fact for fact in old if len(said[fact]) < MOST_REPORTS]
        if not old:
            return max(reports[-1] for reports in said.values())
    return _append(tx, change, old, (), reason, event, refused)


def _reports(steps: Sequence[Step], row: facts.Row, change: Change, *, refused: bool) -> list[int]:
    """The reports (pk) to one effect that count of a fact, or were refused since it was last cleared."""
    counts = effective((s.pk, s.target, s.change is Change.REVERTED, s.refused) for s in steps)
    since = derive(steps, row.said_at, row.ttl).cleared if refused else NEVER
    return sorted(
        s.pk for s in steps if s.change is change and s.when > since and (s.refused if refused else counts[s.pk])
    )


def revert(tx: Transaction, target: int, *, reason: str, event: int | None, by: Origin) -> int:
    """Undo a transition. Forgetting cannot be undone; neither can what needs more authority than `by` has."""
    change, refused, effective, scope = tx.execute(
        "SELECT change, refusal, effective, scope FROM transitions WHERE pk = ?", (target,)
    ).fetchone()
    if change == Change.FORGOTTEN:
        raise UsageError("what was forgotten is gone: it cannot be reverted")
    if refused is not None:
        raise UsageError("that change was refused and had no effect: there is nothing to revert")
    if not effective:
        raise UsageError("that change is already reverted")
    sides: dict[str, list[int]] = {"old": [], "new": []}
    for fact, side in tx.execute("SELECT fact, side FROM involved WHERE transition = ?", (target,)):
        sides[side].append(fact)
    rows = facts.rows(tx.db, [*sides["old"], *sides["new"]])
    clash = next(
        (
            f"{by} has less authority than {row.origin}"
            for row in rows.values()
            if authority(by) < authority(row.origin)
        ),
        None,
    )
    if change == Change.REVERTED and clash is None:
        _refuse_circle(tx, target)
    return transitions.append(
        tx,
        scope=scope,
        change=Change.REVERTED,
        old=sides["old"],
        new=sides["new"],
        reason=reason,
        event=event,
        target=target,
        refusal=clash,
    )


def _refuse_circle(tx: Transaction, reversal: int) -> None:
    """Undoing a reversal may bring a supersession back that later ones have made a circle of."""
    undone, change, effective = reversal, Change.REVERTED.value, True
    while change == Change.REVERTED:
        (undone,) = tx.execute("SELECT target FROM transitions WHERE pk = ?", (undone,)).fetchone()
        change, effective = tx.execute("SELECT change, effective FROM transitions WHERE pk = ?", (undone,)).fetchone()
    if change != Change.SUPERSEDED or effective:
        return
    old = {f for (f,) in tx.execute("SELECT fact FROM involved WHERE transition = ? AND side = 'old'", (undone,))}
    new = [f for (f,) in tx.execute("SELECT fact FROM involved WHERE transition = ? AND side = 'new'", (undone,))]
    forwards = transitions.successors(tx.db, new)
    if any(set(transitions.reachable(forwards, fact)) & old for fact in new):
        raise UsageError("what this would bring back has since been replaced the other way round")


def _both_sides(tx: Transaction, old: Sequence[int], new: Sequence[int]) -> dict[int, facts.Row]:
    if not old or not new:
        raise UsageError("name at least one fact on each side")
    return _present(tx, [*old, *new])


def _present(tx: Transaction, pks: Sequence[int]) -> dict[int, facts.Row]:
    if not pks:
        raise UsageError("name at least one fact")
    rows = facts.rows(tx.db, pks)
    if len({row.scope for row in rows.values()}) > 1:
        raise ScopeError("these facts are in different scopes: nothing crosses a scope")
    for row in rows.values():
        if row.state is State.FORGOTTEN:
            raise UsageError(f"{row.id} was forgotten: nothing more can happen to it")
    return rows


def _append(
    tx: Transaction,
    change: Change,
    old: Sequence[int],
    new: Sequence[int],
    reason: str,
    event: int | None,
    refused: str | None,
    target: int | None = None,
) -> int:
    (scope,) = tx.execute("SELECT scope FROM facts WHERE pk = ?", (old[0],)).fetchone()
    return transitions.append(
        tx,
        scope=scope,
        change=change,
        old=old,
        new=new,
        reason=reason,
        event=event,
        refusal=refused,
        target=target,
    )
