"""The blocks of a network, and activation checkpointing: what a block computes inside is computed again when needed.

Source: Chen et al. 2016 (arXiv:1604.06174).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import Tensor, is_grad_enabled, nn
from torch.utils.checkpoint import checkpoint

from quasistatic.network.operations import Dropout


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return the parts of a network that run one after another: what its innermost lists hold, if it has weights."""
    lists = [part for part in network.modules() if isinstance(part, nn.ModuleList)]
    found = [
        part for one in lists for part in one if not any(isinstance(inner, nn.ModuleList) for inner in part.modules())
    ]
    return [part for part in dict.fromkeys(found) if next(part.parameters(), None) is not None]


def recompute(network: nn.Module) -> None:
    """Let each block of ``network`` keep its inputs only, and compute the rest again in the backward pass.

    The result is the same, to the bit, dropout included. A step then computes the blocks twice.
    """
    for block in blocks_of(network):
        block.forward = partial(_forward, block, block.forward)


def _forward(block: nn.Module, forward: Any, *inputs: Any) -> Any:
    if not is_grad_enabled():
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=partial(_contexts, block))


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return contexts of the first pass and of the second, whose dropout draws what the first one's did."""
    layers = [layer for layer in block.modules() if isinstance(layer, Dropout)]
    return nullcontext(), _drawing(layers, [(layer.keys, layer.after) for layer in layers])


@contextmanager
def _drawing(layers: list[Dropout], places: list[tuple[Tensor | None, int]]) -> Iterator[None]:
    """Let dropout draw from these places of its streams, and then from where it was."""
    now = [(layer.keys, layer.after) for layer in layers]
    _put(layers, places)
    try:
        yield
    finally:
        _put(layers, now)


def _put(layers: list[Dropout], places: list[tuple[Tensor | None, int]]) -> None:
    for layer, (keys, after) in zip(layers, places, strict=True):
        layer.keys, layer.after = keys, after
