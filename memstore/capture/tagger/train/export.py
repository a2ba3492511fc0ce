"""Write the trained student as the file that ships: 8-bit weights, vocabulary, cue names, calibration."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from memstore.capture.tagger.train.student import Student


def _eight_bits(matrix: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric 8-bit values and the scale of each row (axis 1) or column (axis 0)."""
    scale = np.abs(matrix).max(axis, keepdims=True) / 127 + 1e-12
    return np.round(matrix / scale).astype(np.int8), scale.astype(np.float32)


def export(
    net: Student, vocabulary: Sequence[str], cue_names: Sequence[str], settings: Mapping[str, Any], path: Path
) -> None:
    """`settings` go in as JSON and come back as `Network.settings`."""
    arrays: dict[str, np.ndarray] = {}

    def put(name: str, tensor: Tensor, *, axis: int | None = None) -> None:
        values = tensor.detach().numpy().astype(np.float32)
        if axis is None:
            arrays[name] = values
        else:
            arrays[name], arrays[name + ":scale"] = _eight_bits(values, axis)

    put("words", net.words.weight, axis=1)
    put("positions", net.positions.weight, axis=1)
    put("norm.w", net.norm.weight)
    put("norm.b", net.norm.bias)
    for i, block in enumerate(net.blocks):
        fused = {
            "q": (block.query.weight / math.sqrt(32), block.query.bias / math.sqrt(32)),
            "kv": (
                torch.cat([block.key.weight, block.value.weight]),
                torch.cat([block.key.bias, block.value.bias]),
            ),
            "o": (block.attended.weight, block.attended.bias),
            "up": (block.up.weight, block.up.bias),
            "down": (block.down.weight, block.down.bias),
        }
        for name, (weight, bias) in fused.items():
            put(f"{i}.{name}.w", weight.T, axis=0)
            put(f"{i}.{name}.b", bias)
        for name, norm in (("norm1", block.norm_attended), ("norm2", block.norm)):
            put(f"{i}.{name}.w", norm.weight)
            put(f"{i}.{name}.b", norm.bias)
    put("out.w", net.out.weight.T)
    put("out.b", net.out.bias)
    put("cues", net.cues.weight[:-1])
    text = {
        "settings": json.dumps({**settings, "blocks": len(net.blocks)}, sort_keys=True),
        "vocabulary": "\n".join(vocabulary),
        "cue_names": "\n".join(cue_names),
    }
    for name, value in text.items():
        arrays[name] = np.frombuffer(value.encode(), np.uint8)
    np.savez_compressed(path, **arrays)
