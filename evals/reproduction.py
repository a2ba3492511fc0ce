"""One file of command → expected figure ± tolerance, which drives both the check and the README's table.

`evals/reproduction.yaml` holds entries such as

    - command: run url_shortener --arm markdown_curated
      short: true
      expect:
        - {task: url_shortener, arm: markdown_curated, metric: tokens/injected, value: 270.0, tolerance: 2.0}

An entry runs on the data that ships unless it says `data: full`; then it needs a directory of the full sets. Figures
are deterministic, so tolerances are small: they are room for another platform's floating point and model runtime.

An entry with a `table` and a `metric` is a column of a table of that name in the README: one figure for every memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evals.model import EvalError
from evals.suites import ABLATED
from evals.summary import is_share

Row = Mapping[str, Any]
FILE = Path(__file__).with_name("reproduction.yaml")
PREFACE = """\
# Command → expected figure ± tolerance. `memeval reproduce` checks all of it, `--short` what is marked so, and
# `--update` writes what was measured here in place of what was expected. See evals/reproduction.py.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One expected number: the mean of a metric for an arm on a task."""

    task: str
    arm: str
    metric: str
    value: float | None
    tolerance: float

    def agrees(self, measured: float | None) -> bool:
        if measured is None or self.value is None:
            return measured is self.value
        return abs(measured - self.value) <= self.tolerance


@dataclass(frozen=True, slots=True)
class Entry:
    """One command and what should come of it; with `table` and `metric` it is a column of the README."""

    command: str
    figures: tuple[Figure, ...]
    short: bool = False
    full: bool = False
    table: str | None = None
    metric: str | None = None

    @property
    def task(self) -> str:
        """What it runs, by the first word after `run`."""
        return self.command.split()[1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One figure as expected and as measured."""

    command: str
    figure: Figure
    measured: float | None

    @property
    def ok(self) -> bool:
        return self.figure.agrees(self.measured)


def read(path: Path = FILE) -> list[Entry]:
    """The entries of a reproduction file. Raises EvalError for what is not one."""
    import yaml

    if path.is_dir():
        raise EvalError(f"{path} is a directory: name a reproduction file (YAML)")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_entry(one) for one in raw]
    except FileNotFoundError:
        raise EvalError(f"no reproduction file at {path}") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvalError(
            f"{path} is not a reproduction file ({type(error).__name__}): see evals/reproduction.py"
        ) from None


def check(entry: Entry, rows: Sequence[Row]) -> list[Outcome]:
    """Every figure of an entry against the rows of a run (`evals.report.tables.flat`)."""
    means = {(row["task"], row["arm"], row["metric"]): row["mean"] for row in rows}
    return [Outcome(entry.command, f, means.get((f.task, f.arm, f.metric))) for f in entry.figures]


def updated(entry: Entry, rows: Sequence[Row]) -> Entry:
    """The entry with what was measured as what is expected; a column of the README takes every memory."""
    if entry.metric:
        column = [row for row in rows if (row["task"], row["metric"]) == (entry.task, entry.metric)]
        figures = [Figure(entry.task, row["arm"], entry.metric, row["mean"], _room(entry.metric)) for row in column]
        figures = [f for f in figures if f.value is not None and f.arm not in ABLATED]
    else:
        figures = [replace(o.figure, value=o.measured) for o in check(entry, rows)]
    rounded = [replace(f, value=None if f.value is None else round(f.value, 4)) for f in figures]
    return replace(entry, figures=tuple(rounded))


def _room(metric: str) -> float:
    """Shares may stray by two points, amounts (tokens) by five."""
    return 0.02 if is_share(metric) else 5.0


def write(entries: Sequence[Entry], path: Path = FILE) -> None:
    """Write a reproduction file, one figure a line."""
    lines = [PREFACE]
    for entry in entries:
        lines.append(f"- command: {entry.command}\n")
        lines += ["  short: true\n"] if entry.short else []
        lines += ["  data: full\n"] if entry.full else []
        lines += [f"  table: {entry.table}\n  metric: {entry.metric}\n"] if entry.table else []
        lines.append("  expect:\n" if entry.figures else "  expect: []\n")
        for f in entry.figures:
            value = "null" if f.value is None else f"{f.value:.4f}"
            of = f"task: {f.task}, arm: {f.arm}, metric: {f.metric}"
            lines.append(f"    - {{{of}, value: {value}, tolerance: {f.tolerance}}}\n")
    path.write_text("".join(lines), encoding="utf-8")


def _entry(raw: dict[str, Any]) -> Entry:
    if not raw["command"].startswith("run "):
        raise ValueError("only `run` commands can be reproduced")
    figures = [
        Figure(
            f["task"], f["arm"], f["metric"], None if f["value"] is None else float(f["value"]), float(f["tolerance"])
        )
        for f in raw["expect"]
    ]
    table, metric = raw.get("table"), raw.get("metric")
    if (table is None) != (metric is None):
        raise ValueError("a column needs both a table and a metric")
    return Entry(raw["command"], tuple(figures), bool(raw.get("short")), raw.get("data") == "full", table, metric)
