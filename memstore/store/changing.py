"""What happens to facts after they were written: replaced, withdrawn, confirmed, doubted; always recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from memstore.coherence import chains
from memstore.ledger import anchors, facts, transitions
from memstore.model import Conflict, Event, Transition, Verdict
from memstore.store import naming, writing
from memstore.store.held import Held, mask
from memstore.store.naming import FactLike

_OF_SOURCE = "source"  # on the word of the source, else of the caller
_REPORTED = {
    Verdict.USED: "it was of use",
    Verdict.WRONG: "reported to be wrong",
    Verdict.STALE: "reported to be out of date",
}
Facts = FactLike | Iterable[FactLike]
EventLike = Event | str


class Changing(Held):
    """The part of `MemoryStore` that moves facts."""

    def supersede(
        self, old: Facts, new: Facts, *, reason: str, source: EventLike | None = None, scope: str | None = None
    ) -> Transition | Conflict:
        """`new` replace `old` from now on. A Conflict comes back where policy refuses; both then stay."""
        return self._change(chains.supersede, old, new, reason=reason, source=source, scope=scope)

    def amend(
        self, old: Facts, new: Facts, *, reason: str, source: EventLike | None = None, scope: str | None = None
    ) -> Transition | Conflict:
        """`new` add to `old`, which stay live."""
        return self._change(chains.amend, old, new, reason=reason, source=source, scope=scope)

    def retract(
        self,
        fact: Facts,
        *,
        reason: str,
        source: EventLike | None = None,
        origin: str | None = None,
        scope: str | None = None,
    ) -> Transition | Conflict:
        """Withdraw facts: they were wrong. Needs at least their authority (the source's, else the user's)."""
        return self._change(chains.retract, fact, reason=reason, source=source, scope=scope, by=origin or _OF_SOURCE)

    def confirm(
        self,
        fact: Facts,
        *,
        reason: str = "confirmed",
        source: EventLike | None = None,
        origin: str | None = None,
        scope: str | None = None,
    ) -> Transition | Conflict:
        """It still holds: doubts are cleared, and its lifetime runs again from when that was said.

        What it is tied to is looked at again: from now on it is tied to the files as they are. What was reported to be
        wrong or stale needs at least its authority (the source's, else the user's), or a Conflict comes back.
        """
        by = origin or _OF_SOURCE
        return self._change(chains.confirm, fact, reason=reason, source=source, scope=scope, by=by, holds=True)

    def flag(
        self, fact: Facts, *, reason: str, source: EventLike | None = None, scope: str | None = None
    ) -> Transition | Conflict:
        """Doubt facts: they come back marked suspect until confirmed, revalidated or replaced."""
        return self._change(chains.flag, fact, reason=reason, source=source, scope=scope)

    def revalidate(
        self, fact: Facts, *, reason: str, source: EventLike | None = None, scope: str | None = None
    ) -> Transition | Conflict:
        """A check found them good again: doubts are cleared, and it is tied to the files as they are now."""
        return self._change(chains.revalidate, fact, reason=reason, source=source, scope=scope, holds=True)

    def feedback(
        self,
        fact: Facts,
        verdict: str,
        *,
        reason: str | None = None,
        source: EventLike | None = None,
        origin: str | None = None,
        scope: str | None = None,
    ) -> Transition | Conflict:
        """Say how it went to act on what was recalled: it was "used", it is "wrong", or it is "stale".

        `used` lets it come earlier and be trusted a little more. `wrong` and `stale` make it suspect, until confirmed,
        and let it come later; they need at least its authority (the source's, else the user's), or come back as a
        Conflict and change nothing. Any of them can be reverted. Seven reports of use count, and so many are kept:
        after that the last of them comes back.
        """
        said = naming.choice(Verdict, verdict, "verdict")
        by = origin or _OF_SOURCE
        rule = partial(chains.report, verdict=said)
        return self._change(rule, fact, reason=reason or _REPORTED[said], source=source, scope=scope, by=by)

    def revert(
        self,
        transition: Transition | str,
        *,
        reason: str,
        source: EventLike | None = None,
        origin: str | None = None,
        scope: str | None = None,
    ) -> Transition | Conflict:
        """Undo a transition (a reversal too). Forgetting alone cannot be undone."""
        name = self._scope(scope or (transition.scope if isinstance(transition, Transition) else None))
        with self.ledger.writing() as tx:
            named = transition.id if isinstance(transition, Transition) else transition
            target = transitions.pk_of(tx.db, naming.name(named, "a transition's id"))
            (record,) = transitions.read(tx.db, [target])
            naming.same_scope(record.scope, name)
            event = None if source is None else naming.event_pk(tx.db, source, name)
            pk = chains.revert(
                tx, target, reason=naming.reason(reason), event=event, by=writing.on_whose_word(tx, event, origin)
            )
            return transitions.read(tx.db, [pk])[0]

    def _change(
        self,
        rule: Callable[..., int],
        *named: Facts,
        reason: str,
        source: EventLike | None,
        scope: str | None,
        by: str | None = None,
        holds: bool = False,
    ) -> Transition | Conflict:
        name = self._scope(scope)
        with self.ledger.writing() as tx:
            sides = [naming.fact_pks(tx.db, side, [name]) for side in named]
            home = facts.rows(tx.db, sides[0])[sides[0][0]].scope if sides[0] else name
            event = None if source is None else naming.event_pk(tx.db, source, home)
            extra = {} if by is None else {"by": writing.on_whose_word(tx, event, None if by == _OF_SOURCE else by)}
            pk = rule(tx, *sides, reason=naming.reason(reason), event=event, **extra)
            (record,) = transitions.read(tx.db, [pk])
            if holds and isinstance(record, Transition) and (tied := anchors.of_facts(tx.db, sides[0])):
                from memstore.coherence import ties

                ties.rebase(tx, tied, mask=mask)
            return record
