"""What waits for somebody to look at it, and putting a store in order: `review` and `consolidate`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from memstore.coherence import chains, doubt
from memstore.errors import UsageError
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Transaction
from memstore.ledger.standing import Standing, State, derive, status
from memstore.ledger.times import to_micros
from memstore.model import Change, Concern, Conflict, Modality, Origin, Remedy, Status
from memstore.policy import ABANDONED, LAPSING, harm, refusal
from memstore.store import asking, naming
from memstore.store.tending import Tending

if TYPE_CHECKING:
    from memstore.reports import Consolidation, ReviewItem

_MERGED = "the same statement, merged"
_MICROSECOND = timedelta(microseconds=1)


class Reviewing(Tending):
    """The part of `MemoryStore` that says what needs a decision, and decides what needs none."""

    def review(
        self,
        *,
        now: datetime | None = None,
        within: timedelta = timedelta(days=7),
        advise: bool = False,
        scope: str | Sequence[str] | None = None,
    ) -> list[ReviewItem]:
        """Suspects, open conflicts, possible updates and what expires `within` a time, the most harmful first.

        Each is settled by `confirm`, `supersede` or `retract` of its facts, one by one or many at once. A conflict is
        open while both of its sides can still be current and neither was confirmed since. With `advise`, a store that
        was given Claude shows it the first items, and its proposals come back with the words they go by.
        """
        from memstore.reports import ReviewItem

        if not isinstance(within, timedelta):
            raise UsageError(f"within is a timedelta, not {type(within).__name__}")
        moment = to_micros(now, "now") if now is not None else to_micros(self.ledger.clock(), "the clock's time")
        with self.ledger.reading() as db:
            scopes = self._scope_pks(db, scope)
            rows, standings, carried = _held(db, scopes)
            weight = _resting(db)
            found = [
                *_suspects(db, rows, standings, carried, moment),
                *_conflicts(db, scopes, rows, standings),
                *_expiring(rows, standings, carried, moment, within // _MICROSECOND),
            ]
            items = []
            for concern, pks, reasons, conflict in found:
                worst = max(harm(concern, rows[pk].modality, rows[pk].origin, weight(pk)) for pk in pks)
                items.append(ReviewItem(concern, tuple(asking.whole(db, pks)), tuple(reasons), worst, conflict))
        items.sort(key=lambda item: (-item.harm, item.facts[0].id))
        asking_claude = self._asking(scope if isinstance(scope, str) else None) if advise and items else None
        if asking_claude is None:
            return items
        from memstore.store import advising

        told = advising.advice(asking_claude, items)
        return [replace(item, advice=told.get(place)) for place, item in enumerate(items)]

    def consolidate(
        self,
        *,
        dry_run: bool = False,
        now: datetime | None = None,
        seconds: float | None = None,
        scope: str | Sequence[str] | None = None,
    ) -> Consolidation:
        """Put the scope in order: look at files, merge what says the same, let go of what lapsed, propose the rest.

        A merge keeps the latest saying, gives it the sources of the others and supersedes them. What was only asked,
        guessed or floated, expired half a year ago, and carries no conclusion is retracted. Each step is a transition
        of its own that can be reverted, so the run may be killed at any point, others may write meanwhile, and a
        second run finds nothing left to do. A store that was given Claude shows it what is left for review, and does
        what it is certain of where policy allows it (`advising`). With `dry_run` nothing is written, no file is looked
        at, and nobody is asked.
        """
        from memstore.reports import Consolidation

        moment = to_micros(now, "now") if now is not None else to_micros(self.ledger.clock(), "the clock's time")
        naming.seconds(seconds)
        deadline = None if seconds is None else time.monotonic() + seconds
        looked = self.check_anchors(paths=() if dry_run else None, seconds=seconds, scope=scope)
        with self.ledger.reading() as db:
            scopes = self._scope_pks(db, scope)
            rows, standings, _ = _held(db, scopes)
            weight = _resting(db)
            groups = _same(rows)
            doomed = {pk for group in groups for pk in group[1:]}
            lapsed = [pk for pk in _lapsed(rows, standings, moment) if not weight(pk) and pk not in doomed]
        merged: list[tuple[str, ...]] = []
        dropped: list[str] = []
        left = 0
        steps = [(group, _merge) for group in groups] + [([pk], _drop) for pk in lapsed]
        for group, step in steps:
            late = deadline is not None and time.monotonic() > deadline
            if not dry_run and (late or not self._take(group, rows, step)):
                left += 1
                continue
            ids = tuple(rows[pk].id for pk in group)
            if step is _merge:
                merged.append(ids)
            else:
                dropped += ids
        late = deadline is not None and time.monotonic() > deadline
        items = self.review(now=now, scope=scope, advise=not dry_run and not late)
        advised = [taken for item in items if (taken := self._take_advice(item, now))]
        waiting = len(items) if not advised else len(self.review(now=now, scope=scope))
        return Consolidation(dry_run, looked, tuple(merged), tuple(dropped), waiting, left, tuple(advised))

    def _take_advice(self, item: ReviewItem, now: datetime | None) -> tuple[str, ...]:
        """The facts of an item that certain advice settled, within policy; none where it was or could not be.

        That the later of two took the place of the earlier is carried out if the later may do that by itself; what was
        said by nobody with more standing than an assistant is withdrawn as an assistant would. The rest is a person's.
        """
        from memstore.store import advising

        given = item.advice
        if given is None or given.confidence < advising.CERTAIN:
            return ()
        reason = f"on Claude's advice: {given.reason} («{given.evidence[0]}»)"
        with self.ledger.writing() as tx:
            named = facts.pks_of(tx.db, [fact.id for fact in item.facts])
            rows = facts.rows(tx.db, named)
            if any(row.state >= State.SUPERSEDED for row in rows.values()):
                return ()
            if given.remedy is Remedy.REPLACE and item.concern is Concern.POSSIBLE_UPDATE:
                old, new = named[:-1], named[-1:]
                allowed = all(
                    refusal((rows[new[0]].modality, rows[new[0]].origin), (rows[pk].modality, rows[pk].origin)) is None
                    for pk in old
                )
                if allowed:
                    chains.supersede(tx, old, new, reason=reason)
                    return tuple(fact.id for fact in item.facts)
            elif given.remedy is Remedy.RETRACT:
                doomed = [pk for pk in named if rows[pk].id in given.facts]
                assistant = (Modality.DECISION, Origin.ASSISTANT)
                if all(refusal(assistant, (rows[pk].modality, rows[pk].origin)) is None for pk in doomed):
                    chains.retract(tx, doomed, reason=reason, event=None, by=Origin.ASSISTANT)
                    return given.facts
        return ()

    def _take(
        self,
        group: list[int],
        seen: dict[int, facts.Row],
        step: Callable[[Transaction, list[int]], None],
    ) -> bool:
        """One step in a transaction of its own, unless somebody changed one of its facts since it was planned."""
        with self.ledger.writing() as tx:
            if facts.rows(tx.db, group) != {pk: seen[pk] for pk in group}:
                return False
            step(tx, group)
            return True

    def _scope_pks(self, db: sqlite3.Connection, scope: str | Sequence[str] | None) -> list[int]:
        return list(events.find_scopes(db, self._named(scope)))


_Found = tuple[Concern, list[int], list[str], str | None]


def _held(
    db: sqlite3.Connection, scopes: Sequence[int]
) -> tuple[dict[int, facts.Row], dict[int, Standing], dict[int, doubt.Doubt]]:
    """The facts of the scopes that can still be current, with what transitions and premises make of them."""
    marks = ",".join("?" * len(scopes))
    current = db.execute(f"SELECT pk FROM facts WHERE scope IN ({marks}) AND state < 2 ORDER BY pk", tuple(scopes))
    rows = facts.rows(db, [row[0] for row in current])
    taken = facts.steps(db, rows)
    standings = {pk: derive(taken[pk], row.said_at, row.ttl) for pk, row in rows.items()}
    return rows, standings, doubt.concluded(db, scopes)


def _resting(db: sqlite3.Connection) -> Callable[[int], int]:
    """How many facts were concluded from a fact, directly or not."""
    above: dict[int, list[int]] = {}
    for fact, premise in db.execute("SELECT fact, premise FROM dependencies"):
        above.setdefault(premise, []).append(fact)
    return lambda pk: len(transitions.reachable(above, pk))


def _suspects(
    db: sqlite3.Connection,
    rows: dict[int, facts.Row],
    standings: dict[int, Standing],
    carried: dict[int, doubt.Doubt],
    now: int,
) -> Iterable[_Found]:
    for pk, standing in standings.items():
        stands = status(standing.state, standing.expires_at, now)
        if stands is Status.SUSPECT or (stands is Status.LIVE and pk in carried):
            reasons = [record.reason for record in transitions.read(db, standing.doubts)]
            if pk in carried:
                reasons.append(doubt.told(carried[pk], facts.rows(db, carried[pk].path)))
            yield Concern.SUSPECT, [pk], reasons, None


def _conflicts(
    db: sqlite3.Connection, scopes: Sequence[int], rows: dict[int, facts.Row], standings: dict[int, Standing]
) -> Iterable[_Found]:
    pk_of = {row.id: pk for pk, row in rows.items()}
    seen: set[tuple[int, ...]] = set()
    for record in reversed(asking.conflicts(db, scopes)):
        sides = tuple(pk_of.get(id_, 0) for id_ in (*record.old, *record.new))
        if 0 in sides or sides in seen or not isinstance(record, Conflict) or record.change is Change.REVERTED:
            continue
        refused = to_micros(record.at), transitions.pk_of(db, record.id)
        if any(standings[pk].cleared > refused for pk in sides):
            continue
        seen.add(sides)
        concern = Concern.POSSIBLE_UPDATE if record.possible else Concern.CONFLICT
        yield concern, list(sides), [record.reason, record.refusal], record.id


def _expiring(
    rows: dict[int, facts.Row],
    standings: dict[int, Standing],
    carried: dict[int, doubt.Doubt],
    now: int,
    within: int,
) -> Iterable[_Found]:
    for pk, standing in standings.items():
        ends = standing.expires_at
        if ends is not None and now < ends <= now + within and standing.state is State.LIVE and pk not in carried:
            hours = (ends - now) / 3_600_000_000
            yield Concern.EXPIRING, [pk], [f"expires in {hours / 24:.0f} days" if hours > 48 else "expires soon"], None


def _same(rows: dict[int, facts.Row]) -> list[list[int]]:
    """Groups of one statement by one kind of speaker under one key, the latest saying first."""
    groups: dict[object, list[int]] = {}
    for pk, row in rows.items():
        same = (row.scope, row.key, row.modality, row.kind, row.origin, row.valid_to, facts.digest(row.text))
        groups.setdefault(same, []).append(pk)
    return [sorted(group, key=lambda pk: (-rows[pk].said_at, pk)) for group in groups.values() if len(group) > 1]


def _lapsed(rows: dict[int, facts.Row], standings: dict[int, Standing], now: int) -> list[int]:
    before = now - ABANDONED // _MICROSECOND
    ends = {pk: standing.expires_at for pk, standing in standings.items()}
    return [
        pk for pk, row in rows.items() if row.modality in LAPSING and (end := ends[pk]) is not None and end <= before
    ]


def _merge(tx: Transaction, group: list[int]) -> None:
    """The first survives, with the sources of all; the others give way to it."""
    survivor, *others = group
    merged = chains.supersede(tx, others, [survivor], reason=_MERGED)
    marks = ",".join("?" * len(others))
    tx.execute(
        "INSERT OR IGNORE INTO provenance (fact, event, start, stop, extractor, since)"
        f" SELECT ?, event, start, stop, extractor, ? FROM provenance WHERE fact IN ({marks})",
        (survivor, merged, *others),
    )


def _drop(tx: Transaction, group: list[int]) -> None:
    chains.retract(tx, group, reason="lapsed half a year ago, and nobody took it up", event=None, by=Origin.SYSTEM)
