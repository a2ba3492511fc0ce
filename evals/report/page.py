"""The HTML report: one file, no network, light or dark, narrow or wide.

What is said in transcripts is hostile until shown otherwise: the template escapes everything, the script sets text and
never markup, and the policy in the page's head lets nothing be loaded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from evals import stats
from evals.log import RunLog
from evals.model import EvalError
from evals.report import charts, costs
from evals.report.drilldown import questions
from evals.report.tables import PURPOSES, TaskTable, interval, number, remarks, task_tables
from evals.stats import Estimate
from evals.suites import ABLATED
from evals.summary import forecasts, is_share, scored, values

HERE = Path(__file__).parent
OFF_THE_CURVES = frozenset({*ABLATED, "oracle", "recency"})  # what they cost is no choice that anybody has
MODALITIES = ("decision", "option_considered", "hypothesis", "question", "observation")


def write(run: RunLog, path: Path) -> Path:
    """Write the page and return where it is."""
    if path.is_dir():
        raise EvalError(f"{path} is a directory: name the file to write the report to")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(run), encoding="utf-8", errors="replace")
    return path


def render(run: RunLog) -> str:
    """The whole page."""
    tables, every = task_tables(run), {t.task: t for t in task_tables(run, every=True)}
    arms = list(run.header["arms"])
    colours = {arm: i % 12 for i, arm in enumerate(arms)}
    known = costs.arm_curves(run, curve_task := costs.widest(run))
    curves = {arm: curve for arm, curve in known.items() if arm not in OFF_THE_CURVES}
    data = json.dumps(questions(run, {t.task: t.columns for t in tables}), ensure_ascii=False, separators=(",", ":"))
    return _template().render(
        run=run,
        name=run.path.stem,
        header=run.header,
        tables=[_table(t, every[t.task], run) for t in tables],
        overview=_overview(tables),
        fidelity_map=_fidelity_map(run),
        matrices=_matrices(run),
        tokens=charts.bars(_token_rows(tables), PURPOSES, "Tokens by purpose"),
        purposes=PURPOSES,
        curves=charts.curves(
            costs.lines(curves), colours, "Cost curves", "source tokens held", f"dollars for {costs.QUERIES} questions"
        ),
        crossings=costs.crossings(curves)[:12],
        curve_task=curve_task,
        without_curve=[arm for arm in arms if arm not in known],
        costs=costs,
        riding=[(arm, _retrieved(tables, arm), _round_trips(tables, arm)) for arm in arms],
        reliability=_reliability(run),
        style=(HERE / "style.css").read_text(),
        script=(HERE / "script.js").read_text(),
        data=data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
        number=number,
    )


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("template.html")


def _table(table: TaskTable, every: TaskTable, run: RunLog) -> dict[str, Any]:
    return {
        "task": table.task,
        "title": table.title,
        "described": run.header["tasks"][table.task],
        "remarks": remarks(table, run),
        "headline": _grid(table),
        "every": _grid(every),
    }


def _grid(table: TaskTable) -> dict[str, Any]:
    """Columns with a scale that all their cells share, and lines of cells."""
    columns = []
    for column in table.columns:
        found = [line.cells[column].estimate for line in table.lines if line.cells[column]]
        reach = [v for e in found for v in (e.mean, e.low, e.high) if v is not None]
        low, high = (0.0, 1.0) if is_share(column) else (0.0, max([1.0, *reach]))
        family, _, measure = column.rpartition("/")
        columns.append((column, family, measure, column in table.lower_is_better, low, high))
    lines = [
        (line, [_cell(line.cells[c].estimate if line.cells[c] else None, c, low, high) for c, *_, low, high in columns])
        for line in table.lines
    ]
    return {"columns": columns, "lines": lines}


def _cell(e: Estimate | None, column: str, low: float, high: float) -> dict[str, Any]:
    if e is None or e.mean is None:
        return {"mean": "–", "interval": "", "whisker": "", "tip": "unscored"}
    blunt = f"[{number(e.naive_low, column)}, {number(e.naive_high, column)}]"
    tip = f"n {e.n}, clusters {e.clusters}, {e.method}; if questions were independent: {blunt}"
    return {
        "mean": number(e.mean, column),
        "interval": interval(e, column),
        "whisker": charts.whisker(e, low, high),
        "tip": tip,
    }


def _overview(tables: Sequence[TaskTable]) -> dict[str, Any]:
    """Arms × tasks, each by the first headline metric that the arm has a score for."""
    arms = list(dict.fromkeys(line.arm for t in tables for line in t.lines))
    found = {(t.task, line.arm): line.cells for t in tables for line in t.lines}
    columns = [(t.task, t.columns[0], t.columns[0] in t.lower_is_better) for t in tables if t.columns]
    lines = []
    for arm in arms:
        cells = []
        for task, metric, lower in columns:
            row = found.get((task, arm), {}).get(metric)
            mean = row.estimate.mean if row else None
            good = None if mean is None or not is_share(metric) else (1 - mean if lower else mean)
            cells.append({"mean": number(mean, metric), "good": None if good is None else round(100 * good)})
        lines.append((arm, cells))
    return {"columns": columns, "lines": lines}


def _fidelity_map(run: RunLog) -> dict[str, Any]:
    """Retrieval against fidelity, each over the tasks that score it. An arm that ran only some of them is left out."""
    axes = (("retrieval/recall_any@5", "the evidence came back"), ("fidelity/kept", "with the words that matter"))
    tasks = [sorted({s.task for s, p in scored(run.samples) if p.scores.get(metric) is not None}) for metric, _ in axes]
    points, left_out = [], []
    for arm in run.header["arms"]:
        samples = [s for s in run.samples if s.arm == arm]
        x, y = (stats.estimate(values(samples, metric), bounds=(0, 1)) for metric, _ in axes)
        ran = {s.task for s, p in scored(samples)}
        if x.mean is None or y.mean is None or not ran >= {*tasks[0], *tasks[1]}:
            left_out.append(arm)
        else:
            points.append((arm, x, y))
    labels = [f"{metric}: {said} ({', '.join(of)})" for (metric, said), of in zip(axes, tasks, strict=True)]
    chart = charts.scatter(points, labels[0], labels[1], "Fidelity by retrieval") if points else ""
    return {"chart": chart, "left_out": left_out}


def _matrices(run: RunLog) -> dict[str, Any]:
    """One matrix an arm that marks modality: source × what came back. Arms that never mark it are only named."""
    found, unmarked = [], []
    for arm in run.header["arms"]:
        counts: dict[tuple[str, str], int] = {}
        for _, probe in scored(s for s in run.samples if s.arm == arm):
            for pairs in probe.labels.values():
                for gold, got in pairs:
                    counts[gold, got] = counts.get((gold, got), 0) + 1
        if counts and not any(got in MODALITIES for _, got in counts):
            unmarked.append(arm)
        elif counts:
            columns = [*MODALITIES, *sorted({got for _, got in counts} - set(MODALITIES))]
            lines = []
            for gold in MODALITIES:
                total = sum(counts.get((gold, got), 0) for got in columns)
                cells = [(counts.get((gold, got), 0), got) for got in columns]
                lines.append((gold, total, [(n, round(100 * n / total) if total else 0, got) for n, got in cells]))
            found.append({"arm": arm, "columns": columns, "lines": lines})
    return {"found": found, "unmarked": unmarked}


def _token_rows(tables: Sequence[TaskTable]) -> list[tuple[str, dict[str, float]]]:
    """Tokens by purpose for each arm, averaged over tasks that it ran."""
    arms = list(dict.fromkeys(line.arm for t in tables for line in t.lines))
    rows = []
    for arm in arms:
        used = [line.usage.tokens for t in tables for line in t.lines if line.arm == arm]
        rows.append((arm, {p: sum(u.get(p, 0.0) for u in used) / len(used) for p in PURPOSES}))
    return rows


def _retrieved(tables: Sequence[TaskTable], arm: str) -> float | None:
    used = [line.usage.tokens for t in tables for line in t.lines if line.arm == arm and line.usage.probes]
    return sum(u.get("retrieve", 0.0) + u.get("inject", 0.0) for u in used) / len(used) if used else None


def _round_trips(tables: Sequence[TaskTable], arm: str) -> float | None:
    used = [line.usage.round_trips for t in tables for line in t.lines if line.arm == arm]
    known = [trips for trips in used if trips is not None]
    return sum(known) / len(known) if known else None


def _reliability(run: RunLog) -> list[dict[str, Any]]:
    found = []
    for arm in run.header["arms"]:
        pairs = forecasts(run.samples, arm)
        if pairs:
            found.append(
                {
                    "arm": arm,
                    "n": len(pairs),
                    "brier": stats.brier(pairs),
                    "error": stats.calibration_error(pairs),
                    "chart": charts.reliability(stats.reliability(pairs), f"Reliability of {arm}"),
                }
            )
    return found
