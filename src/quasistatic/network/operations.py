"""Faster versions of torch operations that are slow on a CPU, above all in training.

Each equals torch's operation (`tests/network/test_operations.py`), up to rounding and, for dropout, the choice of
dropped features. `benchmarks/operations.py` measures the gains. Other devices use torch's operations.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

FEW_PLACES = 64
"""Up to this many positions (or the width of a head, if larger), attention is computed in its plain form."""

VECTOR, SMALL_MAP = 16, 1024
"""Channels per group and pixels per map below which torch normalises faster in float32 than in bfloat16."""

PIECE = 2**18
"""Elements per chunk in the backward pass of GroupNorm; a chunk fits in a core's cache."""


def attend(
    query: Float[Tensor, "batch heads places width"],
    key: Float[Tensor, "batch heads places width"],
    value: Float[Tensor, "batch heads places width"],
) -> Float[Tensor, "batch heads places width"]:
    """Return softmax(q kᵀ/√width) v.

    torch's fused form never stores the places² weights, which pays if they dominate. For few places, its backward pass
    takes up to eight times as long as the plain form's.
    """
    places, width = query.shape[-2:]
    if query.device.type != "cpu" or places > max(FEW_PLACES, width):
        return F.scaled_dot_product_attention(query, key, value)
    return torch.softmax((query * width**-0.5) @ key.transpose(-1, -2), dim=-1) @ value


class GroupNorm(nn.GroupNorm):
    """GroupNorm whose backward pass uses float32 for bfloat16 maps: up to twice as fast, with less rounding."""

    def forward(self, h: Float[Tensor, "batch channels *places"]) -> Float[Tensor, "batch channels *places"]:
        """Return ``h`` with mean 0 and variance 1 in each group of channels, scaled and shifted."""
        if h.device.type == "cpu" and h.dtype == torch.bfloat16:
            return _HalfNorm.apply(h, self.weight, self.bias, self.num_groups, self.eps)
        return super().forward(h)


class _HalfNorm(torch.autograd.Function):
    """GroupNorm of bfloat16 maps. It saves the same tensors as torch's: the maps, and two moments per group."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        batch, channels, places = *h.shape[:2], h[0, 0].numel()
        last = h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if last else torch.contiguous_format
        h, sizes = h.contiguous(memory_format=layout), (batch, channels, places, groups)
        widened = channels // groups < VECTOR and places < SMALL_MAP
        parts = (h.float() if widened else h, weight.float(), bias.float())
        normed, mean, scale = torch.native_group_norm(*parts, *sizes, eps)
        ctx.save_for_backward(h, mean, scale, weight)
        ctx.sizes, ctx.layout = sizes, layout
        return normed.to(h.dtype)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        h, mean, scale, weight = ctx.saved_tensors
        batch, *sizes = ctx.sizes
        channels, places, _ = sizes
        examples = max(1, PIECE // (channels * places))
        wide = weight.float()
        by_maps, by_weight, by_bias = torch.empty_like(h), torch.zeros(channels), torch.zeros(channels)
        for first in range(0, batch, examples):
            part = slice(first, min(first + examples, batch))
            maps = slopes[0][part].to(torch.float32, memory_format=ctx.layout), h[part].float()
            found = torch.ops.aten.native_group_norm_backward(
                *maps, mean[part], scale[part], wide, len(maps[0]), *sizes, [True, True, True]
            )
            by_maps[part] = found[0]
            by_weight += found[1]
            by_bias += found[2]
        return by_maps, by_weight.to(weight.dtype), by_bias.to(weight.dtype), None, None


class Dropout(nn.Module):
    """Dropout: in training, each feature is 0 with probability p, and the others are scaled by 1/(1 − p).

    torch draws one random number per feature; here four features share one of 64 bits. p is rounded to a multiple of
    2⁻¹⁶.

    Raises:
        ValueError: if ``p`` is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"a share of features to drop is at least 0 and below 1, got {p}")
        super().__init__()
        self.p = p

    def forward(self, h: Tensor) -> Tensor:
        """Return ``h`` with features dropped."""
        if not self.training or self.p == 0:
            return h
        if h.device.type != "cpu":
            return F.dropout(h, self.p)
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        bits = torch.empty(-(-h.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = (bits.view(torch.int16)[: h.numel()] >= dropped - 2**15).to(h.dtype).mul_(2**16 / (2**16 - dropped))
        alike = torch.empty_like(h)  # the same memory layout as ``h``
        return h * kept.as_strided(alike.shape, alike.stride())

    def extra_repr(self) -> str:
        """Return p, for printing."""
        return f"p={self.p}"
