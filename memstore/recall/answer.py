"""The pipeline from a query to recollections.

Candidates come from the index; everything said about them comes from the ledger, in one snapshot. A candidate that
was superseded gives way to the heads of its chain, which say what they replaced; retracted and forgotten facts do
not come back unless history is asked for; expired ones come after what is live, marked.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from memstore.coherence import doubt
from memstore.coherence.confidence import confidence, gather, shown
from memstore.index.columns import NO_NUMBERS
from memstore.ledger import events, facts, transitions
from memstore.ledger.facts import Row, digest
from memstore.ledger.standing import Standing, State, Step, current, derive, status
from memstore.ledger.times import from_micros, optional
from memstore.model import Beside, Change, Modality, Recollection, Status
from memstore.policy import authority, binding
from memstore.recall import feedback, render, renewal, understanding
from memstore.recall.beside import beside
from memstore.recall.find import Found, Meaning, Reach, find, read_through
from memstore.recall.tokens import CHARACTERS, Counter
from memstore.recall.understanding import Query, names_in

# How many candidates the index is asked for at most, for each answer, and beyond the needed ones at a time: some
# give way to heads, some are no longer current.
_OVERFETCH = 8
_SPARE = 4
_PAGE = 5
# Where too little of what was found may be said (it was withdrawn, is of another modality, was not known yet …), so
# many times more turns are looked at, and so many times over. What hides behind thousands is looked for in the facts
# themselves.
_WIDER = 8
_DEPTHS = 3
# What an answer gains by holding a name of code that was asked for, to the letter: the index knows its parts only, and
# finds `id_user` and "the id of a user" for `user_id` as well. So many answers are looked at for it.
_NAMED = 2.0
_NAMED_AMONG = 50
# Answers among which the current one of two is looked for, and how much of a turn is read for that.
_COMPARED = 12
_WORDS_READ = 700
# Of what moved a score, so much is told to whoever does not ask for all of it.
_TOLD = 6


# How a fact stands at the moment asked about, and the transitions that made it so.
_Stood = tuple[Status, Standing, Sequence[Step]]


class Question(NamedTuple):
    """A query with everything that decides its answer. Times in microseconds; `now` is the moment asked about."""

    text: str
    now: int
    scopes: Mapping[int, str]
    k: int = 5
    budget: int | None = None
    as_of: int | None = None
    valid_at: int | None = None
    modality: frozenset[Modality] = frozenset()
    current_only: bool = False
    history: bool = False
    explain: bool = False
    counter: Counter = CHARACTERS


@dataclass(slots=True)
class _Candidate:
    """A fact that may be said, with its standing at the moment asked about and what is known of it so far."""

    row: Row
    status: Status
    score: float
    standing: Standing
    steps: Sequence[Step]
    reasons: Callable[[int | None], Mapping[str, object]]
    replaced: dict[str, str] = field(default_factory=dict)
    found_by: str = "its own words"
    renews: str | None = None
    renewed: float = 0.0
    doubts: list[str] = field(default_factory=list)
    named: float = 0.0
    depth: int = 0
    contests: list[str] = field(default_factory=list)


def answer(db: sqlite3.Connection, question: Question, meaning: Meaning | None = None) -> list[Recollection]:
    """The recollections for a question, best first, whole ones only, inside the budget if there is one."""
    query = understanding.read(question.text, from_micros(question.now))
    needed = max(question.k, _COMPARED)
    candidates = sorted(_candidates(db, question, query, meaning, needed), key=lambda c: (c.depth, -c.score, c.row.id))
    chosen = _with_other_sides(db, question, _renewed(db, query, candidates[:needed])[: question.k])[: question.k]
    _doubt(db, question, chosen)
    # What is past its time comes after what is live, five by five: who asks for more gets the same first five.
    for begin in range(0, len(chosen), _PAGE):
        chosen[begin : begin + _PAGE] = sorted(chosen[begin : begin + _PAGE], key=lambda c: not current(c.status))
    return fit(_tell(db, question, query, chosen), question.budget, question.counter)


def _candidates(
    db: sqlite3.Connection, question: Question, query: Query, meaning: Meaning | None, needed: int
) -> list[_Candidate]:
    """What may be said, at least `needed` of it if there is as much; the index is asked for more until there is."""
    found: set[int] = set()
    stood: dict[int, _Candidate] = {}
    candidates: list[_Candidate] = []
    for depth in range(_DEPTHS + 1):
        reach = Reach(_WIDER**depth)
        hits = _find(db, question, query, meaning, reach) if depth < _DEPTHS else _read(db, question, query)
        page = max(needed + _SPARE, _NAMED_AMONG if query.spelt else 0)
        while more := list(islice(hits, page)):
            new = {hit.fact: hit for hit in more if hit.fact not in found}
            found |= new.keys()
            if new:
                _stand(db, question, query, new, depth, stood)
            candidates = [c for c in stood.values() if _wanted(question, c)]
            if len(candidates) >= needed:
                return candidates
            page *= 2  # a key may have had a thousand holders
        if not reach.cut or len(candidates) >= question.k:
            break
    return candidates


def _read(db: sqlite3.Connection, question: Question, query: Query) -> Iterator[Found]:
    """The facts themselves, but for those of which it is clear beforehand that they are not wanted."""
    where: dict[str, object] = {}
    if question.modality:
        where["modality IN (SELECT value FROM json_each(?))"] = json.dumps(sorted(question.modality))
    if question.as_of is not None:
        where["recorded_at <= ?"] = question.as_of
    elif question.valid_at is None and not question.history:
        where["state < ?"] = State.SUPERSEDED.value
        if question.current_only:
            where["coalesce(expires_at, 9e18) > ?"] = question.now
    if question.valid_at is not None:
        where["valid_from <= ?"] = question.valid_at
    return read_through(db, query, list(question.scopes), where)


def _wanted(question: Question, candidate: _Candidate) -> bool:
    return (not question.modality or candidate.row.modality in question.modality) and (
        not question.current_only or current(candidate.status)
    )


def _find(
    db: sqlite3.Connection, question: Question, query: Query, meaning: Meaning | None, reach: Reach
) -> Iterator[Found]:
    """What holds the key if the query is one, then what the index proposes."""
    scopes = list(question.scopes)
    hits = find(db, query, scopes, max(50, question.k * _OVERFETCH) * reach.width, meaning, reach)
    key = question.text.strip()
    holders = dict.fromkeys(facts.by_key(db, scopes, key) if scopes else ())
    first = next(hits, None)
    above = 1.0 + (first.score if first is not None else 0.0)
    for pk in holders:
        yield Found(pk, above, partial(_held_key, key))
    if first is not None:
        yield from (hit for hit in chain([first], hits) if hit.fact not in holders)


def _held_key(key: str, _: int | None) -> Mapping[str, object]:
    return {"key": key}


def _renewed(db: sqlite3.Connection, query: Query, candidates: list[_Candidate]) -> list[_Candidate]:
    """The candidates with, for a question about how things are, the later of two figures first (`renewal`)."""
    if len(candidates) < 2 or not renewal.asks_for_state(query):
        return candidates
    spoken = facts.turns(db, [c.row.pk for c in candidates], _WORDS_READ)
    said = [
        renewal.Said(spoken.get(c.row.pk, c.row.text), c.row.said_at, authority(c.row.origin), c.score)
        for c in candidates
    ]
    order = renewal.order(query, said)
    for index, renewed in order:
        if renewed is not None:
            candidates[index].renews = candidates[renewed].row.text
            candidates[index].renewed = candidates[renewed].score - candidates[index].score
            candidates[index].score = candidates[renewed].score
    return [candidates[index] for index, _ in order]


def _with_other_sides(db: sqlite3.Connection, question: Question, chosen: list[_Candidate]) -> list[_Candidate]:
    """The chosen and, behind each that is in a conflict nobody has settled, the other side of it: the latest one."""
    refused = {step.pk: step for c in chosen if current(c.status) for step in c.steps if _was_refused(step)}
    clashes = transitions.clashes(db, refused) if refused else {}
    if not clashes:
        return chosen
    rows = facts.rows(db, {fact for clash in clashes.values() for fact in (*clash.old, *clash.new)})
    standings = _standings(question, rows, facts.steps(db, rows, question.as_of))
    still = [
        clash
        for pk, clash in clashes.items()
        if all(_contends(standings[fact], refused[pk]) for fact in (*clash.old, *clash.new))
    ]
    # What an assistant says again in its own words is often read as such a conflict: then it has to be found itself.
    pointers = facts.provenance(db, rows, question.as_of)
    by_hand = {pk for pk, of in pointers.items() if any(one.extractor == events.BY_HAND for one in of)}
    known = {c.row.pk: c for c in chosen}
    result: dict[int, _Candidate] = {}
    for c in chosen:
        result.setdefault(c.row.pk, c)
        for clash in still:
            others = clash.old if c.row.pk in clash.new else clash.new if c.row.pk in clash.old else ()
            heard = [pk for pk in others if authority(rows[pk].origin) >= authority(c.row.origin) or pk in by_hand]
            sides = [known.get(pk) or _other_side(rows[pk], standings[pk], c.score) for pk in heard]
            if wanted := [side for side in sides if _wanted(question, side)]:
                result |= {side.row.pk: side for side in wanted if side.row.pk not in result}
                break
    for c in result.values():
        c.contests = [rows[pk].text for clash in still if c.row.pk in clash.new for pk in clash.old]
    return list(result.values())


def _was_refused(step: Step) -> bool:
    return step.refused and step.change is Change.SUPERSEDED


def _contends(stood: _Stood, step: Step) -> bool:
    """Whether a side of a conflict can still be current, and nobody said since that it holds."""
    return current(stood[0]) and stood[1].cleared < step.when


def _other_side(row: Row, stood: _Stood, score: float) -> _Candidate:
    return _Candidate(row, stood[0], score, stood[1], stood[2], lambda _: {}, found_by="a conflict with what was found")


def _stand(
    db: sqlite3.Connection,
    question: Question,
    query: Query,
    found: Mapping[int, Found],
    depth: int,
    stood: dict[int, _Candidate],
) -> None:
    """Put with what stood before each candidate, or the heads it gave way to, as they are at the moment asked about.

    What was found by looking further comes after what was found before: nobody's first answers change for having asked
    for more.
    """
    as_of = question.as_of
    taken = facts.steps(db, found, as_of)
    replaced = [pk for pk, steps in taken.items() if any(map(_gave_way, steps))]
    forwards: dict[int, list[int]] = {pk: [] for pk in found}
    if replaced:
        forwards |= transitions.successors(db, replaced, as_of)
    members: set[int] = set(found) | {pk for many in forwards.values() for pk in many}
    if question.valid_at is not None:
        members |= {pk for many in transitions.predecessors(db, members, as_of).values() for pk in many}
        forwards = transitions.successors(db, members, as_of)
    if others := members - taken.keys():
        taken |= facts.steps(db, others, as_of)
    rows = {pk: row for pk, row in facts.rows(db, members).items() if as_of is None or row.recorded_at <= as_of}
    standings = _standings(question, rows, taken)
    walls = frozenset(question.scopes.values())
    heads = transitions.heads_of_each(forwards, replaced)
    for pk, hit in sorted(found.items(), key=lambda item: (-item[1].score, item[0])):
        if pk not in rows or rows[pk].scope not in walls:  # scopes are walls, whatever an index says
            continue
        for target in _targets(question, forwards, heads, rows, standings, pk):
            if target not in rows:
                continue
            status_, standing, steps = standings[target]
            named = _NAMED if any(names_in(query.spelt, rows[one].text) for one in (pk, target)) else 0.0
            score = hit.score + feedback.gain(standing) + named
            kept = stood.setdefault(
                target,
                _Candidate(rows[target], status_, score, standing, steps, hit.reasons, named=named, depth=depth),
            )
            if target != pk and standings[pk][0] is Status.SUPERSEDED and not _same(rows[pk], rows[target]):
                kept.replaced[rows[pk].id] = rows[pk].text
                if kept.score == score:
                    kept.found_by = "the words of what it replaced"


def _same(one: Row, other: Row) -> bool:
    """Whether two facts are one statement, said again or merged: nothing was replaced then."""
    return one.modality is other.modality and digest(one.text) == digest(other.text)


def _gave_way(step: Step) -> bool:
    return step.change is Change.SUPERSEDED and step.side == "old"


def _standings(question: Question, rows: Mapping[int, Row], taken: Mapping[int, Sequence[Step]]) -> dict[int, _Stood]:
    result: dict[int, _Stood] = {}
    for pk, row in rows.items():
        standing = derive(taken[pk], row.said_at, row.ttl)
        if row.state is State.FORGOTTEN:  # what was forgotten since stays forgotten
            result[pk] = (Status.FORGOTTEN, standing, taken[pk])
        else:
            result[pk] = (status(standing.state, standing.expires_at, question.now), standing, taken[pk])
    return result


def _doubt(db: sqlite3.Connection, question: Question, chosen: Sequence[_Candidate]) -> None:
    """Mark what rests on a premise that fell, and say why each suspect fact is doubted."""
    carried = doubt.carried(db, [c.row.pk for c in chosen], question.as_of)
    named = facts.rows(db, {pk for found in carried.values() for pk in found.path})
    for c in chosen:
        if c.row.pk in carried and c.status in (Status.LIVE, Status.SUSPECT):
            c.status = Status.SUSPECT
            c.doubts.append(doubt.told(carried[c.row.pk], named))
    for c in chosen:
        if c.status is Status.SUSPECT:
            c.doubts = [record.reason for record in transitions.read(db, c.standing.doubts)] + c.doubts


def _targets(
    question: Question,
    forwards: dict[int, list[int]],
    heads: Mapping[int, Sequence[int]],
    rows: Mapping[int, Row],
    standings: Mapping[int, _Stood],
    pk: int,
) -> Iterable[int]:
    """What answers in a candidate's place."""
    if question.valid_at is not None:
        chain = {pk, *transitions.reachable(forwards, pk)}
        chain |= {other for other in rows if pk in transitions.reachable(forwards, other)}
        return sorted(member for member in chain if _valid(question.valid_at, forwards, rows, standings, member))
    standing = standings[pk][0]
    if standing in (Status.RETRACTED, Status.FORGOTTEN):
        return [pk] if question.history and standing is Status.RETRACTED else []
    if standing is not Status.SUPERSEDED:
        return [pk]
    ends = [
        head
        for head in heads[pk]
        if head in standings and standings[head][0] not in (Status.RETRACTED, Status.FORGOTTEN, Status.SUPERSEDED)
    ]
    return [*ends, pk] if question.history else ends


def _valid(
    moment: int,
    forwards: dict[int, list[int]],
    rows: Mapping[int, Row],
    standings: Mapping[int, _Stood],
    pk: int,
) -> bool:
    """Whether a fact was true in the world at a moment: from its valid time to its end or its successor's."""
    if pk not in rows or standings[pk][0] in (Status.RETRACTED, Status.FORGOTTEN):
        return False
    row = rows[pk]
    ends = [rows[new].valid_from for new in forwards.get(pk, ()) if new in rows]
    if row.valid_to is not None:
        ends.append(row.valid_to)
    return row.valid_from <= moment and all(moment < end for end in ends)


def _tell(db: sqlite3.Connection, question: Question, query: Query, chosen: Sequence[_Candidate]) -> list[Recollection]:
    pointers = facts.provenance(db, [c.row.pk for c in chosen], question.as_of)
    quoted: dict[int, Beside] = {}
    with suppress(sqlite3.DatabaseError, *NO_NUMBERS):  # the index is missing or damaged
        quoted = beside(db, [c.row for c in chosen], question.as_of)
    told = []
    for c in chosen:
        row = c.row
        sources = {pointer.event_id for pointer in pointers[row.pk]}
        evidence = gather(row, c.standing, c.steps, sources=len(sources), doubts=len(c.doubts), now=question.now)
        sure = confidence(evidence)
        recollection = Recollection(
            fact_id=row.id,
            text=row.text,
            modality=row.modality,
            kind=row.kind,
            origin=row.origin,
            authority=authority(row.origin),
            binding=binding(row.modality, row.origin),
            status=c.status,
            confidence=sure.probability,
            recorded_at=from_micros(row.recorded_at),
            valid_from=from_micros(row.valid_from),
            said_at=from_micros(row.said_at),
            expires_at=optional(c.standing.expires_at),
            provenance=pointers[row.pk],
            replaces=tuple(dict.fromkeys(c.replaced.values())),
            score=c.score,
            tokens=0,
            why={
                "found_by": c.found_by,
                "score": {
                    **{name: part for name, part in (("named", c.named), ("renewed", round(c.renewed, 3))) if part},
                    **c.reasons(None if question.explain else _TOLD),
                },
                **({"asked": query.told()} if question.explain else {}),
                **({} if c.renews is None else {"said_after": c.renews}),
                **feedback.told(c.standing),
                "confirmations": c.standing.confirmations,
                **shown(sure, evidence),
                "counter": question.counter.name,
                **({"doubts": tuple(c.doubts)} if c.doubts else {}),
            },
            beside=quoted.get(row.pk),
            contests=tuple(dict.fromkeys(c.contests)),
        )
        told.append(_counted(recollection, question.counter))
    return told


def _counted(recollection: Recollection, counter: Counter) -> Recollection:
    return replace(recollection, tokens=counter.count(render.line(recollection)))


def fit(told: Sequence[Recollection], budget: int | None, counter: Counter) -> list[Recollection]:
    """Whole recollections that fit, in order; one that is too long does not keep shorter ones out.

    One that fits without the words quoted beside it, or without those it replaced, comes without them.
    """
    if budget is None:
        return list(told)
    left = budget
    kept = []
    for recollection in told:
        for spared in ({"beside": None}, {"replaces": recollection.replaces[:1]}, {"replaces": ()}):
            if recollection.tokens > left:
                recollection = _counted(replace(recollection, **spared), counter)
        if recollection.tokens <= left:
            kept.append(recollection)
            left -= recollection.tokens
    return kept
