"""Blocks of the U-Net, for maps of one, two or three axes (batch, channels, …); images are in channels_last throughout.

    Residual    h + conv(SiLU(norm(conv(SiLU(norm(h))) + W SiLU(condition))))
    Attention   h + W softmax(q kᵀ/√d) v over all places
    Downsample  convolution of 3 with stride 2, padded at the end of each axis
    Upsample    nearest ×2, then a convolution of 3, as one transposed convolution

Source: Ho et al. 2020, App. B (arXiv:2006.11239).
"""

import functools
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.embedding import initialised
from quasistatic.network.operations import Dropout, attend

CONVOLUTIONS: dict[int, type[nn.Conv1d] | type[nn.Conv2d] | type[nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
"""The convolution of maps with one, two or three axes."""

TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}

Norm: TypeAlias = Callable[[int], nn.GroupNorm]
"""Number of channels → the GroupNorm of such a map; see `UNetConfig.norm`."""


class Residual(nn.Module):
    """Two convolutions with a shortcut; the second is initialised to zero, so the block starts as its shortcut."""

    def __init__(self, inputs: int, outputs: int, condition: int, norm: Norm, dropout: float, axes: int = 2) -> None:
        super().__init__()
        convolution = CONVOLUTIONS[axes]
        self.norm1 = norm(inputs)
        self.conv1 = initialised(convolution(inputs, outputs, 3, padding=1))
        self.shift = initialised(nn.Linear(condition, outputs))
        self.norm2 = norm(outputs)
        self.dropout = Dropout(dropout)
        self.conv2 = initialised(convolution(outputs, outputs, 3, padding=1), zero=True)
        self.shortcut = initialised(convolution(inputs, outputs, 1)) if inputs != outputs else nn.Identity()

    def forward(
        self, h: Float[Tensor, "batch inputs *places"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs *places"]:
        """Return the shortcut of ``h`` plus an update that depends on ``condition``."""
        shift = self.shift(condition)
        update = self.conv1(F.silu(self.norm1(h))) + shift.reshape(*shift.shape, *(1,) * (h.ndim - 2))
        return self.shortcut(h) + self.conv2(self.dropout(F.silu(self.norm2(update))))


class Attention(nn.Module):
    """Self-attention over places; the last projection is initialised to zero, so the block starts as the identity."""

    def __init__(self, channels: int, norm: Norm, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.project = initialised(nn.Linear(channels, 3 * channels))
        self.last = initialised(nn.Linear(channels, channels), zero=True)

    def forward(self, h: Float[Tensor, "batch channels *places"]) -> Float[Tensor, "batch channels *places"]:
        """Return ``h`` plus the attention output."""
        places = self.norm(h).movedim(1, -1)  # images are in channels_last, so this and the views below copy nothing
        parts = self.project(places).flatten(1, -2).unflatten(-1, (3, self.heads, -1))
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))
        mixed = attend(query, key, value)
        mixed = self.last(mixed.transpose(1, 2).reshape(places.shape))
        return h + mixed.movedim(-1, 1)


class Block(nn.Module):
    """A residual block, optionally followed by attention."""

    def __init__(
        self, inputs: int, outputs: int, condition: int, norm: Norm, dropout: float, heads: int | None, axes: int = 2
    ) -> None:
        """Use ``heads`` attention heads after the residual block; None uses no attention."""
        super().__init__()
        self.residual = Residual(inputs, outputs, condition, norm, dropout, axes)
        self.attention = nn.Identity() if heads is None else Attention(outputs, norm, heads)

    def forward(
        self, h: Float[Tensor, "batch inputs *places"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs *places"]:
        """Return the next map."""
        return self.attention(self.residual(h, condition))


class Downsample(nn.Module):
    """Halve each axis, of even length; ``border`` zeros come before the first place of each."""

    def __init__(self, channels: int, border: int = 0, axes: int = 2) -> None:
        super().__init__()
        self.padding = (border, 1) * axes
        self.conv = initialised(CONVOLUTIONS[axes](channels, channels, 3, stride=2))

    def forward(
        self, h: Float[Tensor, "batch channels *places"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch channels *half"]:
        """Return the smaller map; ``condition`` is not used."""
        return self.conv(F.pad(h, self.padding))


class Upsample(nn.Module):
    """Double each axis: repeat each place, then apply a convolution of 3.

    Both steps are linear and invariant to shifts by two, so they equal one transposed convolution of stride 2 with a
    kernel of 4, whose weights are sums of those of 3. For images it takes 16 products per pixel of the smaller map
    instead of 36, and never stores the repeated map.
    """

    spread: Tensor

    def __init__(self, inputs: int, outputs: int, axes: int = 2) -> None:
        super().__init__()
        self.axes, self.conv = axes, initialised(CONVOLUTIONS[axes](inputs, outputs, 3, padding=1))
        line = torch.tensor([[0.0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])  # maps the three weights of a line to four
        self.register_buffer("spread", functools.reduce(torch.kron, [line] * axes), persistent=False)

    def forward(self, h: Float[Tensor, "batch inputs *places"]) -> Float[Tensor, "batch outputs *double"]:
        """Return the larger map."""
        kernel = (self.conv.weight.transpose(0, 1).flatten(2) @ self.spread).unflatten(2, (4,) * self.axes)
        return TRANSPOSED[self.axes](h, kernel, self.conv.bias, stride=2, padding=1)
