"""Whether reports help: an agent says of its answers what served and what was outdated, and everybody is asked again.

Every other question of a conversation is asked by an agent that reports: among its first five answers, those that rest
on the evidence were *used*, those that rest on what was updated since are *stale* where the current statement is among
them too, so that it can tell. It tells by the answer key. It errs as often as it is told to, and then calls a random
answer of the five used: instead of one that rests on the evidence, and also where none does. Then all questions are
asked, with the reports and without, and compared question by question: those that it reported on, and the others, which
must lose nothing. All conversations are pooled; intervals cluster by conversation.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from evals import stats
from evals.arms.memstore import Memstore
from evals.campaigns.recall import conversations
from evals.model import Probe, Sample
from evals.settings import data_directory
from memstore import Recollection

K = 10
READ = 5
SEED = 0
MEASURES = ("any@1", "any@5", "reciprocal rank", "current first")


# Before, after, and the paired difference.
Change = tuple[stats.Estimate, stats.Estimate, stats.Comparison]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question's measures before and after the reports; None where a measure does not apply."""

    sample: str
    probe: str
    reported: bool
    before: dict[str, float | None]
    after: dict[str, float | None]


def ask(sample: Sample, directory: Path, error: float) -> tuple[list[Asked], int]:
    """Every question with evidence, before and after the reports on every other one; and how many those were."""
    rng = random.Random(f"{SEED}/{sample.id}")
    probes = [probe for probe in sample.probes if probe.expect.get("evidence")]
    arm = Memstore()
    arm.open(directory, sample)
    try:
        arm.ingest(sample.items)
        before = [_measured(probe, _recalled(arm, probe)) for probe in probes]
        reports = sum(_report(arm, probe, rng, error) for probe in probes[::2])
        after = [_measured(probe, _recalled(arm, probe)) for probe in probes]
    finally:
        arm.close()
    return [
        Asked(sample.id, probe.id, number % 2 == 0, one, two)
        for number, (probe, one, two) in enumerate(zip(probes, before, after, strict=True))
    ], reports


def _recalled(arm: Memstore, probe: Probe) -> list[Recollection]:
    return arm.memory.recall(probe.query.text, k=K, mode=arm.mode, now=probe.query.now)


def _report(arm: Memstore, probe: Probe, rng: random.Random, error: float) -> int:
    read = _recalled(arm, probe)[:READ]
    current = [one for one in read if _rests_on(one, probe.expect["evidence"])]
    outdated = [one for one in read if one not in current and _rests_on(one, probe.expect.get("stale") or ())]
    used = [rng.choice(read) if rng.random() < error else one for one in current]
    if read and not current and rng.random() < error:
        used = [rng.choice(read)]
    for one in used:
        arm.memory.feedback(one, "used")
    for one in outdated if current else ():
        arm.memory.feedback(one, "stale")
    return len(used) + (len(outdated) if current else 0)


def _rests_on(answer: Recollection, refs: Sequence[str]) -> bool:
    return any(pointer.ref in refs for pointer in answer.provenance)


def _first(found: Sequence[Recollection], refs: Sequence[str]) -> int | None:
    return next((rank for rank, answer in enumerate(found) if _rests_on(answer, refs)), None)


def _measured(probe: Probe, found: Sequence[Recollection]) -> dict[str, float | None]:
    rank = _first(found, probe.expect["evidence"])
    current = None
    if probe.expect.get("stale"):
        new, old = _first(found, probe.expect["current"]), _first(found, probe.expect["stale"])
        if new is not None or old is not None:
            current = float(new is not None and (old is None or new < old))
    return {
        "any@1": float(rank == 0),
        "any@5": float(rank is not None and rank < READ),
        "reciprocal rank": 0.0 if rank is None else 1 / (1 + rank),
        "current first": current,
    }


def table(asked: Sequence[Asked], *, reported: bool) -> dict[str, Change]:
    """For each measure what became of it, over the questions reported on or the others."""
    result = {}
    for name in MEASURES:
        pairs = [(one, one.before[name], one.after[name]) for one in asked if one.reported is reported]
        was = [stats.Value(one.probe, one.sample, before) for one, before, _ in pairs if before is not None]
        now = [stats.Value(one.probe, one.sample, after) for one, _, after in pairs if after is not None]
        if was and now:
            result[name] = (stats.estimate(was), stats.estimate(now), stats.compare(now, was))
    return result


@click.command()
@click.option("--limit", type=int, help="at most so many conversations of each data set")
@click.option("--error", type=click.FloatRange(0, 1), multiple=True, default=(0.0, 0.3), show_default=True)
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="evaluation data")
def main(limit: int | None, error: tuple[float, ...], data: Path | None) -> None:
    """Print what reports changed, for questions reported on and for the others, by how often the agent errs."""
    samples = conversations(data_directory(data), limit)
    for share in error:
        asked: list[Asked] = []
        reports = 0
        for sample in samples:
            with tempfile.TemporaryDirectory(prefix="memstore-feedback-") as directory:
                found, count = ask(sample, Path(directory), share)
            asked, reports = asked + found, reports + count
        click.echo(f"an agent that errs in {share:.0%} of its praise: {reports} reports, {len(samples)} conversations")
        for reported, title in ((True, "questions reported on, asked again"), (False, "other questions")):
            click.echo(f"  {title}")
            for name, (before, after, change) in table(asked, reported=reported).items():
                click.echo(f"    {name:16} {_told(before)} -> {_told(after)}; {_told_change(change)}")


def _told(estimate: stats.Estimate) -> str:
    return f"{estimate.mean:.3f} (n {estimate.n})"


def _told_change(change: stats.Comparison) -> str:
    difference = change.difference
    interval = "" if difference.low is None else f" [{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"{difference.mean:+.3f}{interval}, better {change.wins}, worse {change.losses}"


if __name__ == "__main__":
    main()
