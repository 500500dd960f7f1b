"""Each network as one graph: `python compiling.py [NAME…]` prints how often each is compiled for three batch sizes.

With `fullgraph=True`, a break of the graph is an error. It runs apart from pytest, whose checks of shapes break graphs.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from quasistatic.network import (
    CausalConfig,
    CellsConfig,
    ColumnsConfig,
    MLPConfig,
    MultiScaleConfig,
    Network,
    RBFConfig,
    SigmoidMLPConfig,
    TransformerConfig,
    UNetConfig,
)
from quasistatic.network.operations import dropping
from quasistatic.schedule import Cosine
from quasistatic.streams import Streams

UNET = UNetConfig(channels=8, multipliers=(1, 2), blocks=1, attention=(1,), dropout=0.1, fourier=(1,))
FOLDED = replace(UNET, patch=2, coordinates=True, slim=True)
SEQUENCES = TransformerConfig(width=16, depth=1, head_width=8, embedding=4, dropout=0.1)
CAUSAL = CausalConfig(width=16, depth=1, head_width=8, embedding=4, dropout=0.1)
SIZES = 4, 3, 6


def numbers(*shape: int) -> list[Tensor]:
    return [torch.randn(size, *shape) for size in SIZES]


def integers(states: int, *shape: int) -> list[Tensor]:
    return [torch.randint(states, (size, *shape)) for size in SIZES]


def with_centers() -> Network:
    network = replace(FOLDED, centers=3).build((1, 8, 8), 2)
    network.take_clock(Cosine().alpha_bar)
    return network


def shown() -> Network:
    network = UNET.build((1, 8, 8), 2)
    network.learn_known()
    return network


def cases() -> Iterator[tuple[str, Network, list[Tensor], list[Tensor | None]]]:
    """Yield names, networks, states and labels of three sizes of a batch."""
    labels = [torch.randint(3, (size,)) for size in SIZES]
    images, columns = numbers(1, 8, 8), [torch.cat([x.round().abs().clamp(max=1)[:, None]] * 2, 1) for x in numbers(3)]
    yield "MLP", MLPConfig(width=16, depth=1, dropout=0.1).build((5,), 2), numbers(5), [None] * 3
    yield "U-Net", UNET.build((1, 8, 8), 2), images, [None] * 3
    yield "U-Net on patches", FOLDED.build((1, 8, 8), 2), images, [None] * 3
    yield "U-Net with labels", UNET.build((1, 8, 8), 2, 3), images, [*labels]
    yield "U-Net with a mixture", with_centers(), images, [None] * 3
    yield "U-Net that is shown a part", shown(), numbers(3, 8, 8), [None] * 3
    yield "U-Net of signals", UNET.build((2, 8), 2), numbers(2, 8), [None] * 3
    yield "U-Net of volumes", UNET.build((1, 4, 4, 4), 2), numbers(1, 4, 4, 4), [None] * 3
    yield "transformer", SEQUENCES.build((7,), 5, 0, 5), integers(5, 7), [None] * 3
    yield "transformer of images", SEQUENCES.build((1, 8, 8), 2), images, [None] * 3
    yield "causal transformer", CAUSAL.build((7,), 4, 3, 5), integers(5, 7), [*labels]
    yield "columns", ColumnsConfig(width=16, depth=1).build((3,), 2, 0, (0, 3, 0)), columns, [None] * 3
    bins = CellsConfig(width=16, depth=1, dropout=0.1, ranges=(4, 0), between=((1.5, 2.5), ()))
    yield "cells", bins.build((2,), states=(6, 3)), [x.double() for x in integers(3, 2)], [None] * 3
    yield "radial functions", RBFConfig().build((2,), 2), numbers(2), [None] * 3
    yield "sigmoids", SigmoidMLPConfig().build((2,), 2), numbers(2), [None] * 3
    yield "scales", MultiScaleConfig().build((1, 16, 16), 2), numbers(1, 16, 16), [None] * 3


def compiled(network: Network, states: list[Tensor], labels: list[Tensor | None]) -> dict[str, float]:
    """Return how often a network is compiled in training and in evaluation, and the largest error, dropout included."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    found, error = {}, 0.0
    for mode in ("training", "evaluation"):
        torch._dynamo.reset()
        counter = CompileCounter()
        graph = torch.compile(network.train(mode == "training"), backend=counter, fullgraph=True)
        for x, label in zip(states, labels, strict=True):
            t = torch.rand(len(x), dtype=torch.float64)
            made = []
            for module in (graph, network):
                with dropping(network, Streams(0, 0, len(x))):
                    made.append(module(x, t, label))
            error = max(error, (made[0] - made[1]).abs().max().item())
        found[mode] = counter.frame_count
    return {**found, "error": error}


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    chosen = (case for case in cases() if not sys.argv[1:] or case[0] in sys.argv[1:])
    print(json.dumps({name: compiled(network, x, labels) for name, network, x, labels in chosen}))


if __name__ == "__main__":
    main()
