"""Finding: from a query to facts worth looking up, best first, each with what spoke for it.

Turns are found and weighed, facts are what comes back: the best statement of a turn stands for it at the turn's own
score, its other statements further down, so that the first answers come from different turns. Nothing found here is
believed: `answer` looks every fact up in the ledger.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from memstore.index import lexical, places
from memstore.index.places import STATEMENT_BITS, TURN_BITS
from memstore.recall import evidence, weights
from memstore.recall.evidence import REACH, Field, Term
from memstore.recall.understanding import Query

if TYPE_CHECKING:
    import numpy as np

    from memstore.index.vector import Matrix

# Turns whose neighbourhood is weighed in full. Those below share too few or too common words with the query.
_SEEDS = 60
# Rows read for one query, and for one word of it: a third of the whole. A word in more rows than that is passed over.
_ROWS = 9_000
_ROWS_PER_TURN = 1 / 40
# What a second, third … statement of the same turn loses.
_AGAIN = 2.0
# Statements of a turn that are looked at.
_STATEMENTS = 64
# Statements of one turn that may come back.
_PER_TURN = 8
# What a cosine of 1 is worth beside the rarity of shared words, when the statements of a turn are compared.
_CLOSENESS = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """A fact that may answer, with its score. `reasons` says what made it, when someone asks."""

    fact: int
    score: float
    reasons: Callable[[], Mapping[str, object]]


class Meaning:
    """What hybrid mode adds: the query's vector, and the vectors of the store to compare it with."""

    def __init__(self, vector: np.ndarray, matrix: Matrix) -> None:
        self._vector = vector
        self._matrix = matrix
        self.of: dict[int, tuple[float, float, dict[int, float]]] = {}

    def seeds(self, sessions: frozenset[int] | None) -> list[int]:
        return self._matrix.nearest(self._vector, _SEEDS, sessions)

    def look(self, turns: Sequence[int]) -> None:
        self.of = self._matrix.near(self._vector, turns)

    def near(self, turn: int) -> tuple[float, float]:
        return self.of[turn][:2]

    def statement(self, place: int) -> float:
        """How much closeness a statement has, on the scale of the rarity of the words it shares."""
        of = self.of[place >> STATEMENT_BITS]
        return _CLOSENESS * of[2].get(place, of[0])


def find(
    db: sqlite3.Connection, query: Query, scopes: Sequence[int], limit: int, meaning: Meaning | None = None
) -> list[Found]:
    """At most `limit` facts of the scopes, best first; ties go to the fact recorded first."""
    if not scopes:
        return []
    try:
        return _ranked(db, query, scopes, limit, meaning)
    except sqlite3.DatabaseError:  # the index is missing or damaged: read the facts themselves
        return [
            Found(pk, score, partial(dict, words_shared=score))
            for pk, score in lexical.scan(db, query.words, scopes, limit)
        ]


def _ranked(
    db: sqlite3.Connection, query: Query, scopes: Sequence[int], limit: int, meaning: Meaning | None
) -> list[Found]:
    size = lexical.size(db)
    terms, held = _terms(db, query, size)
    allowed = _sessions(db, scopes)
    seeds = _seeds(terms, allowed)
    if meaning is not None:
        seeds = list(dict.fromkeys([*seeds, *meaning.seeds(allowed)]))
    turns = places.around(db, seeds, REACH * 2)
    candidates = _beside(seeds, turns)
    if meaning is not None:
        meaning.look(list(turns))
    said = _words_of(db, {t >> TURN_BITS for t in candidates})
    field_ = Field(query, terms, turns, said, size, None if meaning is None else meaning.near)
    weighed = weights.EXACT if meaning is None else weights.HYBRID
    numbers = {number: field_.numbers(turns[number]) for number in candidates}
    scored = [(weighed.score(listed), number) for number, listed in numbers.items()]
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return [
        Found(fact, score, partial(weighed.told, numbers[turn]))
        for score, fact, turn in _statements(db, scored, held, scopes, query, turns, limit, meaning)
    ]


def _terms(
    db: sqlite3.Connection, query: Query, size: tuple[int, int, int]
) -> tuple[list[Term], list[tuple[Term, Sequence[int]]]]:
    """The query's words with the places that hold them. Longer words first: they are rarer as a rule."""
    left = int(_ROWS + size[0] * _ROWS_PER_TURN)
    most = left // 3
    terms, held = [], []
    for word in sorted(query.words, key=lambda w: (-len(w), w)):
        found = lexical.postings(db, word, min(left, most))
        if not found:
            left -= most if found is None else 0
            continue
        left -= len(found)
        term = evidence.term(word, found, size)
        terms.append(term)
        held.append((term, found))
        if left <= 0:
            break
    return terms, held


def _sessions(db: sqlite3.Connection, scopes: Sequence[int]) -> frozenset[int] | None:
    """The sessions of the scopes; None if they are all there is."""
    if db.execute("SELECT count(*) FROM scopes").fetchone()[0] <= len(scopes):
        return None
    marks = ",".join("?" * len(scopes))
    return frozenset(row[0] for row in db.execute(f"SELECT pk FROM sessions WHERE scope IN ({marks})", tuple(scopes)))


def _seeds(terms: Sequence[Term], allowed: frozenset[int] | None) -> list[int]:
    weight: dict[int, float] = {}
    for term in terms:
        rarity = term.in_turn
        for turn in term.turns:
            weight[turn] = weight.get(turn, 0.0) + rarity
    if allowed is not None:
        weight = {turn: value for turn, value in weight.items() if turn >> TURN_BITS in allowed}
    return heapq.nsmallest(_SEEDS, weight, key=lambda turn: (-weight[turn], turn))


def _beside(seeds: Sequence[int], turns: Mapping[int, places.Turn]) -> list[int]:
    """The seeds and their neighbours: "Yes, in 2019!" shares no word with the question it answers."""
    found = set()
    for seed in seeds:
        if seed not in turns:
            continue
        reach = 0 if turns[seed].marks & places.Mark.ALONE else REACH
        found |= {turn for turn in range(seed - reach, seed + reach + 1) if turn in turns}
    return sorted(found)


def _words_of(db: sqlite3.Connection, sessions: set[int]) -> dict[int, int]:
    marks = ",".join("?" * len(sessions))
    return dict(db.execute(f"SELECT session, words FROM talks WHERE session IN ({marks})", tuple(sessions)))


def _statements(
    db: sqlite3.Connection,
    scored: Sequence[tuple[float, int]],
    held: Sequence[tuple[Term, Sequence[int]]],
    scopes: Sequence[int],
    query: Query,
    turns: Mapping[int, places.Turn],
    limit: int,
    meaning: Meaning | None,
) -> list[tuple[float, int, int]]:
    """(score, fact, turn) of the turns found: the facts that share the most with the query first in each turn."""
    # The name of who speaks is in the first statement only, and says as much of the others.
    wanted = {turn: turns[turn].speaker or "" for _, turn in scored[:limit]}
    shared: dict[int, float] = {}
    for term, found in held:
        for place in found:
            if term.word not in wanted.get(place >> STATEMENT_BITS, term.word):
                shared[place] = shared.get(place, 0.0) + term.in_turn
    result: list[tuple[float, int, int]] = []
    mine = frozenset(scopes)
    for score, turn in scored[:limit]:
        first = turn << STATEMENT_BITS
        rows = db.execute(
            "SELECT s.place, s.fact, f.scope, f.modality, f.text FROM statements s JOIN facts f ON f.pk = s.fact"
            " WHERE s.place BETWEEN ? AND ? AND f.state < 4 LIMIT ?",
            (first, first | (1 << STATEMENT_BITS) - 1, _STATEMENTS),
        ).fetchall()
        # Scopes are walls, whatever an index says.
        best = sorted(
            (
                -shared.get(place, 0.0)
                - _asked_for(query, modality, text)
                - (meaning.statement(place) if meaning is not None else 0.0),
                place,
                fact,
            )
            for place, fact, scope, modality, text in rows
            if scope in mine
        )
        for again, (_, _, fact) in enumerate(best[:_PER_TURN]):
            result.append((score - _AGAIN * again, fact, turn))
        if len(result) >= 2 * limit:
            break
    result.sort(key=lambda hit: (-hit[0], hit[1]))
    return result[:limit]


def _asked_for(query: Query, modality: str, text: str) -> float:
    """What a statement gains by being of the kind that was asked for, or naming the code that was named."""
    gain = 1.0 if query.modality is not None and modality == query.modality else 0.0
    if query.code and any(code in text for code in query.code):
        gain += 4.0
    return gain
