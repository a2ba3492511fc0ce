"""`memeval run`: put arms through tasks, write the log and the report, print the tables."""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from evals import log
from evals.arms import ARMS, find
from evals.arms.base import BaseArm
from evals.claude import MODEL, Exam, ready
from evals.commands import options
from evals.cost import billed, total
from evals.log import RunLog, SampleRecord, digest
from evals.model import DataMissing, EvalError, Task
from evals.output import Emit, note, output_formats
from evals.report import page, terminal
from evals.report.answers import answers
from evals.report.tables import flat
from evals.runner import Plan
from evals.runner import run as execute
from evals.settings import claude_cache
from evals.settings import workers as cores
from evals.suites import SUITES
from evals.tasks import TASKS

ANSWERS_SHOWN = 400  # in the JSON of a run; `memeval show` gives them all
BELOW_THRESHOLD = 3
_REQUIREMENT = re.compile(r"(?:(?P<task>\w+):)?(?P<arm>\w+):(?P<metric>[\w/@.]+)\s*(?P<sign><=|>=)\s*(?P<value>[\d.]+)")
_SIGNS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


@click.command()
@click.argument("tasks", nargs=-1)
@click.option("--suite", help=f"A named run: {', '.join(SUITES)}.")
@click.option("-a", "--arm", "arms", multiple=True, help="An arm; may be given more than once.")
@options.DATA
@options.OUT
@click.option("--limit", type=click.IntRange(1), help="At most this many samples of each task.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True, help="Repeats of every sample.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), help="Processes; one per core unless given.")
@click.option("--fresh", is_flag=True, help="Begin a new log even if there is one to go on with.")
@click.option("--claude", is_flag=True, help="Let Claude answer from what came back, and judge the answers.")
@click.option("--claude-model", default=MODEL, show_default=True, help="Who answers and judges.")
@click.option("--retry-errors", is_flag=True, help="Try again what failed in the run that is gone on with.")
@click.option("--require", multiple=True, metavar="ARM:METRIC>=X", help="Exit with 3 unless it holds; TASK: may lead.")
@output_formats
def run(
    tasks: tuple[str, ...],
    suite: str | None,
    arms: tuple[str, ...],
    data: Path | None,
    out: Path,
    limit: int | None,
    epochs: int,
    seed: int,
    workers: int | None,
    fresh: bool,
    claude: bool,
    claude_model: str,
    retry_errors: bool,
    require: tuple[str, ...],
    emit: Emit,
) -> None:
    """Run TASKS (or a --suite) through arms; the same command goes on with a run that was interrupted.

    \b
    memeval run url_shortener --arm markdown_curated --arm flat_cache --arm memstore
    memeval run beam --data DIR --arm bm25 --arm memstore --limit 3
    memeval run rfcs --suite results --data DIR       one task of a suite, as the suite runs it
    """
    requirements = [_requirement(text) for text in require]
    plan, name = _plan(tasks, suite, arms, options.data(data), limit, epochs, seed)
    if claude:
        ready()
        plan = replace(plan, claude=Exam(claude_cache(), claude_model, claude_model))
    result = _execute(plan, _log_path(out, name, plan, fresh), workers, retry_errors)
    report = page.write(result, options.beside(result, ".html"))
    emit.rows(flat(result), lambda: terminal.show(result), lambda: _whole(result, report))
    note(f"\nlog     {result.path}\nreport  {report}")
    failed = [text for text, test in zip(require, requirements, strict=True) if not test(result)]
    for text in failed:
        note(f"Not met: {text}")
    if failed:
        raise click.exceptions.Exit(BELOW_THRESHOLD)


def perform(command: str, data: Path, out: Path) -> RunLog:
    """Run a `run` command line as text and return its log: how a reproduction file is carried out."""
    with run.make_context("run", [*shlex.split(command)[1:], "--data", str(data), "--out", str(out)]) as ctx:
        p = ctx.params
        plan, name = _plan(p["tasks"], p["suite"], p["arms"], options.data(data), p["limit"], p["epochs"], p["seed"])
        return _execute(plan, _log_path(out, name, plan, p["fresh"]), p["workers"], p["retry_errors"])


def _execute(plan: Plan, path: Path, workers: int | None, retry_errors: bool) -> RunLog:
    with _progress() as progress:
        return execute(plan, path, workers=cores(workers), retry_errors=retry_errors, progress=progress)


def _plan(
    names: Sequence[str],
    suite_name: str | None,
    arm_names: Sequence[str],
    data: Path,
    limit: int | None,
    epochs: int,
    seed: int,
) -> tuple[Plan, str]:
    if not (names or suite_name):
        raise click.UsageError(f"name tasks ({', '.join(TASKS)}) or a --suite ({', '.join(SUITES)})")
    if suite_name and suite_name not in SUITES:
        raise click.UsageError(f"no suite {suite_name!r}: choose from {', '.join(SUITES)}")
    for name in names:
        if name not in TASKS:
            raise click.UsageError(f"no task {name!r}: choose from {', '.join(TASKS)}")
    for name in arm_names:
        if name not in ARMS:
            raise click.UsageError(f"no arm {name!r}: choose from {', '.join(ARMS)}")
    suite = SUITES[suite_name] if suite_name else None
    asked = arm_names or (suite or SUITES["first-light"]).arms
    limits = suite.limits if suite else {}
    found = [_capped(TASKS[name], limits.get(name)) for name in names or (suite.tasks if suite else ())]
    tasks = tuple(found if names else _present(found, data))
    plan = Plan(tasks, tuple(_installed(list(dict.fromkeys(asked)))), data, limit, epochs, seed)
    return plan, "-".join([*([suite_name] if suite_name else []), *names[:3]])


def _capped(task: Task, most: int | None) -> Task:
    """The task, with at most so many samples unless the caller wants fewer."""
    if most is None:
        return task

    def load(data: Path, limit: int | None) -> list[Any]:
        return task.load(data, most if limit is None else min(most, limit))

    return replace(task, load=load)


def _present(tasks: Sequence[Task], data: Path) -> Iterator[Task]:
    """The tasks of a suite whose data is here; the others are named with the reason."""
    some = False
    for task in tasks:
        try:
            task.load(data, 1)
        except DataMissing as error:
            note(f"skipped task {task.name}: {error}")
        else:
            some = True
            yield task
    if not some:
        raise DataMissing(f"no task of this suite has its data under {data}")


def _installed(names: Sequence[str]) -> Iterator[type[BaseArm]]:
    """The arms that can run here; the others are named with the reason."""
    some = False
    for name in names:
        arm = find(name)
        reason = arm.missing()
        if reason:
            note(f"skipped arm {name}: {reason}")
        else:
            some = True
            yield arm
    if not some:
        raise EvalError("none of these arms can run here")


def _log_path(out: Path, name: str, plan: Plan, fresh: bool) -> Path:
    """Where this run is kept: the same command finds the same log, until that is finished and things have changed."""
    if out.exists() and not out.is_dir():
        raise EvalError(f"{out} is a file: --out wants the directory that holds the runs")
    asked = {
        "tasks": [t.name for t in plan.tasks],
        "arms": [arm().name for arm in plan.arms],
        "data": str(plan.data.resolve()),
        "limit": plan.limit,
        "epochs": plan.epochs,
        "seed": plan.seed,
        **(plan.claude.models if plan.claude else {}),
    }
    stem = f"{name}-{digest(asked)[:6]}"
    path, number = out / f"{stem}.jsonl", 1
    while path.exists() and (fresh or _is_of_other_code(path)):
        number += 1
        path = out / f"{stem}.{number}.jsonl"
    return path


def _is_of_other_code(path: Path) -> bool:
    """A finished log of earlier code or data is a result to keep; an unfinished one is for the runner to refuse."""
    from evals.header import code_hash

    before = log.read(path)
    return before.complete and before.header.get("code_sha256") != code_hash()


def _requirement(text: str) -> Callable[[RunLog], bool]:
    match = _REQUIREMENT.fullmatch(text)
    if not match:
        raise click.UsageError(f"--require {text!r} is not of the form ARM:METRIC>=NUMBER")

    def holds(result: RunLog) -> bool:
        means = [
            row["mean"]
            for row in flat(result)
            if row["arm"] == match["arm"]
            and row["metric"] == match["metric"]
            and match["task"] in (None, row["task"])
            and row["mean"] is not None
        ]
        return bool(means) and all(_SIGNS[match["sign"]](mean, float(match["value"])) for mean in means)

    return holds


def _whole(result: RunLog, report: Path) -> dict[str, Any]:
    every = list(answers(result))
    return {
        "log": str(result.path),
        "report": str(report),
        "complete": result.complete,
        "counter": result.header["counter"],
        "caveats": [a["caveat"] for a in result.header["arms"].values() if a["caveat"]],
        "scores": flat(result),
        "answers": every[:ANSWERS_SHOWN],
        "answers_left_out": max(0, len(every) - ANSWERS_SHOWN),
    }


@contextmanager
def _progress() -> Iterator[Callable[[int, int, SampleRecord | None], None]]:
    """A bar on standard error: what is done, time left, money spent. Silent where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    spent: list[float | None] = [0.0]
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[money]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        line = bar.add_task("starting", total=None, money="")

        def update(done: int, of: int, record: SampleRecord | None) -> None:
            described = f"{record.task} · {record.arm}" if record else "running"
            spent[0] = total([spent[0], billed(record.tokens if record else ())])
            money = "spent: unknown" if spent[0] is None else f"spent ${spent[0]:.2f}"
            bar.update(line, completed=done, total=of, description=described, money=money)

        yield update
