"""The figures the tagger is judged by, and the two numbers that are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memstore.capture.tagger.cue_tagger import MODALITIES, choose
from memstore.capture.tagger.train.sentences import Row
from memstore.model import Modality

DECISION = MODALITIES.index(Modality.DECISION)
WEAKER = [MODALITIES.index(m) for m in (Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION)]
#: The most decisions that may be read into sentences that hold none.
FALSE_DECISIONS = 0.02


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def chosen(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """The class said of each row [rows]; with no threshold (0) the most probable."""
    if threshold == 0:
        return probabilities.argmax(1)
    return np.array([MODALITIES.index(choose(row, threshold)) for row in probabilities.tolist()])


def figures(probabilities: np.ndarray, rows: Sequence[Row], threshold: float = 0.0) -> dict[str, float]:
    """Macro-F1, false decisions, false demotions and expected calibration error (ten equal bins)."""
    truth = np.array([r.label for r in rows])
    said = chosen(probabilities, threshold)
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


def summary(probabilities: np.ndarray, rows: Sequence[Row], threshold: float = 0.0) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in figures(probabilities, rows, threshold).items())


def best_temperature(logits: np.ndarray, rows: Sequence[Row]) -> float:
    """The temperature of least negative log-likelihood."""
    truth = np.array([r.label for r in rows])
    steps = np.arange(0.5, 3.0, 0.02)
    losses = [-np.log(softmax(logits / t)[np.arange(len(truth)), truth] + 1e-9).mean() for t in steps]
    return round(float(steps[int(np.argmin(losses))]), 3)


def best_threshold(probabilities: np.ndarray, rows: Sequence[Row]) -> float:
    """The lowest decision threshold whose false decisions stay within `FALSE_DECISIONS`."""
    for threshold in np.arange(0.15, 0.9, 0.01):
        if figures(probabilities, rows, float(threshold))["false_decisions"] <= FALSE_DECISIONS:
            return round(float(threshold), 2)
    return 0.9


def report(probabilities: np.ndarray, rows: Sequence[Row], threshold: float) -> str:
    """Everything the card prints: overall, by source, confusion, reliability."""
    lines = ["all          " + summary(probabilities, rows, threshold)]
    for name in ("code_review", "beam", "rfc_adr"):
        index = [i for i, r in enumerate(rows) if r.source.startswith(name)]
        if index:
            lines.append(f"{name:<12} {summary(probabilities[index], [rows[i] for i in index], threshold)}")
    said, truth = chosen(probabilities, threshold), np.array([r.label for r in rows])
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
