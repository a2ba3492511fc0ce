"""From samples to the rows of a table: one row for each task, arm and metric, with all that qualifies the number.

A row never comes alone: n questions, clusters, interval, how many were unscored and how many samples were invalid or
failed stand beside every mean. Samples that are not `ok` give no score at all.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals import stats
from evals.cost import billed, by_purpose
from evals.log import TIMED, ProbeRecord, SampleRecord, digest_samples
from evals.stats import Estimate, Value


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one arm on one task (`category` is "" for all of it)."""

    task: str
    arm: str
    metric: str
    estimate: Estimate
    unscored: int
    category: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one arm took on one task. Token means are per probe, except `compress` and `write`: per sample.

    `usd` is what models were paid for all of it, answering and judging included: 0 where none was asked, None where one
    has no price. `round_trips` are extra turns of the model per probe: a memory that has to be asked takes one, whether
    or not it has an answer; what stands in the prompt already takes none.
    """

    task: str
    arm: str
    samples: int
    invalid: int
    errors: int
    skipped: int
    probes: int
    source_tokens: float | None
    tokens: Mapping[str, float]
    usd: float | None
    round_trips: float | None
    recall_ms_p50: float | None
    recall_ms_p95: float | None
    ingest_s: float | None
    reasons: tuple[str, ...]


PER_SAMPLE = ("compress", "write")


def scored(samples: Iterable[SampleRecord]) -> Iterable[tuple[SampleRecord, ProbeRecord]]:
    """The probes whose answers count: those of samples that are ok."""
    return ((s, p) for s in samples if s.status == "ok" for p in s.probes)


def values(samples: Iterable[SampleRecord], metric: str, category: str = "") -> list[Value]:
    """What one arm scored on one metric, ready for `stats`."""
    return [
        Value((s.sample, p.id), s.cluster, value)
        for s, p in scored(samples)
        if (not category or p.category == category) and (value := p.scores.get(metric)) is not None
    ]


def forecasts(samples: Iterable[SampleRecord], arm: str) -> list[tuple[float, bool]]:
    """What an arm promised and what came of it: (confidence, was it right), ready for `stats`."""
    return [
        (float(confidence), bool(right))
        for _, probe in scored(s for s in samples if s.arm == arm)
        for made in probe.forecasts.values()
        for confidence, right in made
    ]


def groups(samples: Iterable[SampleRecord]) -> dict[tuple[str, str], list[SampleRecord]]:
    """Samples by (task, arm), in the order they first appear by name."""
    found: dict[tuple[str, str], list[SampleRecord]] = defaultdict(list)
    for sample in samples:
        found[sample.task, sample.arm].append(sample)
    return dict(found)


def metrics(samples: Iterable[SampleRecord]) -> list[str]:
    """Every metric that a probe mentions, scored or not."""
    return list(dict.fromkeys(name for _, p in scored(samples) for name in p.scores))


def is_share(metric: str) -> bool:
    """Whether a metric is a share of something; token counts and times are amounts."""
    return metric.split("/")[0] not in ("tokens", "latency", "cost") and not metric.endswith("_tokens")


def bounds(metric: str) -> tuple[float, float]:
    """What no value of a metric can leave."""
    return (0, 1) if is_share(metric) else (0, math.inf)


def rows(samples: Sequence[SampleRecord], *, categories: bool = False) -> list[Row]:
    """The table. With `categories`, also one row for each category of probe."""
    result: list[Row] = []
    for (task, arm), group in groups(samples).items():
        kinds = [""]
        if categories:
            kinds += sorted({p.category for _, p in scored(group)} - {""})
        for metric in metrics(group):
            for kind in kinds:
                asked = [p for _, p in scored(group) if not kind or p.category == kind]
                unscored = sum(metric in p.scores and p.scores[metric] is None for p in asked)
                estimate = stats.estimate(values(group, metric, kind), bounds=bounds(metric))
                result.append(Row(task, arm, metric, estimate, unscored, kind))
    return result


def usage(samples: Sequence[SampleRecord]) -> list[Usage]:
    """What each arm took on each task."""
    return [_usage(task, arm, group) for (task, arm), group in groups(samples).items()]


def _usage(task: str, arm: str, group: Sequence[SampleRecord]) -> Usage:
    status = Counter(s.status for s in group)
    ran = [s for s in group if s.status in ("ok", "invalid")]
    probes = [p for s in ran for p in s.probes]
    sums: Counter[str] = Counter()
    for s in ran:
        sums.update(by_purpose(s.tokens))
    latency = sorted(p.answer.latency_ms for p in probes)
    over = {purpose: len(ran) if purpose in PER_SAMPLE else len(probes) for purpose in sums}
    return Usage(
        task=task,
        arm=arm,
        samples=len(group),
        invalid=status["invalid"],
        errors=status["error"],
        skipped=status["skipped"],
        probes=len(probes),
        source_tokens=_mean([s.source_tokens for s in ran]),
        tokens={purpose: total / over[purpose] for purpose, total in sorted(sums.items()) if over[purpose]},
        usd=billed([t for s in ran for t in s.tokens]),
        round_trips=_round_trips(probes),
        recall_ms_p50=_quantile(latency, 0.5),
        recall_ms_p95=_quantile(latency, 0.95),
        ingest_s=_mean([s.times["ingest_s"] for s in ran if "ingest_s" in s.times]),
        reasons=tuple(sorted({s.reason for s in group if s.reason})),
    )


def _round_trips(probes: Sequence[ProbeRecord]) -> float | None:
    # That something came back is seen by its tokens too, which a log without words still holds.
    asked = any(p.answer.ranked and (p.answer.recalled or p.scores.get("tokens/recalled")) for p in probes)
    return _mean([float(asked and p.answer.ranked and not _in_view(p)) for p in probes])


def _in_view(probe: ProbeRecord) -> bool:
    """Whether all that came back is in what was injected, as the lines of a file that is read whole are."""
    recalled = probe.answer.recalled
    return bool(recalled) and all(item.text in probe.answer.injected for item in recalled)


def footer(samples: Sequence[SampleRecord]) -> dict[str, Any]:
    """The last line of a log: counts, one hash over all answers, and every mean, none of it dependent on the clock."""
    table: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for row in sorted(rows(sorted(samples, key=lambda s: s.key)), key=lambda r: (r.task, r.arm, r.metric)):
        e = row.estimate
        if row.metric.startswith(TIMED):
            continue
        table[row.task][row.arm][row.metric] = {
            "mean": _rounded(e.mean),
            "n": e.n,
            "clusters": e.clusters,
            "low": _rounded(e.low),
            "high": _rounded(e.high),
            "unscored": row.unscored,
        }
    return {
        "samples": dict(sorted(Counter(s.status for s in samples).items())),
        "answers_sha256": digest_samples(samples),
        "scores": {task: dict(arms) for task, arms in table.items()},
    }


def _mean(numbers: Sequence[float]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """The value at or above the share q of an ascending list: an observed value, not an interpolation."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


def _rounded(x: float | None) -> float | None:
    return None if x is None else round(x, 6)
