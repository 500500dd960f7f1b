"""The normal distribution N(x; mean, std²), std ≥ 0, as a density in nats; and the normal mass of an interval."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution.base import Distribution, standard_normal
from quasistatic.types import Generator


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
    # Φ(high) − Φ(low) = Φ(−low) − Φ(−high): take the side where both terms are small.
    flip = low > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    below, above = log_ndtr(low), log_ndtr(high)
    # If both ends are at the same infinity (std = 0, mean outside), the mass is 0.
    return torch.where(above == -math.inf, above, above + torch.log(-torch.expm1(below - above)))
