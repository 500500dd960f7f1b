"""Blocks of the U-Net. Maps are (batch, channels, height, width), in channels_last memory format throughout.

    Residual    h + conv(SiLU(norm(conv(SiLU(norm(h))) + W SiLU(condition))))
    Attention   h + W softmax(q kᵀ/√d) v over all pixels
    Downsample  3×3 convolution with stride 2, padded right and below
    Upsample    nearest ×2, then a 3×3 convolution, as one transposed convolution

Source: Ho et al. 2020, App. B (arXiv:2006.11239).
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.embedding import initialised
from quasistatic.network.operations import Dropout, attend

Norm: TypeAlias = Callable[[int], nn.GroupNorm]
"""Number of channels → the GroupNorm of such a map; see `UNetConfig.norm`."""


class Residual(nn.Module):
    """Two convolutions with a shortcut; the second is initialised to zero, so the block starts as its shortcut."""

    def __init__(self, inputs: int, outputs: int, condition: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.norm1 = norm(inputs)
        self.conv1 = initialised(nn.Conv2d(inputs, outputs, 3, padding=1))
        self.shift = initialised(nn.Linear(condition, outputs))
        self.norm2 = norm(outputs)
        self.dropout = Dropout(dropout)
        self.conv2 = initialised(nn.Conv2d(outputs, outputs, 3, padding=1), zero=True)
        self.shortcut = initialised(nn.Conv2d(inputs, outputs, 1)) if inputs != outputs else nn.Identity()

    def forward(
        self, h: Float[Tensor, "batch inputs height width"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return the shortcut of ``h`` plus an update that depends on ``condition``."""
        update = self.conv1(F.silu(self.norm1(h))) + self.shift(condition)[:, :, None, None]
        return self.shortcut(h) + self.conv2(self.dropout(F.silu(self.norm2(update))))


class Attention(nn.Module):
    """Self-attention over pixels; the last projection is initialised to zero, so the block starts as the identity."""

    def __init__(self, channels: int, norm: Norm, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.project = initialised(nn.Linear(channels, 3 * channels))
        self.last = initialised(nn.Linear(channels, channels), zero=True)

    def forward(self, h: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Return ``h`` plus the attention output."""
        places = self.norm(h).permute(0, 2, 3, 1)  # channels_last, so this and the views below copy nothing
        batch, height, width, channels = places.shape
        parts = self.project(places).view(batch, height * width, 3, self.heads, channels // self.heads)
        query, key, value = (part.transpose(1, 2) for part in parts.unbind(2))
        mixed = attend(query, key, value)
        mixed = self.last(mixed.transpose(1, 2).reshape(batch, height, width, channels))
        return h + mixed.permute(0, 3, 1, 2)


class Block(nn.Module):
    """A residual block, optionally followed by attention."""

    def __init__(
        self, inputs: int, outputs: int, condition: int, norm: Norm, dropout: float, heads: int | None
    ) -> None:
        """Use ``heads`` attention heads after the residual block; None uses no attention."""
        super().__init__()
        self.residual = Residual(inputs, outputs, condition, norm, dropout)
        self.attention = nn.Identity() if heads is None else Attention(outputs, norm, heads)

    def forward(
        self, h: Float[Tensor, "batch inputs height width"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs height width"]:
        """Return the next map."""
        return self.attention(self.residual(h, condition))


class Downsample(nn.Module):
    """Halve height and width, both even; ``border`` rows and columns of zeros come before the first."""

    def __init__(self, channels: int, border: int = 0) -> None:
        super().__init__()
        self.padding = (border, 1, border, 1)
        self.conv = initialised(nn.Conv2d(channels, channels, 3, stride=2))

    def forward(
        self, h: Float[Tensor, "batch channels height width"], condition: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch channels height/2 width/2"]:
        """Return the smaller map; ``condition`` is not used."""
        return self.conv(F.pad(h, self.padding))


class Upsample(nn.Module):
    """Double height and width: repeat each pixel 2×2, then apply a 3×3 convolution.

    Both steps are linear and invariant to shifts by two, so they equal one transposed convolution of stride 2 with a
    4×4 kernel, whose weights are sums of the 3×3 ones. It takes 16 products per pixel of the smaller map instead of 36,
    and never stores the repeated map.
    """

    spread: Tensor

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = initialised(nn.Conv2d(inputs, outputs, 3, padding=1))
        line = torch.tensor([[0.0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0]])  # maps the three weights of a line to four
        self.register_buffer("spread", torch.kron(line, line), persistent=False)

    def forward(self, h: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs 2*height 2*width"]:
        """Return the larger map."""
        kernel = (self.conv.weight.transpose(0, 1).flatten(2) @ self.spread).unflatten(2, (4, 4))
        return F.conv_transpose2d(h, kernel, self.conv.bias, stride=2, padding=1)
