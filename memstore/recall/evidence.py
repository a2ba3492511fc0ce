"""What speaks for a turn: numbers about its words, its neighbours, its session and its speaker, and their weights.

A turn alone is a poor unit: who speaks, what it answers and what the conversation was about are around it, not in
it. So the words of a query are weighed four times (BM25, k1 1.2, b .75, over statements as occurrences): in the
turn, with the turn before it, with the two turns on either side, and in the whole session. Rarity is counted at the
level that is weighed: a word in few sessions tells more of a session than of a turn.

The score is linear in these numbers. The weights were fitted by listwise softmax (Cao et al. 2007, ListNet's top-one
form) on development conversations, people's and chats with an assistant alike; they are constants here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from memstore.index.places import STATEMENT_BITS, TURN_BITS, Mark, Turn
from memstore.recall.understanding import Query

K1 = 1.2
B = 0.75
REACH = 2
# From this share of a query's rarity on, a turn holds nearly all that was asked for. It counts where the query names
# a thing by number or in code ("PEP 215", "parse_header()"): words alone are shared by much that is beside the point.
WHOLE_FROM = 0.85
# As plain numbers: these are asked of every candidate of every query.
ASKS, OWN, RULE, NUMBER, NEVER, ALONE = (
    int(mark) for mark in (Mark.ASKS, Mark.OWN, Mark.RULE, Mark.NUMBER, Mark.NEVER, Mark.ALONE)
)
NAMES = (
    "turn", "pair", "around", "session", "cover", "cover_pair", "length", "asks", "near_turn", "near_statement",
    "near_beside", "speaker", "own", "long", "asked_of_assistant", "when", "rule", "number", "never", "never·ever",
    "rule·overview", "number·overview", "own·overview", "length·overview", "cover·overview", "whole", "chat",
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Term:
    """One word of the query: in how many statements of each turn and session it is, and how rare it is."""

    word: str
    turns: Counter[int]
    sessions: Counter[int]
    in_turn: float = 0.0
    in_session: float = 0.0


class Field:
    """Everything that the numbers about a turn are computed from.

    `near` gives, for a turn, the cosine of the query with the turn and with its closest statement; None in exact mode.
    """

    def __init__(
        self,
        query: Query,
        terms: Sequence[Term],
        turns: Mapping[int, Turn],
        session_words: Mapping[int, int],
        size: tuple[int, int, int],
        near: Callable[[int], tuple[float, float]] | None = None,
    ) -> None:
        total, words, sessions = size
        self.query = query
        self.turns = turns
        self.near = near
        self.session_words = session_words
        self.mean = max(1.0, words / max(1, total))
        self.session_mean = max(1.0, words / max(1, sessions))
        self.named = bool(query.code) or any(not word.isalpha() for word in query.words)
        self.possible = sum(t.in_turn for t in terms) or 1.0
        self.terms = [(t.turns.get, t.sessions.get, t.in_turn, t.in_session) for t in terms]

    def numbers(self, turn: Turn) -> list[float]:
        """What speaks for a turn, in the order of NAMES; the last says whether it is part of a chat."""
        number, turns, query, marks = turn.turn, self.turns, self.query, turn.marks
        words = turn.words
        before = after = None
        beside: list[int] = []
        if not marks & ALONE:
            before, after = turns.get(number - 1), turns.get(number + 1)
            beside = [n for n in (number - 2, number - 1, number + 1, number + 2) if n in turns]
        own = bool(marks & OWN)
        chat = (
            not own or (before is not None and not before.marks & OWN) or (after is not None and not after.marks & OWN)
        )
        previous = number - 1 if before is not None else -1
        # How much a word's occurrences are discounted for length, at each level (the denominator of BM25).
        mean = self.mean
        short_turn = K1 * (1 - B + B * words / mean)
        short_pair = K1 * (1 - B + B * (words + (before.words if before is not None else 0)) / (2 * mean))
        short_around = K1 * (1 - B + B * (words + sum([turns[n].words for n in beside])) / (5 * mean))
        session = number >> TURN_BITS
        short_session = K1 * (1 - B + B * self.session_words.get(session, words) / self.session_mean)
        in_turn = in_pair = in_around = in_session = cover = cover_pair = 0.0
        for of_turn, of_session, weight, session_weight in self.terms:
            spoken = of_session(session)
            if not spoken:
                continue
            in_session += session_weight * spoken / (spoken + short_session)
            here = of_turn(number, 0)
            if here:
                in_turn += weight * here / (here + short_turn)
                cover += weight
            paired = here + of_turn(previous, 0)
            if paired:
                in_pair += weight * paired / (paired + short_pair)
                cover_pair += weight
            around = here + sum([of_turn(n, 0) for n in beside])
            if around:
                in_around += weight * around / (around + short_around)
        scale = (K1 + 1) / 10
        near_turn = near_statement = near_beside = 0.0
        if self.near is not None:
            near_turn, near_statement = self.near(number)
            near_beside = max([self.near(n)[1] for n in beside], default=0.0)
        length = math.log(words + 1)
        rule = 1.0 if marks & RULE else 0.0
        overview = query.overview
        cover /= self.possible
        return [
            in_turn * scale,
            in_pair * scale,
            in_around * scale,
            in_session * scale,
            cover,
            cover_pair / self.possible,
            length,
            1.0 if marks & ASKS else 0.0,
            near_turn,
            near_statement,
            near_beside,
            1.0 if turn.speaker and not query.every_word.isdisjoint(turn.speaker.split()) else 0.0,
            1.0 if own else 0.0,
            max(0.0, length - 4),
            1.0 if query.of_assistant and not own else 0.0,
            1.0 if query.periods and _held(query, turn) else 0.0,
            rule,
            1.0 if marks & NUMBER else 0.0,
            1.0 if marks & NEVER else 0.0,
            1.0 if marks & NEVER and query.ever else 0.0,
            rule if overview else 0.0,
            1.0 if overview and marks & NUMBER else 0.0,
            1.0 if overview and own else 0.0,
            length if overview else 0.0,
            cover if overview else 0.0,
            max(0.0, cover - WHOLE_FROM) / (1 - WHOLE_FROM) if self.named else 0.0,
            1.0 if chat else 0.0,
        ]


def term(word: str, places: Sequence[int], size: tuple[int, int, int]) -> Term:
    turns = Counter([place >> STATEMENT_BITS for place in places])
    sessions = Counter([turn >> TURN_BITS for turn in turns])
    return Term(word, turns, sessions, rarity(len(turns), size[0]), rarity(len(sessions), size[2]))


def rarity(holders: int, all_: int) -> float:
    """Robertson's inverse document frequency, floored as FTS5 does."""
    return max(1e-6, math.log((all_ - holders + 0.5) / (holders + 0.5))) if all_ > holders else 1e-6


def _held(query: Query, turn: Turn) -> bool:
    moment = datetime.fromtimestamp(turn.at / 1e6, UTC) if turn.at >= 0 else _EPOCH
    return any(period.holds(moment) for period in query.periods)


class Weights:
    """A fitted table, `name` or `name·chat` (which adds to it in a chat with an assistant), ready to be summed."""

    def __init__(self, table: Mapping[str, float]) -> None:
        self.plain = [table.get(name, 0.0) for name in NAMES]
        self.chat = [table.get(name, 0.0) + table.get(f"{name}·chat", 0.0) for name in NAMES]

    def score(self, numbers: Sequence[float]) -> float:
        weights = self.chat if numbers[-1] else self.plain
        return sum([value * weight for value, weight in zip(numbers, weights, strict=True)])

    def told(self, numbers: Sequence[float]) -> dict[str, float]:
        """What moved the score, the strongest first, for people to read."""
        weights = self.chat if numbers[-1] else self.plain
        moved = [(name, value * weight) for name, value, weight in zip(NAMES, numbers, weights, strict=True)]
        moved.sort(key=lambda item: (-abs(item[1]), item[0]))
        return {name: round(value, 3) for name, value in moved[:6] if value}
