"""The 2015 paper's networks, for a chain of a fixed number of steps.

    RBF             φ_j = exp(−‖x − c_j‖²/2w_j²)/Σ_k …,  output = W_t φ + b_t                          App. D.1.1
    SigmoidMLP      three layers of 50 sigmoids, output = W_t h + b_t                                  App. D.1.2
    MultiScale      convolutions at several scales, summed → 1×1 convolutions → bumps in time          App. D.2

    bumps:  z_i = Σ_j y_ij g_j(t),   g_j(t) = exp(−(t − τ_j)²/2w²)/Σ_k exp(−(t − τ_k)²/2w²)            eq. 62–63

The first two depend on time only through the readout W_t, which is separate for every step.
Source: Sohl-Dickstein et al. 2015 (arXiv:1503.03585). The last readouts start at 0, as in all networks here.
"""

import itertools
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import as_input, initialised
from quasistatic.runtime.fields import Depth, Range, Side, Steps, Width
from quasistatic.types import Label, StateCounts, Time


@dataclass(frozen=True)
class RBFConfig(NetworkConfig):
    """Normalised radial basis functions of a vector, with a readout for each step.

    Attributes:
        units: number of basis functions.
        steps: number of steps T of the chain.
    """

    units: Width = 16
    steps: Steps = 40

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "RBF":
        _check("an RBF network", len(shape) == 1 and not states, shape, classes)
        return RBF(self, shape[0], outputs)


@dataclass(frozen=True)
class SigmoidMLPConfig(NetworkConfig):
    """Sigmoid layers over a vector, with a readout for each step.

    Attributes:
        width: units per layer.
        depth: number of layers.
        steps: number of steps T of the chain.
    """

    width: Width = 50
    depth: Depth = 3
    steps: Steps = 2000

    def build(
        self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0
    ) -> "SigmoidMLP":
        _check("a sigmoid MLP", len(shape) == 1 and not states, shape, classes)
        return SigmoidMLP(self, shape[0], outputs)


@dataclass(frozen=True)
class MultiScaleConfig(NetworkConfig):
    """The 2015 paper's network for images.

    Attributes:
        features: maps of a multi-scale convolution; 0 uses the dense path only, as for MNIST.
        layers: number of multi-scale convolutions.
        scales: number of scales (full size, half, …) of each convolution; their outputs are resized and summed.
        kernel: side of a convolution's kernel.
        dense: units per layer of the dense path, ``layers`` tanh layers over the whole image; 0 disables it.
        upper: maps of the 1×1 convolutions.
        depth: number of 1×1 convolutions before the last.
        bumps: number J of time basis functions.
    """

    features: Annotated[int, Range(at_least=0, at_most=2**16)] = 20
    layers: Depth = 4
    scales: Annotated[int, Range(at_least=1, at_most=16)] = 3
    kernel: Side = 3
    dense: Annotated[int, Range(at_least=0, at_most=2**16)] = 0
    upper: Width = 20
    depth: Annotated[int, Range(at_least=0, at_most=1000)] = 2
    bumps: Annotated[int, Range(at_least=2, at_most=2**16)] = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel % 2 == 0 or not self.features + self.dense:
            raise ValueError(f"a multi-scale network needs an odd kernel, and features or dense above 0, got {self}")

    def build(
        self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0
    ) -> "MultiScale":
        _check("a multi-scale network", len(shape) == 3 and not states, shape, classes)
        if min(shape[1:]) < 2 ** (self.scales - 1):
            raise ValueError(
                f"{self.scales} scales need images of {2 ** (self.scales - 1)} pixels or more, got {shape}"
            )
        return MultiScale(self, shape, outputs)


def _check(what: str, fits: bool, shape: tuple[int, ...], classes: int) -> None:
    if not fits or classes:
        kind = "images (channels, height, width)" if "scale" in what else "vectors (columns,)"
        raise ValueError(f"{what} takes {kind} of numbers without labels, got shape {shape} and {classes} classes")


def _unlabelled(label: Label | None) -> None:
    if label is not None:
        raise ValueError("the networks of 2015 are unconditional, got labels; use a UNet, MLP or Transformer")


class Readouts(nn.Module):
    """W_t h + b_t with separate weights for each step t = k/T, initialised to 0."""

    def __init__(self, steps: int, width: int, outputs: int) -> None:
        super().__init__()
        self.steps = steps
        self.weight = nn.Parameter(torch.zeros(steps, width * outputs))
        self.bias = nn.Parameter(torch.zeros(steps, outputs))

    def forward(self, h: Float[Tensor, "batch width"], t: Time) -> Float[Tensor, "batch outputs"]:
        """Return the readout of each example at the step nearest to its time."""
        k = (t * self.steps).round().long().clamp(1, self.steps).to(h.device) - 1
        weight = F.embedding(k, self.weight).unflatten(1, (h.shape[1], -1))
        return torch.einsum("bw,bwo->bo", h, weight) + F.embedding(k, self.bias)


class RBF(Network):
    """The module of an `RBFConfig`; centres are initialised from N(0, 1), widths to 1."""

    def __init__(self, config: RBFConfig, columns: int, outputs: int = 1) -> None:
        super().__init__()
        self.config, self.outputs = config, outputs
        self.centres = nn.Parameter(torch.randn(config.units, columns))
        self.log_width = nn.Parameter(torch.zeros(config.units))
        self.readout = Readouts(config.steps, config.units, outputs * columns)

    def forward(
        self, x_t: Shaped[Tensor, "batch columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        _unlabelled(label)
        x = x_t.to(self.centres.dtype)
        square = (x[:, None] - self.centres).square().sum(-1)
        share = (-0.5 * square * (-2 * self.log_width).exp()).softmax(-1)
        return as_input(self.readout(share, t).unflatten(1, (self.outputs, -1)), x_t)


class SigmoidMLP(Network):
    """The module of a `SigmoidMLPConfig`."""

    def __init__(self, config: SigmoidMLPConfig, columns: int, outputs: int = 1) -> None:
        super().__init__()
        self.config, self.outputs = config, outputs
        widths = [columns, *[config.width] * config.depth]
        self.layers = nn.ModuleList(initialised(nn.Linear(a, b)) for a, b in itertools.pairwise(widths))
        self.readout = Readouts(config.steps, config.width, outputs * columns)

    def forward(
        self, x_t: Shaped[Tensor, "batch columns"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs columns"]:
        _unlabelled(label)
        h = x_t.to(self.readout.weight.dtype)
        for layer in self.layers:
            h = layer(h).sigmoid()
        return as_input(self.readout(h, t).unflatten(1, (self.outputs, -1)), x_t)


def bumps(t: Time, count: int) -> Float[Tensor, "batch count"]:
    """Return g_j(t): ``count`` Gaussian bumps, centred evenly inside (0, 1) and one spacing wide, that sum to 1.

    Source: Sohl-Dickstein et al. 2015, eq. 63.
    """
    centres = (torch.arange(count, dtype=torch.float64, device=t.device) + 0.5) / count
    return (-0.5 * ((t.double()[:, None] - centres) * count).square()).softmax(-1)


class MultiScaleConvolution(nn.Module):
    """Softplus of the sum of convolutions at scales 1, 2, 4, …: averaged down, convolved, repeated up."""

    def __init__(self, inputs: int, outputs: int, scales: int, kernel: int) -> None:
        super().__init__()
        convolutions = (nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2) for _ in range(scales))
        self.scales = nn.ModuleList(initialised(convolution) for convolution in convolutions)

    def forward(self, h: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """Convolve at every scale; incomplete blocks at the border are averaged over their pixels."""
        total = torch.zeros((), device=h.device)
        for power, convolution in enumerate(self.scales):
            small = F.avg_pool2d(h, 2**power, ceil_mode=True) if power else h
            large = convolution(small).repeat_interleave(2**power, 2).repeat_interleave(2**power, 3)
            total = total + large[..., : h.shape[2], : h.shape[3]]
        return F.softplus(total)


class MultiScale(Network):
    """The module of a `MultiScaleConfig`."""

    def __init__(self, config: MultiScaleConfig, shape: tuple[int, ...], outputs: int = 1) -> None:
        super().__init__()
        channels, height, width = shape
        self.config, self.outputs, self.shape = config, outputs, shape
        maps = [channels, *[config.features] * config.layers] if config.features else []
        self.convolutions = nn.ModuleList(
            MultiScaleConvolution(a, b, config.scales, config.kernel) for a, b in itertools.pairwise(maps)
        )
        units = [channels * height * width, *[config.dense] * config.layers] if config.dense else []
        self.dense = nn.ModuleList(initialised(nn.Linear(a, b)) for a, b in itertools.pairwise(units))
        # The dense path's output for each pixel: one map per bump.
        self.spread = initialised(nn.Linear(config.dense, config.bumps * height * width)) if config.dense else None
        below = config.features + (config.bumps if config.dense else 0)
        stack = [below, *[config.upper] * config.depth]
        self.upper = nn.ModuleList(initialised(nn.Conv2d(a, b, 1)) for a, b in itertools.pairwise(stack))
        self.last = initialised(nn.Conv2d(stack[-1], config.bumps * outputs * channels, 1), zero=True)

    def forward(
        self, x_t: Float[Tensor, "batch channels height width"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs channels height width"]:
        _unlabelled(label)
        x = x_t.to(self.last.weight.dtype)
        paths, h, g = [], x, x.flatten(1)
        for convolution in self.convolutions:
            h = convolution(h)
        for layer in self.dense:
            g = layer(g).tanh()
        if len(self.convolutions):
            paths.append(h)
        if self.spread is not None:
            paths.append(self.spread(g).unflatten(1, (self.config.bumps, *self.shape[1:])))
        y = torch.cat(paths, 1)
        for layer in self.upper:
            y = F.softplus(layer(y))
        y = self.last(y).unflatten(1, (self.config.bumps, self.outputs, self.shape[0]))
        share = bumps(t, self.config.bumps).to(y)
        return as_input(torch.einsum("bj,bjochw->bochw", share, y), x_t)
