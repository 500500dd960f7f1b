"""U-Net for images, signals and volumes: a path down, a path up, and skip connections between them.

`UNetConfig()` is the published CIFAR-10 network: 35.7 M parameters with three channels in and out.
Source: Ho et al. 2020, App. B (arXiv:2006.11239).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.blocks import CONVOLUTIONS, Block, Downsample, Upsample
from quasistatic.network.embedding import Conditioning, Inputs, as_input, initialised, parts_of
from quasistatic.network.laws.mixture import MixtureGuess
from quasistatic.network.operations import GroupNorm
from quasistatic.runtime.fields import Embedded, Fraction, Power, Range, Side, Width
from quasistatic.types import Label, State, StateCounts, Time, like

SURE = 0.99
"""Largest guess, of values in [−1, 1], whose log-odds are passed to the output."""

LEVELS = 12
"""Maximum number of levels; each halves the map, and images are padded to a multiple of the total factor."""


@dataclass(frozen=True)
class UNetConfig(NetworkConfig):
    """Configuration of a U-Net; the defaults are the published CIFAR-10 network.

    Attributes:
        channels: features of the first level.
        multipliers: features of each level, in units of ``channels``; each level halves every axis.
        blocks: residual blocks per level on the way down; the way up has one more.
        attention: levels with attention after every block; 0 is full size. The middle always has attention.
        head_width: features per attention head; None uses one head, as published.
        groups: maximum number of groups of a GroupNorm.
        narrow: minimum channels per group; narrower maps use groups of eight channels.
        epsilon: GroupNorm's epsilon.
        dropout: dropout probability.
        fourier: exponents n of the input features sin(2ⁿ π x), cos(2ⁿ π x).
        readout: kernel of the last convolution; for many output maps (a head over 256 levels), 1 is far cheaper.
        coordinates: add an input map for each axis: the place on it, from −1 to 1.
        patch: side of the patches folded into channels, which makes all maps smaller by this factor.
        slim: upsampling returns the features of the level it leads to, which is cheaper; false as published.
        border: zero rows and columns padded before the first in each downsampling: 1, or 0 as published.
        shift: the time embedding's lowest frequency is 10000^(−(half − 1)/(half − shift)); 1 as published.
        centers: of a mixture of normal laws whose guess of the clean data is an input as well; 0 as published.
    """

    channels: Embedded = 128
    multipliers: tuple[Annotated[int, Range(at_least=1, at_most=1024)], ...] = (1, 2, 2, 2)
    blocks: Annotated[int, Range(at_least=1, at_most=100)] = 2
    attention: tuple[int, ...] = (1,)
    head_width: Width | None = None
    groups: Width = 32
    dropout: Fraction = 0.1
    fourier: tuple[Power, ...] = ()
    readout: Side = 3
    coordinates: bool = False
    patch: Side = 1
    slim: bool = False
    narrow: Width = 4
    epsilon: Annotated[float, Range(above=0, at_most=1)] = 1e-6
    border: Annotated[int, Range(at_least=0, at_most=1)] = 0
    shift: Annotated[int, Range(at_least=0, at_most=1)] = 1
    centers: Annotated[int, Range(at_least=0, at_most=1024)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.multipliers) <= LEVELS:
            raise ValueError(f"a U-Net has 1 to {LEVELS} levels with a multiplier each, got {len(self.multipliers)}")
        if self.readout % 2 == 0:
            raise ValueError(f"the kernel of a U-Net's readout is odd, got {self.readout}")
        unknown = set(self.attention) - set(range(len(self.multipliers)))
        if unknown:
            raise ValueError(f"attention names levels 0 to {len(self.multipliers) - 1}, got {sorted(unknown)}")
        if self.head_width is not None and any(self.level_channels(n) % self.head_width for n in (*self.attention, -1)):
            raise ValueError(f"head_width must divide the channels of every level with attention, got {self}")

    def build(self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0) -> "UNet":
        axes = len(shape) - 1
        if axes not in CONVOLUTIONS:
            raise ValueError(
                "a U-Net takes images (channels, height, width), signals (channels, length) or volumes, got states of "
                f"shape {shape}; use an MLP"
            )
        return UNet(self, shape, outputs, classes, states)

    def level_channels(self, level: int) -> int:
        """Return the features of a level; −1 is the smallest map."""
        return self.channels * self.multipliers[level]

    def norm(self, channels: int) -> nn.GroupNorm:
        """Return the GroupNorm for a map with ``channels`` channels.

        Groups of one or two channels would remove most of a narrow map's information. On a CPU, groups of eight
        channels, a vector's width, are five times as fast as groups of four. The number of groups always divides
        ``channels``.
        """
        most = self.groups if channels >= self.narrow * self.groups else max(1, channels // 8)
        return GroupNorm(next(n for n in range(most, 0, -1) if channels % n == 0), channels, eps=self.epsilon)

    def heads(self, level: int) -> int:
        """Return the attention heads of a level."""
        return 1 if self.head_width is None else self.level_channels(level) // self.head_width


class UNet(Network):
    """The module of a `UNetConfig`; one set of weights takes examples of any size, with ``axes`` axes."""

    def __init__(
        self,
        config: UNetConfig,
        shape: tuple[int, ...],
        outputs: int = 1,
        classes: int = 0,
        states: StateCounts = 0,
    ) -> None:
        super().__init__()
        channels, axes = shape[0], len(shape) - 1
        self.config = config
        self.outputs, self.channels, self.axes = outputs, channels, axes
        self.known: nn.Module | None = None
        self.guess = MixtureGuess(shape, config.centers) if config.centers else None
        self.alpha_bar: Callable[[Time], Time] | None = None
        convolution, folded = CONVOLUTIONS[axes], config.patch**axes
        levels = range(len(config.multipliers))
        condition = 4 * config.channels

        def block(inputs: int, level: int, attention: bool) -> Block:
            heads = config.heads(level) if attention else None
            return Block(inputs, config.level_channels(level), condition, config.norm, config.dropout, heads, axes)

        self.condition = Conditioning(config.channels, condition, classes, config.shift)
        self.inputs = Inputs(channels, states, config.fourier)
        inputs = (self.inputs.features + axes * config.coordinates) * folded
        self.stem = initialised(convolution(inputs, config.channels, 3, padding=1))
        if self.guess is not None:
            self.guessed = initialised(convolution(channels * folded, config.channels, 3, padding=1, bias=False))
            self.gate = initialised(nn.Linear(condition, 2 * channels * folded), zero=True)
        width, skips = config.channels, [config.channels]
        self.down = nn.ModuleList()
        for level in levels:
            for _ in range(config.blocks):
                self.down.append(block(width, level, level in config.attention))
                width = config.level_channels(level)
                skips.append(width)
            if level != levels[-1]:
                self.down.append(Downsample(width, config.border, axes))
                skips.append(width)
        self.middle = nn.ModuleList([block(width, -1, True), block(width, -1, False)])
        self.up = nn.ModuleList()
        for level in reversed(levels):
            for _ in range(config.blocks + 1):
                self.up.append(block(width + skips.pop(), level, level in config.attention))
                width = config.level_channels(level)
            if level != 0:
                features = config.level_channels(level - 1) if config.slim else width
                self.up.append(Upsample(width, features, axes))
                width = features
        self.norm = config.norm(width)
        maps = outputs * channels * folded
        self.last = initialised(convolution(width, maps, config.readout, padding=config.readout // 2), zero=True)
        if self.guess is not None:
            self.passed = initialised(convolution(2 * channels * folded, maps, 1, bias=False), zero=True)
        if axes == 2:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as the maps are

    def learn_mirrored(self) -> None:
        self.condition.learn_mirrored()

    def learn_covariates(self, features: int) -> None:
        self.condition.learn_covariates(features)

    def learn_known(self) -> None:
        self.condition.learn_known()
        features = 2 * self.channels * self.config.patch**self.axes
        self.known = initialised(CONVOLUTIONS[self.axes](features, self.config.channels, 3, padding=1, bias=False))

    def take_clock(self, alpha_bar: Callable[[Time], Time]) -> None:
        self.alpha_bar = alpha_bar

    def begin(self, x: State) -> None:
        if self.guess is not None:
            self.guess.fit(x)

    @torch.no_grad()
    def start(self, output: Float[Tensor, " outputs"]) -> None:
        cast(Tensor, self.last.bias).view(self.config.patch**self.axes, self.outputs, -1).copy_(output[:, None])

    def forward(
        self, x_t: Shaped[Tensor, "batch maps *places"], t: Time, label: Label | None = None
    ) -> Float[Tensor, "batch outputs channels *places"]:
        sizes = x_t.shape[2:]
        x_t, known = parts_of(x_t, self.channels, self.known)
        condition = self.condition(t, label, known)
        h = self.stem(self._padded(self._placed(self.inputs(x_t))))
        guess = None if self.guess is None else self._padded(self._clean(x_t, t, known, self.guess))
        if guess is not None:
            h = h + self.guessed(guess)
        if known is not None and self.known is not None:
            h = h + self.known(self._padded(known))
        skips = [h]
        for step in self.down:
            h = step(h, condition)
            skips.append(h)
        for step in self.middle:
            h = step(h, condition)
        for step in self.up:
            h = step(h) if isinstance(step, Upsample) else step(torch.cat([h, skips.pop()], dim=1), condition)
        h = self.last(F.silu(self.norm(h)))
        if guess is not None:
            h = h + self._passed(guess, condition)
        h = self._unfolded(h)
        for axis, size in enumerate(sizes):
            h = h.narrow(2 + axis, 0, size)
        return as_input(h, x_t).unflatten(1, (self.outputs, -1))

    def _passed(self, guess: Tensor, condition: Tensor) -> Tensor:
        """Return what the guess adds to the output: linear in it and in its log-odds in (−1, 1), by the time."""
        gate = 1 + self.gate(condition).unflatten(1, (-1, *(1,) * self.axes))
        return self.passed(torch.cat([guess, guess.clamp(-SURE, SURE).atanh()], 1) * gate)

    def _clean(self, x_t: Tensor, t: Time, known: Tensor | None, guess: MixtureGuess) -> Tensor:
        """Return the guess of the mixture from the states, and from what is known."""
        if self.alpha_bar is None:
            raise ValueError("network.centers needs a Gaussian process with one fixed clock; set network.centers=0")
        kept = self.alpha_bar(t).sqrt().to(x_t.device)
        if known is None:
            return guess.noised(x_t, kept)
        values, share = known.chunk(2, 1)
        told = share == 1
        return guess.known(torch.where(told, values, x_t), torch.where(told, 1.0, like(kept, x_t)))

    def _placed(self, x: Tensor) -> Tensor:
        """Append the place of each element on every axis, if configured."""
        if not self.config.coordinates:
            return x
        lines = [torch.linspace(-1, 1, size, dtype=x.dtype, device=x.device) for size in x.shape[2:]]
        places = torch.stack(torch.meshgrid(lines, indexing="ij"))
        return torch.cat([x, places.expand(x.shape[0], *places.shape)], dim=1)

    def _padded(self, x: Tensor) -> Tensor:
        """Pad each axis with 0, at its end, to a size that all levels divide, and fold patches into channels."""
        stride = self.config.patch * 2 ** (len(self.config.multipliers) - 1)
        x = F.pad(x, [side for size in reversed(x.shape[2:]) for side in (0, -size % stride)])
        patch, axes = self.config.patch, range(self.axes)
        for axis in axes:  # each axis becomes (places, patch)
            x = x.unflatten(2 + 2 * axis, (-1, patch))
        order = (0, 1, *(3 + 2 * axis for axis in axes), *(2 + 2 * axis for axis in axes))
        x = x.permute(order).flatten(1, 1 + self.axes)
        layout = torch.channels_last if self.axes == 2 else torch.contiguous_format
        return x.to(self.stem.weight.dtype, memory_format=layout)

    def _unfolded(self, h: Tensor) -> Tensor:
        """Unfold patches into places; the maps of a place stay contiguous in memory."""
        patch, axes = self.config.patch, range(self.axes)
        if patch == 1:
            return h
        rows = h.movedim(1, -1).unflatten(-1, (*(patch,) * self.axes, -1))
        order = (0, *(place for axis in axes for place in (1 + axis, 1 + self.axes + axis)), rows.ndim - 1)
        rows = rows.permute(order)
        for axis in axes:
            rows = rows.flatten(1 + axis, 2 + axis)
        return rows.movedim(-1, 1)
