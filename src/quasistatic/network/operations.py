"""Faster versions of torch operations that are slow on a CPU, above all in training.

Each equals torch's operation (`tests/network/test_operations.py`), up to rounding and, for dropout, the choice of
dropped features. `benchmarks/operations.py` measures the gains. Other devices use torch's operations, and so does a
compiler, which fuses them with what stands around them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.streams import Streams, words

FEW_PLACES = 64
"""Up to this many positions (or the width of a head, if larger), attention is computed in its plain form."""

VECTOR, SMALL_MAP = 16, 1024
"""Channels per group and pixels per map below which torch normalises faster in float32 than in bfloat16."""

PIECE = 2**18
"""Elements per chunk in the backward pass of GroupNorm; a chunk fits in a core's cache."""

PASS, LAYER = 2**34, 2**44
"""Numbers of a stream that are set apart for a pass of dropout, and for all passes of a layer in a block."""


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
        if h.device.type == "cpu" and h.dtype == torch.bfloat16 and not torch.compiler.is_compiling():
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
    2⁻¹⁶. Draws come from torch's global generator, or from a stream of each example (`dropping`).

    Raises:
        ValueError: if ``p`` is not in [0, 1).
    """

    def __init__(self, p: float) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"a share of features to drop is at least 0 and below 1, got {p}")
        super().__init__()
        self.p = p
        self.keys: Tensor | None = None
        """Of the streams of the examples that pass next; None: torch's global generator."""
        self.after = 0
        """How many numbers of each stream come before those of the next pass."""

    def forward(self, h: Tensor) -> Tensor:
        """Return ``h``, an example in each row, with features dropped.

        Raises:
            ValueError: if there are streams, and not one for each row.
        """
        if not self.training or self.p == 0:
            return h
        if self.keys is not None:
            return self._dropped(h, self.keys)
        if h.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(h, self.p)
        bits = torch.empty(-(-h.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = self._kept(bits.view(torch.int16)[: h.numel()], h)
        alike = torch.empty_like(h)  # the same memory layout as ``h``
        return h * kept.as_strided(alike.shape, alike.stride())

    def _dropped(self, h: Tensor, keys: Tensor) -> Tensor:
        """Drop features by the streams; the order of an example's features does not depend on the memory layout."""
        if len(keys) != len(h):
            raise ValueError(f"each example has a stream: {len(h)} examples came with {len(keys)} streams")
        shape = (len(h), *h.shape[2:], h.shape[1]) if h.ndim == 4 else h.shape  # maps: as channels_last holds them
        count = prod(shape[1:])
        drawn = _opaque_words if torch.compiler.is_compiling() else words
        bits = drawn(keys, self.after, -(-count // 4)).view(torch.int16)[:, :count]
        self.after += PASS
        kept = self._kept(bits, h).view(shape)
        return h * (kept.movedim(-1, 1) if h.ndim == 4 else kept)

    def _kept(self, bits: Tensor, h: Tensor) -> Tensor:
        """Return 1/(1 − p) where ``bits`` (16 of each feature) keep a feature, and 0 elsewhere."""
        dropped = min(round(self.p * 2**16), 2**16 - 1)
        return (bits >= dropped - 2**15).to(h.dtype).mul_(2**16 / (2**16 - dropped))

    def extra_repr(self) -> str:
        """Return p, for printing."""
        return f"p={self.p}"


@torch.library.custom_op("quasistatic::words", mutates_args=())
def _opaque_words(keys: Tensor, after: int, count: int) -> Tensor:
    """Return `words`, which wrap around 2⁶⁴: a compiler that looked inside would multiply without wrapping."""
    return words(keys, after, count)


@_opaque_words.register_fake
def _(keys: Tensor, after: int, count: int) -> Tensor:
    return keys.new_empty(keys.shape[0], count)  # len() would fix the size


@contextmanager
def dropping(network: nn.Module, streams: Streams) -> Iterator[None]:
    """Let dropout in ``network`` draw from the streams of the examples that pass in the block, in that order.

    What is dropped of an example depends on its stream only, not on its batch: the place in its stream is that of the
    layer in the network and of the pass in the block. Draws made with ``streams`` themselves come before all of these.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, Dropout) and layer.p > 0]
    before = [(layer.keys, layer.after) for layer in layers]
    device = next((parameter.device for parameter in network.parameters()), streams.keys.device)
    keys = streams.keys.to(device)
    for number, layer in enumerate(layers, 1):
        layer.keys, layer.after = keys, number * LAYER
    try:
        yield
    finally:
        for layer, (keys_before, after) in zip(layers, before, strict=True):
            layer.keys, layer.after = keys_before, after
