"""Words in: events recorded, facts remembered. Each call is one transaction, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memstore.coherence import chains
from memstore.errors import UsageError
from memstore.index import lexical
from memstore.ledger import events, facts
from memstore.ledger.connection import Transaction
from memstore.ledger.facts import Draft
from memstore.model import Event, Fact, Kind, Modality, Origin, Provenance
from memstore.policy import authority, origin_of
from memstore.store import asking, naming

if TYPE_CHECKING:
    from memstore.coherence.snapshot import Snapshot

_MICROSECOND = timedelta(microseconds=1)
_LONGEST = timedelta(days=3_650_000)
#: The lifetime of what is not to be believed from the moment after it was said.
SHORTEST = _MICROSECOND


class Added(NamedTuple):
    """A fact just written; `met`: there were others that held its key."""

    pk: int
    id: str
    met: bool


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


def modality_of(text: str, named: str | None) -> tuple[Modality, float, str]:
    """What a text claims to be, how sure that is, and the words that spoke for it: named, or read by the tagger."""
    if named is not None:
        return naming.choice(Modality, named, "modality"), 1.0, ""
    from memstore.capture.tagger import default_tagger

    (tag,) = default_tagger().tag([text])
    return tag.modality, tag.probability, ", ".join(tag.why)


def remember(
    tx: Transaction,
    *,
    text: str,
    modality: Modality,
    probability: float,
    context: Mapping[str, str],
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
) -> tuple[int, Fact]:
    """Write one fact with its source; under a key, replace what held the key. Returns its pk, and the fact."""
    if source is None:
        said_by = naming.choice(Origin, origin or "user", "origin")
        event_at = tx.at if at is None else at
        event_pk, scope_pk, event = events.add(
            tx,
            scope=scope,
            session=session,
            ref=None,
            role=said_by.value,
            origin=said_by,
            at=event_at,
            text=text,
            pending=False,
        )
        spans = [(event_pk, 0, len(text))]
        pointers = _whole_of(event)
    else:
        scope_pk = events.scope_pk(tx, scope)
        spans = naming.spans(tx.db, source, text, scope)
        said_by = _origin_among(tx, [event for event, _, _ in spans], origin)
        (event_at,) = tx.execute("SELECT at FROM events WHERE pk = ?", (spans[0][0],)).fetchone()
        pointers = ()
    said_at = event_at if at is None else at
    valid_from = said_at if valid_from is None else valid_from
    if valid_to is not None and valid_to <= valid_from:
        raise UsageError("valid_to is not after valid_from: the fact would never have been true")
    draft = Draft(
        scope=scope_pk,
        key=key,
        text=text,
        modality=modality,
        kind=kind,
        origin=said_by,
        said_at=said_at,
        valid_from=valid_from,
        valid_to=valid_to,
        ttl=ttl,
        probability=probability,
        spans=spans,
        extractor=events.BY_HAND,
        context=context,
    )
    premises = naming.fact_pks(tx.db, depends_on, [scope]) if depends_on else []
    added = add(tx, draft)
    facts.depend(tx, added.pk, premises)
    fact = facts.written(
        draft,
        id_=added.id,
        scope=scope,
        recorded_at=tx.at,
        pointers=pointers or facts.provenance(tx.db, [added.pk])[added.pk],
    )
    return added.pk, asking.with_conflicts(tx.db, fact, added.pk) if added.met else fact


def add(tx: Transaction, draft: Draft) -> Added:
    """Write a fact and its index entry, and settle with what holds its key: the one said later replaces the other."""
    held = facts.holders(tx.db, draft.scope, draft.key) if draft.key else []
    fact, id_ = facts.add(tx, draft)
    if lexical.exists(tx.db):
        lexical.add(tx, [(fact, draft.text, min(event for event, _, _ in draft.spans))])
    event = draft.spans[0][0]
    for holder, row in sorted(facts.rows(tx.db, held).items()):
        if row.said_at <= draft.said_at:
            chains.supersede(tx, [holder], [fact], reason=f"said again under the key {draft.key!r}", event=event)
        else:  # an old transcript read today: its words are not news
            chains.supersede(tx, [fact], [holder], reason=f"said before what holds the key {draft.key!r}", event=event)
    return Added(fact, id_, bool(held))


def _whole_of(event: Event) -> tuple[Provenance, ...]:
    """The pointer of a fact to the event that it is, word for word."""
    said = event.id, event.ref, event.session, event.role, event.origin, event.at
    return (Provenance(*said, 0, len(event.text), event.text, events.BY_HAND),)


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
