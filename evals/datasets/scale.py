"""The same questions in ever larger memories: what growth does to finding and to time.

Needles are lines of the PEP register ("The status of PEP 8 (…) is Active."), one per proposal that never changed, so
that nothing is outdated; hay is sentences of BEAM chats, said around them. Each size is one sample, and the smaller
hay is the beginning of the larger. Where real sentences run out they are said again with a number, so that a memory
which drops duplicates is not spared the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from evals.datasets import beam, peps
from evals.model import Probe, Query, Sample, Turn

NEEDLES = 20
QUESTION = "What is the status of PEP {}?"
CHATS = 10
NEVER, NEVER_REGISTERED = "control_never_said", range(9990, 9995)
SIZES = (300, 1_000, 3_000, 10_000, 30_000)
START = datetime(2024, 1, 1, tzinfo=UTC)


def sizes(*turns: int) -> Callable[[Path, int | None], list[Sample]]:
    """A loader of one sample per size, smallest first."""

    def load(data: Path, limit: int | None = None) -> list[Sample]:
        wanted = turns[:limit]
        needles = _needles(data)
        hay = list(islice(_hay(data), max(wanted, default=0)))
        return [_sample(size, needles, hay) for size in wanted]

    return load


def _needles(data: Path) -> list[tuple[str, str]]:
    """(proposal, line): the first proposals of the register, each with the line of its first status."""
    lines = {
        turn.ref.split("/")[0]: turn.text
        for sample in peps.load(data)
        for turn in sample.items
        if isinstance(turn, Turn) and turn.ref.endswith("/status/0")
    }
    return list(lines.items())[:NEEDLES]


def _hay(data: Path) -> Iterator[str]:
    sentences = [
        sentence.strip()
        for chat in beam.tiers()(data, CHATS)
        for turn in chat.items
        if isinstance(turn, Turn)
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", turn.text)
        if 20 <= len(sentence.strip()) <= 300 and sentence.strip()[-1] in ".!?"
    ]
    distinct = list(dict.fromkeys(sentences))
    for round_ in count():
        yield from (f"{sentence} ({round_})" if round_ else sentence for sentence in distinct)


def _sample(size: int, needles: list[tuple[str, str]], hay: list[str]) -> Sample:
    every = max(1, size // len(needles))
    turns: list[Turn] = []
    waiting, straw = list(needles), iter(hay)
    for number in range(size):
        at = START + timedelta(minutes=number)
        if number % every == every // 2 and waiting:
            ref, text = waiting.pop(0)
            turns.append(Turn(ref, f"day-{number // 200}", "document", text, at, origin="document"))
        else:
            turns.append(Turn(f"h{number}", f"day-{number // 200}", "user", next(straw), at))
    held = {turn.ref for turn in turns}
    now = START + timedelta(minutes=size)
    probes = [
        Probe(f"scale-{size}/{ref}", Query(QUESTION.format(int(ref[4:])), now), {"evidence": [ref]}, "needle")
        for ref, _ in needles
        if ref in held
    ]
    # As a control, proposals that no register has.
    probes += [
        Probe(f"scale-{size}/never-{pep}", Query(QUESTION.format(pep), now), {"answerable": False}, NEVER)
        for pep in NEVER_REGISTERED
    ]
    return Sample(f"scale-{size:06}", f"scale-{size:06}", tuple(turns), tuple(probes), {"turns": size})
