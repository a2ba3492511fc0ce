"""What recall finds, what it puts first, with controls for "the newest wins", and what it costs beside Chroma.

Found. By data set (tier) and kind of question: is any of the evidence among the first five and ten turns, and what
share of it is among the first ten? k counts distinct turns, as `evals.scorers.retrieval` does.

Order. For questions about what was updated: does the current statement come before the outdated one, where either
comes back? For all others: is the evidence among the first five, and how far up? Beside the order as answered stand
three others of the same ten answers: by score alone (as answered, what is past its time comes after what is live, five
by five), by score with a term for recency (one standard deviation over the conversation), and by date alone. The term
changes nothing for these; the date sells the other questions for them.

Tokens. The fewest answers, of thirty, with which memstore's share of questions with evidence is at least that of ten
turns from Chroma, the tokens of both, and those of the whole conversation; for each data set, as turns differ in
length, and for all.

Order is of all questions of all conversations pooled; intervals are bootstraps over conversations.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
MANY = 30  # the most answers that may be needed to find what ten whole turns hold
SEED = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what came back: ten answers, and as many as thirty when thirty were asked for.

    `at` is the place of each turn in its conversation, from 0 to 1.
    """

    sample: Sample
    probe: Probe
    found: Sequence[Recalled]
    many: Sequence[Recalled]
    at: Mapping[str, float]

    def place(self, answer: Recalled) -> float:
        return max((self.at[ref] for ref in answer.refs if ref in self.at), default=0.0)

    @property
    def data_set(self) -> str:
        """The name of the data set, with BEAM's tier."""
        tier = self.sample.extras.get("tier")
        return f"BEAM {tier}" if tier else "LoCoMo"

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
            Asked(sample, probe, arm.recall(probe.query), arm.recall(replace(probe.query, k=MANY)), at)
            for probe in sample.probes
            if probe.expect.get("evidence")
        ]
    finally:
        arm.close()


def as_answered(asked: Asked) -> list[Recalled]:
    return list(asked.found)


def by_score(asked: Asked) -> list[Recalled]:
    return sorted(asked.found, key=lambda answer: -(answer.score or 0.0))


def with_recency(asked: Asked) -> list[Recalled]:
    spread = statistics.pstdev([answer.score or 0.0 for answer in asked.found]) if asked.found else 0.0
    return sorted(asked.found, key=lambda answer: -((answer.score or 0.0) + spread * asked.place(answer)))


def by_date(asked: Asked) -> list[Recalled]:
    return sorted(asked.found, key=lambda answer: -asked.place(answer))


ORDERS: Mapping[str, Callable[[Asked], list[Recalled]]] = {
    "as answered": as_answered,
    "by score": by_score,
    "recency in the sum": with_recency,
    "by date": by_date,
}


def found_table(asked: Sequence[Asked]) -> dict[str, dict[str, stats.Estimate]]:
    """For each data set, and each kind of its questions: how much of the evidence is among the first turns."""
    table = {}
    for group in dict.fromkeys(name for one in asked for name in _groups(one)):
        values: dict[str, list[stats.Value]] = {"any@5": [], "any@10": [], "share@10": []}
        for one in asked:
            if group in _groups(one):
                key = (one.sample.id, one.probe.id)
                ranking = list(dict.fromkeys(ref for answer in one.found for ref in answer.refs))
                evidence = set(one.probe.expect["evidence"])
                values["any@5"].append(_value(key, not evidence.isdisjoint(ranking[:5])))
                values["any@10"].append(_value(key, not evidence.isdisjoint(ranking[:K])))
                values["share@10"].append(_value(key, len(evidence.intersection(ranking[:K])) / len(evidence)))
        table[group] = {name: _estimate(found) for name, found in values.items()}
    return dict(sorted(table.items()))


def _groups(one: Asked) -> tuple[str, str]:
    return one.data_set, f"{one.data_set} {one.probe.category}"


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
    k = next((k for k in range(1, MANY + 1) if sum(_any(one, k) for one in memstore) >= target), MANY)
    of_chroma, of_whole, recall, other = [], [], [], []
    for one, two in zip(memstore, chroma, strict=True):
        key = (one.sample.id, one.probe.id)
        spent = _tokens(one.many[:k])
        of_chroma.append(_value(key, spent / max(1, _tokens(two.many[:K]))))
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
    return one.first(one.many[:k], one.probe.expect["evidence"]) is not None


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
    """Print what is found, the order of answers with its controls, and tokens at equal recall."""
    samples = conversations(data_directory(data), limit)
    asked = _asked(Memstore if mode == "exact" else MemstoreHybrid, samples)
    for title, measured in [*found_table(asked).items(), *order_table(asked).items()]:
        _print(title, measured)
    if reason := Chroma.missing():
        click.echo(f"tokens at equal recall: not measured, chroma {reason}", err=True)
        return
    beside = _asked(Chroma, samples)
    for group in [*dict.fromkeys(one.data_set for one in asked), None]:
        of_group = [[one for one in arm if group in (None, one.data_set)] for arm in (asked, beside)]
        _print(f"tokens at equal recall ({COUNTER}), {group or 'all'}", token_table(*of_group))


def _print(title: str, measured: Mapping[str, stats.Estimate]) -> None:
    click.echo(title)
    for name, estimate in measured.items():
        click.echo(f"  {name:28} {_told(estimate)}")


def _asked(arm: type[BaseArm], samples: Sequence[Sample]) -> list[Asked]:
    found: list[Asked] = []
    for sample in samples:
        with tempfile.TemporaryDirectory(prefix="memstore-recall-") as directory:
            found += ask(arm(), sample, Path(directory))
    return found


if __name__ == "__main__":
    main()
