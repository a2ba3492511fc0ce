"""StateBench track by track: what came back of what could, beside what came back that should be dead.

    python -m evals.campaigns.tracks DATA [--withheld]

A phrase that is said nowhere before the question cannot be recalled: coverage is the share of the *reachable* required
phrases, resurrection the share of the outdated ones that are given as current. Either alone is won by a memory that
knows nothing: recency brings nearly everything back, dead and alive; silence brings back neither. Beside them
stands over-invalidation: the share of timelines in which something required was held, and kept back as not current.
Intervals are clustered by template.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import click

from evals.arms.base import BaseArm
from evals.arms.memstore import Memstore
from evals.arms.no_memory import NoMemory
from evals.arms.recency import Recency
from evals.datasets import statebench
from evals.datasets.phrases import says
from evals.model import Answer, Probe, Recalled, Sample
from evals.scorers.phrases import Phrases
from evals.stats import Value, estimate

NAMED = ("repair_propagation", "environmental_freshness", "authority_hierarchy", "scope_leak", "scope_permission")
ARMS: tuple[type[BaseArm], ...] = (Memstore, Recency, NoMemory)
METRICS = ("phrases/covered", "phrases/forbidden", "kept back")


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option("--withheld", is_flag=True, help="Say nothing of keys and supersessions: the words alone.")
@click.option("--limit", type=int, help="Only so many timelines.")
@click.option("--track", "tracks", multiple=True, help="Only this track (repeat for more).")
@click.option("--show", type=click.Choice(METRICS), help="Print every probe that memstore missed on this.")
def main(data: Path, withheld: bool, limit: int | None, tracks: tuple[str, ...], show: str | None) -> None:
    """Coverage of the reachable and resurrection, for each track of the StateBench files in DATA."""
    values: dict[tuple[str, str, str], list[Value]] = defaultdict(list)
    for sample in statebench.load(data, limit, declared=not withheld):
        track = str(sample.extras["track"])
        if tracks and track not in tracks:
            continue
        for arm in ARMS:
            for probe, told in asked(arm(), sample):
                scores = judged(probe, told, sample)
                for metric, value in scores.items():
                    values[track, arm.name, metric].append(Value(probe.id, sample.cluster, value))
                missed = scores.get(str(show), 0.0) < 1 if show == METRICS[0] else scores.get(str(show), 0.0) > 0
                if arm is Memstore and show in scores and missed:
                    click.echo(_story(probe, told, sample))
    click.echo("| track | arm | covered | resurrected ↓ | kept back ↓ |\n|---|---|---:|---:|---:|")
    for track in sorted({track for track, _, _ in values}):
        for arm in ARMS:
            cells = [_cell(values[track, arm.name, metric]) for metric in METRICS]
            click.echo(f"| {track} | `{arm.name}` | " + " | ".join(cells) + " |")


def asked(arm: BaseArm, sample: Sample) -> Iterator[tuple[Probe, list[Recalled]]]:
    """A timeline lived through by an arm, and what it recalled for each probe."""
    with tempfile.TemporaryDirectory() as scratch:
        arm.open(Path(scratch), sample)
        arm.ingest(sample.items)
        for probe in sample.probes:
            yield probe, list(arm.recall(probe.query))
        arm.close()


def judged(probe: Probe, told: list[Recalled], sample: Sample) -> dict[str, float]:
    scores = Phrases().score(probe, Answer(probe.id, tuple(told), "", 0.0), sample)
    found = {metric: value for metric, value in scores.items() if metric in METRICS and value is not None}
    if METRICS[0] in found:
        required = probe.expect["must_mention"]
        back = [r.text for r in told if not r.current]
        given = [r.text for r in told if r.current]
        found["kept back"] = float(
            any(any(says(t, p) for t in back) and not any(says(t, p) for t in given) for p in required)
        )
    return found


def _cell(values: list[Value]) -> str:
    found = estimate(values, bounds=(0.0, 1.0))
    if found.mean is None:
        return "–"
    interval = f" [{found.low:.2f}, {found.high:.2f}]" if found.low is not None and found.high is not None else ""
    return f"{found.mean:.2f}{interval} (n={len(values)})"


def _story(probe: Probe, told: list[Recalled], sample: Sample) -> str:
    lines = [f"--- {sample.id} {sample.extras['track']}: {probe.query.text}"]
    lines += [f"    {getattr(item, 'role', 'edge'):<9} {getattr(item, 'text', item)}" for item in sample.items]
    lines.append(f"  must {probe.expect['must_mention']}, must not {probe.expect['must_not_mention']}")
    lines += [f"  {'→' if r.current else 'x'} {r.text}" for r in told]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
