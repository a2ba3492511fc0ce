"""One training loop for teacher and student: soft targets, rows of like length together, gentler rates below.

The lower layers of a large encoder know words and syntax already. They stay frozen, so their output is
computed once per sentence and remembered; an epoch then costs only the layers that learn.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from memstore.capture.tagger.train.encoder import Encoder


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train. `frozen` lower layers stay as they are; each layer below learns `decay` times slower."""

    epochs: int = 4
    rate: float = 1e-4
    decay: float = 0.9
    batch: int = 16
    frozen: int = 0
    seed: int = 0
    warmup: float = 0.1


def collate(rows: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    length = max(len(r) for r in rows)
    ids = torch.full((len(rows), length), pad)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


def lower_outputs(net: Encoder, rows: Sequence[Sequence[int]], pad: int, frozen: int) -> list[Tensor]:
    """What the frozen layers make of every row, as float16 [length, hidden]."""
    net.eval()
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            ids, mask = collate([rows[i] for i in part], pad)
            h = net.run(net.embed(ids), mask, 0, frozen).half()
            for i, row in zip(part, h, strict=True):
                found[i] = row[: len(rows[i])].clone()
    return found


def logits_of(net: Encoder, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """[rows, classes], in the order of the rows."""
    net.eval()
    found = np.zeros((len(rows), net.out.out_features), np.float32)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            found[part] = net(*collate([rows[i] for i in part], pad)).numpy()
    return found


def fit(
    net: Encoder,
    rows: Sequence[Sequence[int]],
    targets: np.ndarray,
    weights: np.ndarray,
    pad: int,
    recipe: Recipe,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Train `net` in place on rows of piece ids, target distributions [rows, classes] and row weights."""
    torch.manual_seed(recipe.seed)
    order = random.Random(recipe.seed)
    top = len(net.layers)
    net.requires_grad_(False)
    groups = [{"params": list(net.out.parameters()), "lr": max(5 * recipe.rate, 5e-4)}]
    for i in range(recipe.frozen, top):
        groups.append({"params": list(net.layers[i].parameters()), "lr": recipe.rate * recipe.decay ** (top - 1 - i)})
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(True)
    rates = [group["lr"] for group in groups]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    remembered = lower_outputs(net, rows, pad, recipe.frozen)
    wanted, weight = torch.tensor(targets, dtype=torch.float32), torch.tensor(weights, dtype=torch.float32)
    per_epoch = -(-len(rows) // recipe.batch)
    total, step, began = per_epoch * recipe.epochs, 0, time.time()
    for epoch in range(recipe.epochs):
        net.train()
        for part in _batches(rows, recipe.batch, order):
            fraction = step / total
            scale = min(fraction / recipe.warmup, (1 - fraction) / (1 - recipe.warmup)) + 1e-3
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * scale
            h = nn.utils.rnn.pad_sequence([remembered[i].float() for i in part], batch_first=True)
            mask = torch.zeros(h.shape[:2], dtype=torch.long)
            for k, i in enumerate(part):
                mask[k, : len(rows[i])] = 1
            logits = net.classify(net.run(h, mask, recipe.frozen, top), mask)
            loss = -(wanted[part] * functional.log_softmax(logits, -1)).sum(1)
            loss = (loss * weight[part]).sum() / weight[part].sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 100 == 0:
                print(f"  step {step}/{total}, {(time.time() - began) / step:.2f} s each", flush=True)
        after_epoch(epoch)


def _batches(rows: Sequence[Sequence[int]], size: int, order: random.Random) -> list[list[int]]:
    """Rows of like length together, so that little is padding; which ones and when is shuffled."""
    index = list(range(len(rows)))
    order.shuffle(index)
    found = []
    for start in range(0, len(index), size * 40):
        pool = sorted(index[start : start + size * 40], key=lambda i: len(rows[i]))
        found += [pool[k : k + size] for k in range(0, len(pool), size)]
    order.shuffle(found)
    return found
