"""What a new statement does to those already held: settled where it is certain and allowed, noted where it is not.

`capture.updates` reads the words; policy decides. A certain replacement supersedes, and where policy forbids that
it is a conflict like any other. Below certainty nothing is retired: the pair is recorded as a *possible* update, a
conflict whose refusal says so, to be settled by somebody who knows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from memstore.capture import updates
from memstore.capture.updates import Proposal, Relation, Statement
from memstore.coherence import chains
from memstore.index import lexical
from memstore.ledger import facts, transitions
from memstore.ledger.connection import Transaction
from memstore.ledger.facts import Row
from memstore.ledger.standing import State
from memstore.ledger.times import from_micros
from memstore.model import Change
from memstore.policy import authority, refusal
from memstore.recall import understanding

_CANDIDATES = 16
_WORDS = 24
_COMMON = 400
_RETIRING = (Relation.REPLACES, Relation.CONTRADICTS)


def settle(tx: Transaction, new: int, event: int) -> None:
    """Compare a fact just captured with what is held in its scope, and act on what was found."""
    row = facts.rows(tx.db, [new])[new]
    if not updates.telling(row.text):
        return
    (scope,) = tx.execute("SELECT scope FROM facts WHERE pk = ?", (new,)).fetchone()
    try:
        nearest = _nearest(tx, row.text)
    except sqlite3.DatabaseError:  # the index is missing or damaged: what it would have found is not compared
        return
    near = facts.rows(tx.db, [fact for fact in nearest if fact != new])
    held = {pk: old for pk, old in near.items() if old.state < State.SUPERSEDED and old.scope == row.scope}
    told = _statements(tx, {new: row, **held})
    by_id = {old.id: old for old in held.values()}
    for proposal in updates.proposals(told[row.id], [told[id_] for id_ in by_id]):
        _act(tx, scope, row, by_id[proposal.old], proposal, event)


def _nearest(tx: Transaction, text: str) -> list[int]:
    """The facts that share the rarest words with a text. A word in very many statements tells nothing of any."""
    shared: dict[int, float] = {}
    for word in understanding.read(text, from_micros(tx.at)).words[:_WORDS]:
        places_ = lexical.postings(tx.db, word, _COMMON) or ()
        for place in places_:
            shared[place] = shared.get(place, 0.0) + 1.0 / (1 + len(places_)) ** 0.5
    best = sorted(shared, key=lambda place: (-shared[place], -place))[:_CANDIDATES]
    marks = ",".join("?" * len(best))
    return [row[0] for row in tx.execute(f"SELECT fact FROM statements WHERE place IN ({marks}) ORDER BY place", best)]


def _statements(tx: Transaction, rows: dict[int, Row]) -> dict[str, Statement]:
    pointers = facts.provenance(tx.db, rows)
    return {
        row.id: Statement(
            id=row.id,
            text=row.text,
            modality=row.modality,
            said_at=from_micros(row.said_at),
            event=pointers[pk][0].event_id if pointers[pk] else "",
            about=json.loads(row.context).get("antecedent", "") if row.context else "",
        )
        for pk, row in rows.items()
    }


def _act(tx: Transaction, scope: int, new: Row, old: Row, proposal: Proposal, event: int) -> None:
    reason = f"{proposal.relation} it ({proposal.confidence:.2f}): {_shown(proposal.why)}"
    if proposal.relation in _RETIRING:
        if proposal.certain and not transitions.successors(tx.db, [old.pk])[old.pk]:
            chains.supersede(tx, [old.pk], [new.pk], reason=reason, event=event)
        elif refusal((new.modality, new.origin), (old.modality, old.origin)) is None:
            transitions.append(
                tx,
                scope=scope,
                change=Change.SUPERSEDED,
                old=[old.pk],
                new=[new.pk],
                reason=reason,
                event=event,
                refusal="a possible update, not certain enough to retire anything",
            )
    elif proposal.certain and authority(new.origin) >= authority(old.origin):
        if proposal.relation is Relation.AMENDS:
            chains.amend(tx, [old.pk], [new.pk], reason=reason, event=event)
        else:
            chains.confirm(tx, [old.pk], reason=reason, event=event)


def _shown(why: Iterable[str]) -> str:
    return "; ".join(why)
