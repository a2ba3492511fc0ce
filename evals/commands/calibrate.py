"""`memeval calibrate`: how far the instruments themselves are to be trusted, measured on labelled data.

Three of them: the reader of bare strings, against labelled sentences (κ, beside the base rate that makes κ necessary);
the token counters, against each other on the same sentences; and, with a run, the confidence that arms state, against
what turned out.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from evals import stats
from evals.commands import options
from evals.cost import COUNTERS, count
from evals.datasets.modality import sentences
from evals.model import EvalError
from evals.output import Emit, note, output_formats
from evals.scorers.reader import agreement
from evals.summary import scored


@click.command()
@options.LOG
@options.OUT
@options.DATA
@output_formats
def calibrate(path: Path | None, out: Path, data: Path | None, emit: Emit) -> None:
    """Check the reader, the token counters and (with a LOG) the stated confidence against what is known."""
    labelled = [(str(row["text"]), str(row["label"])) for row in sentences(options.data(data))]
    rows = [*_reader(labelled), *_counters([text for text, _ in labelled])]
    if path is not None or next(iter(options.runs(out)), None):
        rows += _confidence(path, out)

    def human() -> None:
        for row in rows:
            click.echo(f"{row['instrument']:24} {row['measure']:28} {row['value']:>10.4g}   n {row['n']}")

    emit.rows(rows, human)
    note("The labels are by two language models that agreed, not by people.")


def _reader(labelled: list[tuple[str, str]]) -> list[dict[str, Any]]:
    found = agreement(labelled)
    most = Counter(label for _, label in labelled).most_common(1)[0]
    measures = {
        "agreement": found.accuracy,
        "κ": found.kappa,
        f"base rate ({most[0]})": most[1] / len(labelled),
        "hedges read as decisions": found.false_decision,
    }
    return [_row("reader of bare strings", name, value, found.n) for name, value in measures.items()]


def _counters(texts: list[str]) -> list[dict[str, Any]]:
    """Tokens a sentence by each counter, and how far one sentence's ratio to the published counter strays."""
    rows = []
    published = [count(text) for text in texts]
    for name in COUNTERS:
        try:
            counted = [count(text, name) for text in texts]
        except EvalError as error:
            note(f"counter {name} left out: {error}")
            continue
        rows.append(_row(f"counter {name}", "tokens a sentence", sum(counted) / len(texts), len(texts)))
        rows.append(_row(f"counter {name}", "total against chars/4", sum(counted) / sum(published), len(texts)))
    return rows


def _confidence(path: Path | None, out: Path) -> list[dict[str, Any]]:
    run = options.chosen(path, out)
    rows = []
    for arm in run.header["arms"]:
        pairs = [
            (float(confidence), bool(right))
            for _, probe in scored(s for s in run.samples if s.arm == arm)
            for made in probe.forecasts.values()
            for confidence, right in made
        ]
        if pairs:
            brier, error = stats.brier(pairs), stats.calibration_error(pairs)
            rows.append(_row(f"confidence of {arm}", "Brier score", brier, len(pairs)))
            rows.append(_row(f"confidence of {arm}", "expected calibration error", error, len(pairs)))
    return rows


def _row(instrument: str, measure: str, value: float | None, n: int) -> dict[str, Any]:
    return {"instrument": instrument, "measure": measure, "value": value, "n": n}
