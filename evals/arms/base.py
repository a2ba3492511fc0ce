"""What every arm shares, so that each file holds only what makes its memory different."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from evals.cost import COUNTER, count
from evals.model import Item, Query, Recalled, Sample, Tokens, Turn

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Lower-cased runs of letters and digits: no stemming, no stop list."""
    return _WORD.findall(text.lower())


def package_version(package: str) -> str:
    """The installed version of a distribution; of memstore run from its sources, which a header's code hash names."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of the source tree" if package == "memstore" else "absent"


class BaseArm:
    """Defaults for an arm: it writes, it ranks, it fits every sample and needs nothing installed.

    `about` is one line for `memeval ls`; `caveat`, where there is one, is printed under every table the arm is in.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    caveat: ClassVar[str] = ""
    package: ClassVar[str] = "memstore"
    writes: bool = True
    ranked: bool = True
    shared: ClassVar[bool] = False  # whether several processes can write to it at once

    def __init__(self) -> None:
        self.version = package_version(self.package)
        self.settings: Mapping[str, Any] = {}
        self._spent: list[Tokens] = []
        self.resources = ExitStack()  # what the arm holds open: closed with it

    @classmethod
    def missing(cls) -> str | None:
        """Why this arm cannot be run here (a package that is not installed), or None."""
        return None

    def applies(self, sample: Sample) -> str | None:
        if "writers" in sample.extras and self.writes and not self.shared:
            return "one process holds this memory, it cannot be written by several"
        return None

    def open(self, workdir: Path, sample: Sample) -> None:
        self.workdir = workdir

    def ingest(self, items: Sequence[Item]) -> int:
        return 0

    def inject(self, now: datetime, scope: str | None = None) -> str:
        return ""

    def recall(self, query: Query) -> list[Recalled]:
        return []

    def spent(self) -> Sequence[Tokens]:
        return tuple(self._spent)

    def close(self) -> None:
        self.resources.close()

    def book(self, purpose: str, *texts: str, model: str | None = None) -> None:
        """Book the tokens of some texts under a purpose."""
        self._spent.append(Tokens(purpose, sum(count(t) for t in texts), COUNTER, model))


class TurnArm(BaseArm):
    """An arm that holds the turns themselves, word for word, and differs only in which it brings back."""

    def ingest(self, items: Sequence[Item]) -> int:
        self.turns = [item for item in items if isinstance(item, Turn)]
        self.build()
        return len(self.turns)

    def build(self) -> None:
        """Index `self.turns`."""

    def ranking(self, text: str) -> Iterable[tuple[int, float]]:
        """(position in self.turns, score), best first."""
        return ()

    def recall(self, query: Query) -> list[Recalled]:
        found: list[Recalled] = []
        for position, score in self.ranking(query.text):
            if may_answer(self.turns[position], query):
                found.append(verbatim(self.turns[position], score))
                if len(found) == query.k:
                    break
        return found


def may_answer(turn: Turn, query: Query) -> bool:
    """Whether a turn had been said by then, and stands behind no wall.

    Whatever keeps a date and an owner beside what it holds can leave out the rest, so every arm is given that much.
    """
    return (query.as_of is None or turn.at <= query.as_of) and within(turn, query.scope)


def within(turn: Turn, scope: str | None) -> bool:
    return scope in (None, turn.scope)


def verbatim(turn: Turn, score: float | None = None) -> Recalled:
    """A turn brought back as it was said."""
    return Recalled(turn.text, (turn.ref,), score=score, quote=turn.text, origin=turn.origin or turn.role)
