"""What a new statement does to those already held: settled where it is certain and allowed, noted where it is not.

`capture.updates` reads the words; policy decides. A certain replacement supersedes, and where policy forbids that
it is a conflict like any other. Below certainty nothing is retired: the pair is recorded as a *possible* update, a
conflict marked as such, to be settled by somebody who knows. Where the store was given Claude, that may be
Claude: it is shown those pairs and no others, and what it says is held to the same certainty and the same policy.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from heapq import nsmallest

from memstore.capture import updates
from memstore.capture.states import fragment
from memstore.capture.updates import Proposal, Relation, Statement
from memstore.claude import Asking, Outcome
from memstore.coherence import chains
from memstore.errors import UsageError
from memstore.index import lexical
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.facts import Draft, Row
from memstore.ledger.standing import State
from memstore.ledger.times import from_micros
from memstore.model import Change, Origin
from memstore.policy import authority, refusal
from memstore.recall import understanding

_CANDIDATES = 16
_WORDS = 24
_COMMON = 400
_PAIRS_A_CALL = 40
_POSSIBLE = "a possible update, not certain enough to retire anything"
_RETIRING = (Relation.REPLACES, Relation.CONTRADICTS)


def settle(tx: Transaction, new: int, draft: Draft, done: Counter[str]) -> list[int]:
    """Compare a fact just captured with what is held in its scope, and act on what was found.

    `done` counts what was done, by `_act`'s words for it. Returns the held facts that it may replace, but not surely.
    """
    hint = draft.context.get("replaces", "")
    if not hint and not updates.telling(draft.text):
        return []
    try:
        nearest = _nearest(tx, draft.scope, f"{draft.text} {hint}")
    except sqlite3.DatabaseError:  # the index is missing or damaged: what it would have found is not compared
        return []
    near = facts.rows(tx.db, {new, *nearest, *_leaning(tx, nearest)})
    row = near.pop(new)
    held = {pk: old for pk, old in near.items() if old.state < State.SUPERSEDED and old.scope == row.scope}
    told = _statements(tx.db, {new: row, **held})
    by_id = {old.id: old for old in held.values()}
    possible = []
    for proposal in updates.proposals(told[row.id], [told[id_] for id_ in by_id]):
        did = _act(tx, row, by_id[proposal.old], proposal, draft.spans[0][0])
        done[did] += 1
        if did == "possible":
            possible.append(by_id[proposal.old].pk)
    return possible


def judge(
    ledger: Ledger, asking: Asking, pairs: Sequence[tuple[int, int]], session: str, done: Counter[str]
) -> Counter[str]:
    """Ask Claude about updates that are only possible, (new, old), and act on what it is certain of.

    Asked outside any transaction; a fact that changed meanwhile is left alone. Returns what came of the questions that
    settled nothing, by outcome.
    """
    from memstore.capture.claude import ClaudeJudge

    left: Counter[str] = Counter()
    for begin in range(0, len(pairs), _PAIRS_A_CALL):
        part = pairs[begin : begin + _PAIRS_A_CALL]
        with ledger.reading() as db:
            rows = facts.rows(db, {pk for pair in part for pk in pair})
            told = _statements(db, rows)
        opinions = ClaudeJudge(asking).opinions(
            [(told[rows[new].id], told[rows[old].id]) for new, old in part], session
        )
        if isinstance(opinions, Outcome):
            left[f"claude: {opinions}; updates left possible"] += len(part)
            continue
        with ledger.writing() as tx:
            for (new, old), proposal in zip(part, opinions, strict=True):
                now = facts.rows(tx.db, [new, old])
                if proposal is None:
                    left["claude: a possible update is none"] += 1
                elif not proposal.certain or any(row.state >= State.SUPERSEDED for row in now.values()):
                    left["claude: a possible update stays one"] += 1
                else:
                    with suppress(UsageError):  # it would close a circle with what was said meanwhile
                        done[_act(tx, now[new], now[old], proposal, None)] += 1
    return left


def _nearest(tx: Transaction, scope: int, text: str) -> list[int]:
    """The facts of a scope that share the rarest words with a text. A word in very many statements tells nothing."""
    words = understanding.read(text, from_micros(tx.at)).words[:_WORDS]
    shared: dict[int, float] = {}
    for places_ in lexical.rare(tx.db, words, _COMMON):
        worth = 1.0 / (1 + len(places_)) ** 0.5
        for place in places_:
            shared[place] = shared.get(place, 0.0) + worth

    def best(count: int) -> list[int]:
        return nsmallest(count, shared, key=lambda place: (-shared[place], -place))

    # Scopes are walls: however much another says of the same, it takes no candidate's place.
    found = _of_scope(tx, scope, best(_CANDIDATES))
    if len(found) < _CANDIDATES < len(shared):
        found = _of_scope(tx, scope, best(len(shared)))
    return [fact for _, fact in sorted(found)]


def _of_scope(tx: Transaction, scope: int, places_: Sequence[int]) -> list[tuple[int, int]]:
    """(place, fact) of the first candidates among places whose facts are of a scope."""
    return tx.execute(
        "SELECT s.place, s.fact FROM json_each(?) given CROSS JOIN statements s ON s.place = given.value"
        " CROSS JOIN facts f ON f.pk = s.fact WHERE f.scope = ? ORDER BY given.key LIMIT ?",
        (json.dumps(places_), scope, _CANDIDATES),
    ).fetchall()


def _leaning(tx: Transaction, near: Sequence[int]) -> list[int]:
    """What the next sentence of the same turn says of the same thing without naming it: "Ready for release"."""
    marks = ",".join("?" * len(near))
    following = tx.execute(
        "SELECT DISTINCT after.fact, f.text FROM provenance p JOIN provenance after ON after.event = p.event"
        f" AND after.fact = p.fact + 1 JOIN facts f ON f.pk = after.fact WHERE p.fact IN ({marks})",
        near,
    )
    return [pk for pk, text in following if fragment(text)]


def _statements(db: sqlite3.Connection, rows: dict[int, Row]) -> dict[str, Statement]:
    turns = _turns(db, list(rows))
    headings = _headings(db, [pk for pk, row in rows.items() if row.origin is Origin.DOCUMENT])
    contexts = {pk: json.loads(row.context) if row.context else {} for pk, row in rows.items()}
    return {
        row.id: Statement(
            id=row.id,
            text=row.text,
            modality=row.modality,
            said_at=from_micros(row.said_at),
            event=turns.get(pk, ""),
            about=contexts[pk].get("antecedent", ""),
            replaces=contexts[pk].get("replaces", ""),
            document=row.origin is Origin.DOCUMENT,
            heading=headings.get(pk, ""),
        )
        for pk, row in rows.items()
    }


def _turns(db: sqlite3.Connection, pks: Sequence[int]) -> dict[int, str]:
    """The ids of the turns that facts were first derived from."""
    marks = ",".join("?" * len(pks))
    found = db.execute(
        "SELECT p.fact, e.id FROM provenance p JOIN events e ON e.pk = p.event"
        f" WHERE p.fact IN ({marks}) ORDER BY p.since DESC, p.event DESC, p.start DESC",  # the first overwrites others
        pks,
    )
    return dict(found.fetchall())


def _headings(db: sqlite3.Connection, pks: Sequence[int]) -> dict[int, str]:
    """The first lines of the documents that facts come from."""
    marks = ",".join("?" * len(pks))
    found = db.execute(
        "SELECT p.fact, substr(e.text, 1, 200) FROM provenance p JOIN events e ON e.pk = p.event"
        f" WHERE p.fact IN ({marks})",
        pks,
    )
    return {fact: text.lstrip().partition("\n")[0] for fact, text in found}


def _act(tx: Transaction, new: Row, old: Row, proposal: Proposal, event: int | None) -> str:
    """Do what a proposal allows, and say what was done."""
    reason = f"{proposal.relation} it ({proposal.confidence:.2f}): {_shown(proposal.why)}"
    refused = refusal((new.modality, new.origin), (old.modality, old.origin))
    if proposal.relation in _RETIRING:
        if proposal.certain and not transitions.successors(tx.db, [old.pk])[old.pk]:
            chains.supersede(tx, [old.pk], [new.pk], reason=reason, event=event)
            return "refused" if refused else "replaced"
        # A weaker word of the same speaker may well tell of a change ("the budget is $75 now, what else can I get?").
        if authority(new.origin) >= authority(old.origin):
            transitions.append(
                tx,
                scope=events.scope_pk(tx, new.scope),
                change=Change.SUPERSEDED,
                old=[old.pk],
                new=[new.pk],
                reason=reason,
                event=event,
                refusal="; and ".join(filter(None, (_POSSIBLE, refused))),
                possible=True,
            )
            return "possible"
    elif proposal.certain and authority(new.origin) >= authority(old.origin):
        if proposal.relation is Relation.AMENDS:
            chains.amend(tx, [old.pk], [new.pk], reason=reason, event=event)
            return "amended"
        chains.confirm(tx, [old.pk], reason=reason, event=event, by=new.origin)
        return "confirmed"
    return "passed over"


def _shown(why: Iterable[str]) -> str:
    return "; ".join(why)
