"""What every view shows, in one place: the rows of a task's table and how a number is written.

A cell never shows a mean alone: its interval stands beside it, and every row says over how many questions and
conversations, how many probes were unscored, how many samples invalid or failed, and what the arm took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.log import RunLog
from evals.stats import Estimate
from evals.summary import Row, Usage, is_share, rows, usage

PURPOSES = ("inject", "retrieve", "compress")


@dataclass(frozen=True, slots=True)
class ArmLine:
    """One arm in one task's table: an estimate for each column, and what qualifies them."""

    arm: str
    cells: Mapping[str, Row | None]
    usage: Usage

    @property
    def rows(self) -> list[Row]:
        return [row for row in self.cells.values() if row]

    def span(self, values: list[int]) -> str:
        """A count that differs from column to column, as least–most."""
        low, high = min(values, default=0), max(values, default=0)
        return str(low) if low == high else f"{low}–{high}"

    @property
    def n(self) -> str:
        return self.span([row.estimate.n for row in self.rows if row.estimate.n])

    @property
    def clusters(self) -> str:
        return self.span([row.estimate.clusters for row in self.rows if row.estimate.n])

    @property
    def unscored(self) -> str:
        return self.span([row.unscored for row in self.rows])

    @property
    def lost(self) -> str:
        """Samples that gave no score: invalid, and apart from them failed and skipped."""
        extra = [(self.usage.errors, "err"), (self.usage.skipped, "skip")]
        return " ".join([str(self.usage.invalid), *(f"+{count} {word}" for count, word in extra if count)])


@dataclass(frozen=True, slots=True)
class TaskTable:
    """One task: its columns (metrics) and one line an arm, in the order the run names them."""

    task: str
    title: str
    columns: tuple[str, ...]
    lower_is_better: frozenset[str]
    lines: tuple[ArmLine, ...]
    note: str
    left_out: Mapping[str, str]


def task_tables(run: RunLog, *, every: bool = False) -> list[TaskTable]:
    """The tables of a run: headline metrics, or every metric."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows(run.samples):
        found.setdefault((row.task, row.arm), {})[row.metric] = row
    used = {(u.task, u.arm): u for u in usage(run.samples)}
    tables: list[TaskTable] = []
    for name, task in run.header["tasks"].items():
        arms = [arm for arm in run.header["arms"] if (name, arm) in used]
        names = list(dict.fromkeys(metric for arm in arms for metric in found.get((name, arm), {})))
        columns = names if every else [m for m in task["headline"] if m in names]
        idle = {a: "; ".join(used[name, a].reasons) for a in arms if used[name, a].skipped == used[name, a].samples}
        lines = [
            ArmLine(a, {c: found.get((name, a), {}).get(c) for c in columns}, used[name, a])
            for a in arms
            if a not in idle
        ]
        lower = frozenset(task["lower_is_better"])
        tables.append(TaskTable(name, task["title"], tuple(columns), lower, tuple(lines), task["note"], idle))
    return tables


def remarks(table: TaskTable, run: RunLog) -> list[str]:
    """What has to be said under a table: its own note, what is special about the arms in it, what was left out."""
    arms = run.header["arms"]
    said = [table.note, *(arms[line.arm].get("caveat", "") for line in table.lines)]
    said += [f"{arm}: left out, {reason}." for arm, reason in table.left_out.items()]
    said += [f"{line.arm}: {reason}." for line in table.lines for reason in line.usage.reasons]
    if not run.complete:
        said.append("This run is not finished: the same command goes on with it.")
    return [text for text in dict.fromkeys(said) if text]


def number(value: float | None, metric: str = "") -> str:
    """A share as .512, an amount as 1,024, nothing as –."""
    if value is None:
        return "–"
    if metric and not is_share(metric):
        return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def interval(e: Estimate, metric: str) -> str:
    """[low, high], or nothing where no honest interval exists."""
    return f"[{number(e.low, metric)}, {number(e.high, metric)}]" if e.low is not None else ""


def flat(run: RunLog) -> list[dict[str, Any]]:
    """One plain row for each task, arm and metric, for --json, --csv and data frames."""
    used = {(u.task, u.arm): u for u in usage(run.samples)}
    counter = run.header["counter"]
    return [_flat(row, used[row.task, row.arm], counter) for row in rows(run.samples)]


def _flat(row: Row, used: Usage, counter: str) -> dict[str, Any]:
    e = row.estimate
    return {
        "task": row.task,
        "arm": row.arm,
        "metric": row.metric,
        "mean": e.mean,
        "low": e.low,
        "high": e.high,
        "interval": e.method,
        "naive_low": e.naive_low,
        "naive_high": e.naive_high,
        "n": e.n,
        "clusters": e.clusters,
        "unscored": row.unscored,
        "invalid": used.invalid,
        "errors": used.errors,
        "skipped": used.skipped,
        **{f"tokens_{purpose}": used.tokens.get(purpose) for purpose in PURPOSES},
        "counter": counter,
        "usd": used.usd,
        "round_trips": used.round_trips,
        "recall_ms_p50": used.recall_ms_p50,
        "recall_ms_p95": used.recall_ms_p95,
    }
