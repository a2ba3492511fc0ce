"""Finding: from a query to facts worth looking up, best first, each with what spoke for it.

Turns are found and weighed, facts are what comes back: the best statement of a turn stands for it at the turn's own
score, its other statements further down, so that the first answers come from different turns. Nothing found here is
believed: `answer` looks every fact up in the ledger.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, NamedTuple

from memstore.index import columns, lexical, places
from memstore.index.columns import NO_NUMBERS, Engine
from memstore.index.kept import Kept, kept
from memstore.index.places import STATEMENT_BITS, TURN_BITS
from memstore.recall import evidence, weights
from memstore.recall.evidence import REACH, Field, Term
from memstore.recall.understanding import Query, names_in

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.chroma import Chroma
    from memstore.index.vector import Matrix

# Turns whose neighbourhood is weighed in full. Those below share too few or too common words with the query.
_SEEDS = 60
# Places of one word from which on it pays to ask whether they can matter, and places read for one query: of what is
# more common still, only turns that hold a rarer word are looked at.
_LONG = 500
_MOST = 40_000
# Turns whose statements are read first, and at a time if those are not enough.
_FIRST = 16
_BATCH = 4
# What a second, third … statement of the same turn loses.
_AGAIN = 2.0
# Statements of a turn that are looked at.
_STATEMENTS = 64
_LAST_STATEMENT = (1 << STATEMENT_BITS) - 1
# Statements of one turn that may come back.
_PER_TURN = 8
# What a cosine of 1 is worth beside the rarity of shared words, when the statements of a turn are compared.
_CLOSENESS = 10.0


class Found(NamedTuple):
    """A fact that may answer, with its score. `reasons` says, when someone asks, all or the most of what made it."""

    fact: int
    score: float
    reasons: Callable[[int | None], Mapping[str, object]]


@dataclass(slots=True)
class Reach:
    """How far to look: so many times as far as mostly serves. `cut` says, afterwards, that there may be more beyond."""

    width: int = 1
    cut: bool = False

    @property
    def seeds(self) -> int:
        return _SEEDS * self.width

    @property
    def statements(self) -> int:
        """Of a turn that are looked at."""
        return _STATEMENTS * self.width

    @property
    def per_turn(self) -> int:
        """Of a turn that may come back."""
        return _PER_TURN * self.width


class Meaning:
    """What hybrid mode adds: the query's vector, and the vectors of the store to compare it with."""

    def __init__(self, vector: np.ndarray, matrix: Matrix | Chroma) -> None:
        self._vector = vector
        self._matrix = matrix

    def seeds(self, sessions: frozenset[int] | None, count: int) -> list[int]:
        return self._matrix.nearest(self._vector, count, sessions)

    def near(self, turns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The cosines of turns, and those of the closest statement of each."""
        self._near = self._matrix.near(self._vector, turns)
        return self._near.of_turns(turns)

    def statements(self, places: Sequence[int]) -> list[float]:
        """How much closeness statements have, on the scale of the rarity of the words they share."""
        return [_CLOSENESS * cosine for cosine in self._near.of_statements(places)]


def find(
    db: sqlite3.Connection,
    query: Query,
    scopes: Sequence[int],
    limit: int,
    meaning: Meaning | None = None,
    reach: Reach | None = None,
) -> Iterator[Found]:
    """At most `limit` facts of the scopes, best first; ties go to the fact recorded first.

    They are read as they are taken: who needs few pays for few. Where the index turns out to be missing or damaged, the
    facts themselves are read.
    """
    if not scopes:
        return
    told: set[int] = set()
    reach = reach or Reach()
    try:
        for one in islice(_ranked(db, query, scopes, meaning, reach), limit):
            told.add(one.fact)
            yield one
        reach.cut |= len(told) == limit
        return
    except sqlite3.DatabaseError:
        pass
    except NO_NUMBERS as error:
        import logging  # a question that has its answer starts without it

        logging.getLogger(__name__).warning("the index makes no sense (%r): run  memstore verify --rebuild", error)
    left = (hit for hit in lexical.scan(db, query.words, scopes, limit) if hit[0] not in told)
    for pk, score in islice(left, limit - len(told)):
        yield Found(pk, score, partial(_words_shared, score))


def read_through(
    db: sqlite3.Connection, query: Query, scopes: Sequence[int], where: Mapping[str, object]
) -> Iterator[Found]:
    """Every fact of the scopes that holds a word of the query and meets some conditions, by how many it holds."""
    for pk, score in lexical.scan(db, query.words, scopes, None, where):
        yield Found(pk, score, partial(_words_shared, score))


def _ranked(
    db: sqlite3.Connection, query: Query, scopes: Sequence[int], meaning: Meaning | None, reach: Reach
) -> Iterator[Found]:
    known, with_ = kept(db), columns.engine()
    size = lexical.size(db, known)
    terms = _terms(db, known, query, size, with_)
    allowed = _sessions(db, scopes)
    seeds = _seeds(with_, terms, allowed, reach.seeds)
    reach.cut = len(seeds) == reach.seeds
    if meaning is not None:
        near_ = meaning.seeds(allowed, reach.seeds)
        reach.cut |= len(near_) == reach.seeds
        seeds = list(dict.fromkeys([*seeds, *near_]))
    turns = places.around(db, known, seeds, REACH * 2, with_)
    near, table = (None, weights.EXACT) if meaning is None else (meaning.near, weights.HYBRID)
    field = Field(with_, query, turns, known.speakers, seeds, size, table, near)
    ranked = field.scores(terms, known.talks)
    return _statements(db, field, ranked, query, meaning, reach)


def _terms(db: sqlite3.Connection, known: Kept, query: Query, size: tuple[int, int, int], engine: Engine) -> list[Term]:
    """The query's words that anything holds, in an order that the query alone decides."""
    words = sorted(query.words, key=lambda w: (-len(w), w))
    found = zip(words, lexical.postings(db, known, words, engine), strict=True)
    return [evidence.term(word, postings, size) for word, postings in found if postings.turns]


def _sessions(db: sqlite3.Connection, scopes: Sequence[int]) -> frozenset[int] | None:
    """The sessions of the scopes; None if they are all there is."""
    if db.execute("SELECT count(*) FROM scopes").fetchone()[0] <= len(scopes):
        return None
    marks = ",".join("?" * len(scopes))
    return frozenset(row[0] for row in db.execute(f"SELECT pk FROM sessions WHERE scope IN ({marks})", tuple(scopes)))


def _seeds(engine: Engine, terms: Sequence[Term], allowed: frozenset[int] | None, count: int) -> list[int]:
    """The `count` turns whose words are the rarest in sum; ties go to the earlier turn.

    Rare words are read first. Once the words that are left could not lift a turn that holds none of the others among
    the best, their places are not read, only asked about ("max score", Turtle and Flood 1995): the answer is the same.
    """
    rarest = sorted(terms, key=lambda term: (-term.in_turn, term.word))
    worth = [round(term.in_turn * 1e6) for term in rarest]  # whole numbers add up to the same in any order
    weight = engine.tally()
    read = 0
    for index, term in enumerate(rarest):
        places_ = len(term.postings)
        if places_ > _LONG and len(weight) >= count:
            left = sum(worth[index:])
            if read + places_ > _MOST or (left < sum(worth[:index]) and weight.last_of_best(count) > left):
                for later in range(index, len(rarest)):
                    weight.keep(weight.last_of_best(count) - sum(worth[later:]))
                    weight.add_if_known(rarest[later].postings.places, STATEMENT_BITS, worth[later])
                break
        read += places_
        turns = term.postings.each_turn()
        weight.add(turns if allowed is None else engine.among(turns, TURN_BITS, allowed), worth[index])
    return weight.best(count)


def _statements(
    db: sqlite3.Connection,
    field: Field,
    ranked: Sequence[tuple[float, int]],
    query: Query,
    meaning: Meaning | None,
    reach: Reach,
) -> Iterator[Found]:
    """The statements of the turns, those that share the most with the query first in each turn."""
    # Of each turn the best statement that is left: (score below 0, fact, turn, its score, how many went before it).
    waiting: list[tuple[float, int, int, float, int]] = []
    facts_of: dict[int, list[int]] = {}
    begin = 0
    while begin < len(ranked) or waiting:
        if begin < len(ranked) and (not waiting or -waiting[0][0] <= ranked[begin][0]):
            batch = ranked[begin : begin + (_BATCH if begin else _FIRST)]
            facts_of |= _best(db, field, [turn for _, turn in batch], query, meaning, reach)
            for score, turn in batch:
                if turn in facts_of:
                    heapq.heappush(waiting, (-score, facts_of[turn][0], turn, score, 0))
            begin += len(batch)
            continue
        below, fact, turn, score, before = heapq.heappop(waiting)
        yield Found(fact, -below, partial(_told, field, turn, before))
        if (again := before + 1) < len(facts_of[turn]):
            heapq.heappush(waiting, (_AGAIN * again - score, facts_of[turn][again], turn, score, again))


def _told(field: Field, turn: int, before: int, most: int | None) -> Mapping[str, object]:
    again = {"again": -_AGAIN * before} if before else {}
    return {**field.told(turn, most), **again}


def _words_shared(score: float, _: int | None) -> Mapping[str, object]:
    return {"words_shared": score}


def _best(
    db: sqlite3.Connection, field: Field, turns: Sequence[int], query: Query, meaning: Meaning | None, reach: Reach
) -> dict[int, list[int]]:
    """The facts of each turn that has any, at most so many, what shares the most with the query first."""
    shared = field.shared(turns)
    held = _held(db, turns, shared, reach.statements)
    asked_for = _asked_for(db, query, [fact for _, fact in held])
    close = repeat(0.0) if meaning is None else meaning.statements([place for place, _ in held])
    found: dict[int, list[tuple[float, int, int]]] = {turn: [] for turn in turns}
    for (place, fact), closeness in zip(held, close, strict=False):
        worth = shared.get(place, 0.0) + asked_for.get(fact, 0.0)
        found[place >> STATEMENT_BITS].append((-worth - closeness, place, fact))
    reach.cut |= any(len(of) > reach.per_turn for of in found.values())
    return {turn: [fact for _, _, fact in sorted(of)[: reach.per_turn]] for turn, of in found.items() if of}


def _held(
    db: sqlite3.Connection, turns: Sequence[int], shared: Mapping[int, float], most: int
) -> list[tuple[int, int]]:
    """(place, fact) of the statements of turns: the first ones of each, and as many of those that share the most."""
    held: list[tuple[int, int]] = db.execute(
        "SELECT s.place, s.fact FROM json_each(?) given"
        " CROSS JOIN statements s ON s.place BETWEEN given.value AND given.value + ?",
        (str([turn << STATEMENT_BITS for turn in turns]), most - 1),
    ).fetchall()
    further: dict[int, list[tuple[float, int]]] = {}
    for place, worth in shared.items():
        if place & _LAST_STATEMENT >= most:
            further.setdefault(place >> STATEMENT_BITS, []).append((-worth, place))
    if further:
        places_ = [place for of in further.values() for _, place in heapq.nsmallest(most, of)]
        held += db.execute(
            "SELECT s.place, s.fact FROM json_each(?) given CROSS JOIN statements s ON s.place = given.value",
            (str(places_),),
        ).fetchall()
    return held


def _asked_for(db: sqlite3.Connection, query: Query, facts: Sequence[int]) -> dict[int, float]:
    """What facts gain by being of the kind that was asked for, or naming the code that was named; the others not."""
    gain: dict[int, float] = {}
    if query.modality is None and not query.code:
        return gain
    given = db.execute(
        "SELECT f.pk, f.modality, f.text FROM json_each(?) given CROSS JOIN facts f ON f.pk = given.value",
        (str(facts),),
    )
    for fact, modality, text in given:
        if modality == query.modality:
            gain[fact] = 1.0
        if names_in(query.code, text):
            gain[fact] = gain.get(fact, 0.0) + 4.0
    return gain
