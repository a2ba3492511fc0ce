"""Fit the weights of the cue model: multinomial logistic regression over cues, ridge-penalised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from memstore.capture.tagger.cue_tagger import features
from memstore.capture.tagger.cues import clip, find_cues


def feature_sets(texts: Sequence[str]) -> list[set[str]]:
    return [features(clip(text), find_cues(clip(text))) for text in texts]


def fit_cues(
    sets: Sequence[set[str]], targets: np.ndarray, weights: np.ndarray, penalty: float = 10.0
) -> tuple[dict[str, list[float]], list[float]]:
    """(weight of each feature per class, bias per class) for target distributions [rows, classes]."""
    counts: dict[str, int] = {}
    for found in sets:
        for name in found:
            counts[name] = counts.get(name, 0) + 1
    names = sorted(name for name, count in counts.items() if count >= 3)
    index = {name: i for i, name in enumerate(names)}
    x = torch.zeros(len(sets), len(names))
    for row, found in enumerate(sets):
        for name in found:
            if name in index:
                x[row, index[name]] = 1.0
    y, w = torch.tensor(targets, dtype=torch.float32), torch.tensor(weights, dtype=torch.float32)
    matrix = torch.zeros(len(names), y.shape[1], requires_grad=True)
    bias = torch.zeros(y.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([matrix, bias], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -(w * (y * functional.log_softmax(x @ matrix + bias, -1)).sum(1)).sum()
        loss = loss + penalty / 2 * matrix.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    table = {name: [round(v, 3) for v in matrix[i].tolist()] for name, i in index.items()}
    return table, [round(v, 3) for v in bias.tolist()]
