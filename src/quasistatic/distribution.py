"""Elementwise distributions: what a process and a denoiser return.

    Normal       N(x; mean, std²), std ≥ 0                                     a density, in nats
    Quantized    ∫ N over the bin around each level, outer bins to ±∞          a mass
    Levels       a mass on each level of a table, given by its log-weights     a mass
    Bernoulli    a bit, 0 or 1, given by its log-odds                          a mass
    Categorical  a state 0 … K − 1, given by its log-weights                   a mass

Every method is elementwise: `log_prob` and `kl` have the shape of the state; sum them with `types.per_example`.
Nothing is clamped: an impossible value has log_prob −∞. Draws take a generator for the batch, or a stream per example.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from quasistatic.stream import Streams
from quasistatic.types import Generator


class Distribution(ABC):
    """A distribution over each element of a state, independently."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """First moment, shaped like the state."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Second central moment, shaped like the state."""

    @property
    @abstractmethod
    def entropy(self) -> Tensor:
        """−E log p of each element, in nats: of a density it may be negative, and is −∞ for a point."""

    @abstractmethod
    def sample(self, generator: Generator = None) -> Tensor:
        """Draw a state; with a stream per example, each draw depends on its own stream only."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density or log-mass of each element of ``x``, in nats."""

    @abstractmethod
    def kl(self, other: "Distribution") -> Tensor:
        """KL(self ‖ other) of each element, in nats; ``other`` is of the same family, else TypeError."""

    @abstractmethod
    def take(self, rows: Int[Tensor, " rows"]) -> "Distribution":
        """Return the laws of the examples ``rows``, in that order; one may come several times."""


def standard_normal(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw N(0, 1) with the shape, dtype and device of ``like``."""
    return generator.normal(like) if isinstance(generator, Streams) else _draw(torch.randn, like, generator)


def standard_uniform(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw U[0, 1) with the shape, dtype and device of ``like``."""
    return generator.uniform(like) if isinstance(generator, Streams) else _draw(torch.rand, like, generator)


def spread_uniform(count: int, generator: Generator = None) -> Float[Tensor, " batch"]:
    """Draw U[0, 1) for each of ``count`` examples, spread evenly over the examples; float64 on the CPU.

    With a stream per example what an example gets does not depend on its batch; see `Streams.spread`.
    """
    if isinstance(generator, Streams):
        return generator.spread()
    shift = standard_uniform(torch.zeros(1, dtype=torch.float64), generator)
    return (torch.randperm(count, generator=generator) / count + shift) % 1


def _draw(kind, like: Tensor, generator: torch.Generator | None) -> Tensor:  # type: ignore[no-untyped-def]
    device = like.device if generator is None else generator.device
    return kind(like.shape, dtype=like.dtype, device=device, generator=generator).to(like.device)


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

    The gradient of torch's own takes e to a difference of large numbers: in float32 it is 4 % off at z = −1,000 and 0
    at −1e6, where a guess at the start of training may well be.
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
    # Both ends at the same infinity (std = 0, elsewhere) hold nothing.
    return torch.where(above == -math.inf, above, above + torch.log(-torch.expm1(below - above)))


@dataclass(frozen=True, eq=False)
class Quantized(Distribution):
    """A Normal rounded to the nearest of the ``levels``: mass on each, the outer two bins open to ±∞.

    Drawing from it is drawing from ``base`` and rounding, so the sampled law is the scored law. ``levels`` rise.
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
        # Each branch is finite with a finite gradient, also where another one is taken.
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


def categorical_kl(mine: Tensor, theirs: Tensor) -> Tensor:
    """Σ p (log p − log p') over the last axis for log-masses, with 0 · log 0 = 0 and +∞ where p' = 0 < p.

    Written Σ p' − p − p d with d = log p' − log p, and p (eᵈ − 1 − d) where d is small: every term is ≥ 0, so that laws
    that nearly agree (a small step of a chain) lose no digits to a difference of logarithms.
    """
    possible, shared = mine > -math.inf, theirs > -math.inf
    gap = torch.where(possible & shared, theirs - mine, 0)
    p, small = mine.exp(), gap.abs() < 0.5
    near = torch.where(small, gap, 0)
    terms = torch.where(small & possible, p * (torch.expm1(near) - near), theirs.exp() - p - p * gap)
    return torch.where(possible & ~shared, math.inf, terms).sum(-1)


def categorical_entropy(log_masses: Tensor) -> Tensor:
    """−Σ p log p over the last axis, with 0 · log 0 = 0."""
    return torch.special.entr(log_masses.exp()).sum(-1)


def draw_index(logits: Tensor, generator: Generator = None) -> Tensor:
    """Draw an index along the last axis with probability ∝ exp(logits); one of mass zero is never drawn."""
    # Inverse of the distribution function: one uniform number per element, whatever the number of states.
    below = logits.softmax(-1).cumsum(-1)
    u = standard_uniform(below[..., 0], generator) * below[..., -1]
    return torch.searchsorted(below, u[..., None], right=True)[..., 0]


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


@dataclass(frozen=True, eq=False)
class Bernoulli(Distribution):
    """A bit per element, held as 0.0 or 1.0; ``logits`` are log-odds of a one, ±∞ for a bit that is known.

    Log-odds keep both tails: a probability within 1e-30 of one is as exact as one of 1e-30.
    """

    logits: Float[Tensor, "*shape"]

    @property
    def log_masses(self) -> Float[Tensor, "*shape 2"]:
        """Log-masses of 0 and of 1 on a last axis."""
        return torch.stack([logsigmoid(-self.logits), logsigmoid(self.logits)], -1)

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        return self.logits.sigmoid()

    @property
    def variance(self) -> Float[Tensor, "*shape"]:
        return self.logits.sigmoid() * (-self.logits).sigmoid()

    @property
    def entropy(self) -> Float[Tensor, "*shape"]:
        return categorical_entropy(self.log_masses)

    def sample(self, generator: Generator = None) -> Float[Tensor, "*shape"]:
        return (standard_uniform(self.logits, generator) < self.mean).to(self.logits)

    def log_prob(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log-mass in nats; −∞ for an impossible bit, and where ``x`` is neither 0 nor 1."""
        mass = torch.where(x == 1, logsigmoid(self.logits), logsigmoid(-self.logits))
        return torch.where((x == 0) | (x == 1), mass, -math.inf)

    def kl(self, other: Distribution) -> Float[Tensor, "*shape"]:
        if not isinstance(other, Bernoulli):
            raise TypeError(f"a Bernoulli is compared with a Bernoulli, got {type(other).__name__}")
        return categorical_kl(self.log_masses, other.log_masses)

    def take(self, rows: Int[Tensor, " rows"]) -> "Bernoulli":
        return Bernoulli(self.logits[rows])


@dataclass(frozen=True, eq=False)
class Categorical(Distribution):
    """A state 0 … K − 1 per element, an integer, with probability ∝ exp(logits) along the last axis.

    A logit of −∞ makes a state impossible. Mean and variance are those of the index, of use where states are ordered.
    """

    logits: Float[Tensor, "*shape states"]

    @property
    def log_masses(self) -> Float[Tensor, "*shape states"]:
        """Normalised log-masses; where no state is possible, −∞ for all."""
        never = self.logits.amax(-1, keepdim=True) == -math.inf
        return self.logits.log_softmax(-1).masked_fill(never, -math.inf)

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        return self.logits.softmax(-1) @ torch.arange(self.logits.shape[-1]).to(self.logits)

    @property
    def variance(self) -> Float[Tensor, "*shape"]:
        gap = torch.arange(self.logits.shape[-1]).to(self.logits) - self.mean[..., None]
        return (self.logits.softmax(-1) * gap**2).sum(-1)

    @property
    def entropy(self) -> Float[Tensor, "*shape"]:
        return categorical_entropy(self.log_masses)

    def sample(self, generator: Generator = None) -> Int[Tensor, "*shape"]:
        return draw_index(self.logits, generator)

    def log_prob(self, x: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log-mass in nats of state ``x``; −∞ for an impossible one, and outside 0 … K − 1."""
        states = self.logits.shape[-1]
        mass = self.log_masses.gather(-1, x.clamp(0, states - 1)[..., None])[..., 0]
        return torch.where((x >= 0) & (x < states), mass, -math.inf)

    def kl(self, other: Distribution) -> Float[Tensor, "*shape"]:
        if not isinstance(other, Categorical) or self.logits.shape[-1] != other.logits.shape[-1]:
            raise TypeError(f"a Categorical is compared with one over the same states, got {type(other).__name__}")
        return categorical_kl(self.log_masses, other.log_masses)

    def take(self, rows: Int[Tensor, " rows"]) -> "Categorical":
        return Categorical(self.logits[rows])
