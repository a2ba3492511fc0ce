"""How commands answer: for a person by default; `--json`, `--nl`, `--csv` and `-t` for everything else.

One decorator adds the options and hands the command an `Emit`. Data goes to standard output; progress, paths and
warnings go to standard error, so that a pipe gets data and nothing else.
"""

from __future__ import annotations

import csv
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Emit:
    """Writes an answer in the format that was asked for; `format` is "" for a person."""

    format: str

    def rows(self, rows: Rows, human: Callable[[], None], whole: Callable[[], Any] | None = None) -> None:
        """`rows` in a table format, `whole()` (else the rows) as one JSON value, `human()` for a person."""
        if self.format == "json":
            click.echo(json.dumps(whole() if whole else list(rows), indent=2, ensure_ascii=False, default=str))
        elif self.format == "nl":
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False, default=str))
        elif self.format == "csv":
            columns = _columns(rows)
            writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({c: _cell(row.get(c)) for c in columns} for row in rows)
        elif self.format == "table":
            click.echo(_aligned(rows))
        else:
            human()


def output_formats(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the format options to a command; it receives `emit`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON value.")
    @click.option("--nl", is_flag=True, help="One JSON object a line.")
    @click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
    @click.option("-t", "--table", is_flag=True, help="A plain aligned table.")
    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool, nl: bool, as_csv: bool, table: bool, **kwargs: Any) -> Any:
        asked = [n for n, on in (("json", as_json), ("nl", nl), ("csv", as_csv), ("table", table)) if on]
        if len(asked) > 1:
            raise click.UsageError(f"choose one output format, not {' and '.join(asked)}")
        return command(*args, emit=Emit(asked[0] if asked else ""), **kwargs)

    return wrapped


def note(message: str) -> None:
    """Something for the person at the terminal that is not data."""
    click.echo(message, err=True)


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "" if value is None else value


def _aligned(rows: Rows) -> str:
    columns = _columns(rows)
    table = [columns, *([str(_cell(row.get(c))) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    if columns:
        lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
