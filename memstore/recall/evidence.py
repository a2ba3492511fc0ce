"""What speaks for a turn: numbers about its words, its neighbours, its session and its speaker, and their weights.

A turn alone is a poor unit: who speaks, what it answers and what the conversation was about are around it, not in
it. So the words of a query are weighed four times (BM25, k1 1.2, b .75, over statements as occurrences): in the
turn, with the turn before it, with the two turns on either side, and in the whole session. Rarity is counted at the
level that is weighed: a word in few sessions tells more of a session than of a turn.

The score is linear in these numbers. The weights were fitted by listwise softmax (Cao et al. 2007, ListNet's top-one
form) on development conversations, people's and chats with an assistant alike; they are constants here. Scores are
rounded, and what adds up to them is added in one order, so that they are the same on every machine.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from memstore.index.columns import Engine
from memstore.index.kept import Speakers
from memstore.index.lists import SESSION_BITS, Postings
from memstore.index.places import STATEMENT_BITS, TURN_BITS, Mark, Turns
from memstore.recall.understanding import Query

K1 = 1.2
B = 0.75
REACH = 2
DIGITS = 6
# From this share of a query's rarity on, a turn holds nearly all that was asked for. It counts where the query names
# a thing by number or in code ("PEP 215", "parse_header()"): words alone are shared by much that is beside the point.
WHOLE_FROM = 0.85
# As plain numbers: these are asked of every candidate of every query.
ASKS, OWN, RULE, NUMBER, NEVER, ALONE = (
    int(mark) for mark in (Mark.ASKS, Mark.OWN, Mark.RULE, Mark.NUMBER, Mark.NEVER, Mark.ALONE)
)
_LEXICAL = ("turn", "pair", "around", "session", "cover", "cover_pair")
_NEAR = ("near_turn", "near_statement", "near_beside")
_PLAIN = (
    "length", "asks", "speaker", "own", "long", "asked_of_assistant", "rule", "number", "never", "never·ever",
    "own·order", "own·summary", "rule·overview",
)  # fmt: skip
NAMES = (*_LEXICAL, "whole", *_NEAR, "when", *_PLAIN)
# The logarithm of the number of words from which on a turn is long.
LONG = 4
_SCALE = (K1 + 1) / 10
# A turn is weighed by itself, then with the one before it, then with all up to `REACH` beside it: what each adds to the
# last, and under what name it counts how much of the query is there.
_TOGETHER: Sequence[tuple[str, Sequence[int], str | None]] = (
    ("turn", (), "cover"),
    ("pair", (-1,), "cover_pair"),
    ("around", (-2, 1, 2), None),
)
# Below every cosine: what is in a slot with no turn.
_FAR = -2.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000


class Term(NamedTuple):
    """One word of the query: where it is, and how rare it is among turns and among sessions."""

    word: str
    postings: Postings
    in_turn: float
    in_session: float


class Weights:
    """A fitted table: `name`, and `name·chat`, which adds to it in a chat with an assistant."""

    def __init__(self, table: Mapping[str, float]) -> None:
        plain = {name: table.get(name, 0.0) for name in NAMES}
        self.of = (plain, {name: value + table.get(f"{name}·chat", 0.0) for name, value in plain.items()})
        # What turns that look alike have in common: but for their length, in which the score is linear.
        self.levels: dict[tuple[bool, ...], dict[int, tuple[float, float, float]]] = {}


class Field:
    """The turns that were found and those beside them, laid out in slots, and the candidates among them weighed.

    Candidates are the seeds and their neighbours: "Yes, in 2019!" shares no word with the question it answers.
    Neighbours in the conversation have neighbouring slots, and what are no neighbours is kept apart by empty ones: so
    context is a sum over the slots beside, and every number is computed for all candidates in one go. What is counted
    for each word of the query is in columns as many times as long, one word after another.

    `near` gives, for turns, the cosines of the query with each and with its closest statement; None in exact mode.
    """

    def __init__(
        self,
        engine: Engine,
        query: Query,
        turns: Turns,
        speakers: Speakers,
        seeds: Sequence[int],
        size: tuple[int, int, int],
        weights: Weights,
        near: Callable[[Sequence[int]], tuple[Any, Any]] | None = None,
    ) -> None:
        total, words, sessions = size
        self._engine, self._query, self._turns, self._weights, self._near = engine, query, turns, weights, near
        self._names = speakers.names
        self._mean = max(1.0, words / max(1, total))
        self._session_mean = max(1.0, words / max(1, sessions))
        self._slots = engine.spaced(turns.numbers, turns.marks & ALONE, REACH + 1)
        self._size = (int(self._slots[-1]) if len(self._slots) else 0) + REACH + 1
        rows = self._near_slots(engine.take(self._slots, engine.at(turns.numbers, seeds)))
        self._here = engine.take(self._slots, rows)
        self._of = Turns._make(engine.take(column, rows) for column in turns)
        self._speaks = engine.are(self._of.speakers, speakers.called(query.every_word))
        # Whether somebody takes part, there or right beside, whose words are not a user's own.
        own = self._laid(turns.marks & OWN, OWN)
        three = engine.take(own, self._here - 1) + engine.take(own, self._here) + engine.take(own, self._here + 1)
        self._chats = engine.holders(3 * OWN - three)
        self._weighed: Sequence[str] = ()
        self._values: Any = ()
        self._terms: Sequence[Term] = ()

    def scores(self, terms: Sequence[Term], talks: Mapping[int, tuple[int, int]]) -> list[tuple[float, int]]:
        """(score, turn) of the candidates, best first; ties go to the earlier turn."""
        if not len(self._here):
            return []
        engine = self._engine
        numbers = self._weigh(terms, talks)
        numbers |= self._asked(numbers["cover"])
        self._weighed, self._values = tuple(numbers), engine.joined([self._levels(), *numbers.values()])
        weights = [1.0, 1.0, *(of[name] for name in numbers for of in self._weights.of)]
        weight = engine.take_of_each(engine.column(weights), len(numbers) + 1, self._chats)
        score = engine.summed(self._values * weight, len(numbers) + 1, len(self._here))
        order, scores = engine.best(score, DIGITS)
        return list(zip(scores, engine.take(self._of.numbers, order).tolist(), strict=True))

    def shared(self, turns: Sequence[int]) -> dict[int, float]:
        """How rare the words are that each statement of the turns, all candidates, shares with the query, by place.

        The name of who speaks is in the first statement only, and says as much of the others.
        """
        speakers = self._engine.take(self._of.speakers, self._engine.at(self._of.numbers, turns)).tolist()
        name = {turn: self._names[speaker] for turn, speaker in zip(turns, speakers, strict=True)}
        shared: dict[int, float] = {}
        for number, place in self._hits.of(turns):
            term = self._terms[number]
            if term.word not in name[place >> STATEMENT_BITS]:
                shared[place] = shared.get(place, 0.0) + term.in_turn
        return shared

    def told(self, turn: int, most: int | None) -> dict[str, float]:
        """What moved the score of a candidate, the strongest first, for people to read; all of it, or so many."""
        weights = self._weights.of[self._chats[bisect_left(self._of.numbers, turn)]]
        weighed = self.numbers(turn).items()
        moved = sorted(
            [(-abs(worth), name, worth) for name, value in weighed if value and (worth := value * weights[name])]
        )
        return {name: round(worth, 3) for _, name, worth in moved[:most]}

    def numbers(self, turn: int) -> dict[str, float]:
        """Everything that was weighed of a candidate, by name."""
        at = bisect_left(self._of.numbers, turn)
        values = self._engine.take(self._values, range(at, len(self._values), len(self._here))).tolist()
        weighed = dict(zip(self._weighed, values[1:], strict=True))  # the first of them are the levels
        return weighed | _plain(self._query, int(self._of.words[at]), int(self._of.marks[at]), bool(self._speaks[at]))

    def _laid(self, column: Any, empty: float) -> Any:
        return self._engine.laid(column, self._slots, self._size, empty)

    def _near_slots(self, slots: Any) -> Any:
        """Which of the turns are in the slots or up to `REACH` beside one."""
        return self._engine.near(self._slots, slots, self._size, REACH)

    # --- the words of the query -----------------------------------------------------------------------------------

    def _weigh(self, terms: Sequence[Term], talks: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
        """The numbers of `_LEXICAL`, a column each."""
        engine, take, here, times = self._engine, self._engine.take, self._here, len(terms)
        session = self._of.numbers >> TURN_BITS
        distinct = engine.distinct(session)
        self._terms = terms
        self._hits = engine.hits([term.postings.places for term in terms], distinct, SESSION_BITS, STATEMENT_BITS)
        of_session = self._weigh_sessions(distinct.tolist(), talks)

        lengths = self._laid(self._turns.words, 0)
        held = self._hits.by_slot(self._turns.numbers, self._slots, self._size)
        worth = engine.stretched(engine.column([term.in_turn for term in terms]), len(here))
        possible = sum([term.in_turn for term in terms]) or 1.0
        words, found, turns = take(lengths, here), engine.take_of_each(held, times, here), 1
        weighed, covers = {}, {}
        for name, added, cover in _TOGETHER:
            for step in added:
                words = words + take(lengths, here + step)
                found = found + engine.take_of_each(held, times, here + step)
            turns += len(added)
            # How much a word's occurrences are discounted for length (the denominator of BM25).
            short = (words * B / (turns * self._mean) + (1 - B)) * K1
            weighed[name] = self._bm25(found, worth, short)
            if cover is not None:
                covers[cover] = engine.summed(engine.holders(found) * worth, times, len(here)) / possible
        return {**weighed, "session": take(of_session, engine.at(distinct, session)), **covers}

    def _weigh_sessions(self, sessions: Sequence[int], talks: Mapping[int, tuple[int, int]]) -> Any:
        mean = self._session_mean
        words = self._engine.column([talks[one][1] if one in talks else mean for one in sessions])
        worth = self._engine.stretched(self._engine.column([term.in_session for term in self._terms]), len(sessions))
        return self._bm25(self._hits.by_group(), worth, (words * B / mean + (1 - B)) * K1)

    def _bm25(self, found: Any, worth: Any, short: Any) -> Any:
        engine, times = self._engine, len(self._terms)
        each = found * worth / (found + engine.repeated(short, times))
        return engine.summed(each, times, len(short)) * _SCALE

    # --- what else speaks for a turn ------------------------------------------------------------------------------

    def _levels(self) -> Any:
        """What turns show without the words of the query: their looks (`Weights.levels`) and their length."""
        query, engine, take = self._query, self._engine, self._engine.take
        levels = self._weights.levels.setdefault((query.of_assistant, query.ever, query.order, query.summary), {})
        kinds = self._of.marks * 4 + self._chats * 2 + self._speaks
        distinct = engine.distinct(kinds)
        found = [levels.get(kind) or levels.setdefault(kind, self._level(kind)) for kind in distinct.tolist()]
        common, slope, of_long = map(engine.column, zip(*found, strict=True))
        at, length = engine.at(distinct, kinds), engine.column(list(map(_length, self._of.words.tolist())))
        beyond = length - LONG
        return take(common, at) + take(slope, at) * length + take(of_long, at) * beyond * engine.holders(beyond)

    def _level(self, kind: int) -> tuple[float, float, float]:
        """What turns that look alike have in common, and what their length and their great length weigh."""
        weights = self._weights.of[kind >> 1 & 1]
        plain = _plain(self._query, 0, kind >> 2, bool(kind & 1))
        common = sum([value * weights[name] for name, value in plain.items()])
        return common, weights["length"], weights["long"]

    def _asked(self, cover: Any) -> dict[str, Any]:
        """What some queries only ask of a turn: all their words, closeness, a date; a column each."""
        query, engine, found = self._query, self._engine, {}
        if query.code or any(not word.isalpha() for word in query.words):
            beyond = cover - WHOLE_FROM
            found["whole"] = beyond * engine.holders(beyond) / (1 - WHOLE_FROM)
        if self._near is not None:
            found |= self._closeness(self._near)
        if query.periods:
            days = self._of.at // _DAY
            distinct = engine.distinct(days)
            held = engine.column([float(_held(query, day)) for day in distinct.tolist()])
            found["when"] = engine.take(held, engine.at(distinct, days))
        return found

    def _closeness(self, near: Callable[[Sequence[int]], tuple[Any, Any]]) -> dict[str, Any]:
        engine, take, here, size = self._engine, self._engine.take, self._here, self._size
        rows = self._near_slots(here)
        slots = take(self._slots, rows)
        turns, statements = map(engine.column, near(take(self._turns.numbers, rows).tolist()))
        closest = engine.laid(statements, slots, size, _FAR)
        beside = engine.most([take(closest, here + step) for step in (-2, -1, 1, 2)])
        return {
            "near_turn": take(engine.laid(turns, slots, size, _FAR), here),
            "near_statement": take(closest, here),
            "near_beside": beside * engine.holders(beside - _FAR),
        }


@cache  # there are few lengths, and many turns of each
def _length(words: int) -> float:
    return math.log(max(0, words) + 1)


def _plain(query: Query, words: int, marks: int, speaks: bool) -> dict[str, float]:
    """What a turn shows without its words."""
    length, own, rule = _length(words), bool(marks & OWN), bool(marks & RULE)
    return {
        "length": length,
        "asks": float(bool(marks & ASKS)),
        "speaker": float(speaks),
        "own": float(own),
        "long": max(0.0, length - LONG),
        "asked_of_assistant": float(query.of_assistant and not own),
        "rule": float(rule),
        "number": float(bool(marks & NUMBER)),
        "never": float(bool(marks & NEVER)),
        "never·ever": float(bool(marks & NEVER) and query.ever),
        "own·order": float(query.order and own),
        "own·summary": float(query.summary and own),
        "rule·overview": float(query.overview and rule),
    }


def term(word: str, postings: Postings, size: tuple[int, int, int]) -> Term:
    return Term(word, postings, rarity(postings.turns, size[0]), rarity(postings.sessions, size[2]))


def rarity(holders: int, all_: int) -> float:
    """Robertson's inverse document frequency, floored as FTS5 does; rounded, as machines differ in the last digit."""
    held = (all_ - holders + 0.5) / (max(0, holders) + 0.5)  # a damaged list may count to less than none
    return max(1e-6, round(math.log(held), 9)) if all_ > holders else 1e-6


def _held(query: Query, day: int) -> bool:
    """Whether a day (since 1970) is one that the query names: periods are of whole days."""
    moment = _EPOCH + timedelta(days=max(0, day))
    return any(period.holds(moment) for period in query.periods)
