"""The tables of a run in a terminal."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from evals.log import RunLog
from evals.report.tables import PURPOSES, ArmLine, TaskTable, interval, number, remarks, task_tables

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def console() -> Console:
    """A console on standard output; it honours NO_COLOR, and is wide where there is no terminal to fit."""
    from rich.console import Console

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 160
    return Console(file=sys.stdout, width=width, highlight=False)


def show(run: RunLog, *, every: bool = False) -> None:
    """Print every task's table, and what has to be said under it."""
    out = console()
    for table in task_tables(run, every=every):
        out.print()
        out.print(_table(table, run.header["counter"]))
        for remark in remarks(table, run):
            out.print(remark, style="dim", markup=False)


def _table(task: TaskTable, counter: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=f"{task.task} — {task.title}", box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("arm", no_wrap=True)
    for column in task.columns:
        family, _, measure = column.rpartition("/")
        arrow = " ↓" if column in task.lower_is_better else ""
        table.add_column(f"{family}/\n{measure}{arrow}", justify="right", no_wrap=True)
    table.add_column("n\nclusters", justify="right", no_wrap=True)
    table.add_column("unscored\ninvalid", justify="right", no_wrap=True)
    for purpose in PURPOSES:
        per = "a sample" if purpose == "compress" else "a probe"
        table.add_column(f"{purpose}\n{per}", justify="right", no_wrap=True)
    table.add_column("recall ms\np50, p95", justify="right", no_wrap=True)
    table.caption = f"tokens by {counter}; [95 % intervals, clustered]; ↓ lower is better"
    table.caption_justify = "left"
    for line in task.lines:
        table.add_row(*_row(line, task))
    return table


def _row(line: ArmLine, task: TaskTable) -> list[str | Text]:
    from rich.text import Text

    cells: list[str | Text] = [line.arm]
    for column in task.columns:
        row = line.cells[column]
        if row is None or row.estimate.mean is None:
            cells.append("–")
            continue
        e = row.estimate
        cells.append(Text.assemble(number(e.mean, column), (f"\n{interval(e, column)}".rstrip(), "dim")))
    used = line.usage
    cells += [f"{line.n}\n{line.clusters}", f"{line.unscored}\n{line.lost}"]
    cells += [number(used.tokens.get(purpose), "tokens/") if purpose in used.tokens else "–" for purpose in PURPOSES]
    p50, p95 = used.recall_ms_p50, used.recall_ms_p95
    cells.append("–" if p50 is None or p95 is None else f"{p50:.1f}\n{p95:.1f}")
    return cells
