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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from memstore.index.columns import Engine
from memstore.index.lists import SESSION_BITS, Postings
from memstore.index.places import STATEMENT_BITS, TURN_BITS, Mark, Turn
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
    "rule·overview", "number·overview", "own·overview", "length·overview",
)  # fmt: skip
NAMES = (*_LEXICAL, "cover·overview", "whole", *_NEAR, "when", *_PLAIN)
# The logarithm of the number of words from which on a turn is long.
LONG = 4
_LOG = [math.log(words + 1) for words in range(300)]
# What is in a slot that is kept empty.
_NOBODY = Turn(0, 0, OWN, None, 0)
_APART = [_NOBODY] * REACH
_SCALE = (K1 + 1) / 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        self.levels: dict[tuple[bool, ...], dict[tuple[int, bool, bool], tuple[float, float, float]]] = {}
        self.near = tuple([of[name] for name in _NEAR] for of in self.of)


class Field:
    """The turns that were found and those beside them, laid out in slots, and the candidates among them weighed.

    Neighbours in the conversation have neighbouring slots, and what are no neighbours is kept apart by empty ones: so
    context is a sum over the slots beside, and every number is computed for all candidates in one go.

    `near` gives, for a turn, the cosine of the query with the turn and with its closest statement; None in exact mode.
    """

    def __init__(
        self,
        engine: Engine,
        query: Query,
        turns: Iterable[Turn],
        size: tuple[int, int, int],
        weights: Weights,
        near: Callable[[int], tuple[float, float]] | None = None,
    ) -> None:
        total, words, sessions = size
        self._engine = engine
        self._query = query
        self._weights = weights
        self._near = near
        self._mean = max(1.0, words / max(1, total))
        self._session_mean = max(1.0, words / max(1, sessions))
        self._named = bool(query.code) or any(not word.isalpha() for word in query.words)
        at = [_NOBODY] * REACH
        slot: dict[int, int] = {}
        expected = alone = 0
        for turn in turns:
            number, _, marks, _, _ = turn
            if number != expected or (marks | alone) & ALONE:
                at += _APART if (marks | alone) & ALONE else _APART[: number - expected]
            slot[number] = len(at)
            at.append(turn)
            expected, alone = number + 1, marks
        at += _APART
        self._at, self._slot = at, slot
        other = [not turn[2] & OWN for turn in at]
        # Whether somebody takes part, there or right beside, whose words are not a user's own.
        self._chat = [False, *(a or b or c for a, b, c in zip(other, other[1:], other[2:], strict=False)), False]
        self._found: list[tuple[Term, Any]] = []
        self._candidates: list[int] = []
        self._lexical: tuple[Any, ...] = ()

    def beside(self, seeds: Iterable[int]) -> list[int]:
        """The seeds and their neighbours, in order: "Yes, in 2019!" shares no word with the question it answers."""
        slots = {near for seed in seeds if seed in self._slot for near in _around(self._slot[seed])}
        return [self._at[slot][0] for slot in sorted(slots) if self._at[slot] is not _NOBODY]

    def scores(
        self, candidates: Sequence[int], terms: Sequence[Term], talks: Mapping[int, tuple[int, int]]
    ) -> list[tuple[float, int]]:
        """(score, turn) of the candidates, best first; ties go to the earlier turn."""
        if not candidates:
            return []
        engine, slots = self._engine, [self._slot[number] for number in candidates]
        self._candidates = list(candidates)
        self._lexical = numbers = self._weigh(candidates, slots, terms, talks)
        chats = engine.column([int(self._chat[slot]) for slot in slots])
        score: Any = 0.0
        for number, name in zip(numbers, _LEXICAL, strict=True):
            score = number * engine.take(engine.column([of[name] for of in self._weights.of]), chats) + score
        score = score + engine.column(self._beyond_words(slots, numbers[_LEXICAL.index("cover")]))
        found = sorted(zip(engine.rounded(score * -1.0, DIGITS), candidates, strict=True))
        return [(-score, number) for score, number in found]

    def shared(self, turns: Collection[int]) -> dict[int, float]:
        """How rare the words are that each statement of the turns shares with the query, by place.

        The name of who speaks is in the first statement only, and says as much of the others.
        """
        shared: dict[int, float] = {}
        for term, places in self._found:
            for place in places.tolist():
                turn = place >> STATEMENT_BITS
                if turn in turns and term.word not in (self._at[self._slot[turn]].speaker or ""):
                    shared[place] = shared.get(place, 0.0) + term.in_turn
        return shared

    def told(self, number: int) -> dict[str, float]:
        """What moved the score of a turn, the strongest first, for people to read."""
        slot = self._slot[number]
        turn = self._at[slot]
        at = self._candidates.index(number)
        numbers = {name: float(column[at]) for name, column in zip(_LEXICAL, self._lexical, strict=True)}
        numbers |= zip(_NEAR, self._closeness(slot), strict=True) if self._near is not None else ()
        numbers |= {**self._of_cover(numbers["cover"]), **_plain(self._query, turn)}
        numbers["when"] = float(_held(self._query, turn))
        weights = self._weights.of[self._chat[slot]]
        moved = [(name, value * weights[name]) for name, value in numbers.items() if value]
        moved.sort(key=lambda item: (-abs(item[1]), item[0]))
        return {name: round(value, 3) for name, value in moved[:6] if value}

    # --- the words of the query -----------------------------------------------------------------------------------

    def _weigh(
        self,
        candidates: Sequence[int],
        slots: Sequence[int],
        terms: Sequence[Term],
        talks: Mapping[int, tuple[int, int]],
    ) -> tuple[Any, ...]:
        """The numbers of `_LEXICAL`, a column each, for the candidates."""
        engine, mean, take = self._engine, self._mean, self._engine.take
        at = engine.slots(list(self._slot), list(self._slot.values()), len(self._at))
        here = engine.column(slots)
        beside = [here - 2, here - 1, here, here + 1, here + 2]
        words = engine.column([turn[1] for turn in self._at])
        before, own = take(words, beside[1]), take(words, here)
        around = take(words, beside[0]) + before + own + take(words, beside[3]) + take(words, beside[4])
        # How much a word's occurrences are discounted for length, at each level (the denominator of BM25).
        short = (own * B / mean + (1 - B)) * K1
        short_pair = ((before + own) * B / (2 * mean) + (1 - B)) * K1
        short_around = (around * B / (5 * mean) + (1 - B)) * K1
        in_turn = in_pair = in_around = cover = cover_pair = engine.column([0.0] * len(slots))
        ranges = engine.ranges(runs(self._slot))
        for term in terms:
            w, places = term.in_turn, term.postings.within(ranges)
            self._found.append((term, places))
            held = at.count(places, STATEMENT_BITS)
            before, own = take(held, beside[1]), take(held, here)
            pair = before + own
            around = take(held, beside[0]) + pair + take(held, beside[3]) + take(held, beside[4])
            in_turn = in_turn + own * w / (own + short)
            in_pair = in_pair + pair * w / (pair + short_pair)
            in_around = in_around + around * w / (around + short_around)
            cover = cover + engine.holders(own) * w
            cover_pair = cover_pair + engine.holders(pair) * w
        of_session = self._weigh_sessions(sorted({number >> TURN_BITS for number in candidates}), terms, talks)
        in_session = engine.column([of_session[number >> TURN_BITS] for number in candidates])
        possible = sum([term.in_turn for term in terms]) or 1.0
        return (
            in_turn * _SCALE,
            in_pair * _SCALE,
            in_around * _SCALE,
            in_session,
            cover / possible,
            cover_pair / possible,
        )

    def _weigh_sessions(
        self, sessions: Sequence[int], terms: Sequence[Term], talks: Mapping[int, tuple[int, int]]
    ) -> dict[int, float]:
        mean = self._session_mean
        short = [K1 * (1 - B + B * (talks[one][1] if one in talks else mean) / mean) for one in sessions]
        total = [0.0] * len(sessions)
        ranges = self._engine.ranges([(one << SESSION_BITS, one + 1 << SESSION_BITS) for one in sessions])
        for term in terms:
            for at, spoken in enumerate(term.postings.turns_within(ranges)):
                if spoken:
                    total[at] += term.in_session * spoken / (spoken + short[at])
        return {one: value * _SCALE for one, value in zip(sessions, total, strict=True)}

    # --- the score ----------------------------------------------------------------------------------------------

    def _beyond_words(self, slots: Sequence[int], covers: Any) -> list[float]:
        """What else adds to the score of each candidate."""
        query, at, chats = self._query, self._at, self._chat
        levels = self._weights.levels.setdefault((query.of_assistant, query.ever, query.overview), {})
        speaks = {speaker: _speaks(query, speaker) for speaker in {at[slot][3] for slot in slots}}
        found = []
        for slot in slots:
            _, words, marks, speaker, _ = at[slot]
            kind = (marks, chats[slot], speaks[speaker])
            level = levels.get(kind) or levels.setdefault(kind, self._level(at[slot], chats[slot]))
            length = _LOG[words] if words < len(_LOG) else math.log(words + 1)
            found.append(level[0] + level[1] * length + (level[2] * (length - LONG) if length > LONG else 0.0))
        if self._query.overview or self._named or self._near is not None or self._query.periods:
            for place, (slot, cover) in enumerate(zip(slots, covers.tolist(), strict=True)):
                found[place] += self._of_query(slot, cover)
        return found

    def _of_query(self, slot: int, cover: float) -> float:
        """What some queries only ask of a turn: all their words, closeness, a date."""
        turn, chat = self._at[slot], self._chat[slot]
        weights = self._weights.of[chat]
        total = sum([value * weights[name] for name, value in self._of_cover(cover).items()])
        if self._near is not None:
            near = zip(self._closeness(slot), self._weights.near[chat], strict=True)
            total += sum([value * weight for value, weight in near])
        if self._query.periods and _held(self._query, turn):
            total += weights["when"]
        return total

    def _level(self, turn: Turn, chat: bool) -> tuple[float, float, float]:
        """What turns that look like this one have in common, and what their length and their great length weigh."""
        weights = self._weights.of[chat]
        common = sum([value * weights[name] for name, value in _plain(self._query, turn._replace(words=0)).items()])
        slope = weights["length"] + (weights["length·overview"] if self._query.overview else 0.0)
        return common, slope, weights["long"]

    def _of_cover(self, cover: float) -> dict[str, float]:
        return {
            "cover·overview": cover if self._query.overview else 0.0,
            "whole": max(0.0, cover - WHOLE_FROM) / (1 - WHOLE_FROM) if self._named else 0.0,
        }

    def _closeness(self, slot: int) -> tuple[float, float, float]:
        assert self._near is not None
        near = [None if turn is _NOBODY else self._near(turn.turn) for turn in self._at[slot - 2 : slot + 3]]
        own = near[2] or (0.0, 0.0)
        beside = [other[1] for other in (near[0], near[1], near[3], near[4]) if other is not None]
        return own[0], own[1], max(beside, default=0.0)


def _around(slot: int) -> Iterable[int]:
    return range(slot - REACH, slot + REACH + 1)


def _speaks(query: Query, speaker: str | None) -> bool:
    """Whether the query names who speaks."""
    return bool(speaker and not query.every_word.isdisjoint(speaker.split()))


def _plain(query: Query, turn: Turn) -> dict[str, float]:
    """What a turn shows without its words."""
    marks, length, overview = turn.marks, math.log(turn.words + 1), query.overview
    own, rule = bool(marks & OWN), bool(marks & RULE)
    return {
        "length": length,
        "asks": float(bool(marks & ASKS)),
        "speaker": float(_speaks(query, turn.speaker)),
        "own": float(own),
        "long": max(0.0, length - LONG),
        "asked_of_assistant": float(query.of_assistant and not own),
        "rule": float(rule),
        "number": float(bool(marks & NUMBER)),
        "never": float(bool(marks & NEVER)),
        "never·ever": float(bool(marks & NEVER) and query.ever),
        "rule·overview": float(overview and rule),
        "number·overview": float(overview and bool(marks & NUMBER)),
        "own·overview": float(overview and own),
        "length·overview": length if overview else 0.0,
    }


def term(word: str, postings: Postings, size: tuple[int, int, int]) -> Term:
    return Term(word, postings, rarity(postings.turns, size[0]), rarity(postings.sessions, size[2]))


def rarity(holders: int, all_: int) -> float:
    """Robertson's inverse document frequency, floored as FTS5 does; rounded, as machines differ in the last digit."""
    held = (all_ - holders + 0.5) / (max(0, holders) + 0.5)  # a damaged list may count to less than none
    return max(1e-6, round(math.log(held), 9)) if all_ > holders else 1e-6


def _held(query: Query, turn: Turn) -> bool:
    moment = datetime.fromtimestamp(turn.at / 1e6, UTC) if turn.at >= 0 else _EPOCH
    return any(period.holds(moment) for period in query.periods)


def runs(turns: Iterable[int]) -> list[tuple[int, int]]:
    """Turns in order as ranges of places, (from, to before), one for each run without a gap."""
    found: list[tuple[int, int]] = []
    begin = end = -1
    for turn in turns:
        if turn != end:
            if end >= 0:
                found.append((begin << STATEMENT_BITS, end << STATEMENT_BITS))
            begin = turn
        end = turn + 1
    if end >= 0:
        found.append((begin << STATEMENT_BITS, end << STATEMENT_BITS))
    return found
