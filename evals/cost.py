"""What a memory costs: named token counters, a dated price file, and the curve by which two memories trade places.

A number of tokens means nothing without its counter, so every figure carries the counter's name. `chars/4` is the
counter of the published URL-shortener case; `wordpiece` counts by the BERT vocabulary, and stands beside it as a check.
A price that is not in the file is None and stays None through every sum: an unknown cost is never shown as free.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evals.model import EvalError, Tokens

PRICE_FILE = Path(__file__).with_name("prices.json")
READER_MODEL = "claude-sonnet-4-6"  # whose input price is asked for injected and retrieved text, unless the caller says


def chars_over_4(text: str) -> int:
    """Characters divided by four, rounded up: a guess, but the one in print."""
    return -(-len(text) // 4)


def wordpiece(text: str) -> int:
    """Pieces of the BERT uncased vocabulary."""
    from evals.arms import vectors

    reason = vectors.missing()
    if reason:
        raise EvalError(f"the wordpiece counter {reason}")
    return vectors.model().pieces(text)


COUNTERS: dict[str, Callable[[str], int]] = {"chars/4": chars_over_4, "wordpiece": wordpiece}
COUNTER = "chars/4"


def count(text: str, counter: str = COUNTER) -> int:
    """Tokens of a text by a named counter."""
    if counter not in COUNTERS:
        raise EvalError(f"no token counter {counter!r}: choose one of {', '.join(COUNTERS)}")
    return COUNTERS[counter](text)


@dataclass(frozen=True, slots=True)
class Prices:
    """A price file: dollars per million tokens by model and kind, on a date."""

    date: str
    models: Mapping[str, Mapping[str, float]]

    def of(self, tokens: int, model: str | None, kind: str = "input") -> float | None:
        """Dollars, or None where the model or the kind has no price in the file."""
        rate = self.models.get(model or "", {}).get(kind)
        return None if rate is None else tokens * rate / 1_000_000


@cache
def prices(path: Path = PRICE_FILE) -> Prices:
    """Read a price file; the default is the dated one that ships with the harness."""
    try:
        raw = json.loads(path.read_text())
        return Prices(raw["date"], raw["models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvalError(f"{path} is not a price file ({type(error).__name__}): see evals/prices.json") from None


def total(costs: Iterable[float | None]) -> float | None:
    """A sum that does not hide what it does not know: None as soon as one part is None."""
    result = 0.0
    for cost in costs:
        if cost is None:
            return None
        result += cost
    return result


def by_purpose(tokens: Sequence[Tokens], counter: str = COUNTER) -> dict[str, int]:
    """Tokens added up by purpose, of one counter alone: numbers of two counters cannot be added."""
    sums: dict[str, int] = {}
    for t in tokens:
        if t.counter == counter:
            sums[t.purpose] = sums.get(t.purpose, 0) + t.tokens
    return sums


def billed(tokens: Sequence[Tokens], price: Prices | None = None) -> float | None:
    """Dollars for what a model was paid for: 0 where none was asked, None where one has no price."""
    price = price or prices()
    return total(price.of(t.tokens, t.model, t.kind) for t in tokens if t.model)


def ride_along(tokens: int, turns: int, model: str = READER_MODEL, price: Prices | None = None) -> float | None:
    """Dollars for text that enters a prompt once and rides along for `turns` later turns: a write, then cache reads."""
    price = price or prices()
    return total([price.of(tokens, model, "cache_write"), price.of(tokens * turns, model, "cache_read")])


@dataclass(frozen=True, slots=True)
class Curve:
    """`build·size + maintain·size·churn + (fixed + grows·size)·queries`, in dollars; size is in source tokens.

    `build` and `maintain` are dollars per source token written for the first time or again after a change. A query
    costs `fixed` whatever the size of the memory, and `grows` per source token held: an index answers with k lines
    however much it holds, a file that is read whole does not.
    """

    build: float
    maintain: float
    fixed: float
    grows: float

    def at(self, size: float, churn: float, queries: float) -> float:
        """Dollars for a project of `size` source tokens of which the share `churn` changes, asked `queries` times."""
        return self.build * size + self.maintain * size * churn + (self.fixed + self.grows * size) * queries


def crossover(a: Curve, b: Curve, *, churn: float, queries: float) -> float | None:
    """The size in source tokens above which the cheaper of the two changes; None where one is cheaper throughout."""
    slope = (a.build - b.build) + (a.maintain - b.maintain) * churn + (a.grows - b.grows) * queries
    offset = (a.fixed - b.fixed) * queries
    if slope == 0:
        return None
    size = -offset / slope
    return size if size > 0 else None


def fit(points: Sequence[tuple[float, float, float]], build_per_token: float) -> Curve | None:
    """A curve from measured (source tokens, tokens' dollars per query, weight) points; least squares, slopes ≥ 0.

    `build_per_token` is measured, not fitted. Maintaining costs what building does: what changed is written again.
    """
    if not points:
        return None
    import numpy as np

    size, cost, weight = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    mean_size, mean_cost = np.average(size, weights=weight), np.average(cost, weights=weight)
    spread = float((weight * (size - mean_size) ** 2).sum())
    slope = float((weight * (size - mean_size) * (cost - mean_cost)).sum() / spread) if spread > 0 else 0.0
    slope = min(max(0.0, slope), float(mean_cost / mean_size) if mean_size > 0 else 0.0)
    return Curve(build_per_token, build_per_token, float(mean_cost - slope * mean_size), slope)
