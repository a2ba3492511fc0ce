"""Cut a trained network down to what ships, without training it again.

In every layer the heads and inner units that move the output most are kept. What the others would have added
is foretold from those that stay, by ridge-penalised least squares over training sentences, and folded into
the weights of the next step (as in Kurtic et al., "ZipLM", 2023, without its search).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from memstore.capture.tagger.train.encoder import Layer
from memstore.capture.tagger.train.student import Block

_HEAD = 32
_PENALTY = 1e-3


def cut_down(
    layers: Sequence[Layer | Block], run: Callable[[], object], heads: Sequence[int], inner: Sequence[int]
) -> None:
    """Leave so many heads and inner units in each layer, in place; `run` puts training sentences through the layers."""
    contexts, units = _what_passes(layers, run)
    with torch.no_grad():
        for layer, context, unit, many, wide in zip(layers, contexts, units, heads, inner, strict=True):
            kept = _strongest(unit, layer.down.weight, 1, wide)
            layer.down = _shortened(layer.down, unit, kept)
            layer.up = _rows(layer.up, kept)
            kept = _strongest(context, layer.attended.weight, _HEAD, many)
            layer.attended = _shortened(layer.attended, context, kept)
            layer.query, layer.key, layer.value = (_rows(m, kept) for m in (layer.query, layer.key, layer.value))
            layer.heads = many


def _what_passes(layers: Sequence[Layer | Block], run: Callable[[], object]) -> tuple[list[Tensor], list[Tensor]]:
    """For every layer, what its heads hand on and what its inner units hand on: [positions, width] each."""
    contexts: list[list[Tensor]] = [[] for _ in layers]
    units: list[list[Tensor]] = [[] for _ in layers]
    hooks = [
        step.register_forward_hook(lambda _, given, out, to=to: to.append(given[0].flatten(0, 1)))
        for layer, context, unit in zip(layers, contexts, units, strict=True)
        for step, to in ((layer.attended, context), (layer.down, unit))
    ]
    run()
    for hook in hooks:
        hook.remove()
    return [torch.cat(found) for found in contexts], [torch.cat(found) for found in units]


def _strongest(passed: Tensor, weight: Tensor, group: int, count: int) -> Tensor:
    """Indices of the columns in the `count` groups whose variation moves the output most."""
    moved = passed.std(0) * weight.norm(dim=0)
    best = moved.view(-1, group).norm(dim=1).topk(count).indices.sort().values
    return (best[:, None] * group + torch.arange(group)).flatten()


def _shortened(linear: nn.Linear, passed: Tensor, kept: Tensor) -> nn.Linear:
    """`linear` over the kept columns alone, standing in for the others as well as a linear map can."""
    one = torch.ones(len(passed), 1)
    stay, gone = torch.cat([passed[:, kept], one], 1), torch.ones(passed.shape[1], dtype=torch.bool)
    gone[kept] = False
    squares = stay.T @ stay
    squares += _PENALTY * squares.diag().mean() * torch.eye(len(squares))
    foretold = torch.linalg.solve(squares, stay.T @ passed[:, gone])
    lost = linear.weight[:, gone]
    short = nn.Linear(len(kept), linear.out_features)
    short.weight.data = linear.weight[:, kept] + lost @ foretold[:-1].T
    short.bias.data = linear.bias + lost @ foretold[-1]
    return short


def _rows(linear: nn.Linear, kept: Tensor) -> nn.Linear:
    short = nn.Linear(linear.in_features, len(kept))
    short.weight.data, short.bias.data = linear.weight[kept].clone(), linear.bias[kept].clone()
    return short
