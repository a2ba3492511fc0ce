"""The upper bounds: arms that are shown the answer key. They measure the task and the metrics, and no memory.

`oracle` gives back exactly the turns that hold the answer. `markdown_oracle` is a perfect curator: every turn that any
question will need, word for word, in one MEMORY.md under the usual cap. A person would have to know the questions and
be paid for the lines: the labour is priced by the line, as a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evals.arms.base import BaseArm, TurnArm, verbatim
from evals.model import Item, Query, Recalled, Sample, Turn
from memstore import MarkdownMemory

LABOUR_USD_A_LINE = 0.25  # thirty seconds of somebody who costs 30 dollars an hour


def gold(sample: Sample) -> dict[Query, list[str]]:
    """What the key says that each question needs."""
    return {p.query: list(p.expect.get("evidence") or ()) for p in sample.probes}


def unanswerable(sample: Sample) -> str | None:
    """Why an oracle has nothing to say about a sample, or None."""
    return None if any(gold(sample).values()) else "no question of this sample has evidence in its key"


class Oracle(TurnArm):
    name = "oracle"
    about = "shown the answer key: exactly the turns that hold the answer"
    caveat = "oracle and markdown_oracle are shown the answer key: upper bounds, not memories."

    def applies(self, sample: Sample) -> str | None:
        return unanswerable(sample)

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.key = gold(sample)

    def recall(self, query: Query) -> list[Recalled]:
        wanted = self.key.get(query, [])
        held = {turn.ref: turn for turn in self.turns}
        return [verbatim(held[ref]) for ref in wanted if ref in held]


class MarkdownOracle(BaseArm):
    name = "markdown_oracle"
    about = "shown the answer key: a perfect MEMORY.md of every line that will be asked for, under the cap"
    caveat = Oracle.caveat

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"labour_usd_a_line": LABOUR_USD_A_LINE}

    def applies(self, sample: Sample) -> str | None:
        return unanswerable(sample)

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.memory = MarkdownMemory(workdir / "memory")
        self.wanted = {ref for refs in gold(sample).values() for ref in refs}

    def ingest(self, items: Sequence[Item]) -> int:
        kept = [item for item in items if isinstance(item, Turn) and item.ref in self.wanted]
        self.ref_of = {" ".join(turn.text.split()): turn.ref for turn in kept}
        # Newest on top, so that what the cap cuts is the oldest.
        self.memory.write_index("".join(f"- {text}\n" for text in reversed(self.ref_of)))
        return len(self.ref_of)

    def inject(self, now: datetime, scope: str | None = None) -> str:
        return self.memory.inject().text

    def recall(self, query: Query) -> list[Recalled]:
        lines = [line.text.removeprefix("- ") for line in self.memory.lines(query.text)]
        return [Recalled(text, (self.ref_of[text],), quote=text) for text in lines[: query.k] if text in self.ref_of]
