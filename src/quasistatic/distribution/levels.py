"""Masses on the levels of a table.

Levels       a mass on each level, given by its log-weights
Quantized    ∫ N over the bin around each level, outer bins to ±∞
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution.base import Distribution
from quasistatic.distribution.discrete import categorical_entropy, categorical_kl, draw_index, index_at
from quasistatic.distribution.normal import Normal, log_mass_between, log_ndtr
from quasistatic.types import Generator


@dataclass(frozen=True, eq=False)
class Quantized(Distribution):
    """A Normal rounded to the nearest of the ``levels``: mass on each, the outer two bins open to ±∞.

    A draw is a rounded draw of ``base``, so draws follow the scored distribution. ``levels`` increase.
    Source: Ho et al. 2020, eq. 13, with the exact Φ in place of a bounded approximation.
    """

    base: Normal
    levels: Float[Tensor, " levels"]

    @property
    def mean(self) -> Tensor:
        return self._all_log_masses().exp() @ self.levels.to(self.base.mean)

    @property
    def variance(self) -> Tensor:
        return (self._all_log_masses().exp() * (self.levels.to(self.base.mean) - self.mean[..., None]) ** 2).sum(-1)

    @property
    def entropy(self) -> Tensor:
        return categorical_entropy(self._all_log_masses())

    def sample(self, generator: Generator = None) -> Tensor:
        draw = self.base.sample(generator)
        return self.levels.to(draw)[nearest_level(draw, self.levels)]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass in nats of the level at ``x``; −∞ where ``x`` is no level."""
        mass = self._log_mass(nearest_level(x, self.levels), self.base.mean, self.base.std)
        return torch.where(is_level(x, self.levels), mass, -math.inf)

    def kl(self, other: Distribution) -> Tensor:
        if not isinstance(other, Quantized) or not torch.equal(self.levels, other.levels):
            raise TypeError(f"a Quantized is compared with one over the same levels, got {type(other).__name__}")
        return categorical_kl(self._all_log_masses(), other._all_log_masses())

    def take(self, rows: Int[Tensor, " rows"]) -> "Quantized":
        return Quantized(self.base.take(rows), self.levels)

    def as_levels(self) -> "Levels":
        """Return the same mass on each level, as a `Levels`."""
        return Levels(self._all_log_masses(), self.levels)

    def _log_mass(self, index: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        levels = self.levels.to(mean)
        middle = (levels[1:] + levels[:-1]) / 2
        # Every branch must be finite with a finite gradient, even where another one is used.
        low = (middle[(index - 1).clamp(min=0)] - mean) / std
        high = (middle[index.clamp(max=len(middle) - 1)] - mean) / std
        first, last = index == 0, index == len(levels) - 1
        edge = first | last
        inside = log_mass_between(torch.where(edge, -1, low), torch.where(edge, 1, high))
        outside = log_ndtr(torch.where(first, high, -low))
        return torch.where(edge, outside, inside)

    def _all_log_masses(self) -> Tensor:
        mean = self.base.mean[..., None]
        index = torch.arange(len(self.levels), device=mean.device).expand(*mean.shape[:-1], -1)
        return self._log_mass(index, mean, self.base.std.expand_as(self.base.mean)[..., None])


def nearest_level(x: Tensor, levels: Tensor) -> Tensor:
    """Index of the nearest of the rising ``levels`` (at least two) to each element of ``x``."""
    levels = levels.to(x)
    return torch.bucketize(x.contiguous(), (levels[1:] + levels[:-1]) / 2)


def is_level(x: Tensor, levels: Tensor) -> Tensor:
    """True where ``x`` is one of the rising ``levels``, within a thousandth of the smallest gap."""
    levels = levels.to(x)
    return (x - levels[nearest_level(x, levels)]).abs() <= 1e-3 * levels.diff().min()


@dataclass(frozen=True, eq=False)
class Levels(Distribution):
    """A mass on each of the rising ``levels``, proportional to exp(logits) along the last axis."""

    logits: Float[Tensor, "*shape levels"]
    levels: Float[Tensor, " levels"]

    @property
    def log_masses(self) -> Tensor:
        """Normalised log-masses, shape (*shape, levels)."""
        return self.logits.log_softmax(-1)

    @property
    def mean(self) -> Tensor:
        return self._moments[..., 0]

    @property
    def variance(self) -> Tensor:
        # Rounding can take E l² − (E l)² below 0 by a unit in the last place of E l².
        return (self._moments[..., 1] - self.mean**2).clamp(min=0)

    @property
    def entropy(self) -> Tensor:
        return categorical_entropy(self.log_masses)

    @cached_property
    def _moments(self) -> Tensor:
        """E l and E l² by one product: with many levels, passes over the masses are what costs."""
        levels = self.levels.to(self.logits)
        return self.logits.softmax(-1) @ torch.stack([levels, levels**2], 1)

    def sample(self, generator: Generator = None) -> Tensor:
        return self.levels.to(self.logits)[draw_index(self.logits, generator)]

    def at(self, u: Tensor) -> Tensor:
        """Return the level at the quantile ``u`` in [0, 1) of each element."""
        return self.levels.to(self.logits)[index_at(self.logits, u)]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass in nats of the level at ``x``; −∞ where ``x`` is no level."""
        mass = self.log_masses.gather(-1, nearest_level(x, self.levels)[..., None])[..., 0]
        return torch.where(is_level(x, self.levels), mass, -math.inf)

    def kl(self, other: Distribution) -> Tensor:
        if not isinstance(other, Levels) or not torch.equal(self.levels, other.levels):
            raise TypeError(f"a Levels is compared with one over the same levels, got {type(other).__name__}")
        return categorical_kl(self.log_masses, other.log_masses)

    def take(self, rows: Int[Tensor, " rows"]) -> "Levels":
        return Levels(self.logits[rows], self.levels)
