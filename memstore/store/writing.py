"""Words in: events recorded, facts remembered, turns captured. Each call is one transaction, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.coherence import chains
from memstore.errors import UsageError
from memstore.index import lexical
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.facts import Draft
from memstore.ledger.standing import State
from memstore.ledger.times import to_micros
from memstore.model import CaptureReport, Change, Event, Kind, Modality, Origin
from memstore.policy import Lifetimes, authority, origin_of
from memstore.store import naming

if TYPE_CHECKING:
    from memstore.capture.extract import Claim, Extraction, Extractor
    from memstore.coherence.snapshot import Snapshot

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = timedelta(days=3_650_000)
BY_HAND = "remember/1"
_BATCH = 200
_CONTEXT = 6


def ttl_micros(ttl: timedelta | None) -> int | None:
    if ttl is None:
        return None
    if not isinstance(ttl, timedelta):
        raise UsageError(f"a lifetime is a timedelta, not {type(ttl).__name__}")
    if not timedelta(0) < ttl <= _LONGEST:
        raise UsageError(f"a lifetime must be longer than nothing and at most {_LONGEST.days} days, not {ttl}")
    return ttl // _MICROSECOND


def origin_for(role: str, origin: str | None) -> Origin:
    """Origin follows role unless given; it may be given lower, never raised above the role's standing."""
    by_role = origin_of(role)
    if origin is None:
        return by_role
    return naming.choice(Origin, origin, "origin")


def remember(
    tx: Transaction,
    *,
    text: str,
    modality: Modality,
    kind: Kind,
    source: naming.SourceLike | Iterable[naming.SourceLike] | None,
    origin: str | None,
    key: str | None,
    at: int | None,
    valid_from: int | None,
    valid_to: int | None,
    ttl: int | None,
    session: str,
    scope: str,
    depends_on: Sequence[naming.FactLike],
) -> int:
    """Write one fact with its source; under a key, replace what held the key. Returns its pk."""
    if source is None:
        said_by = naming.choice(Origin, origin or "user", "origin")
        event = events.add(
            tx,
            scope=scope,
            session=session,
            ref=None,
            role=said_by.value,
            origin=said_by,
            at=tx.at if at is None else at,
            text=text,
            pending=False,
        )
        spans = [(events.pk_of(tx.db, event.id), 0, len(event.text))]
        event_at = to_micros(event.at)
    else:
        spans = naming.spans(tx.db, source, text, scope)
        said_by = _origin_among(tx, [event for event, _, _ in spans], origin)
        (event_at,) = tx.execute("SELECT at FROM events WHERE pk = ?", (spans[0][0],)).fetchone()
    said_at = event_at if at is None else at
    valid_from = said_at if valid_from is None else valid_from
    if valid_to is not None and valid_to <= valid_from:
        raise UsageError("valid_to is not after valid_from: the fact would never have been true")
    draft = Draft(
        scope=events.scope_pk(tx, scope),
        key=key,
        text=text,
        modality=modality,
        kind=kind,
        origin=said_by,
        said_at=said_at,
        valid_from=valid_from,
        valid_to=valid_to,
        ttl=ttl,
        probability=1.0,
        spans=spans,
        extractor=BY_HAND,
    )
    premises = naming.fact_pks(tx.db, depends_on, [scope]) if depends_on else []
    fact = add(tx, draft)
    facts.depend(tx, fact, premises)
    return fact


def add(tx: Transaction, draft: Draft) -> int:
    """Write a fact and its index entry, and settle with what holds its key: the one said later replaces the other."""
    held = facts.by_key(tx.db, [draft.scope], draft.key) if draft.key else []
    fact = facts.add(tx, draft)
    if lexical.exists(tx.db):
        lexical.add(tx, [(fact, draft.text, min(event for event, _, _ in draft.spans))])
    for holder, row in sorted(facts.rows(tx.db, held).items()):
        if row.state >= State.SUPERSEDED:
            continue
        event = draft.spans[0][0]
        if row.said_at <= draft.said_at:
            chains.supersede(tx, [holder], [fact], reason=f"said again under the key {draft.key!r}", event=event)
        else:  # an old transcript read today: its words are not news
            chains.supersede(tx, [fact], [holder], reason=f"said before what holds the key {draft.key!r}", event=event)
    return fact


def tie(tx: Transaction, fact: int, root: Path, seen: Sequence[Snapshot]) -> None:
    """Tie a fact to what its words name, as that was seen."""
    if seen:
        from memstore.coherence import ties

        ties.tie(tx, fact, root, seen)


def _origin_among(tx: Transaction, event_pks: Sequence[int], origin: str | None) -> Origin:
    """Whose words a sourced fact is: what the caller says, if one of its sources has that standing."""
    marks = ",".join("?" * len(event_pks))
    found = [
        Origin(row[0])
        for row in tx.execute(f"SELECT origin FROM events WHERE pk IN ({marks}) ORDER BY pk", tuple(event_pks))
    ]
    if origin is None:
        return min(found, key=authority)
    asked = naming.choice(Origin, origin, "origin")
    if authority(asked) > max(authority(one) for one in found):
        raise UsageError(f"none of the sources has the authority of {asked}: words from {found[0]} stay {found[0]}'s")
    return asked


def on_whose_word(tx: Transaction, event: int | None, origin: str | None) -> Origin:
    """The origin given, the source's, or the caller's own, who stands for the user."""
    spoken = None
    if event is not None:
        (row,) = tx.execute("SELECT origin FROM events WHERE pk = ?", (event,)).fetchone()
        spoken = Origin(row)
    if origin is None:
        return spoken or Origin.USER
    return naming.choice(Origin, origin, "origin")


# --- capture ---------------------------------------------------------------------------------------------------


def take(
    tx: Transaction,
    waiting: Sequence[tuple[int, Event]],
    extraction: Extraction,
    extractor: str,
    lifetimes: Lifetimes,
    seen: Sequence[tuple[Path, list[Snapshot]]],
) -> tuple[int, int, int]:
    """Turn claims into facts, for those events that nobody else took meanwhile; (events, facts, corroborated)."""
    from memstore.store import updating  # its patterns take a while to compile, and remembering needs none of them

    taken = {
        pk for pk, _ in waiting if tx.execute("DELETE FROM pending WHERE event = ? RETURNING event", (pk,)).fetchone()
    }
    pk_of = {event.id: pk for pk, event in waiting}
    made = corroborated = 0
    for claim, (root, snapshots) in zip(extraction.claims, seen, strict=True):
        if pk_of[claim.spans[0].event_id] not in taken:
            continue
        draft = _draft(tx, claim, pk_of, extractor, lifetimes)
        if facts.derived_already(tx, draft):
            continue
        same = facts.same_statement(tx, draft)
        if same is None:
            fact = add(tx, draft)
            tie(tx, fact, root, snapshots)
            updating.settle(tx, fact, draft.spans[0][0])
            made += 1
        else:
            _corroborate(tx, same, draft)
            corroborated += 1
    return len(taken), made, corroborated


def _draft(tx: Transaction, claim: Claim, pk_of: dict[str, int], extractor: str, lifetimes: Lifetimes) -> Draft:
    spans = [
        (pk_of.get(span.event_id) or events.pk_of(tx.db, span.event_id), span.start, span.end) for span in claim.spans
    ]
    scope, said_at = tx.execute(
        "SELECT sessions.scope, events.at FROM events JOIN sessions ON sessions.pk = events.session"
        " WHERE events.pk = ?",
        (spans[0][0],),
    ).fetchone()
    return Draft(
        scope=scope,
        key=claim.key,
        text=claim.text,
        modality=claim.modality,
        kind=claim.kind,
        origin=claim.origin,
        said_at=said_at,
        valid_from=said_at if claim.valid_from is None else to_micros(claim.valid_from),
        valid_to=None if claim.valid_to is None else to_micros(claim.valid_to),
        ttl=ttl_micros(lifetimes.of(claim.text, claim.modality, claim.kind)),
        probability=claim.probability,
        spans=spans,
        extractor=extractor,
        context=claim.context,
    )


def _corroborate(tx: Transaction, fact: int, draft: Draft) -> None:
    """The same statement again: no new row, one more source, and its lifetime runs from the later saying."""
    since = transitions.append(
        tx, scope=draft.scope, change=Change.CONFIRMED, old=[fact], reason="said again", event=draft.spans[0][0]
    )
    facts.point(tx, fact, draft.spans, draft.extractor, since)


def capture(
    ledger: Ledger,
    extractor: Extractor,
    lifetimes: Lifetimes,
    scope: str,
    session: str | None,
    see: Callable[[str], tuple[Path, list[Snapshot]]],
) -> CaptureReport:
    """Read every waiting event once; `see` looks at the files that a claim names.

    Words and files are read outside the write lock, and taken inside it, batch by batch.
    """
    totals = [0, 0, 0]
    skipped: Counter[str] = Counter()
    name = f"{extractor.name}/{extractor.version}"
    while True:
        with ledger.reading() as db:
            waiting = events.waiting(db, scope, session, _BATCH)
            before = {pk: events.before(db, pk, _CONTEXT) for pk in _firsts(waiting)}
        if not waiting:
            taken, made, corroborated = totals
            return CaptureReport(taken, made, corroborated, skipped=dict(skipped))
        for first, batch in _by_session(waiting):
            read = [event for _, event in batch]
            extraction = extractor.extract(read, before[first])
            seen = [see(claim.text) for claim in extraction.claims]
            with ledger.writing() as tx:
                if not events.unchanged(tx, [*before[first], *read]):
                    continue  # somebody forgot some of these words meanwhile: read them again as they are now
                done = take(tx, batch, extraction, name, lifetimes, seen)
            totals = [a + b for a, b in zip(totals, done, strict=True)]
            if done[0]:
                skipped.update(extraction.skipped)


def _by_session(waiting: Sequence[tuple[int, Event]]) -> list[tuple[int, list[tuple[int, Event]]]]:
    """The waiting events of each session, in order, with the key of the first."""
    sessions: dict[str, list[tuple[int, Event]]] = {}
    for pk, event in waiting:
        sessions.setdefault(event.session, []).append((pk, event))
    return [(batch[0][0], batch) for batch in sessions.values()]


def _firsts(waiting: Sequence[tuple[int, Event]]) -> list[int]:
    return [first for first, _ in _by_session(waiting)]
