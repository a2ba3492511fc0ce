"""The network that looks first: a small transformer that goes on with few positions, beside the cues.

It starts from the teacher's own weights, cut down: some of its word pieces, three of its layers, the strongest
heads and inner units of each. Two things make it cheap: after the first layer only the `picked` positions go on, those
that the others paid most attention to (what a sentence does hangs on few of its words), and the last layer looks from
the first position only. Cues enter the last sum directly: what a pattern knows for certain (a negated verb, whose
words they are) need not be learnt again from few sentences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from memstore.capture.tagger.train.encoder import CLASSES, Encoder, Layer


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of the teacher is kept. `layers` are the teacher's; the last of them only looks from position 0."""

    layers: tuple[int, ...] = (0, 2, 5)
    picked: int = 12
    heads: int = 8
    inner: int = 512
    positions: int = 64


class Block(nn.Module):
    def __init__(self, hidden: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(hidden, heads * 32) for _ in range(3))
        self.attended = nn.Linear(heads * 32, hidden)
        self.norm_attended = nn.LayerNorm(hidden, eps=1e-12)
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, own: Tensor, h: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """What becomes of `own` [batch, queries, hidden] looking at `h`; attention [batch, heads, queries, keys]."""
        batch = h.shape[0]
        dropout = 0.1 if self.training else 0.0

        def split(x: Tensor) -> Tensor:
            return x.view(batch, -1, self.heads, 32).transpose(1, 2)

        scores = split(self.query(own)) @ split(self.key(h)).transpose(-1, -2) / math.sqrt(32) + bias
        attention = scores.softmax(-1)
        mixed = functional.dropout(attention, dropout) @ split(self.value(h))
        mixed = self.attended(mixed.transpose(1, 2).reshape(batch, own.shape[1], -1))
        own = self.norm_attended(own + functional.dropout(mixed, dropout))
        return self.norm(own + functional.dropout(self.down(functional.relu(self.up(own))), dropout)), attention

    def take(self, layer: Layer) -> None:
        """Start from the teacher layer's strongest heads and inner units."""
        with torch.no_grad():
            value = layer.value.weight.view(layer.heads, 32, -1).flatten(1).norm(dim=1)
            attended = layer.attended.weight.T.view(layer.heads, 32, -1).flatten(1).norm(dim=1)
            best = (value * attended).topk(self.heads).indices.sort().values
            rows = (best[:, None] * 32 + torch.arange(32)).flatten()
            for name in ("query", "key", "value"):
                getattr(self, name).weight.copy_(getattr(layer, name).weight[rows])
                getattr(self, name).bias.copy_(getattr(layer, name).bias[rows])
            self.attended.weight.copy_(layer.attended.weight[:, rows] * math.sqrt(layer.heads / self.heads))
            self.attended.bias.copy_(layer.attended.bias)
            strength = layer.up.weight.norm(dim=1) * layer.down.weight.norm(dim=0)
            units = strength.topk(self.up.out_features).indices.sort().values
            self.up.weight.copy_(layer.up.weight[units])
            self.up.bias.copy_(layer.up.bias[units])
            self.down.weight.copy_(layer.down.weight[:, units])
            self.down.bias.copy_(layer.down.bias)
            self.norm_attended.load_state_dict(layer.norm_attended.state_dict())
            self.norm.load_state_dict(layer.norm.state_dict())


class Student(nn.Module):
    """(ids, mask, cue indices) → logits [batch, CLASSES]."""

    def __init__(self, teacher: Encoder, pieces: Sequence[int], shape: Shape, cues: int) -> None:
        super().__init__()
        hidden = teacher.words.embedding_dim
        self.picked = shape.picked
        self.words = nn.Embedding(len(pieces), hidden, sparse=True)
        self.positions = nn.Embedding(shape.positions, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.blocks = nn.ModuleList(Block(hidden, shape.heads, shape.inner) for _ in shape.layers)
        self.out = nn.Linear(2 * hidden, CLASSES)
        self.cues = nn.EmbeddingBag(cues + 1, CLASSES, mode="sum", padding_idx=cues)
        with torch.no_grad():
            self.words.weight.copy_(teacher.words.weight[list(pieces)])
            self.positions.weight.copy_(teacher.positions.weight[: shape.positions])
            self.norm.load_state_dict(teacher.norm.state_dict())
            for block, index in zip(self.blocks, shape.layers, strict=True):
                block.take(teacher.layers[index])
            self.cues.weight.zero_()

    def forward(self, ids: Tensor, mask: Tensor, cues: Tensor) -> Tensor:
        h = self.norm(self.words(ids) + self.positions(torch.arange(ids.shape[1])))
        bias = torch.zeros(mask.shape).masked_fill(mask == 0, -1e9)[:, None, None, :]
        h, attention = self.blocks[0](h, h, bias)
        received = (attention.detach() * mask[:, None, :, None]).sum((1, 2)).masked_fill(mask == 0, -1.0)
        received[:, 0] = torch.inf  # the first position always stays, and stays first
        best = received.topk(min(self.picked, ids.shape[1]), dim=1).indices
        picked = h.gather(1, best[:, :, None].expand(-1, -1, h.shape[2]))
        inside = mask.gather(1, best)
        own, _ = self.blocks[1](picked, h, bias)
        bias = torch.zeros(inside.shape).masked_fill(inside == 0, -1e9)[:, None, None, :]
        look = self.blocks[-1](own[:, :1], own, bias)[0][:, 0]
        weight = inside.unsqueeze(-1).float()
        mean = (own * weight).sum(1) / weight.sum(1)
        both = functional.dropout(torch.cat([look, mean], -1), 0.1, self.training)
        return self.out(both) + self.cues(cues)
