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

_ROUND = 150
#: Longer sentences are read by their beginning and end.
PIECES = 48


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
            [tokens.encode(text, PIECES) for text in texts],
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
    chances: np.ndarray,
    pad: int,
    *,
    steps: int,
    seed: int = 0,
    rate: float = 4e-4,
    size: int = 32,
    after_round: Callable[[int], None] = lambda step: None,
) -> None:
    """Train in place for so many batches; row i is in a round (about `_ROUND` batches) with probability `chances[i]`.

    The rate falls to nothing over the last two fifths. What remains at the end, and
    what `after_round` sees, is the running mean of the weights, which is steadier than the last of them.
    """
    torch.manual_seed(seed)
    shuffle = random.Random(seed)
    net.positions.requires_grad_(False)
    groups = [
        {"params": list(net.cues.parameters()), "lr": 3e-3},
        {"params": list(net.out.parameters()), "lr": 1e-3},
        {"params": [*net.blocks.parameters(), *net.norm.parameters()], "lr": rate},
    ]
    dense = [parameter for group in groups for parameter in group["params"]]
    rates = [group["lr"] for group in groups]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))
    of_words = torch.optim.SparseAdam([net.words.weight], lr=0.3 * rate)
    wanted = torch.tensor(targets, dtype=torch.float32)
    mean = {name: value.clone() for name, value in net.state_dict().items() if not name.startswith("words")}
    waiting: list[list[int]] = []
    began = time.time()
    net.train()
    for step in range(1, steps + 1):
        if not waiting:
            waiting = _round(material, chances, size, shuffle)
        part = waiting.pop()
        scale = max(0.01, min(1.0, step / 100, (steps - step) / (0.4 * steps)))
        for group, own in zip(groups, rates, strict=True):
            group["lr"] = own * scale
        of_words.param_groups[0]["lr"] = 0.3 * rate * scale
        logits = net(*material.batch(part, pad, net.cues.num_embeddings - 1))
        loss = -(wanted[part] * functional.log_softmax(logits, -1)).sum(1).mean()
        optimiser.zero_grad(set_to_none=True)
        of_words.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(dense, 1.0)
        optimiser.step()
        of_words.step()
        if step % 5 == 0:
            keep = min(0.99, (1 + step / 5) / (10 + step / 5))
            now = net.state_dict()
            for name, value in mean.items():
                value.mul_(keep).add_(now[name], alpha=1 - keep)
        if step % _ROUND == 0 or step == steps:
            print(f"  step {step}/{steps}, {(time.time() - began) / step:.2f} s each", flush=True)
            last = {name: value.clone() for name, value in net.state_dict().items()}
            net.load_state_dict({**last, **mean})
            after_round(step)
            if step < steps:
                net.load_state_dict(last)
                net.train()


def _round(material: Material, chances: np.ndarray, size: int, shuffle: random.Random) -> list[list[int]]:
    """Batches of rows of like length, each row drawn with its chance; a chance of 2 is twice in every round."""
    drawn = [i for i, chance in enumerate(chances) for _ in range(int(chance + shuffle.random()))]
    shuffle.shuffle(drawn)
    parts = []
    for start in range(0, len(drawn), size * 40):
        near = sorted(drawn[start : start + size * 40], key=lambda i: len(material.rows[i]))
        parts += [near[k : k + size] for k in range(0, len(near), size)]
    shuffle.shuffle(parts)
    return parts[:_ROUND]
