"""Bidirectional transformer over the positions of a sequence or the patches of an image.

    h ← h + a · W softmax(q kᵀ/√d) v,    q, k, v from LayerNorm(h) (1 + scale) + shift, q and k with rotary positions
    h ← h + b · W₂ GELU(W₁ (LayerNorm(h) (1 + scale') + shift'))

scale, shift, a and b are linear in the condition and start at 0, so a block starts as the identity (adaLN-zero).
Positions are rotary: each pair of features at position p is rotated by the angle p ω, so attention depends on distances
only.
Source: Peebles & Xie 2023 (DiT, arXiv:2212.09748); rotary positions: Su et al. 2021 (arXiv:2104.09864).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.base import Network, NetworkConfig
from quasistatic.network.embedding import Conditioning, Inputs, as_input, initialised
from quasistatic.network.operations import Dropout, attend
from quasistatic.runtime.fields import Depth, Embedded, Fraction, Range, Side, Width
from quasistatic.types import Label, State, StateCounts, Time


@dataclass(frozen=True)
class TransformerConfig(NetworkConfig):
    """Configuration of a transformer over the columns of a sequence or the patches of an image.

    Attributes:
        width: features per position.
        depth: number of blocks.
        head_width: features per attention head; a multiple of 4 that divides ``width``.
        expansion: hidden features of a block's perceptron, in units of ``width``.
        kernel: window of sequence elements that the first layer sees per position; odd.
        patch: side of an image's patches; must divide height and width.
        embedding: features per state, if elements are states.
        dropout: dropout probability.

    Raises:
        ValueError: if the values are inconsistent.
    """

    width: Embedded = 256
    depth: Depth = 6
    head_width: Embedded = 32
    expansion: Annotated[int, Range(at_least=1, at_most=256)] = 4
    kernel: Side = 1
    patch: Side = 2
    embedding: Width = 32
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head_width % 4 or self.width % self.head_width:
            raise ValueError(
                f"a transformer's head_width is a multiple of 4 that divides width, got head_width = {self.head_width} "
                f"and width = {self.width}"
            )
        if self.kernel % 2 == 0:
            raise ValueError(f"a transformer's kernel is odd, got {self.kernel}")

    def build(
        self, shape: tuple[int, ...], outputs: int = 1, classes: int = 0, states: StateCounts = 0
    ) -> "Transformer":
        if len(shape) not in (1, 3):
            raise ValueError(f"a transformer takes sequences (columns,) or images, got states of shape {shape}")
        if len(shape) == 3 and (shape[1] % self.patch or shape[2] % self.patch):
            raise ValueError(
                f"a transformer's patches of {self.patch}×{self.patch} should tile the images, got {shape[1]}×"
                f"{shape[2]}; set network.patch to a common divisor"
            )
        return Transformer(self, shape, outputs, classes, states)


class Transformer(Network):
    """The module of a `TransformerConfig`."""

    angles: Tensor

    def __init__(
        self,
        config: TransformerConfig,
        shape: tuple[int, ...],
        outputs: int = 1,
        classes: int = 0,
        states: StateCounts = 0,
    ) -> None:
        super().__init__()
        self.config, self.shape, self.outputs = config, shape, outputs
        channels, self.side = (1, 1) if len(shape) == 1 else (shape[0], config.patch)
        self.inputs = Inputs(channels, states, width=config.embedding)
        self.condition = Conditioning(config.width, config.width, classes)
        taps = config.kernel if len(shape) == 1 else self.side**2
        self.stem = initialised(nn.Linear(self.inputs.features * taps, config.width))
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.film = initialised(nn.Linear(config.width, 2 * config.width), zero=True)
        self.last = initialised(nn.Linear(config.width, outputs * channels * self.side**2), zero=True)
        self.register_buffer("angles", _angles(shape, self.side, config.head_width), persistent=False)

    def learn_mirrored(self) -> None:
        self.condition.learn_mirrored()

    def learn_covariates(self, features: int) -> None:
        self.condition.learn_covariates(features)

    @torch.no_grad()
    def start(self, output: Float[Tensor, " outputs"]) -> None:
        self.last.bias.view(self.outputs, -1).copy_(output[:, None])

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Float[Tensor, "batch outputs *shape"]:
        condition = self.condition(t, label)
        h = self.stem(self._places(x_t).to(self.stem.weight.dtype))
        turn = self.angles.cos().to(h.dtype), self.angles.sin().to(h.dtype)
        for block in self.blocks:
            h = block(h, condition, turn)
        scale, shift = self.film(condition)[:, None].chunk(2, dim=-1)
        h = self.last(self.norm(h) * (1 + scale) + shift)
        return as_input(self._maps(h), x_t)

    def _places(self, x_t: Shaped[Tensor, " batch *shape"]) -> Float[Tensor, "batch places features"]:
        """Return the features of each position: of a window around a column, or of a patch."""
        if len(self.shape) == 1:
            features, margin = self.inputs(x_t[:, None]), self.config.kernel // 2
            windows = F.pad(features, (margin, margin)).unfold(2, self.config.kernel, 1)
            return windows.transpose(1, 2).flatten(2)
        return F.unfold(self.inputs(x_t), self.side, stride=self.side).transpose(1, 2)

    def _maps(self, h: Float[Tensor, "batch places features"]) -> Float[Tensor, "batch outputs *shape"]:
        if len(self.shape) == 1:
            return h.transpose(1, 2)
        maps = F.fold(h.transpose(1, 2), self.shape[1:], self.side, stride=self.side)
        return maps.unflatten(1, (self.outputs, -1))


class TransformerBlock(nn.Module):
    """Attention, then a perceptron; the condition scales each residual, so the block starts as the identity."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = width // config.head_width
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = initialised(nn.Linear(width, 6 * width), zero=True)
        self.project = initialised(nn.Linear(width, 3 * width))
        self.mix = initialised(nn.Linear(width, width))
        self.first = initialised(nn.Linear(width, config.expansion * width))
        self.second = initialised(nn.Linear(config.expansion * width, width))
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        h: Float[Tensor, "batch places width"],
        condition: Float[Tensor, "batch width"],
        turn: tuple[Tensor, Tensor],
    ) -> Float[Tensor, "batch places width"]:
        """Return the updated features; ``turn`` is (cos, sin) of the positions' angles."""
        film = self.film(condition)[:, None].chunk(6, dim=-1)
        seen = self.project(self.norm(h) * (1 + film[0]) + film[1])
        query, key, value = (part.transpose(1, 2) for part in seen.unflatten(2, (3, self.heads, -1)).unbind(2))
        mixed = attend(_turned(query, *turn), _turned(key, *turn), value)
        h = h + film[2] * self.dropout(self.mix(mixed.transpose(1, 2).flatten(2)))
        update = self.first(self.norm(h) * (1 + film[3]) + film[4])
        return h + film[5] * self.dropout(self.second(F.gelu(update)))


def _angles(shape: tuple[int, ...], side: int, head_width: int) -> Float[Tensor, "places half"]:
    """Return the rotary angle of each feature pair at each position; in an image, half encode rows, half columns."""
    if len(shape) == 1:
        frequencies = 10_000.0 ** -torch.linspace(0, 1, head_width // 2 + 1)[:-1]
        return torch.arange(shape[0])[:, None] * frequencies
    # images are short: periods from about six positions to some hundreds
    frequencies = 100.0 ** -torch.linspace(0, 1, head_width // 4 + 1)[:-1]
    rows, columns = (torch.arange(length // side)[:, None] * frequencies for length in shape[1:])
    both = rows[:, None].expand(-1, len(columns), -1), columns[None].expand(len(rows), -1, -1)
    return torch.cat(both, -1).flatten(0, 1)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    one, two = x.chunk(2, dim=-1)
    return torch.cat([one * cos - two * sin, two * cos + one * sin], dim=-1)
