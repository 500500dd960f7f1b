"""Shapes and units as names, written once.

Time runs from 0 (data) to 1 (noise) and is held in float64 on the CPU, one entry per example: on a fine grid
1 − ᾱ(t)/ᾱ(s) loses more than half its digits in float32.
"""

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from quasistatic.streams import Streams

State: TypeAlias = Shaped[Tensor, " batch *shape"]
"""What a process moves, one row per example: x, x_s, x_t."""

Time: TypeAlias = Float[Tensor, " batch"]
"""0 = data, 1 = noise; float64, on the CPU."""

Clocks: TypeAlias = Float[Tensor, " batch *elements"]
"""What clocks show: a value of each example, or of each of its elements; float64, on the CPU."""

Times: TypeAlias = Float[Tensor, " times"]
"""A grid that a chain walks, falling from 1 to 0; float64, on the CPU."""

Nats: TypeAlias = Float[Tensor, " batch"]
"""A log-probability (or log-density) per example."""

Mask: TypeAlias = Bool[Tensor, " batch *shape"]
"""True where a value is known."""

Label: TypeAlias = Int[Tensor, " batch"] | Float[Tensor, "batch features"]
"""What is told of each example: a class, from 0; or covariates as numbers, NaN where one is not told."""

Step: TypeAlias = Callable[[State, Time, Time], State]
"""(x_t, t, s) → x_s, with s < t: one move of a sampler towards the data."""

Generator: TypeAlias = torch.Generator | Streams | None
"""A source of random numbers: one for the batch, or a stream per example (a draw then does not depend on its batch)."""

StateCounts: TypeAlias = int | tuple[int, ...]
"""How many states an element has, 0 for a number: one count for all, or one for each column."""

Watch: TypeAlias = Callable[[int, int], None]
"""Called with (done, all) as work goes on."""


def like(value: Clocks, x: Tensor) -> Tensor:
    """Return ``value`` (float64, CPU), of each example or element, shaped to multiply ``x``, in the type of ``x``.

    Coefficients are computed in float64 and cast here, last.
    """
    value = value.reshape(value.shape + (1,) * (x.ndim - value.ndim))
    return value.to(device=x.device, dtype=x.dtype if x.is_floating_point() else torch.get_default_dtype())


def per_example(value: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch"]:
    """Sum everything but the batch."""
    return value.flatten(1).sum(1) if value.ndim > 1 else value


def error_of_log_mean(log_weights: Float[Tensor, "draws batch"]) -> Nats:
    """Return the standard error of log (1/N) Σ w over N independent weights of each example, by the jackknife, in nats.

    Its square is right on average to a few percent from 3 weights on, however they spread (2 weights: up to 12 % low in
    the error); std(w)/(mean(w) √N) is 23 % low for log-weights of spread 1 and 4 of them, and lower the wider they are.
    It is NaN for a single weight or if all are 0, and +∞ where one weight alone is above 0.
    Source: Efron & Stein 1981.
    """
    draws = len(log_weights)
    if draws < 2:
        return torch.full_like(log_weights[0], math.nan)
    nothing = torch.full_like(log_weights[:1], -math.inf)
    before = torch.cat([nothing, log_weights.logcumsumexp(0)[:-1]])
    after = torch.cat([nothing, log_weights.flip(0).logcumsumexp(0)[:-1]]).flip(0)
    without = torch.logaddexp(before, after)  # of all weights but one; nothing cancels
    gaps = without - without.mean(0)
    error = ((draws - 1) / draws * gaps.square().sum(0)).sqrt()
    alone = (without == -math.inf).any(0) & (log_weights > -math.inf).any(0)
    return torch.where(alone, math.inf, error)


def growing(count: int, most: int) -> Iterator[int]:
    """Yield sizes 1, 2, 4 … of at most ``most`` that make up ``count``: the first result comes early."""
    size = 1
    while count > 0:
        yield min(size, count)
        count -= size
        size = min(2 * size, most)


def batches(count: int, size: int) -> Iterator[int]:
    """Yield the sizes of batches of at most ``size`` that make up ``count``."""
    while count > 0:
        yield min(size, count)
        count -= size
