"""The network that looks first: two small transformer layers and one attentive look, beside the cues.

It starts from the teacher's own weights, cut down: some of its word pieces, three of its layers, the
strongest heads and inner units of each. The third layer only looks *from* the first position, so it costs
next to nothing. Cues enter the last sum directly: what a pattern knows for certain (a negated verb, whose
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

    def forward(self, h: Tensor, bias: Tensor, queries: int | None = None) -> Tensor:
        """`queries` limits the output to the first positions; all of them when None."""
        batch = h.shape[0]
        own = h if queries is None else h[:, :queries]
        dropout = 0.1 if self.training else 0.0

        def split(x: Tensor) -> Tensor:
            return x.view(batch, -1, self.heads, 32).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            split(self.query(own)), split(self.key(h)), split(self.value(h)), attn_mask=bias, dropout_p=dropout
        )
        mixed = self.attended(mixed.transpose(1, 2).reshape(batch, own.shape[1], -1))
        own = self.norm_attended(own + functional.dropout(mixed, dropout))
        return self.norm(own + functional.dropout(self.down(functional.relu(self.up(own))), dropout))

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
    """(ids, mask, cue indices, offsets of each row's cues) → logits [batch, CLASSES]."""

    def __init__(self, teacher: Encoder, pieces: Sequence[int], shape: Shape, cues: int) -> None:
        super().__init__()
        hidden = teacher.words.embedding_dim
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
        for block in self.blocks[:-1]:
            h = block(h, bias)
        look = self.blocks[-1](h, bias, queries=1)[:, 0]
        weight = mask.unsqueeze(-1).float()
        mean = (h * weight).sum(1) / weight.sum(1)
        both = functional.dropout(torch.cat([look, mean], -1), 0.1, self.training)
        return self.out(both) + self.cues(cues)
