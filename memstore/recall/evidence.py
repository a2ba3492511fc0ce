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
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from memstore.index.lists import Postings
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
_SCALE = (K1 + 1) / 10
_SESSION_SHIFT = STATEMENT_BITS + TURN_BITS
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
        self.lexical = tuple([of[name] for name in _LEXICAL] for of in self.of)
        self.near = tuple([of[name] for name in _NEAR] for of in self.of)


class Field:
    """The turns that were found and those beside them, laid out in slots, and the candidates among them weighed.

    Neighbours in the conversation have neighbouring slots, and what are no neighbours is kept apart by empty ones: so
    context is a sum over the slots beside, and every number is computed for all candidates in one go.

    `near` gives, for a turn, the cosine of the query with the turn and with its closest statement; None in exact mode.
    """

    def __init__(
        self,
        query: Query,
        turns: Iterable[Turn],
        size: tuple[int, int, int],
        weights: Weights,
        near: Callable[[int], tuple[float, float]] | None = None,
    ) -> None:
        total, words, sessions = size
        self._query = query
        self._weights = weights
        self._near = near
        self._mean = max(1.0, words / max(1, total))
        self._session_mean = max(1.0, words / max(1, sessions))
        self._named = bool(query.code) or any(not word.isalpha() for word in query.words)
        self._at: list[Turn | None] = [None] * REACH
        self._slot: dict[int, int] = {}
        last: Turn | None = None
        for turn in turns:
            if last is not None:
                apart = REACH + 1 if (last.marks | turn.marks) & ALONE else min(turn.turn - last.turn, REACH + 1)
                self._at += [None] * (apart - 1)
            self._slot[turn.turn] = len(self._at)
            self._at.append(turn)
            last = turn
        self._at += [None] * REACH
        self._runs = runs(self._slot)
        self._lexical: dict[int, Sequence[float]] = {}

    def beside(self, seeds: Iterable[int]) -> list[int]:
        """The seeds and their neighbours, in order: "Yes, in 2019!" shares no word with the question it answers."""
        slots = {near for seed in seeds for near in _around(self._slot.get(seed))}
        return [turn.turn for slot in sorted(slots) if (turn := self._at[slot]) is not None]

    def speaker(self, number: int) -> str:
        turn = self._at[self._slot[number]]
        return (turn.speaker if turn is not None else None) or ""

    def scores(
        self, candidates: Sequence[int], terms: Sequence[Term], session_words: Mapping[int, int]
    ) -> list[tuple[float, int]]:
        """(score, turn) of the candidates, best first; ties go to the earlier turn."""
        slots = [self._slot[number] for number in candidates]
        numbers = self._weigh(candidates, slots, terms, session_words)
        self._lexical = dict(zip(candidates, numbers, strict=True))
        weights = self._weights.lexical
        chats = self._chats(slots)
        found = [
            -round(a * w[0] + b * w[1] + c * w[2] + d * w[3] + e * w[4] + f * w[5] + rest, DIGITS)
            for (a, b, c, d, e, f), w, rest in zip(
                numbers, [weights[chat] for chat in chats], self._beyond_words(slots, chats, numbers), strict=True
            )
        ]
        return [(-score, number) for score, number in sorted(zip(found, candidates, strict=True))]

    def told(self, number: int) -> dict[str, float]:
        """What moved the score of a turn, the strongest first, for people to read."""
        slot = self._slot[number]
        turn = self._at[slot]
        (chat,) = self._chats([slot])
        assert turn is not None
        numbers = dict(zip(_LEXICAL, self._lexical[number], strict=True))
        numbers |= zip(_NEAR, self._closeness(slot), strict=True) if self._near is not None else ()
        numbers |= {**self._of_cover(numbers["cover"]), **self._plain(turn), "when": float(_held(self._query, turn))}
        weights = self._weights.of[chat]
        moved = [(name, value * weights[name]) for name, value in numbers.items()]
        moved.sort(key=lambda item: (-abs(item[1]), item[0]))
        return {name: round(value, 3) for name, value in moved[:6] if value}

    # --- the words of the query -----------------------------------------------------------------------------------

    def _weigh(
        self,
        candidates: Sequence[int],
        slots: Sequence[int],
        terms: Sequence[Term],
        session_words: Mapping[int, int],
    ) -> list[tuple[float, ...]]:
        """The numbers of `_LEXICAL` for each candidate."""
        words, mean = [0 if turn is None else turn.words for turn in self._at], self._mean
        # How much a word's occurrences are discounted for length, at each level (the denominator of BM25).
        short = [K1 * (1 - B + B * words[i] / mean) for i in slots]
        short_pair = [K1 * (1 - B + B * (words[i - 1] + words[i]) / (2 * mean)) for i in slots]
        short_around = [K1 * (1 - B + B * sum(words[i - 2 : i + 3]) / (5 * mean)) for i in slots]
        in_turn = in_pair = in_around = cover = cover_pair = [0.0] * len(slots)
        for term in terms:
            w, held = term.in_turn, self._held(term)
            here = [held[i] for i in slots]
            pair = [held[i - 1] + held[i] for i in slots]
            around = [held[i - 2] + held[i - 1] + held[i] + held[i + 1] + held[i + 2] for i in slots]
            in_around = [
                total + w * n / (n + s) if n else total
                for total, n, s in zip(in_around, around, short_around, strict=True)
            ]
            if not any(pair):
                continue
            in_pair = [
                total + w * n / (n + s) if n else total for total, n, s in zip(in_pair, pair, short_pair, strict=True)
            ]
            in_turn = [
                total + w * n / (n + s) if n else total for total, n, s in zip(in_turn, here, short, strict=True)
            ]
            cover = [total + w if n else total for total, n in zip(cover, here, strict=True)]
            cover_pair = [total + w if n else total for total, n in zip(cover_pair, pair, strict=True)]
        sessions = {number >> TURN_BITS for number in candidates}
        in_session = {session: self._weigh_session(session, terms, session_words) for session in sessions}
        possible = sum([term.in_turn for term in terms]) or 1.0
        return [
            (a * _SCALE, b * _SCALE, c * _SCALE, in_session[number >> TURN_BITS], d / possible, e / possible)
            for number, a, b, c, d, e in zip(candidates, in_turn, in_pair, in_around, cover, cover_pair, strict=True)
        ]

    def _held(self, term: Term) -> list[int]:
        """For each slot, how many statements of its turn hold a word."""
        held, slot = [0] * len(self._at), self._slot
        for low, high in self._runs:
            for place in term.postings.within(low, high):
                held[slot[place >> STATEMENT_BITS]] += 1
        return held

    def _weigh_session(self, session: int, terms: Sequence[Term], session_words: Mapping[int, int]) -> float:
        mean = self._session_mean
        short = K1 * (1 - B + B * session_words.get(session, mean) / mean)
        total = 0.0
        for term in terms:
            spoken = term.postings.turns_within(session << _SESSION_SHIFT, session + 1 << _SESSION_SHIFT)
            if spoken:
                total += term.in_session * spoken / (spoken + short)
        return total * _SCALE

    # --- the score ----------------------------------------------------------------------------------------------

    def _beyond_words(
        self, slots: Sequence[int], chats: Sequence[bool], lexical: Sequence[Sequence[float]]
    ) -> list[float]:
        """What else adds to the score of each candidate."""
        found = []
        known: dict[tuple[int, int, bool, str | None], float] = {}  # turns look much alike without their words
        of_cover = self._query.overview or self._named
        for slot, chat, numbers in zip(slots, chats, lexical, strict=True):
            turn, weights = self._at[slot], self._weights.of[chat]
            assert turn is not None
            kind = (turn.words, turn.marks, chat, turn.speaker)
            total = known.get(kind)
            if total is None:
                total = sum([value * weights[name] for name, value in self._plain(turn).items()])
                known[kind] = total
            if of_cover:
                total += sum([value * weights[name] for name, value in self._of_cover(numbers[4]).items()])
            if self._near is not None:
                near = zip(self._closeness(slot), self._weights.near[chat], strict=True)
                total += sum([value * weight for value, weight in near])
            if self._query.periods and _held(self._query, turn):
                total += weights["when"]
            found.append(total)
        return found

    def _chats(self, slots: Sequence[int]) -> list[bool]:
        """Whether somebody takes part, there or right beside, whose words are not a user's own."""
        other = [turn is not None and not turn.marks & OWN for turn in self._at]
        return [other[slot - 1] or other[slot] or other[slot + 1] for slot in slots]

    def _of_cover(self, cover: float) -> dict[str, float]:
        return {
            "cover·overview": cover if self._query.overview else 0.0,
            "whole": max(0.0, cover - WHOLE_FROM) / (1 - WHOLE_FROM) if self._named else 0.0,
        }

    def _closeness(self, slot: int) -> tuple[float, float, float]:
        assert self._near is not None
        near = [None if turn is None else self._near(turn.turn) for turn in self._at[slot - 2 : slot + 3]]
        own = near[2] or (0.0, 0.0)
        beside = [other[1] for other in (near[0], near[1], near[3], near[4]) if other is not None]
        return own[0], own[1], max(beside, default=0.0)

    def _plain(self, turn: Turn) -> dict[str, float]:
        """What a turn shows without its words."""
        query, marks, length = self._query, turn.marks, math.log(turn.words + 1)
        own, rule, overview = bool(marks & OWN), bool(marks & RULE), query.overview
        return {
            "length": length,
            "asks": float(bool(marks & ASKS)),
            "speaker": float(bool(turn.speaker and not query.every_word.isdisjoint(turn.speaker.split()))),
            "own": float(own),
            "long": max(0.0, length - 4),
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


def _around(slot: int | None) -> Iterable[int]:
    return () if slot is None else range(slot - REACH, slot + REACH + 1)


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
