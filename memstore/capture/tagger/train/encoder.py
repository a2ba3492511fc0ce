"""A BERT-shaped encoder with a classifier on its mean, small enough to read, for BERT and MPNet weights.

Both families are the same post-norm transformer; MPNet adds one relative-position bias to every
attention and starts its positions at 2. Weights come from a published safetensors file.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 5


class Layer(nn.Module):
    def __init__(self, hidden: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.attended = nn.Linear(hidden, hidden)
        self.norm_attended = nn.LayerNorm(hidden, eps=1e-12)
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, h: Tensor, bias: Tensor, dropout: float) -> Tensor:
        batch, length, _ = h.shape

        def split(x: Tensor) -> Tensor:
            return x.view(batch, length, self.heads, -1).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            split(self.query(h)), split(self.key(h)), split(self.value(h)), attn_mask=bias, dropout_p=dropout
        )
        mixed = self.attended(mixed.transpose(1, 2).reshape(batch, length, -1))
        h = self.norm_attended(h + functional.dropout(mixed, dropout))
        return self.norm(h + functional.dropout(self.down(functional.gelu(self.up(h))), dropout))


class Encoder(nn.Module):
    """ids [batch, length] and mask → logits [batch, CLASSES]. `lower` runs frozen layers once, `forward` the rest."""

    def __init__(self, vocabulary: int, hidden: int, layers: int, heads: int, inner: int, *, mpnet: bool) -> None:
        super().__init__()
        self.mpnet, self.heads = mpnet, heads
        self.words = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(514 if mpnet else 512, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.relative = nn.Embedding(32, heads) if mpnet else None
        self.layers = nn.ModuleList(Layer(hidden, heads, inner) for _ in range(layers))
        self.out = nn.Linear(hidden, CLASSES)

    def embed(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1]) + (2 if self.mpnet else 0)
        return self.norm(self.words(ids) + self.positions(places))

    def bias(self, mask: Tensor) -> Tensor:
        """What is added to attention scores: minus infinity on padding, plus MPNet's relative bias."""
        bias = torch.zeros(mask.shape).masked_fill(mask == 0, -1e9)[:, None, None, :]
        if self.relative is None:
            return bias
        places = torch.arange(mask.shape[1])
        distance = places[:, None] - places[None, :]  # query minus key
        bucket = (distance < 0).long() * 16
        far = distance.abs()
        log = 8 + (torch.log(far.clamp(min=1).float() / 8) / math.log(16) * 8).long()
        bucket = bucket + torch.where(far < 8, far, log.clamp(max=15))
        return bias + self.relative(bucket).permute(2, 0, 1)[None]

    def run(self, h: Tensor, mask: Tensor, first: int, last: int) -> Tensor:
        bias, dropout = self.bias(mask), 0.1 if self.training else 0.0
        for layer in self.layers[first:last]:
            h = layer(h, bias, dropout)
        return h

    def classify(self, h: Tensor, mask: Tensor) -> Tensor:
        weight = mask.unsqueeze(-1).float()
        mean = (h * weight).sum(1) / weight.sum(1)
        return self.out(functional.dropout(mean, 0.1, self.training))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.classify(self.run(self.embed(ids), mask, 0, len(self.layers)), mask)


def pretrained(folder: Path) -> tuple[Encoder, list[str]]:
    """A published checkpoint (`config.json`, `vocab.txt`, `model.safetensors`) and its vocabulary."""
    weights = load_file(folder / "model.safetensors")
    mpnet = "encoder.relative_attention_bias.weight" in weights
    layers = 1 + max(int(k.split(".")[2]) for k in weights if k.startswith("encoder.layer."))
    vocabulary, hidden = weights["embeddings.word_embeddings.weight"].shape
    inner = weights["encoder.layer.0.intermediate.dense.weight"].shape[0]
    net = Encoder(vocabulary, hidden, layers, 12, inner, mpnet=mpnet)
    names = {
        "words": "embeddings.word_embeddings",
        "positions": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
        "relative": "encoder.relative_attention_bias",
    }
    inside = {
        "query": "attention.attn.q" if mpnet else "attention.self.query",
        "key": "attention.attn.k" if mpnet else "attention.self.key",
        "value": "attention.attn.v" if mpnet else "attention.self.value",
        "attended": "attention.attn.o" if mpnet else "attention.output.dense",
        "norm_attended": "attention.LayerNorm" if mpnet else "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm": "output.LayerNorm",
    }
    state = net.state_dict()
    for name in state:
        module, _, kind = name.rpartition(".")
        parts = module.split(".")
        if parts[0] == "layers":
            state[name] = weights[f"encoder.layer.{parts[1]}.{inside[parts[2]]}.{kind}"]
        elif parts[0] != "out":
            state[name] = weights[f"{names[module]}.{kind}"]
    if not mpnet:  # there is one sentence only: fold its segment vector into every position
        state["positions.weight"] = state["positions.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    net.load_state_dict(state)
    return net, (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:vocabulary]


def describe(net: Encoder) -> str:
    return json.dumps({"layers": len(net.layers), "parameters": sum(p.numel() for p in net.parameters())})
