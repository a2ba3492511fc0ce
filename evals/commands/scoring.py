"""`memeval score` and `compare`: the same answers scored again, and two arms held against each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from evals import log, stats
from evals.commands import options
from evals.header import code_hash, data_hash
from evals.log import RunLog, SampleRecord
from evals.model import EvalError
from evals.output import Emit, note, output_formats
from evals.report import terminal
from evals.report.tables import flat, number
from evals.runner import rescore
from evals.stats import Comparison
from evals.summary import footer, is_share, metrics, values
from evals.tasks import TASKS

DIFFERS = 3


@click.command()
@options.LOG
@options.OUT
@options.DATA
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the log anew with them.")
@output_formats
def score(path: Path | None, out: Path, data: Path | None, output: Path | None, emit: Emit) -> None:
    """Compute every score of a run again from its answers; exit with 3 if any differs from what was logged."""
    run = options.chosen(path, out)
    if output and output.exists():
        raise EvalError(f"{output} is there already: a log is never written over")
    if output and not run.complete:
        raise EvalError(f"{run.path} is not finished: finish it before it is written anew")
    again = rescored(run, options.data(data))
    emit.rows(flat(again), lambda: terminal.show(again))
    if output:
        header = {**run.header, "scored_by_sha256": code_hash()}
        note(f"written: {log.write(replace(again, path=output, header=header, footer=footer(again.samples))).path}")
        return
    before, after = footer(run.samples)["scores"], footer(again.samples)["scores"]
    if before != after:
        note(f"Scores differ from those in {run.path}: the scorers have changed since")
        raise click.exceptions.Exit(DIFFERS)
    note(f"All scores are as logged in {run.path}")


def rescored(run: RunLog, data: Path) -> RunLog:
    """The run with every score computed again. Raises EvalError where its task or data is not what it was."""
    if run.header.get("words") == "left out":
        raise EvalError(f"{run.path} was published without its words: scoring again takes a run of your own")
    fresh: list[SampleRecord] = []
    for name, described in run.header["tasks"].items():
        if name not in TASKS:
            raise EvalError(f"{run.path} is of a task {name!r} that this version does not have")
        task = TASKS[name]
        wanted = {r.sample for r in run.samples if r.task == name}
        samples = [s for s in task.load(data, None) if s.id in wanted]
        if data_hash(samples) != described["data_sha256"] and len(wanted) == described["samples"]:
            raise EvalError(f"{name}: the data under {data} is not what {run.path.name} was run on")
        fresh += rescore([r for r in run.samples if r.task == name], task, samples)
    return replace(run, samples=tuple(fresh))


@click.command()
@click.argument("which", metavar="[LOG] A B", nargs=-1, required=True)
@options.OUT
@click.option("--task", default="", help="Only this task.")
@click.option("--metric", default="", help="Only this metric; else the headline metrics of each task.")
@output_formats
def compare(which: tuple[str, ...], out: Path, task: str, metric: str, emit: Emit) -> None:
    """Hold arm A against arm B on the questions both answered, and say in a sentence what may be concluded.

    \b
    memeval compare bm25 memstore                     two arms of the newest run
    memeval compare runs/one.jsonl bm25 memstore      two arms of a run
    memeval compare one.jsonl:bm25 two.jsonl:bm25     an arm across runs of the same data
    """
    if len(which) not in (2, 3):
        raise click.UsageError("name two arms, and before them the run if it is not the newest")
    path = Path(which[0]) if len(which) == 3 else None
    a, b = which[-2:]
    rows = comparisons(_side(a, path, out), _side(b, path, out), task, metric)
    if not rows:
        raise EvalError(f"{a} and {b} have no scored metric in common there")

    def human() -> None:
        for row in rows:
            click.echo(f"{row['task']}  {row['metric']}: {row['sentence']}")

    emit.rows(rows, human)


Side = tuple[str, RunLog, list[SampleRecord]]


def comparisons(a: Side, b: Side, task: str = "", metric: str = "") -> list[dict[str, Any]]:
    """One row for each task and metric; p corrected by Holm over all of them together."""
    (name_a, run_a, samples_a), (name_b, run_b, samples_b) = a, b
    if name_a == name_b:
        name_a, name_b = f"{run_a.path.stem}:{name_a}", f"{run_b.path.stem}:{name_b}"
    found: dict[tuple[str, str], Comparison] = {}
    for name, described in run_a.header["tasks"].items():
        other = run_b.header["tasks"].get(name)
        if other is None or (task and name != task):
            continue
        if other["data_sha256"] != described["data_sha256"]:
            note(f"{name}: the two runs are of different data; only questions with the same id are compared")
        first, second = ([s for s in side if s.task == name] for side in (samples_a, samples_b))
        for measure in [metric] if metric else [m for m in described["headline"] if m in metrics(first)]:
            most = (-1, 1) if is_share(measure) else None
            one = stats.compare(values(first, measure), values(second, measure), bounds=most)
            if one.difference.n:
                found[name, measure] = one
    holm = stats.holm({key: c.p for key, c in found.items()})
    lower = {name: set(t["lower_is_better"]) for name, t in run_a.header["tasks"].items()}
    return [
        _row(name_a, name_b, name, measure, replace(c, p_holm=holm[name, measure]), measure in lower[name])
        for (name, measure), c in found.items()
    ]


def _side(name: str, path: Path | None, out: Path) -> Side:
    before, _, arm = name.rpartition(":")
    run = log.read(Path(before)) if before else options.chosen(path, out)
    samples = [s for s in run.samples if s.arm == arm]
    if not samples:
        raise EvalError(f"{run.path} has no arm {arm!r}: it has {', '.join(run.header['arms'])}")
    return arm, run, samples


def _row(a: str, b: str, task: str, metric: str, c: Comparison, lower: bool) -> dict[str, Any]:
    d = c.difference
    return {
        "task": task,
        "metric": metric,
        "a": a,
        "b": b,
        "difference": d.mean,
        "low": d.low,
        "high": d.high,
        "n": d.n,
        "clusters": d.clusters,
        "wins": c.losses if lower else c.wins,
        "ties": c.ties,
        "losses": c.wins if lower else c.losses,
        "p": c.p,
        "p_holm": c.p_holm,
        "test": c.test,
        "minimum_detectable_effect": c.mde,
        "sentence": sentence(a, b, metric, c, lower),
    }


def sentence(a: str, b: str, metric: str, c: Comparison, lower: bool) -> str:
    """What may be concluded, for a reader who knows no statistics. Never more than the data carries."""
    d = c.difference
    assert d.mean is not None
    over = f"over {d.n} questions from {d.clusters} {'conversation' if d.clusters == 1 else 'conversations'}"
    wins, losses = (c.losses, c.wins) if lower else (c.wins, c.losses)
    tally = f"better on {wins}, equal on {c.ties}, worse on {losses}"
    if c.wins == c.losses == 0:
        return f"{a} and {b} scored the same on every question, {over}."
    size = f"{number(abs(d.mean), metric)} {'higher' if d.mean > 0 else 'lower'}"
    spread = (
        f" (95 % interval of the difference {number(d.low, metric)} to {number(d.high, metric)})"
        if d.low is not None
        else ""
    )
    if d.clusters < 2:
        return f"{a} is {size} than {b} {over} ({tally}): one conversation does not tell what another would give."
    p = c.p_holm if c.p_holm is not None else c.p
    if p is not None and p < 0.05:
        better = a if (d.mean < 0) == lower else b
        return (
            f"{better} is better: {a} is {size} than {b} {over}{spread}; {tally}; p = {_p(p)} after Holm's correction."
        )
    reach = ""
    if c.mde and is_share(metric) and c.mde > 1:
        reach = " There are too few conversations to find any difference reliably, however large."
    elif c.mde:
        reach = f" Only a difference of {number(c.mde, metric)} or more would have been found reliably."
    chance = f"; p = {_p(p)} after Holm's correction" if p is not None else ""
    return f"no difference can be concluded: {a} came out {size} than {b} {over}{spread}, {tally}{chance}.{reach}"


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else number(p)
