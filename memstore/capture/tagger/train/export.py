"""Write student and teacher as the file that ships: 8-bit weights, vocabulary, cue names, calibration."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memstore.capture.tagger.train.encoder import Encoder, Layer
from memstore.capture.tagger.train.student import Block, Student


def _eight_bits(matrix: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric 8-bit values and the scale of each row (axis 1) or column (axis 0)."""
    scale = np.abs(matrix).max(axis, keepdims=True) / 127 + 1e-12
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)


def export(
    student: Student,
    teacher: Encoder,
    kept: Sequence[int],
    vocabulary: Sequence[str],
    cue_names: Sequence[str],
    settings: Mapping[str, Any],
    path: Path,
    picked: Sequence[int],
) -> None:
    """The student, and under `more.` the teacher with only the `kept` word pieces, which `vocabulary` spells.

    `settings` go in as JSON and come back as `Network.settings`; `picked` is how many positions each layer of the
    teacher works on, 0 for all.
    """
    arrays: dict[str, np.ndarray] = {}

    def put(name: str, tensor: Tensor, *, axis: int | None = None) -> None:
        values = tensor.detach().numpy().astype(np.float32)
        if axis is None:
            arrays[name] = values
        else:
            arrays[name], arrays[name + ":scale"] = _eight_bits(values, axis)

    def put_network(name: str, net: Student | Encoder, words: Tensor, layers: Iterable[Block | Layer]) -> None:
        put(f"{name}words", words, axis=1)
        put(f"{name}positions", net.positions.weight[: student.positions.num_embeddings], axis=1)
        put(f"{name}norm.w", net.norm.weight)
        put(f"{name}norm.b", net.norm.bias)
        for i, layer in enumerate(layers):
            put_layer(f"{name}{i}.", layer)
        put(f"{name}out.w", net.out.weight.T)
        put(f"{name}out.b", net.out.bias)

    def put_layer(name: str, layer: Block | Layer) -> None:
        fused = {
            "q": (layer.query.weight / math.sqrt(32), layer.query.bias / math.sqrt(32)),
            "kv": (
                torch.cat([layer.key.weight, layer.value.weight]),
                torch.cat([layer.key.bias, layer.value.bias]),
            ),
            "o": (layer.attended.weight, layer.attended.bias),
            "up": (layer.up.weight, layer.up.bias),
            "down": (layer.down.weight, layer.down.bias),
        }
        for part, (weight, bias) in fused.items():
            put(f"{name}{part}.w", weight.T, axis=0)
            put(f"{name}{part}.b", bias)
        for part, norm in (("norm1", layer.norm_attended), ("norm2", layer.norm)):
            put(f"{name}{part}.w", norm.weight)
            put(f"{name}{part}.b", norm.bias)

    put_network("", student, student.words.weight, student.blocks)
    put_network("more.", teacher, teacher.words.weight[list(kept)], teacher.layers)
    put("cues", student.cues.weight[:-1])
    picked = [[0, *[student.picked] * (len(student.blocks) - 2), 1], list(picked)]
    text = {
        "settings": json.dumps({**settings, "picked": picked}, sort_keys=True),
        "vocabulary": "\n".join(vocabulary),
        "cue_names": "\n".join(cue_names),
    }
    for name, value in text.items():
        arrays[name] = np.frombuffer(value.encode(), np.uint8)
    np.savez(path, **arrays)  # 8-bit weights hardly compress, and unpacking them would cost every start
