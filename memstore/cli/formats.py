"""One decorator gives a command its output formats: for people by default, else --json, --nl, --csv or -t."""

from __future__ import annotations

import csv
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

import click

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a command found. `rows` may be a stream; `human` is the text for people, made only when it is shown."""

    rows: Iterable[Row]
    human: Callable[[], str]
    one: bool = False  # a single record: --json gives an object, not a list
    code: int = 0
    table: tuple[str, ...] = ()  # the columns that -t shows, where all of them would not fit a screen


def output(command: Callable[..., Answer]) -> Callable[..., int]:
    """Give a command that returns an `Answer` the options --json, --nl, --csv, -t; print it; return its code."""

    @click.option("--json", "printed_as", flag_value="json", help="A JSON list, or an object for a single record.")
    @click.option("--nl", "printed_as", flag_value="nl", help="One JSON object a line.")
    @click.option("--csv", "printed_as", flag_value="csv", help="Comma-separated values with a header.")
    @click.option("-t", "--table", "printed_as", flag_value="table", help="A plain table.")
    @functools.wraps(command)
    def printing(*arguments: Any, printed_as: str | None, **options: Any) -> int:
        answer = command(*arguments, **options)
        if printed_as is None:
            text = answer.human()
            if text:
                click.echo(text)
        else:
            _FORMS[printed_as](answer)
        return answer.code

    return printing


def record(value: Any) -> Any:
    """A dataclass as plain JSON values: enums as words, times in ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: record(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): record(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [record(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


# Control characters that JSON itself leaves raw; escaped, they mean the same and cannot drive a terminal.
_RAW_CONTROL = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")


def _dumps(row: object, **options: Any) -> str:
    text = json.dumps(row, ensure_ascii=False, **options)
    return _RAW_CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _json(answer: Answer) -> None:
    rows = list(answer.rows)
    click.echo(_dumps(rows[0] if answer.one else rows, indent=2))


def _nl(answer: Answer) -> None:
    for row in answer.rows:
        click.echo(_dumps(row))


def _csv(answer: Answer) -> None:
    writer = None
    for row in answer.rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, list(row), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: _seen(_cell(value)) for name, value in row.items()})


def _table(answer: Answer) -> None:
    from tabulate import tabulate

    from memstore.cli.look import visible

    def cells(row: Row) -> dict[str, str]:
        return {name: visible(" ".join(_short(row[name]).split())) for name in answer.table or row}

    rows = [cells(row) for row in answer.rows]
    if rows:
        click.echo(tabulate(rows, headers="keys", disable_numparse=True))


def _short(value: Any) -> str:
    """A cell for the eye: two decimals, times to the minute; the other forms keep everything."""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value[:16].replace("T", " ")
    return str(_cell(value))


def _seen(value: Any) -> Any:
    """A cell as it is where a program reads it; in a terminal, nothing in it drives that."""
    from memstore.cli.look import visible

    return visible(value) if isinstance(value, str) and sys.stdout.isatty() else value


def _cell(value: Any) -> Any:
    return "" if value is None else _dumps(value) if isinstance(value, (dict, list)) else value


_FORMS: dict[str, Callable[[Answer], None]] = {"json": _json, "nl": _nl, "csv": _csv, "table": _table}
