"""The end of an exercise, for what was said in it: bounded if it is taken in now, withdrawn if it was taken in before.

Whether the end is said in the same capture as the rest or hours later, nothing of the exercise may stay a decision. The
user who ends it takes back what was said in it: a dated transition, caused by those words, that can be reverted. What
somebody has keyed or said again outside it is meant, and stays.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence

from memstore.capture import exercises
from memstore.capture.exercises import Exercise
from memstore.capture.extract import Claim
from memstore.coherence import chains
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Transaction
from memstore.ledger.standing import State
from memstore.model import Event


def over(db: sqlite3.Connection, batch: Sequence[tuple[int, Event]]) -> dict[int, Exercise]:
    """For each event (by key) of a batch, and of what its session heard before, the exercise that ends in the batch."""
    if not any(exercises.closes(event) for _, event in batch):
        return {}
    talk = [*events.before_with_keys(db, batch[0][0], exercises.LONGEST), *batch]
    ends = {event.id for _, event in batch}
    within = exercises.exercises([event for _, event in talk])
    return {pk: within[event.id] for pk, event in talk if event.id in within and within[event.id].closed.id in ends}


def bounded(claim: Claim, exercise: Exercise | None) -> Claim:
    """A claim, bounded by the exercise that it was made in, if that is known to be over."""
    return claim if exercise is None else exercises.bounded(claim, exercise)


def withdraw(tx: Transaction, within: Mapping[int, Exercise], taken: Collection[int]) -> None:
    """Take back what was drawn earlier from exercises that end with a `taken` event; what that replaced lives on."""
    ended = {exercise.closed.id: exercise for exercise in within.values()}
    for exercise in ended.values():
        closed = events.pk_of(tx.db, exercise.closed.id)
        said = [event for event, of in within.items() if of.closed.id == exercise.closed.id and event not in taken]
        gone = _unmeant(tx, said) if closed in taken else []
        if gone:
            reason = f"said in an exercise that is over: {exercise.opened!r}"
            for replacement in _replacements(tx, gone):
                chains.revert(tx, replacement, reason=reason, event=closed, by=exercise.closed.origin)
            chains.retract(tx, gone, reason=reason, event=closed, by=exercise.closed.origin)


def _unmeant(tx: Transaction, said: Sequence[int]) -> list[int]:
    """Facts drawn from these events alone, which nobody keyed, confirmed or replaced from elsewhere."""
    found = tx.db.execute(
        "SELECT p.fact FROM provenance p JOIN facts f ON f.pk = p.fact JOIN extractors x ON x.pk = p.extractor"
        " WHERE p.fact IN (SELECT fact FROM provenance WHERE event IN (SELECT value FROM json_each(:said)))"
        " AND f.key IS NULL AND f.state < :retracted AND x.name <> :by_hand"
        " AND NOT EXISTS (SELECT 1 FROM involved i JOIN transitions t ON t.pk = i.transition WHERE i.fact = p.fact"
        " AND t.change = 'confirmed' AND t.effective"
        " AND (t.event IS NULL OR t.event NOT IN (SELECT value FROM json_each(:said))))"
        # The first pointers may reach back to a proposal made before; the last of them is where it was said.
        " GROUP BY p.fact HAVING max(p.event) FILTER (WHERE p.since IS NULL) IN (SELECT value FROM json_each(:said))"
        " AND max(p.since IS NOT NULL AND p.event NOT IN (SELECT value FROM json_each(:said))) = 0",
        {"said": json.dumps(list(said)), "retracted": State.RETRACTED.value, "by_hand": events.BY_HAND},
    )
    rows = facts.rows(tx.db, [fact for (fact,) in found.fetchall()])
    free = {pk for pk, row in rows.items() if exercises.played(row.text, row.origin)}
    chain = transitions.successors(tx.db, free)
    return sorted(pk for pk in free if free.issuperset(transitions.reachable(chain, pk)))


def _replacements(tx: Transaction, gone: Sequence[int]) -> list[int]:
    """The supersessions that count in which these facts, and no others, are what is new: the last one first."""
    found = tx.db.execute(
        "SELECT t.pk FROM transitions t JOIN involved i ON i.transition = t.pk AND i.side = 'new'"
        " WHERE t.change = 'superseded' AND t.effective AND t.pk IN"
        " (SELECT transition FROM involved WHERE side = 'new' AND fact IN (SELECT value FROM json_each(:gone)))"
        " GROUP BY t.pk HAVING min(i.fact IN (SELECT value FROM json_each(:gone))) = 1 ORDER BY t.pk DESC",
        {"gone": json.dumps(list(gone))},
    )
    return [pk for (pk,) in found.fetchall()]
