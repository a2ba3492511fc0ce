"""`memeval reproduce`: run what the published figures came from, and say which of them still hold.

With logs named in place of a run, it says whether the figures are what those logs hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evals import log, reproduction
from evals.commands import options
from evals.commands.run import perform
from evals.output import Emit, note, output_formats
from evals.publish import joined
from evals.report import markdown
from evals.report.tables import flat
from evals.reproduction import Outcome
from evals.settings import SHIPPED_DATA

DIFFERS = 3


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@options.DATA
@options.OUT
@click.option("--short", is_flag=True, help="Only the entries marked short: what continuous integration runs.")
@click.option("--update", is_flag=True, help="Write what was measured into FILE as what is expected.")
@click.option("--against", multiple=True, type=click.Path(path_type=Path), help="A log to read in place of running.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the runs' tables as Markdown, for the README.")
@output_formats
def reproduce(
    file: Path | None,
    data: Path | None,
    out: Path,
    short: bool,
    update: bool,
    against: tuple[Path, ...],
    as_markdown: bool,
    emit: Emit,
) -> None:
    """Carry out a reproduction FILE (the one that ships unless given); exit with 3 if a figure does not hold.

    Entries that need the full data sets are passed over unless --data names a directory that holds them. With
    --against nothing is run: the columns of the README's tables whose task those logs hold are read from them.
    """
    file = file or reproduction.FILE
    entries = reproduction.read(file)
    held = joined([log.read(path) for path in against]) if against else None
    rows = flat(held) if held else []
    outcomes: list[Outcome] = []
    for number, entry in enumerate(entries):
        if (short and not entry.short) or (held and not (entry.table and entry.task in held.header["tasks"])):
            continue
        if entry.full and data is None and held is None:
            note(f"passed over, needs --data with the full sets: memeval {entry.command}")
            continue
        if held is None:
            run = perform(entry.command, options.data(data) if entry.full else SHIPPED_DATA, out)
            rows = flat(run)
            if as_markdown:
                click.echo(markdown.render(run))
        outcomes += reproduction.check(entry, rows)
        entries[number] = reproduction.updated(entry, rows)
    if update:
        reproduction.write(entries, file)
        note(f"written: {file}")
    if not as_markdown:
        emit.rows([_row(o) for o in outcomes], lambda: _say(outcomes))
    failed = sum(not o.ok for o in outcomes)
    note(f"{len(outcomes) - failed} of {len(outcomes)} figures hold")
    if failed and not update:
        raise click.exceptions.Exit(DIFFERS)


def _row(o: Outcome) -> dict[str, Any]:
    f = o.figure
    return {
        "ok": o.ok,
        "command": o.command,
        "task": f.task,
        "arm": f.arm,
        "metric": f.metric,
        "expected": f.value,
        "tolerance": f.tolerance,
        "measured": o.measured,
    }


def _say(outcomes: list[Outcome]) -> None:
    command = ""
    for o in outcomes:
        if o.command != command:
            command = o.command
            click.echo(f"memeval {command}")
        f = o.figure
        measured = "nothing" if o.measured is None else f"{o.measured:.4g}"
        expected = "nothing" if f.value is None else f"{f.value:.4g} ± {f.tolerance:g}"
        click.echo(f"  {'ok ' if o.ok else 'NO '} {f.task} · {f.arm} · {f.metric}: {measured} (expected {expected})")
