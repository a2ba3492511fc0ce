"""Statistics that a sceptic would accept: intervals that know about clusters, comparisons that are paired.

Probes of one conversation are not independent, so every interval clusters by conversation, and epochs (repeats of one
question) are averaged within the question before anything is counted. The methods are the textbook ones:

- mean with CR2 clustered standard error and Student t with Satterthwaite's degrees of freedom (Bell & McCaffrey 2002;
  Pustejovsky & Tipton 2018). With conversations of one size it is what statsmodels gives, and the degrees of freedom
  are G - 1; where a few long ones carry the mean, those intervals are too narrow and these are not;
- for a share, Wilson's interval on the effective number of questions, p (1 - p) / se², with t for z (Dean & Pagano
  2015): Student's is too narrow near 0 % and 100 %;
- where all clusters have the same share (0 % and 100 % above all) their variance is 0 and says nothing: Wilson's
  interval on the number of clusters is given instead, which is conservative; for an amount there is then none;
- an interval is cut where no value can be (a share at 0 and 1, an amount at 0), which costs it no coverage;
- with one cluster there is no interval at all, and None says so;
- differences are paired by probe; exact McNemar (binomial on discordant pairs) for right-or-wrong metrics; a sign test
  over clusters where every cluster shows the same difference; Holm's step-down correction over a family of comparisons;
  minimum detectable effect at 80 % power and 5 % two-sided;
- a mean or a difference over two clusters is no surer than as many independent questions would make it: two
  conversations that come out alike by chance leave a clustered error of next to nothing, by which seven to twelve
  comparisons in a hundred were called significant where nothing was (with three and more, five at most).

`coverage` measures how often such intervals hold a truth that is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

Key = Hashable
DUST = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval. `low`/`high` are None where no honest interval exists. `se` is clustered, with `df`.

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
    df: float | None = None


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
    dust = DUST * max(1.0, float(np.abs(x).max()))  # what rounding leaves of 0
    totals: dict[Key, float] = {}
    sizes: Counter[Key] = Counter()
    for v in averaged:
        totals[v.cluster] = totals.get(v.cluster, 0.0) + v.value - mean
        sizes[v.cluster] += 1
    groups = len(totals)
    spread = 0.0 if np.ptp(x) <= dust else float(x.std(ddof=1))
    blunt = _interval(mean, spread / math.sqrt(n), n - 1, n, confidence, bounds) if n > 1 else (None, None)
    if groups < 2:
        return Estimate(mean, n, groups, None, None, None, "one cluster: no interval", *blunt)
    variance = sum(t * t / (1 - sizes[c] / n) for c, t in totals.items() if abs(t) > n * dust) / n**2
    se, df = math.sqrt(variance), degrees_of_freedom(tuple(sorted(sizes.values())))
    if bounds == (0, 1):
        method = "clustered Wilson" if se else "Wilson on clusters"
    else:
        method = "clustered t" if se else "no variance between clusters: no interval"
    found = Estimate(mean, n, groups, se, *_interval(mean, se, df, groups, confidence, bounds), method, *blunt, df)
    return _wider(found) if groups == 2 else found


@lru_cache(maxsize=4096)
def degrees_of_freedom(sizes: tuple[int, ...]) -> float:
    """Satterthwaite's, for the CR2 standard error of a mean over clusters of these sizes (Bell & McCaffrey 2002)."""
    m = np.array(sizes, dtype=float)
    n = m.sum()
    # Σ: covariance of the clusters' totals about the mean, where questions are independent; D: the weights of CR2.
    weighted = (np.diag(m) - np.outer(m, m) / n) / (1 - m / n)[:, None]
    return float(np.trace(weighted) ** 2 / np.trace(weighted @ weighted))


@dataclass(frozen=True, slots=True)
class Design:
    """Simulated questions: so many in each conversation, which share an effect; of a share unless that is None."""

    name: str
    sizes: tuple[int, ...]
    share: float | None = None
    spread: float = 0.7
    """Of normal data: the standard deviation between conversations, beside 1 within."""
    correlation: float = 0.1
    """Of shares: within a conversation (beta-binomial)."""


DESIGNS = (
    Design("amounts, 12 conversations alike", (6,) * 12),
    Design("amounts, 10 of 2 to 80 questions", (2, 2, 3, 3, 4, 5, 8, 20, 40, 80), spread=0.3),
    Design("a share of 80 %, 6 uneven", (16, 21, 30, 40, 48, 52), 0.8),
    Design("a share of 90 %, 19 uneven", (3, 5, 6, 8, 9, 10, 12, 12, 13, 14, 15, 15, 16, 18, 20, 22, 24, 30, 40), 0.9),
    Design("a share of 95 %, 40 alike", (10,) * 40, 0.95),
)


def coverage(design: Design, *, seed: int, runs: int) -> tuple[float, float]:
    """How often nominal 95 % intervals hold a truth that is known: clustered ones, and naive ones."""
    rng, held, naively = np.random.default_rng(seed), 0, 0
    truth = 1.0 if design.share is None else design.share
    bounds = None if design.share is None else (0, 1)
    for _ in range(runs):
        e = estimate(list(_simulated(design, rng)), bounds=bounds)
        held += _holds(truth, e.low, e.high)
        naively += _holds(truth, e.naive_low, e.naive_high)
    return held / runs, naively / runs


def _simulated(design: Design, rng: np.random.Generator) -> Iterator[Value]:
    for cluster, size in enumerate(design.sizes):
        if design.share is None:
            x = 1 + rng.normal(0, design.spread) + rng.normal(0, 1, size)
        else:
            odds = (1 - design.correlation) / design.correlation
            x = rng.random(size) < rng.beta(design.share * odds, (1 - design.share) * odds)
        yield from (Value((cluster, i), cluster, float(value)) for i, value in enumerate(x))


def wilson(successes: float, n: float, confidence: float = 0.95, *, z: float | None = None) -> tuple[float, float]:
    """Wilson's score interval for a proportion (Wilson 1927); sound at 0 % and 100 %. Both numbers may be fractions."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + confidence / 2)) if z is None else z
    p, weight = successes / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / weight
    margin = z * math.sqrt(max(0.0, p * (1 - p)) / n + z * z / (4 * n * n)) / weight
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


def compare(
    a: Sequence[Value],
    b: Sequence[Value],
    confidence: float = 0.95,
    *,
    bounds: tuple[float, float] | None = None,
) -> Comparison:
    """A against B, paired by question; `bounds` are what no difference can leave (-1 and 1, where they are shares).

    Questions that only one of them answered are left out.
    """
    first = {v.probe: v for v in average_repeats(a)}
    second = {v.probe: v.value for v in average_repeats(b)}
    pairs = [(first[p], second[p]) for p in first if p in second]
    differences = [Value(v.probe, v.cluster, v.value - other) for v, other in pairs]
    wins = sum(d.value > 1e-12 for d in differences)
    losses = sum(d.value < -1e-12 for d in differences)
    ties = len(differences) - wins - losses
    difference = estimate(differences, confidence, bounds=bounds)
    if not differences:
        return Comparison(difference, 0, 0, 0, None, "no probe in common", None)
    mde = minimum_detectable_effect(difference.se, difference.df) if difference.se and difference.df else None
    binary = all(v.value in (0.0, 1.0) and other in (0.0, 1.0) for v, other in pairs)
    independent = difference.clusters == len(differences)
    if binary and independent and difference.clusters > 1:
        return Comparison(difference, wins, ties, losses, mcnemar(wins, losses), "exact McNemar", mde)
    if difference.se and difference.df:
        errors = [(difference.se, difference.df)]
        if difference.clusters == 2:
            plain = float(np.std([d.value for d in differences], ddof=1)) / math.sqrt(difference.n)
            errors.append((plain, difference.n - 1))
        p = max(_p_value(difference.mean, se, df) for se, df in errors)
        mde = max(minimum_detectable_effect(se, df) for se, df in errors)
        return Comparison(difference, wins, ties, losses, p, "clustered paired t", mde)
    if difference.clusters < 2:
        return Comparison(difference, wins, ties, losses, None, "one cluster: no test", mde)
    # Every cluster shows the very same difference: how surprising are so many on one side?
    p = mcnemar(difference.clusters, 0) if difference.mean and abs(difference.mean) > DUST else 1.0
    return Comparison(difference, wins, ties, losses, p, "sign test over clusters", mde)


def _p_value(mean: float | None, se: float, df: float) -> float:
    from scipy.stats import t

    return float(2 * t.sf(abs((mean or 0.0) / se), df))


def _wider(e: Estimate) -> Estimate:
    """The estimate with the interval that holds both its own and the one that forgets clusters."""
    if e.low is None or e.high is None or e.naive_low is None or e.naive_high is None:
        return e
    return replace(e, low=min(e.low, e.naive_low), high=max(e.high, e.naive_high))


def holm(p_values: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """Holm's step-down correction over one family of comparisons; None stays None and does not count."""
    known = {k: p for k, p in p_values.items() if p is not None}
    if not known:
        return dict(p_values)
    from statsmodels.stats.multitest import multipletests

    corrected = multipletests(list(known.values()), method="holm")[1]
    adjusted = dict(zip(known, map(float, corrected), strict=True))
    return {k: adjusted.get(k) for k in p_values}


def minimum_detectable_effect(se: float, df: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The true difference that would have been found with this power (Bloom 1995)."""
    from scipy.stats import t

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
    mean: float, se: float, df: float, units: int, confidence: float, bounds: tuple[float, float] | None
) -> tuple[float, float] | tuple[None, None]:
    """Wilson's for a share, on as many questions as `se` is worth, on the `units` where it is 0; else Student's."""
    t = _t(confidence, df)
    if bounds == (0, 1):
        worth = mean * (1 - mean) / se**2 if se else 0.0
        low, high = wilson(mean * worth, worth, z=t) if worth > 0 else wilson(mean * units, units, confidence)
        return min(low, mean), max(high, mean)  # rounding can leave a mean of 0 or 1 just outside
    if not se:
        return None, None
    low, high = mean - t * se, mean + t * se
    return (max(bounds[0], low), min(bounds[1], high)) if bounds else (low, high)


@lru_cache(maxsize=4096)
def _t(confidence: float, df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, df))
