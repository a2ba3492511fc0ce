"""The tables of a run as Markdown, for a README."""

from __future__ import annotations

from evals.log import RunLog
from evals.report.tables import PURPOSES, ArmLine, TaskTable, interval, number, remarks, task_tables


def render(run: RunLog) -> str:
    """Every task's headline table, each followed by what has to be said about it."""
    parts = [_task(table, run) for table in task_tables(run)]
    return "\n\n".join(parts) + "\n"


def _task(task: TaskTable, run: RunLog) -> str:
    arrows = [f"`{c}`{' ↓' if c in task.lower_is_better else ''}" for c in task.columns]
    columns = ["arm", *arrows, "n", "clusters", "unscored", "invalid"]
    columns += [f"{purpose} ({run.header['counter']})" for purpose in PURPOSES] + ["recall ms p50"]
    lines = [f"**{task.task}** — {task.title}", "", _line(columns), _line(["---"] + ["---:"] * (len(columns) - 1))]
    lines += [_line(_cells(line, task)) for line in task.lines]
    lines += ["", *(f"{remark}  " for remark in remarks(task, run))]
    return "\n".join(lines)


def _cells(line: ArmLine, task: TaskTable) -> list[str]:
    means = []
    for column in task.columns:
        row = line.cells[column]
        means.append("–" if row is None else f"{number(row.estimate.mean, column)} {interval(row.estimate, column)}")
    used = line.usage
    tokens = [number(used.tokens[p], "tokens/") if p in used.tokens else "–" for p in PURPOSES]
    latency = "–" if used.recall_ms_p50 is None else f"{used.recall_ms_p50:.1f}"
    return [
        f"`{line.arm}`",
        *(m.strip() for m in means),
        line.n,
        line.clusters,
        line.unscored,
        line.lost,
        *tokens,
        latency,
    ]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
