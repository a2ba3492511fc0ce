"""No memory at all: the floor. What it scores is what a task gives away for nothing."""

from __future__ import annotations

from evals.arms.base import BaseArm


class NoMemory(BaseArm):
    name = "no_memory"
    about = "keeps nothing: the floor"
    writes = False
