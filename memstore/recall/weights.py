"""The fitted weights of `evidence`: constants, one table a mode.

Fitted on six conversations between people (1,155 questions) and fourteen long chats with an assistant (247), each
kind weighed alike, with an L2 penalty of 1. A name with `·chat` adds to the plain one where an assistant takes part:
its answers are long, so neighbours and sessions say less there, and the turn's own words more.
"""

from __future__ import annotations

from memstore.recall.evidence import Weights

EXACT = Weights({
    "turn": -0.06, "pair": 0.94, "around": 2.27, "session": 2.33, "cover": 1.69, "cover_pair": 1.27,
    "speaker": 1.03, "when": 2.57, "length": 0.78, "long": -0.01, "asks": -0.74, "own": 1.55, "number": 0.46,
    "rule": 1.45, "never": -0.52, "never·ever": 0.64, "asked_of_assistant": 0.81,
    "turn·chat": 1.68, "pair·chat": -1.43, "around·chat": -1.5, "session·chat": -0.45, "cover·chat": 1.33,
    "cover_pair·chat": -0.65, "length·chat": -1.37, "asks·chat": 0.83,
    "cover·overview": -1.17, "length·overview": 0.41, "number·overview": -0.44, "own·overview": -0.12,
    "rule·overview": -0.96,
})  # fmt: skip
