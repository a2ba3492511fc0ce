"""The fitted weights of `evidence`: constants, one table a mode.

Fitted on six conversations between people (1,155 questions) and fourteen long chats with an assistant (247), each
kind weighed alike, with an L2 penalty of 1. A name with `·chat` adds to the plain one where an assistant takes part:
its answers are long, so neighbours and sessions say less there, and the turn's own words more.

A question about much of what was said wants other turns than one about a thing, and three weights say how, fitted
after the others on 52 such questions (28 about an order of events, 24 for a summary): in what order something was
brought up is in the own words of who asks (`own·order`); a summary is of both sides, so whose words they are counts no
longer for the user (`own·summary`); and a standing rule names a subject without saying anything about it
(`rule·overview`).

`whole` is not fitted: people who talk seldom repeat a question's words, so conversations cannot teach what it is for.
A statement that holds nearly every telling word of a query that names its thing ("What is the status of PEP 215?") is
what was asked for, however plain its speaker and short its text.
"""

from __future__ import annotations

from memstore.recall.evidence import Weights

WHOLE = 5.0

EXACT = Weights({
    "turn": -0.06, "pair": 0.94, "around": 2.27, "session": 2.33, "cover": 1.69, "cover_pair": 1.27,
    "speaker": 1.03, "when": 2.57, "length": 0.78, "long": -0.01, "asks": -0.74, "own": 1.55, "number": 0.46,
    "rule": 1.45, "never": -0.52, "never·ever": 0.64, "asked_of_assistant": 0.81,
    "turn·chat": 1.68, "pair·chat": -1.43, "around·chat": -1.5, "session·chat": -0.45, "cover·chat": 1.33,
    "cover_pair·chat": -0.65, "length·chat": -1.37, "asks·chat": 0.83,
    "own·order": 1.03, "own·summary": -2.25, "rule·overview": -1.49, "whole": WHOLE,
})  # fmt: skip

HYBRID = Weights({
    "turn": -0.27, "pair": 0.85, "around": 2.13, "session": 2.28, "cover": 1.23, "cover_pair": 1.45,
    "near_turn": 2.47, "near_statement": 1.86, "near_beside": 1.66,
    "speaker": 0.65, "when": 2.68, "length": 0.98, "long": 0.36, "asks": -0.73, "own": 1.31, "number": 0.47,
    "rule": 1.41, "never": -0.52, "never·ever": 0.11, "asked_of_assistant": 0.92,
    "turn·chat": 1.27, "pair·chat": -1.1, "around·chat": -1.64, "session·chat": -0.69, "cover·chat": 0.25,
    "cover_pair·chat": -0.85, "length·chat": -1.7, "asks·chat": 0.78,
    "near_turn·chat": 0.73, "near_statement·chat": 1.19, "near_beside·chat": -0.13,
    "own·order": 0.97, "own·summary": -2.21, "rule·overview": -1.66, "whole": WHOLE,
})  # fmt: skip
