"""Statistics that a sceptic would accept: intervals that know about clusters, comparisons that are paired.

Probes of one conversation are not independent, so every interval clusters by conversation, and epochs (repeats of one
question) are averaged within the question before anything is counted. The methods are the textbook ones:

- mean with CR1 clustered standard error and Student t with G - 1 degrees of freedom (Cameron & Miller 2015, eq. 11-12);
  equal to statsmodels' OLS on a constant with cov_type="cluster", which the tests hold it to;
- where all clusters have the same share (0 % and 100 % above all) their variance is 0 and says nothing: Wilson's
  interval on the number of clusters is given instead, which is conservative;
- an interval is cut where no value can be (a share at 0 and 1, an amount at 0), which costs it no coverage;
- with one cluster there is no interval at all, and None says so;
- differences are paired by probe; exact McNemar (binomial on discordant pairs) for right-or-wrong metrics; Holm's
  step-down correction over a family of comparisons; minimum detectable effect at 80 % power and 5 % two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

Key = Hashable


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval. `low`/`high` are None where no honest interval exists. `se` is clustered.

    `naive_low`/`naive_high` forget clusters. They are shown beside the interval and never used to conclude anything.
    """

    mean: float | None
    n: int
    clusters: int
    se: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = "none"
    naive_low: float | None = None
    naive_high: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A minus B over the probes both answered. `p` is two-sided: exact McNemar if binary, else clustered t."""

    difference: Estimate
    wins: int
    ties: int
    losses: int
    p: float | None
    test: str
    mde: float | None
    p_holm: float | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """One scored probe: `probe` names the question across epochs and arms, `cluster` what it shares its fate with."""

    probe: Key
    cluster: Key
    value: float


def average_repeats(values: Sequence[Value]) -> list[Value]:
    """One value a question: repeats are averaged within the question first, so that they do not pose as new data."""
    sums: dict[Key, list[float]] = {}
    clusters: dict[Key, Key] = {}
    for v in values:
        sums.setdefault(v.probe, []).append(v.value)
        clusters[v.probe] = v.cluster
    return [Value(probe, clusters[probe], sum(vs) / len(vs)) for probe, vs in sums.items()]


def estimate(
    values: Sequence[Value], confidence: float = 0.95, *, bounds: tuple[float, float] | None = None
) -> Estimate:
    """Mean over questions with a clustered interval; `bounds` are what no value can leave."""
    averaged = average_repeats(values)
    if not averaged:
        return Estimate(None, 0, 0)
    x = np.array([v.value for v in averaged], dtype=float)
    n, mean = len(x), float(x.mean())
    totals: dict[Key, float] = {}
    for v in averaged:
        totals[v.cluster] = totals.get(v.cluster, 0.0) + v.value - mean
    groups = len(totals)
    blunt = _interval(mean, float(x.std(ddof=1)) / math.sqrt(n), n, confidence, bounds) if n > 1 else (None, None)
    if groups < 2:
        return Estimate(mean, n, groups, None, None, None, "one cluster: no interval", *blunt)
    if bounds == (0, 1) and all(abs(total) < 1e-12 for total in totals.values()):
        low, high = wilson(mean * groups, groups, confidence)
        return Estimate(mean, n, groups, 0.0, low, high, "Wilson on clusters", *blunt)
    # CR1: sum of squared cluster totals, times the small-sample factor G/(G-1) · (n-1)/(n-1).
    variance = sum(t * t for t in totals.values()) / n**2 * groups / (groups - 1)
    se = math.sqrt(variance)
    return Estimate(mean, n, groups, se, *_interval(mean, se, groups, confidence, bounds), "clustered t", *blunt)


def coverage(*, seed: int, runs: int, clusters: int = 12, size: int = 6, spread: float = 0.7) -> tuple[float, float]:
    """How often nominal 95 % intervals hold a truth that is known: clustered ones, and naive ones.

    Simulated: `clusters` conversations of `size` questions share an effect, with intraclass correlation spread² /
    (spread² + 1).
    """
    rng, truth, held, naively = np.random.default_rng(seed), 1.0, 0, 0
    for _ in range(runs):
        x = truth + rng.normal(0, spread, (clusters, 1)) + rng.normal(0, 1, (clusters, size))
        e = estimate([Value((c, i), c, float(x[c, i])) for c in range(clusters) for i in range(size)])
        held += _holds(truth, e.low, e.high)
        naively += _holds(truth, e.naive_low, e.naive_high)
    return held / runs, naively / runs


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927); sound at 0 % and 100 %. `successes` may be a fraction."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + confidence / 2))
    p, weight = successes / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / weight
    margin = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / weight
    return max(0.0, middle - margin), min(1.0, middle + margin)


def bootstrap(values: Sequence[Value], *, seed: int, resamples: int = 2000, confidence: float = 0.95) -> Estimate:
    """Percentile bootstrap over whole clusters. The seed is not optional: the same seed, the same interval."""
    averaged = average_repeats(values)
    if not averaged:
        return Estimate(None, 0, 0)
    groups: dict[Key, list[float]] = {}
    for v in averaged:
        groups.setdefault(v.cluster, []).append(v.value)
    mean = sum(v.value for v in averaged) / len(averaged)
    if len(groups) < 2:
        return Estimate(mean, len(averaged), len(groups), method="one cluster: no interval")
    sums = np.array([sum(g) for g in groups.values()])
    counts = np.array([len(g) for g in groups.values()])
    draws = np.random.default_rng(seed).integers(0, len(groups), size=(resamples, len(groups)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(
        mean, len(averaged), len(groups), float(means.std(ddof=1)), float(low), float(high), "cluster bootstrap"
    )


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided McNemar: how surprising is this split of the pairs that disagree, if neither arm is better?"""
    from scipy.stats import binomtest

    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def compare(a: Sequence[Value], b: Sequence[Value], confidence: float = 0.95) -> Comparison:
    """A against B, paired by question. Questions that only one of them answered are left out."""
    first = {v.probe: v for v in average_repeats(a)}
    second = {v.probe: v.value for v in average_repeats(b)}
    pairs = [(first[p], second[p]) for p in first if p in second]
    differences = [Value(v.probe, v.cluster, v.value - other) for v, other in pairs]
    wins = sum(d.value > 1e-12 for d in differences)
    losses = sum(d.value < -1e-12 for d in differences)
    ties = len(differences) - wins - losses
    difference = _difference(differences, confidence)
    if not differences:
        return Comparison(difference, 0, 0, 0, None, "no probe in common", None)
    mde = minimum_detectable_effect(difference.se, difference.clusters) if difference.se else None
    binary = all(v.value in (0.0, 1.0) and other in (0.0, 1.0) for v, other in pairs)
    independent = difference.clusters == len(differences)
    if binary and (independent or difference.clusters < 2):
        return Comparison(difference, wins, ties, losses, mcnemar(wins, losses), "exact McNemar", mde)
    if difference.se:
        from scipy.stats import t

        statistic = difference.mean / difference.se if difference.mean is not None else 0.0
        p = float(2 * t.sf(abs(statistic), difference.clusters - 1))
        return Comparison(difference, wins, ties, losses, p, "clustered paired t", mde)
    p = 1.0 if wins == losses == 0 else None
    return Comparison(difference, wins, ties, losses, p, "no variance between clusters", mde)


def holm(p_values: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """Holm's step-down correction over one family of comparisons; None stays None and does not count."""
    known = {k: p for k, p in p_values.items() if p is not None}
    if not known:
        return dict(p_values)
    from statsmodels.stats.multitest import multipletests

    corrected = multipletests(list(known.values()), method="holm")[1]
    adjusted = dict(zip(known, map(float, corrected), strict=True))
    return {k: adjusted.get(k) for k in p_values}


def minimum_detectable_effect(se: float, clusters: int, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The true difference that this many clusters would have found with this power (Bloom 1995)."""
    if clusters < 2:
        return None
    from scipy.stats import t

    df = clusters - 1
    return float((t.ppf(1 - alpha / 2, df) + t.ppf(power, df)) * se)


def kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's κ of two labellings of the same items; None where chance agreement is already total."""
    if not pairs:
        return None
    labels = {label for pair in pairs for label in pair}
    n = len(pairs)
    agreement = sum(a == b for a, b in pairs) / n
    chance = sum((sum(a == x for a, _ in pairs) / n) * (sum(b == x for _, b in pairs) / n) for x in labels)
    return None if chance == 1 else (agreement - chance) / (1 - chance)


def brier(forecasts: Sequence[tuple[float, bool]]) -> float | None:
    """Mean squared distance between stated confidence and what turned out; 0 is perfect, .25 is a shrug."""
    return sum((c - ok) ** 2 for c, ok in forecasts) / len(forecasts) if forecasts else None


def reliability(forecasts: Sequence[tuple[float, bool]], bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, count) for each equal-width bin that holds anything."""
    held: dict[int, list[tuple[float, bool]]] = {}
    for confidence, ok in forecasts:
        held.setdefault(min(bins - 1, int(confidence * bins)), []).append((confidence, ok))
    return [(sum(c for c, _ in v) / len(v), sum(ok for _, ok in v) / len(v), len(v)) for _, v in sorted(held.items())]


def calibration_error(forecasts: Sequence[tuple[float, bool]], bins: int = 10) -> float | None:
    """Expected calibration error: distance between confidence and accuracy, weighted by bin size."""
    if not forecasts:
        return None
    return sum(abs(c - share) * n for c, share, n in reliability(forecasts, bins)) / len(forecasts)


def _holds(truth: float, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= truth <= high


def _interval(
    mean: float, se: float, groups: int, confidence: float, bounds: tuple[float, float] | None
) -> tuple[float, float]:
    """Student's interval with groups - 1 degrees of freedom, cut at the bounds."""
    margin = _t(confidence, groups - 1) * se
    low, high = mean - margin, mean + margin
    return (max(bounds[0], low), min(bounds[1], high)) if bounds else (low, high)


def _difference(differences: Sequence[Value], confidence: float) -> Estimate:
    """Like `estimate`, but a difference that never varies has no interval: not even Wilson's applies to it."""
    result = estimate(differences, confidence)
    if result.se == 0:
        return Estimate(result.mean, result.n, result.clusters, None, None, None, "no variance between clusters")
    return result


@lru_cache(maxsize=256)
def _t(confidence: float, df: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, df))
