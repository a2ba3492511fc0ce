"""`memeval ls`, `show`, `report`: what there is, what was answered, and the page that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evals import log, reproduction
from evals import publish as publishing
from evals.arms import ARMS
from evals.commands import options
from evals.model import EvalError
from evals.output import Emit, note, output_formats
from evals.report import markdown, page, readme, terminal
from evals.report.answers import answers
from evals.report.tables import flat
from evals.suites import SUITES
from evals.tasks import TASKS


@click.command()
@click.argument("what", type=click.Choice(["runs", "tasks", "arms", "suites"]), default="runs")
@options.OUT
@output_formats
def ls(what: str, out: Path, emit: Emit) -> None:
    """List runs (newest first), tasks, arms or suites."""
    rows = {"runs": lambda: _runs(out), "tasks": _tasks, "arms": _arms, "suites": _suites}[what]()

    def human() -> None:
        if not rows:
            note(f"no runs in {out}: start one with  memeval run url_shortener")
        width = max((len(str(row["name"])) for row in rows), default=0)
        for row in rows:
            click.echo(f"{row['name']:{width}}  {row['about']}")

    emit.rows(rows, human)


@click.command()
@options.LOG
@options.OUT
@click.option("--task", default="", help="Only this task.")
@click.option("-a", "--arm", default="", help="Only this arm.")
@click.option("--probe", default="", help="Only this question: every arm's answer to it, word for word.")
@click.option("--every", is_flag=True, help="Every metric, not only the headlines.")
@output_formats
def show(path: Path | None, out: Path, task: str, arm: str, probe: str, every: bool, emit: Emit) -> None:
    """Show a run: its tables, or with --task, --arm or --probe what was answered (LOG: the newest run)."""
    run = options.chosen(path, out)
    if not (task or arm or probe):
        emit.rows(flat(run), lambda: terminal.show(run, every=every))
        return
    rows = list(answers(run, task=task, arm=arm, probe=probe))
    if not rows:
        raise EvalError(f"{run.path} has no such answer: see  memeval show {run.path} --json")

    emit.rows(rows, lambda: [_answer(row) for row in rows] and None)


@click.command()
@click.argument("paths", metavar="[LOG]...", nargs=-1, type=click.Path(path_type=Path))
@options.OUT
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the tables as Markdown instead.")
@click.option("--summary", is_flag=True, help="As Markdown, what the reproduction file names: the README's results.")
@click.option("--publish", type=click.Path(path_type=Path), help="Write the log there instead (.jsonl or .jsonl.gz).")
@click.option("--without-words", is_flag=True, help="With --publish: leave out what the licence of a task keeps in.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the page.")
def report(
    paths: tuple[Path, ...],
    out: Path,
    as_markdown: bool,
    summary: bool,
    publish: Path | None,
    without_words: bool,
    output: Path | None,
) -> None:
    """Write the HTML report of a run or of several together, one file that opens offline (LOG: the newest run)."""
    run = publishing.joined([options.chosen(path, out) for path in paths or (None,)])
    if publish:
        click.echo(publishing.publish(run, publish, words=not without_words).path)
    elif as_markdown or summary:
        click.echo(readme.render(run, reproduction.read()) if summary else markdown.render(run), nl=False)
    else:
        click.echo(page.write(run, output or options.beside(run, ".html")))


def _runs(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in options.runs(out):
        try:
            run = log.read(path)
        except log.LogError as error:
            note(f"passed over: {error}")
            continue
        tasks, arms = run.header["tasks"], run.header["arms"]
        state = "complete" if run.complete else "interrupted"
        rows.append(
            {
                "name": str(path),
                "about": f"{state}, {run.header['times']['started']}: {', '.join(tasks)} × {len(arms)} arms",
                "started": run.header["times"]["started"],
                "complete": run.complete,
                "tasks": list(tasks),
                "arms": list(arms),
                "samples": len(run.samples),
                "git": run.header["where"]["git"],
            }
        )
    return rows


def _tasks() -> list[dict[str, Any]]:
    return [
        {"name": t.name, "about": t.title, "headline": list(t.headline), "licence": t.licence} for t in TASKS.values()
    ]


def _arms() -> list[dict[str, Any]]:
    rows = []
    for arm in ARMS.values():
        reason = arm.missing()
        about = arm.about + (f" (skipped here: {reason})" if reason else "")
        rows.append({"name": arm.name, "about": about, "missing": reason, "caveat": arm.caveat})
    return rows


def _suites() -> list[dict[str, Any]]:
    return [{"name": s.name, "about": s.about, "tasks": list(s.tasks), "arms": list(s.arms)} for s in SUITES.values()]


def _answer(row: dict[str, Any]) -> None:
    click.echo(f"\n{row['arm']} · {row['task']} · {row['probe']} · {row['category']}")
    click.echo(f"  asked      {row['question']}")
    gold = {k: v for k, v in row["expect"].items() if v not in (None, [], {})}
    click.echo(f"  expected   {gold}")
    if row["status"] != "ok":
        click.echo(f"  {row['status']}: {row['reason']}")
    for rank, r in enumerate(row["recalled"], 1):
        marks = ", ".join(filter(None, [r["modality"], "" if r["current"] else "no longer current"]))
        text = " ".join(r["text"].split())
        click.echo(f"  {rank:>2}. {f'[{marks}] ' if marks else ''}{text[:200]}  ({', '.join(r['refs'])})")
    if not row["recalled"]:
        click.echo("  nothing came back")
    scores = {k: round(v, 3) for k, v in row["scores"].items() if v is not None}
    click.echo(f"  scores     {scores}")
