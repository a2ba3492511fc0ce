"""The figures the tagger is judged by, and the few numbers that are fitted to them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memstore.capture.tagger.cue_tagger import MODALITIES, choose
from memstore.capture.tagger.network import doubt
from memstore.capture.tagger.train.sentences import Row
from memstore.model import Modality

DECISION = MODALITIES.index(Modality.DECISION)
WEAKER = [MODALITIES.index(m) for m in (Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION)]
#: The most decisions that may be read into sentences that hold none.
FALSE_DECISIONS = 0.0225
#: The share of sentences that is looked at twice.
SECOND_LOOKS = 0.18


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def chosen(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """The class said of each row [rows]; with no threshold (0) the most probable."""
    if threshold == 0:
        return probabilities.argmax(1)
    return np.array([MODALITIES.index(choose(row, threshold)) for row in probabilities.tolist()])


def figures(probabilities: np.ndarray, said: np.ndarray, rows: Sequence[Row]) -> dict[str, float]:
    """Macro-F1, false decisions, false demotions and expected calibration error (ten equal bins)."""
    truth = np.array([r.label for r in rows])
    f1 = [
        2 * ((said == c) & (truth == c)).sum() / max(1, (said == c).sum() + (truth == c).sum())
        for c in range(len(MODALITIES))
    ]
    sure = probabilities[np.arange(len(said)), said]
    bins = np.clip((sure * 10).astype(int), 0, 9)
    gaps = [abs(sure[bins == b].sum() - (said == truth)[bins == b].sum()) for b in range(10)]
    weaker = np.isin(truth, WEAKER)
    return {
        "macro_f1": float(np.mean(f1)),
        "false_decisions": float((said[weaker] == DECISION).mean()),
        "false_demotions": float((said[truth == DECISION] != DECISION).mean()) if (truth == DECISION).any() else 0.0,
        "ece": float(sum(gaps) / len(rows)),
        "accuracy": float((said == truth).mean()),
    }


def summary(probabilities: np.ndarray, said: np.ndarray, rows: Sequence[Row]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures(probabilities, said, rows).items())


@dataclass(frozen=True, slots=True)
class Calibration:
    """The numbers fitted to the measuring set: a temperature for each look, the doubt from which on a second look is
    taken, and the probability from which on a decision is said."""

    temperatures: tuple[float, float]
    doubtful: float
    decision_threshold: float

    @classmethod
    def fit(cls, looks: np.ndarray, rows: Sequence[Row]) -> Calibration:
        """From logits [looks, rows, classes]. `SECOND_LOOKS` of the sentences are looked at twice."""
        temperatures = (best_temperature(looks[0], rows), best_temperature(looks[1], rows))
        doubts = doubt(softmax(looks[0] / temperatures[0]))
        doubtful = round(float(np.quantile(doubts, 1 - SECOND_LOOKS)), 4)
        threshold = best_threshold(cls(temperatures, doubtful, 0.0).probabilities(looks), rows)
        return cls(temperatures, doubtful, threshold)

    def probabilities(self, looks: np.ndarray) -> np.ndarray:
        """[rows, classes]: of the second look where the first leaves too much in doubt, else of the first; as `Network`
        computes them."""
        first, second = (softmax(look / t) for look, t in zip(looks, self.temperatures, strict=True))
        return np.where(doubt(first)[:, None] > self.doubtful, second, first)


def cross_fitted(looks: np.ndarray, rows: Sequence[Row], folds: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and classes said, each by a calibration that saw no sentence of the same document."""
    documents = sorted({f"{r.source} {r.doc}" for r in rows})
    random.Random(0).shuffle(documents)
    fold_of = {name: i % folds for i, name in enumerate(documents)}
    fold = np.array([fold_of[f"{r.source} {r.doc}"] for r in rows])
    probabilities, said = np.zeros(looks.shape[1:]), np.zeros(len(rows), int)
    for k in range(folds):
        inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        fitted = Calibration.fit(looks[:, outside], [rows[i] for i in outside])
        probabilities[inside] = fitted.probabilities(looks[:, inside])
        said[inside] = chosen(probabilities[inside], fitted.decision_threshold)
    return probabilities, said


def best_temperature(logits: np.ndarray, rows: Sequence[Row]) -> float:
    """The temperature of least negative log-likelihood."""
    truth = np.array([r.label for r in rows])
    steps = np.arange(0.5, 3.0, 0.02)
    losses = [-np.log(softmax(logits / t)[np.arange(len(truth)), truth] + 1e-9).mean() for t in steps]
    return round(float(steps[int(np.argmin(losses))]), 3)


def best_threshold(probabilities: np.ndarray, rows: Sequence[Row]) -> float:
    """Of the decision thresholds whose false decisions stay within `FALSE_DECISIONS`, that of the fewest false
    demotions; of several, the highest."""
    found = {}
    for threshold in np.arange(0.05, 0.91, 0.01):
        got = figures(probabilities, chosen(probabilities, float(threshold)), rows)
        if got["false_decisions"] <= FALSE_DECISIONS:
            found[round(float(threshold), 2)] = got["false_demotions"]
    return max(found, key=lambda threshold: (-found[threshold], threshold), default=0.9)


def report(probabilities: np.ndarray, said: np.ndarray, rows: Sequence[Row]) -> str:
    """Everything the card prints: overall, by source, confusion, reliability."""
    lines = ["all          " + summary(probabilities, said, rows)]
    for name in ("code_review", "beam", "rfc_adr"):
        index = [i for i, r in enumerate(rows) if r.source.startswith(name)]
        if index:
            lines.append(f"{name:<12} {summary(probabilities[index], said[index], [rows[i] for i in index])}")
    truth = np.array([r.label for r in rows])
    lines.append("confusion, rows are the labels: " + " ".join(MODALITIES))
    for c, name in enumerate(MODALITIES):
        counts = [int(((truth == c) & (said == k)).sum()) for k in range(len(MODALITIES))]
        lines.append(f"{name:<18}" + "".join(f"{count:5d}" for count in counts))
    sure = probabilities[np.arange(len(said)), said]
    for low in np.arange(0.2, 1.0, 0.1):
        inside = (sure >= low) & (sure < low + 0.1 + (low > 0.85))
        if inside.any():
            right = (said == truth)[inside].mean()
            lines.append(f"said {sure[inside].mean():.2f} right {right:.2f} n {int(inside.sum())}")
    return "\n".join(lines)
