"""Train the student: labelled rows by their labels, unlabelled ones by what the teachers say of them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from memstore.capture.tagger.train.student import Student
from memstore.capture.tagger.wordpiece import WordPiece


def kept_pieces(vocabulary: Sequence[str], rows: Sequence[Sequence[int]]) -> list[int]:
    """Ids of the teacher's pieces that the student keeps: marks, characters, common words, and what is in use."""
    counts = Counter(piece for row in rows for piece in row)
    marks = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
    return [
        i
        for i, piece in enumerate(vocabulary)
        if piece in marks
        or (i >= 999 and (counts[i] >= 2 or i < 7500 or len(piece.removeprefix("##")) == 1))  # below are placeholders
    ]


@dataclass(frozen=True, slots=True)
class Material:
    """Sentences as the student sees them: piece ids, cue indices, and a target distribution for each."""

    rows: list[list[int]]
    cues: list[list[int]]

    @classmethod
    def of(cls, texts: Sequence[str], sets: Sequence[set[str]], tokens: WordPiece, names: Sequence[str]) -> Material:
        index = {name: i for i, name in enumerate(names)}
        return cls(
            [tokens.encode(text, 64) for text in texts],
            [sorted(index[name] for name in found if name in index) for found in sets],
        )

    def batch(self, part: Sequence[int], pad: int, no_cue: int) -> tuple[Tensor, Tensor, Tensor]:
        length = max(len(self.rows[i]) for i in part)
        ids = torch.full((len(part), length), pad)
        mask = torch.zeros(len(part), length, dtype=torch.long)
        cues = torch.full((len(part), max(1, max(len(self.cues[i]) for i in part))), no_cue)
        for k, i in enumerate(part):
            ids[k, : len(self.rows[i])] = torch.tensor(self.rows[i])
            mask[k, : len(self.rows[i])] = 1
            cues[k, : len(self.cues[i])] = torch.tensor(self.cues[i], dtype=torch.long)
        return ids, mask, cues


def student_logits(net: Student, material: Material, pad: int) -> np.ndarray:
    """[rows, classes], in the order of the rows."""
    net.eval()
    found = np.zeros((len(material.rows), net.out.out_features), np.float32)
    order = sorted(range(len(material.rows)), key=lambda i: len(material.rows[i]))
    with torch.inference_mode():
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            found[part] = net(*material.batch(part, pad, net.cues.num_embeddings - 1)).numpy()
    return found


def distil(
    net: Student,
    material: Material,
    targets: np.ndarray,
    repeats: Sequence[int],
    pad: int,
    *,
    epochs: int,
    seed: int = 0,
    rate: float = 3e-4,
    size: int = 32,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Train in place; row i is seen `repeats[i]` times an epoch."""
    torch.manual_seed(seed)
    shuffle = random.Random(seed)
    net.positions.requires_grad_(False)
    groups = [
        {"params": list(net.words.parameters()), "lr": 0.3 * rate},
        {"params": list(net.cues.parameters()), "lr": 10 * rate},
        {"params": list(net.out.parameters()), "lr": 3 * rate},
        {"params": [*net.blocks.parameters(), *net.norm.parameters()], "lr": rate},
    ]
    rates = [group["lr"] for group in groups]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    wanted = torch.tensor(targets, dtype=torch.float32)
    every = [i for i, times in enumerate(repeats) for _ in range(times)]
    total, step, began = -(-len(every) // size) * epochs, 0, time.time()
    for epoch in range(epochs):
        net.train()
        shuffle.shuffle(every)
        parts = []
        for start in range(0, len(every), size * 40):
            near = sorted(every[start : start + size * 40], key=lambda i: len(material.rows[i]))
            parts += [near[k : k + size] for k in range(0, len(near), size)]
        shuffle.shuffle(parts)
        for part in parts:
            scale = min(step / (0.06 * total), (total - step) / (0.94 * total)) + 1e-3
            for group, own in zip(groups, rates, strict=True):
                group["lr"] = own * scale
            logits = net(*material.batch(part, pad, net.cues.num_embeddings - 1))
            loss = -(wanted[part] * functional.log_softmax(logits, -1)).sum(1).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            step += 1
            if step % 200 == 0:
                print(f"  step {step}/{total}, {(time.time() - began) / step:.2f} s each", flush=True)
        after_epoch(epoch)
