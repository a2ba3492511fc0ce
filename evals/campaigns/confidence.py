"""Fit the confidence model on labelled outcomes, and show how honest it is on conversations it has not seen.

    python -m evals.campaigns.confidence TRAIN DEV [--cases CASES] [--out memstore/coherence/confidence.json]

TRAIN and DEV are StateBench files. Each timeline is lived through by memstore, with what is declared told to it and
again without; at each question whose answer changed, every recollection that carries the value now true counts as
right, and every one that carries the outdated value as wrong. CASES (from `evals.campaigns.anchors run --out`) adds
facts about code: right if what they were tied to is unchanged. The fit is a logistic regression by maximum likelihood
with an L2 penalty, each weight held to the sign that it must have; DEV is never looked at by it.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from evals.arms.memstore import Memstore
from evals.datasets import statebench
from evals.stats import brier, calibration_error, reliability
from memstore import SIGNS, Evidence

PENALTY = 0.1
"""Of .03, .1, .3, 1 and 3, by five-fold cross-validation over the training conversations: .03 and .1 do best, alike."""

LARGEST = {"spent": 2.0}
OTHERWISE = 5.0
"""No weight is larger. StateBench's timelines span days, so that they say little of what most of a lifetime does to a
fact: there the fit may not extrapolate what it saw of the first days to weeks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was known of a recollection, and whether it was right and current. `cluster` groups one conversation's."""

    evidence: Evidence
    right: bool
    cluster: str
    similarity: float


@click.command()
@click.argument("train", type=click.Path(path_type=Path, exists=True))
@click.argument("dev", type=click.Path(path_type=Path, exists=True))
@click.option("--cases", type=click.Path(path_type=Path, exists=True), help="Cases of the anchors campaign.")
@click.option("--limit", type=int, help="Only so many timelines of each file.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the weights.")
def main(train: Path, dev: Path, cases: Path | None, limit: int | None, out: Path | None) -> None:
    """Fit on TRAIN, report on DEV."""
    seen, talked = lived(train, limit), lived(dev, limit)
    unseen = list(talked)
    if cases is not None:
        code = from_cases(cases)
        packages = sorted({outcome.cluster for outcome in code})
        held = set(packages[::3])
        seen += [outcome for outcome in code if outcome.cluster not in held]
        unseen += [outcome for outcome in code if outcome.cluster in held]
    intercept, weights = fit(seen)
    model = {"intercept": intercept, "weights": weights, "outcomes": len(seen)}
    model |= {
        "fitted_on": [train.name, *([cases.name] if cases else [])],
        "report": report(model, seen, unseen),
        "report_conversations_alone": report(model, seen, talked),
    }
    text = json.dumps(model, indent=2) + "\n"
    if out is not None:
        out.write_text(text, encoding="utf-8")
    click.echo(text)


def lived(path: Path, limit: int | None = None) -> list[Outcome]:
    """The labelled recollections of every timeline in a StateBench file."""
    found = []
    for declared in (True, False):
        for sample in statebench.load(path, limit, declared=declared):
            probes = [probe for probe in sample.probes if "stale" in probe.expect]
            if not probes:
                continue
            with tempfile.TemporaryDirectory() as scratch:
                arm = Memstore()
                arm.open(Path(scratch), sample)
                arm.ingest(sample.items)
                for probe in probes:
                    current, stale = set(probe.expect["current"]), set(probe.expect["stale"])
                    for told in arm.recall(probe.query):
                        refs = set(told.refs)
                        if told.current and bool(refs & current) != bool(refs & stale):
                            evidence = Evidence(**told.extra["evidence"])
                            found.append(Outcome(evidence, bool(refs & current), sample.id, told.score or 0.0))
                arm.close()
    return found


def from_cases(path: Path) -> list[Outcome]:
    """Facts about code: doubted if their anchor fired, right if what they are tied to is the same."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["variant"] == "published":
            evidence = Evidence(doubts=int(case["fired"]), verified=not case["fired"])
            found.append(Outcome(evidence, case["truth"] in ("same", "moved"), case["package"], 0.0))
    return found


def fit(outcomes: Sequence[Outcome], penalty: float = PENALTY) -> tuple[float, dict[str, float]]:
    """Intercept and weights, each weight of the sign it must have. Deterministic."""
    from scipy.optimize import minimize

    names = list(SIGNS)
    x = np.array([[o.evidence.features()[name] for name in names] for o in outcomes])
    y = np.array([o.right for o in outcomes], dtype=float)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        odds = theta[0] + x @ theta[1:]
        p = 1 / (1 + np.exp(-odds))
        value = np.sum(np.logaddexp(0, odds) - y * odds) + penalty / 2 * np.sum(theta[1:] ** 2)
        slope = p - y
        return float(value), np.concatenate([[slope.sum()], x.T @ slope + penalty * theta[1:]])

    most = {name: LARGEST.get(name, OTHERWISE) for name in names}
    bounds = [(None, None), *((0, most[name]) if SIGNS[name] > 0 else (-most[name], 0) for name in names)]
    best = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    return round(float(best.x[0]), 4), {n: round(float(w), 4) for n, w in zip(names, best.x[1:], strict=True)}


def predict(model: Mapping[str, object], evidence: Evidence) -> float:
    """The model's probability; the same formula as `memstore.coherence.confidence`."""
    weights = model["weights"]
    assert isinstance(weights, Mapping)
    odds = float(str(model["intercept"])) + sum(weights[name] * value for name, value in evidence.features().items())
    return 1 / (1 + math.exp(-odds))


def report(model: Mapping[str, object], seen: Sequence[Outcome], unseen: Sequence[Outcome]) -> dict[str, object]:
    """Brier score and calibration error on unseen conversations, beside a constant and raw similarity."""
    base = sum(o.right for o in seen) / len(seen)
    own = sum(o.right for o in unseen) / len(unseen)
    top = max(o.similarity for o in unseen) or 1.0
    forecasts = [(predict(model, o.evidence), o.right) for o in unseen]
    low, high = _interval(forecasts, [o.cluster for o in unseen])
    return {
        "n": len(unseen),
        "conversations": len({o.cluster for o in unseen}),
        "share_right": round(own, 4),
        "brier": _rounded(brier(forecasts)),
        "brier_95": [low, high],
        "ece": _rounded(calibration_error(forecasts)),
        "brier_constant_of_train": _rounded(brier([(base, o.right) for o in unseen])),
        "brier_best_constant": _rounded(brier([(own, o.right) for o in unseen])),
        "brier_similarity": _rounded(brier([(o.similarity / top, o.right) for o in unseen])),
        "brier_modality_probability": _rounded(brier([(o.evidence.modality_probability, o.right) for o in unseen])),
        "reliability": [[round(mean, 3), round(share, 3), n] for mean, share, n in reliability(forecasts)],
    }


def _interval(forecasts: Sequence[tuple[float, bool]], clusters: Sequence[str]) -> tuple[float, float]:
    """A percentile bootstrap of the Brier score over conversations."""
    groups: dict[str, list[float]] = {}
    for (p, right), cluster in zip(forecasts, clusters, strict=True):
        groups.setdefault(cluster, []).append((p - right) ** 2)
    chance = random.Random(0)
    kept = list(groups.values())
    means = []
    for _ in range(1000):
        drawn = [value for group in chance.choices(kept, k=len(kept)) for value in group]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    return round(means[24], 4), round(means[974], 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


if __name__ == "__main__":
    main()
