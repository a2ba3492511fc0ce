"""What recall finds first, with two controls for "the newest wins", and what it costs to find as much as Chroma does.

Order. For questions about what was updated: does the current statement come before the outdated one, where either
comes back? For all others: is the evidence among the first five, and how far up? Beside the order as answered stand
two others of the same ten answers: by score with a term for recency (one standard deviation over the conversation),
and by date alone. The first hardly helps; the second sells the other questions for these.

Tokens. The fewest answers with which memstore's share of questions with evidence is at least that of ten turns from
Chroma, the tokens of both, and those of the whole conversation.

All questions of all conversations are pooled; intervals are bootstraps over conversations.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from evals import stats
from evals.arms.base import BaseArm
from evals.arms.chroma import Chroma
from evals.arms.memstore import Memstore, MemstoreHybrid
from evals.cost import COUNTER, count
from evals.datasets import beam, locomo
from evals.model import EvalError, Probe, Recalled, Sample, Turn
from evals.settings import data_directory

K = 10
SEED = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what came back. `at` is the place of each turn in its conversation, from 0 to 1."""

    sample: Sample
    probe: Probe
    found: Sequence[Recalled]
    at: Mapping[str, float]

    def place(self, answer: Recalled) -> float:
        return max((self.at[ref] for ref in answer.refs if ref in self.at), default=0.0)

    def first(self, found: Sequence[Recalled], refs: Sequence[str]) -> int | None:
        """The rank (from 0) of the first answer that rests on one of the turns."""
        return next((rank for rank, answer in enumerate(found) if set(refs).intersection(answer.refs)), None)


def ask(arm: BaseArm, sample: Sample, directory: Path) -> list[Asked]:
    """Every question of a conversation that has evidence."""
    turns = [item for item in sample.items if isinstance(item, Turn)]
    at = {turn.ref: number / len(turns) for number, turn in enumerate(turns)}
    arm.open(directory, sample)
    try:
        arm.ingest(sample.items)
        return [
            Asked(sample, probe, arm.recall(probe.query), at) for probe in sample.probes if probe.expect.get("evidence")
        ]
    finally:
        arm.close()


def as_answered(asked: Asked) -> list[Recalled]:
    return list(asked.found)


def with_recency(asked: Asked) -> list[Recalled]:
    spread = statistics.pstdev([answer.score or 0.0 for answer in asked.found]) if asked.found else 0.0
    return sorted(asked.found, key=lambda answer: -((answer.score or 0.0) + spread * asked.place(answer)))


def by_date(asked: Asked) -> list[Recalled]:
    return sorted(asked.found, key=lambda answer: -asked.place(answer))


ORDERS: Mapping[str, Callable[[Asked], list[Recalled]]] = {
    "as answered": as_answered,
    "recency in the sum": with_recency,
    "by date": by_date,
}


def order_table(asked: Sequence[Asked]) -> dict[str, dict[str, stats.Estimate]]:
    """For each order: how often the current statement is first, and how the other questions fare."""
    table = {}
    for name, order in ORDERS.items():
        current, among_five, reciprocal = [], [], []
        for one in asked:
            found, expect, key = order(one), one.probe.expect, (one.sample.id, one.probe.id)
            if expect.get("stale"):
                new, old = one.first(found, expect["current"]), one.first(found, expect["stale"])
                if new is not None or old is not None:
                    current.append(_value(key, new is not None and (old is None or new < old)))
            else:
                rank = one.first(found, expect["evidence"])
                among_five.append(_value(key, rank is not None and rank < 5))
                reciprocal.append(_value(key, 0.0 if rank is None else 1 / (1 + rank)))
        table[name] = {
            "current first": _estimate(current),
            "others any@5": _estimate(among_five),
            "others reciprocal rank": _estimate(reciprocal),
        }
    return table


def token_table(memstore: Sequence[Asked], chroma: Sequence[Asked]) -> dict[str, stats.Estimate]:
    """Tokens at equal recall, question by question: shares of what Chroma took, and of the whole conversation."""
    target = sum(_any(one, K) for one in chroma)
    k = next((k for k in range(1, K + 1) if sum(_any(one, k) for one in memstore) >= target), K)
    of_chroma, of_whole, recall, other = [], [], [], []
    for one, two in zip(memstore, chroma, strict=True):
        key = (one.sample.id, one.probe.id)
        spent = _tokens(one.found[:k])
        of_chroma.append(_value(key, spent / max(1, _tokens(two.found))))
        of_whole.append(_value(key, spent / sum(count(t.text) for t in one.sample.items if isinstance(t, Turn))))
        recall.append(_value(key, _any(one, k)))
        other.append(_value(key, _any(two, K)))
    return {
        f"memstore any@{k}": _estimate(recall),
        f"chroma any@{K}": _estimate(other),
        "tokens / chroma's": _estimate(of_chroma),
        "tokens / whole conversation": _estimate(of_whole),
    }


def _any(one: Asked, k: int) -> bool:
    return one.first(one.found[:k], one.probe.expect["evidence"]) is not None


def _tokens(found: Sequence[Recalled]) -> int:
    return sum(count(answer.shown) for answer in found)


def _value(key: tuple[str, str], value: float) -> stats.Value:
    return stats.Value(key[1], key[0], float(value))


def _estimate(values: Sequence[stats.Value]) -> stats.Estimate:
    return stats.bootstrap(values, seed=SEED)


def _told(estimate: stats.Estimate) -> str:
    if estimate.mean is None:
        return "–"
    interval = "" if estimate.low is None else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.mean:.3f}{interval} (n {estimate.n}, {estimate.clusters} conversations)"


def conversations(where: Path, limit: int | None) -> list[Sample]:
    """The conversations that questions of recall are about: BEAM's and, where it is there, LoCoMo's."""
    samples = beam.tiers("100K", "500K")(where, limit)
    try:
        samples += locomo.load(where, limit)
    except EvalError as error:
        click.echo(f"without LoCoMo: {error}", err=True)
    return samples


@click.command()
@click.option("--mode", type=click.Choice(["exact", "hybrid"]), default="hybrid", show_default=True)
@click.option("--limit", type=int, help="at most so many conversations of each data set")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="evaluation data")
def main(mode: str, limit: int | None, data: Path | None) -> None:
    """Print the order of answers with its controls, and tokens at equal recall."""
    samples = conversations(data_directory(data), limit)
    arm = Memstore if mode == "exact" else MemstoreHybrid
    asked = _asked(arm, samples)
    for order, measured in order_table(asked).items():
        click.echo(order)
        for name, estimate in measured.items():
            click.echo(f"  {name:24} {_told(estimate)}")
    if reason := Chroma.missing():
        click.echo(f"tokens at equal recall: not measured, chroma {reason}", err=True)
        return
    click.echo(f"tokens at equal recall ({COUNTER})")
    for name, estimate in token_table(asked, _asked(Chroma, samples)).items():
        click.echo(f"  {name:28} {_told(estimate)}")


def _asked(arm: type[BaseArm], samples: Sequence[Sample]) -> list[Asked]:
    found: list[Asked] = []
    for sample in samples:
        with tempfile.TemporaryDirectory(prefix="memstore-recall-") as directory:
            found += ask(arm(), sample, Path(directory))
    return found


if __name__ == "__main__":
    main()
