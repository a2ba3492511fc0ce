"""From measured tokens to money: a cost curve for each arm, where curves cross, and what riding along costs.

Text that is injected or retrieved is priced as input of the reader; a line that a person wrote at what the arm's
settings say a line costs. What a model was paid for, to write, compress or choose, costs what its own tokens cost, both
ways. Where an arm's compressor is a rule and no model was paid, its curve shows what the named model would have cost as
input, and says so. Nothing is priced that is not in the dated price file: an arm of unknown cost has no curve.

A curve is of one task. Between tasks the length of a turn changes with the size of the memory, and a line through both
would take the one for the other: it made ten short turns of a small project nearly free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from evals.cost import COUNTER, READER_MODEL, Curve, billed, by_purpose, crossover, fit, prices, ride_along, total
from evals.log import RunLog, SampleRecord
from evals.model import Tokens

COMPRESSOR_MODEL = "claude-haiku-4-5"
READING, BUILDING = ("inject", "retrieve"), ("write", "compress")
STEPS = 24
NARROWEST = 3  # an arm measured over a smaller range of sizes than this factor has no curve
QUERIES = 100
CHURN = 0.2
TURNS = 20
CONVERSATION = 20_000


@dataclass(frozen=True, slots=True)
class Crossing:
    """Up to `size` source tokens `below` costs less; from there on `above` does."""

    size: float
    below: str
    above: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A curve and the sizes, in source tokens, between which it was measured: nothing is said outside them."""

    curve: Curve
    least: float
    most: float

    def dollars(self, size: float) -> float:
        return self.curve.at(size, CHURN, QUERIES)


def widest(run: RunLog) -> str:
    """The task whose samples differ most in size: the one whose curves say most."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for sample in run.samples:
        if sample.status == "ok" and sample.source_tokens:
            sizes[sample.task].append(sample.source_tokens)
    return max(sizes, key=lambda task: max(sizes[task]) / min(sizes[task]), default="")


def arm_curves(
    run: RunLog, task: str, reader: str = READER_MODEL, compressor: str = COMPRESSOR_MODEL
) -> dict[str, Fitted]:
    """A curve for each arm, fitted on a task; arms whose models have no price, or that saw one size, are left out."""
    grouped: dict[str, list[SampleRecord]] = defaultdict(list)
    for sample in run.samples:
        if sample.task == task and sample.status == "ok" and sample.probes and sample.source_tokens and sample.writes:
            grouped[sample.arm].append(sample)
    found: dict[str, Fitted] = {}
    for arm, samples in grouped.items():
        a_line = run.header["arms"][arm]["settings"].get("labour_usd_a_line", 0.0)
        points: list[tuple[float, float, float]] = []
        build = source = 0.0
        for sample in samples:
            asked = len(sample.probes)
            per_query = reading(sample.tokens, reader)
            through = building(sample.tokens, compressor)
            if per_query is None or through is None:
                break
            points.append((float(sample.source_tokens), per_query / asked, float(asked)))
            build += through + a_line * sample.writes
            source += sample.source_tokens
        else:
            curve = fit(points, build / source)
            sizes = [size for size, _, _ in points]
            if curve and max(sizes) >= NARROWEST * min(sizes):
                found[arm] = Fitted(curve, min(sizes), max(sizes))
    return found


def reading(tokens: Sequence[Tokens], reader: str = READER_MODEL) -> float | None:
    """Dollars for all questions of a sample: what the reader reads, and what a model was paid for to choose it."""
    spent = by_purpose([t for t in tokens if t.purpose in READING])
    return total([prices().of(sum(spent.values()), reader), billed([t for t in tokens if t.purpose in READING])])


def building(tokens: Sequence[Tokens], compressor: str = COMPRESSOR_MODEL) -> float | None:
    """Dollars for what a memory makes of a sample: as billed, else what the compressor would take for its words."""
    mine = [t for t in tokens if t.purpose in BUILDING]
    if any(t.model for t in mine):
        return billed(mine)
    if any(t.counter != COUNTER for t in mine):
        return None  # counted by somebody else, who does not say of which model
    return prices().of(sum(t.tokens for t in mine), compressor)


def lines(curves: Mapping[str, Fitted]) -> dict[str, list[tuple[float, float]]]:
    """(size, dollars) along each curve, over the sizes it was measured at."""
    steps = [i / STEPS for i in range(STEPS + 1)]
    return {
        arm: [(size, f.dollars(size)) for size in (f.least * (f.most / f.least) ** step for step in steps)]
        for arm, f in curves.items()
    }


def crossings(curves: Mapping[str, Fitted]) -> list[Crossing]:
    """Where two arms trade places within the sizes that both were measured at, smallest first."""
    found: list[Crossing] = []
    for a, b in combinations(curves, 2):
        size = crossover(curves[a].curve, curves[b].curve, churn=CHURN, queries=QUERIES)
        if size and max(curves[a].least, curves[b].least) < size < min(curves[a].most, curves[b].most):
            cheaper = curves[a].dollars(size / 2) < curves[b].dollars(size / 2)
            found.append(Crossing(size, a if cheaper else b, b if cheaper else a))
    return sorted(found, key=lambda c: c.size)


def riding(tokens: float, turns: int = TURNS) -> float | None:
    """Dollars for text of one recollection that stays in the prompt for so many later turns."""
    return ride_along(round(tokens), turns)


def asking(trips: float, conversation: int = CONVERSATION) -> float | None:
    """Dollars for the round trips of one question: each reads the conversation so far again, from the cache."""
    return prices().of(round(trips * conversation), READER_MODEL, "cache_read")
