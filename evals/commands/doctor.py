"""`memeval doctor`: what is here, what is missing, and where to get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evals.arms import ARMS
from evals.commands import options
from evals.datasets.catalogue import inventory
from evals.header import data_hash
from evals.model import DataMissing, EvalError
from evals.output import Emit, output_formats
from evals.settings import api_key_present
from evals.tasks import TASKS


@click.command()
@options.DATA
@output_formats
def doctor(data: Path | None, emit: Emit) -> None:
    """Say which tasks have their data, which arms can run, and what to do about the rest."""
    where = options.data(data)
    rows = [*_sets(where), *_tasks(where), *_arms(), _key()]

    def human() -> None:
        for row in rows:
            click.echo(f"{'ok ' if row['ok'] else '-- '} {row['kind']:5} {row['name']:22} {row['detail']}")

    emit.rows(rows, human)


def _sets(data: Path) -> list[dict[str, Any]]:
    """The published sets: their files' hashes where they are here, where to get them where they are not."""
    rows = []
    for held in inventory(data):
        hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in list(held.files.items())[:3])
        more = f" and {len(held.files) - 3} more files" if len(held.files) > 3 else ""
        checked = "as published" if held.checked else "no published checksum to compare with"
        detail = held.problem or f"{held.source.title}, {held.source.licence}: {hashes}{more} ({checked})"
        rows.append(_row("set", held.source.folder, held.present, detail))
    return rows


def _tasks(data: Path) -> list[dict[str, Any]]:
    rows = []
    for task in TASKS.values():
        try:
            samples = task.load(data, None)
        except DataMissing as error:
            rows.append(_row("task", task.name, False, str(error)))
        except EvalError as error:
            rows.append(_row("task", task.name, False, f"unusable: {error}"))
        else:
            probes = sum(len(s.probes) for s in samples)
            detail = f"{len(samples)} samples, {probes} questions, sha256 {data_hash(samples)[:12]}; {task.licence}"
            rows.append(_row("task", task.name, True, detail))
    return rows


def _arms() -> list[dict[str, Any]]:
    return [
        _row("arm", a.name, a.missing() is None, a.missing() or f"{a.package} {a().version}") for a in ARMS.values()
    ]


def _key() -> dict[str, Any]:
    present = api_key_present()
    return _row("key", "ANTHROPIC_API_KEY", present, "set" if present else "not set: everything here runs without it")


def _row(kind: str, name: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "ok": ok, "detail": detail}
