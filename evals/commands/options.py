"""Options that several commands share, each declared once, and what their values mean."""

from __future__ import annotations

from pathlib import Path

import click

from evals import log
from evals.log import RunLog
from evals.model import DataMissing, EvalError
from evals.settings import data_directory

OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are kept."
)
DATA = click.option(
    "--data", type=click.Path(path_type=Path), help="Data directory; else MEMSTORE_DATA, else the samples that ship."
)
LOG = click.argument("path", metavar="[LOG]", required=False, type=click.Path(path_type=Path))

LOGS = (".jsonl", ".jsonl.gz")  # as it is written, and as it is published


def data(given: Path | None) -> Path:
    """The data directory, which must be one. Raises DataMissing."""
    path = data_directory(given)
    if not path.exists():
        raise DataMissing(f"no data directory at {path}: name one with --data or MEMSTORE_DATA")
    if not path.is_dir():
        raise DataMissing(f"{path} is a file: --data wants the directory that holds the data sets")
    return path


def runs(out: Path) -> list[Path]:
    """The run logs in a directory, newest first."""
    if out.exists() and not out.is_dir():
        raise EvalError(f"{out} is a file: --out wants the directory that holds the runs")
    logs = [path for path in out.glob("*") if path.name.endswith(LOGS)]
    return sorted(logs, key=lambda p: (p.stat().st_mtime, p.name), reverse=True)


def chosen(path: Path | None, out: Path) -> RunLog:
    """The log that was named, else the newest one in `out`."""
    if path is None:
        newest = next(iter(runs(out)), None)
        if newest is None:
            raise EvalError(f"no runs in {out}: start one with  memeval run url_shortener")
        path = newest
    elif not path.exists():
        path = next((named for end in LOGS if (named := out / f"{path}{end}").is_file()), path)
    return log.read(path)


def beside(run: RunLog, end: str) -> Path:
    """Where something made of a run goes unless it is told: beside its log, under its name."""
    return run.path.with_name(run.path.name.removesuffix(".gz").removesuffix(".jsonl") + end)
