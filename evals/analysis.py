"""Runs as data frames: the notebook's way in. Everything here is read from logs; nothing is computed anew.

    from evals.analysis import runs_df, samples_df, recollections_df
    scores = samples_df("runs/first-light-1a2b3c.jsonl")
    scores[scores.metric == "modality/flattened"].groupby("arm").value.mean()

A frame's rows are: a run's (task, arm, metric) with interval and cost; a (probe, arm, metric) score; a recollection.
`compare` and `stats` in this package say what may be concluded from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals import log
from evals.cost import prices
from evals.log import ProbeRecord, RunLog, SampleRecord
from evals.report.tables import flat

if TYPE_CHECKING:
    import pandas as pd

Logs = str | Path | RunLog | Iterable[str | Path | RunLog]


def runs_df(logs: Logs) -> pd.DataFrame:
    """One row for each run, task, arm and metric: mean, low, high, n, clusters, unscored, tokens, latency."""
    rows = [{"run": run.path.stem, "complete": run.complete, **row} for run in opened(logs) for row in flat(run)]
    return _frame(rows)


def samples_df(logs: Logs) -> pd.DataFrame:
    """One row for each run, probe, arm and metric. `value` is NaN where unscored, never 0."""
    return _frame(
        {**about, "metric": metric, "value": value}
        for about, _, probe in _probes(logs)
        for metric, value in probe.scores.items()
    )


def recollections_df(logs: Logs) -> pd.DataFrame:
    """One row for each recollection, in the order it came back (`rank` from 1); `hit` if it points at the evidence."""
    return _frame(
        {
            **about,
            "rank": rank,
            "text": r.text,
            "modality": r.modality,
            "current": r.current,
            "confidence": r.confidence,
            "score": r.score,
            "quote": r.quote,
            "origin": r.origin,
            "refs": list(r.refs),
            "hit": bool(set(r.refs) & set(probe.expect.get("evidence") or ())),
        }
        for about, _, probe in _probes(logs)
        for rank, r in enumerate(probe.answer.recalled, 1)
    )


def labels_df(logs: Logs) -> pd.DataFrame:
    """One row for each labelled recollection: `gold` is how it was meant, `got` how it came back marked."""
    return _frame(
        {**about, "scorer": scorer, "gold": gold, "got": got}
        for about, _, probe in _probes(logs)
        for scorer, pairs in probe.labels.items()
        for gold, got in pairs
    )


def tokens_df(logs: Logs) -> pd.DataFrame:
    """One row for each sample, arm and purpose: tokens by the named counter, beside the size of the source.

    `usd` is what was paid for them; NaN where nobody was paid (`model` is None) and where the model has no price.
    """
    return _frame(
        {
            "run": run.path.stem,
            "task": s.task,
            "arm": s.arm,
            "sample": s.sample,
            "source_tokens": s.source_tokens,
            "probes": len(s.probes),
            "purpose": t.purpose,
            "tokens": t.tokens,
            "counter": t.counter,
            "model": t.model,
            "kind": t.kind,
            "usd": prices().of(t.tokens, t.model, t.kind),
        }
        for run in opened(logs)
        for s in run.samples
        if s.status == "ok"
        for t in s.tokens
    )


def opened(logs: Logs) -> list[RunLog]:
    """The logs, read if they are paths. Raises LogError for what is not a log."""
    if isinstance(logs, (str, Path, RunLog)):
        logs = [logs]
    return [one if isinstance(one, RunLog) else log.read(Path(one)) for one in logs]


def _probes(logs: Logs) -> Iterator[tuple[dict[str, Any], SampleRecord, ProbeRecord]]:
    for run in opened(logs):
        for s in run.samples:
            for p in s.probes:
                about = {
                    "run": run.path.stem,
                    "task": s.task,
                    "arm": s.arm,
                    "sample": s.sample,
                    "cluster": s.cluster,
                    "epoch": s.epoch,
                    "status": s.status,
                    "probe": p.id,
                    "category": p.category,
                    "question": p.question,
                    "latency_ms": p.answer.latency_ms,
                }
                yield about, s, p


def _frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows))
