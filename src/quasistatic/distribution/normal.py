"""The normal distribution N(x; mean, std²), std ≥ 0, as a density in nats; and the normal mass of an interval."""

import math
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from quasistatic.distribution.base import Distribution, standard_normal
from quasistatic.types import Generator

ROOT = math.sqrt(2 * math.pi)

NARROW = 3.0
"""An interval is narrow if width · (1 + distance from 0) is below this times the cube root of the rounding error. There
the density in the middle is more accurate than a difference."""


class Normal(Distribution):
    """N(mean, std²) per element; ``std`` broadcasts against ``mean``; std = 0 is a point mass."""

    def __init__(self, mean: Float[Tensor, "*shape"], std: Float[Tensor, "*#shape"]) -> None:
        self._mean, self.std = mean, std

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        return self._mean

    @property
    def variance(self) -> Float[Tensor, "*#shape"]:
        return self.std**2

    @property
    def entropy(self) -> Float[Tensor, "*shape"]:
        """½ ln 2πe std² of each element."""
        return (self.std.log() + 0.5 * math.log(2 * math.pi * math.e)).expand_as(self.mean)

    def sample(self, generator: Generator = None) -> Float[Tensor, "*shape"]:
        return self.mean + self.std * standard_normal(self.mean, generator)

    def log_prob(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log-density in nats; where std = 0, +∞ at the mean and −∞ elsewhere."""
        gap = x - self.mean
        z = torch.where(gap == 0, torch.zeros_like(gap), gap / self.std)
        density = -0.5 * z**2 - self.std.log() - 0.5 * math.log(2 * math.pi)
        return torch.where(z.isinf(), -math.inf, density)

    def kl(self, other: Distribution) -> Float[Tensor, "*shape"]:
        """ln(σ'/σ) + (σ² + (μ − μ')²)/(2σ'²) − ½ (theory: Gaussian KL per dimension)."""
        if not isinstance(other, Normal):
            raise TypeError(f"a Normal is compared with a Normal, got {type(other).__name__}")
        ratio = (self.std / other.std) ** 2
        return 0.5 * (ratio - 1 - ratio.log() + ((self.mean - other.mean) / other.std) ** 2)

    def take(self, rows: Int[Tensor, " rows"]) -> "Normal":
        return Normal(self.mean[rows], self.std.expand_as(self.mean)[rows])


def log_ndtr(z: Tensor) -> Tensor:
    """log Φ(z), with a gradient that holds in the far tail.

    torch's gradient exponentiates a difference of large numbers: in float32 it is 4 % off at z = −1,000, and 0 at
    z = −1e6. Guesses at the start of training can be that far off.
    """
    y = -z.clamp(max=0) / math.sqrt(2)
    tail = torch.log(torch.special.erfcx(y) / 2) - y**2
    body = torch.log1p(-torch.erfc(z.clamp(min=0) / math.sqrt(2)) / 2)
    return torch.where(z < 0, tail, body)


def log_mass_between(low: Tensor, high: Tensor) -> Tensor:
    """log(Φ(high) − Φ(low)) for standardised low < high, to relative accuracy in both tails."""
    return log_masses_between(torch.stack(torch.broadcast_tensors(low, high)))[0]


def log_masses_between(edges: Float[Tensor, " edges *shape"]) -> Float[Tensor, " edges-1 *shape"]:
    """Return log(Φ(high) − Φ(low)) for neighbours of rising, standardised edges, which may be infinite.

    Value and gradient keep their relative accuracy in both tails and for narrow intervals. Each edge is evaluated once.
    A second derivative is not available.
    """
    return cast(Tensor, _LogMasses.apply(edges))


def _exp(x: Tensor) -> Tensor:
    """e^x, and 0 where it is so small that a product of two is subnormal: these numbers are slow, and change no sum."""
    least = math.log(torch.finfo(x.dtype).tiny) / 2
    return x.clamp(min=least).exp_().masked_fill_(x < least, 0)


class _LogMasses(torch.autograd.Function):
    """log(Φ(high) − Φ(low)), with both slopes, φ(low) and φ(high) over the mass, from the same scaled terms.

    With e(z) = exp(z²/2) (1 − Φ(z)) and z the distance of an edge from 0:

        both edges on one side    exp(−near²/2) [e(near) − exp(−d) e(far)],  d = (far − near)(far + near)/2
        edges on both sides       1 − exp(−low²/2) e(low) − exp(−high²/2) e(high)
        narrow                    width times the density in the middle
    """

    @staticmethod
    def forward(ctx: Any, edges: Tensor) -> Tensor:
        distance = edges.abs()
        scaled = torch.special.erfcx(distance / math.sqrt(2)) / 2
        falling = _exp(-0.5 * edges**2)
        right, apart = edges[:-1] > 0, (edges[:-1] > 0) | (edges[1:] < 0)
        near = torch.where(right, distance[:-1], distance[1:])
        width = edges[1:] - edges[:-1]
        fall = 0.5 * width * (distance[:-1] + distance[1:])
        decay = _exp(-fall)
        inside = torch.where(right, scaled[:-1] - decay * scaled[1:], scaled[1:] - decay * scaled[:-1])
        tails = falling * scaled
        share = torch.where(apart, inside, 1 - tails[:-1] - tails[1:])
        narrow = width * (1 + near) < NARROW * torch.finfo(edges.dtype).eps ** (1 / 3)
        share = torch.where(narrow, width * _exp(-0.5 * fall) / ROOT, share)
        at_near = 1 / (ROOT * share)
        low = torch.where(apart, torch.where(right, 1, decay), falling[:-1]) * at_near
        high = torch.where(apart, torch.where(right, decay, 1), falling[1:]) * at_near
        empty = apart & near.isinf()  # std = 0 and the mean outside: both edges are at the same infinity
        ctx.save_for_backward(low.masked_fill_(empty, 0), high.masked_fill_(empty, 0))
        return (share.log() - torch.where(apart, 0.5 * near**2, 0)).masked_fill_(empty, -math.inf)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> Tensor:
        low, high = ctx.saved_tensors
        by_edge = torch.zeros((len(slopes) + 1, *slopes.shape[1:]), dtype=slopes.dtype, device=slopes.device)
        by_edge[:-1] -= slopes * low
        by_edge[1:] += slopes * high
        return by_edge
