"""`memeval calibrate`: how far the instruments themselves are to be trusted, measured on labelled data.

The intervals, on simulated questions that share their conversation's fate: how often do they hold the truth, and how
often would intervals that forget conversations? The reader of bare strings, against labelled sentences (κ, beside the
base rate that makes κ necessary); the token counters, against each other on the same sentences; with a run, the
confidence that arms state, against what turned out; and with `--claude` Claude itself, as a reader of the same
sentences, and as a judge of answers whose verdict is known without one: a question's own gold answer is right, that of
another question on the same chat is wrong, if on topic.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from evals import stats
from evals.claude import MODEL, Exam, Examiner, ready
from evals.commands import options
from evals.cost import COUNTERS, billed, count
from evals.datasets.modality import sentences
from evals.model import EvalError
from evals.output import Emit, note, output_formats
from evals.scorers.reader import agreement
from evals.settings import claude_cache
from evals.summary import forecasts
from evals.tasks import TASKS

SENTENCES_A_CALL = 25
JUDGEMENTS = 120
SIMULATED, SEED = 2_000, 20260726


@click.command()
@options.LOG
@options.OUT
@options.DATA
@click.option("--claude", is_flag=True, help="Also ask Claude to read and to judge what is known.")
@click.option("--claude-model", default=MODEL, show_default=True, help="Which model is asked.")
@output_formats
def calibrate(path: Path | None, out: Path, data: Path | None, claude: bool, claude_model: str, emit: Emit) -> None:
    """Check the reader, the token counters and (with a LOG) the stated confidence against what is known."""
    labelled = [(str(row["text"]), str(row["label"])) for row in sentences(options.data(data))]
    rows = [*_intervals(), *_reader(labelled), *_counters([text for text, _ in labelled])]
    if path is not None or next(iter(options.runs(out)), None):
        rows += _confidence(path, out)
    if claude:
        ready()
        examiner = Examiner(Exam(claude_cache(), claude_model, claude_model, tokens_a_sample=5_000_000))
        rows += [*_claude_reads(examiner, labelled), *_claude_judges(examiner, options.data(data))]
        spent = billed(examiner.booked.tokens)
        note("Asking Claude cost " + ("an unknown sum" if spent is None else f"${spent:.2f}"))

    def human() -> None:
        for row in rows:
            value = "–" if row["value"] is None else f"{row['value']:.4g}"
            click.echo(f"{row['instrument']:36} {row['measure']:28} {value:>10}   n {row['n']}")

    emit.rows(rows, human)
    note("The labels are by two language models that agreed, not by people.")


def _intervals() -> list[dict[str, Any]]:
    rows = []
    for design in stats.DESIGNS:
        clustered, naive = stats.coverage(design, seed=SEED, runs=SIMULATED)
        rows += [
            _row(design.name, "95 % intervals that hold", clustered, SIMULATED),
            _row(design.name, "naive ones that hold", naive, SIMULATED),
        ]
    return rows


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
        pairs = forecasts(run.samples, arm)
        if pairs:
            brier, error = stats.brier(pairs), stats.calibration_error(pairs)
            rows.append(_row(f"confidence of {arm}", "Brier score", brier, len(pairs)))
            rows.append(_row(f"confidence of {arm}", "expected calibration error", error, len(pairs)))
    return rows


def _claude_reads(examiner: Examiner, labelled: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Claude's labels against the sentences' own; a batch whose reply is not one label for each stays unscored."""
    pairs: list[tuple[str, str]] = []
    for start in range(0, len(labelled), SENTENCES_A_CALL):
        batch = labelled[start : start + SENTENCES_A_CALL]
        labels = examiner.label([text for text, _ in batch])
        pairs += zip([label for _, label in batch], labels, strict=True) if labels else ()
    return _agreement("Claude as reader", pairs, len(labelled))


def _claude_judges(examiner: Examiner, data: Path) -> list[dict[str, Any]]:
    """Claude's verdicts on answers that are right, and on as many that are wrong but on topic."""
    known: list[tuple[str, str, str, str]] = []
    for sample in TASKS["beam"].load(data, None):
        asked = [p for p in sample.probes if p.expect.get("answer") and p.expect.get("answerable", True)]
        for one, other in zip(asked, [*asked[1:], *asked[:1]], strict=True):
            question, gold = one.query.text, str(one.expect["answer"])
            known += [(question, gold, gold, "right"), (question, gold, str(other.expect["answer"]), "wrong")]
    known = known[:JUDGEMENTS]
    pairs = []
    for question, gold, said, label in known:
        verdicts, _ = examiner.judge(question, [f"States: {gold}"], said)
        if verdicts:
            pairs.append((label, "right" if verdicts == ("met",) else "wrong"))
    return _agreement("Claude as judge", pairs, len(known))


def _agreement(instrument: str, pairs: list[tuple[str, str]], asked: int) -> list[dict[str, Any]]:
    """Agreement and κ over what was scored, the base rate of the commonest true label, and what was left unscored."""
    n = len(pairs)
    most = Counter(gold for gold, _ in pairs).most_common(1)
    measures = {
        "agreement": sum(gold == got for gold, got in pairs) / n if n else None,
        "κ": stats.kappa(pairs),
        f"base rate ({most[0][0]})" if most else "base rate": most[0][1] / n if most else None,
        "unscored": float(asked - n),
    }
    return [_row(instrument, name, value, n) for name, value in measures.items()]


def _row(instrument: str, measure: str, value: float | None, n: int) -> dict[str, Any]:
    return {"instrument": instrument, "measure": measure, "value": value, "n": n}
