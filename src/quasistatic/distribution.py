"""Elementwise distributions: what a process and a denoiser return.

    Normal     N(x; mean, std²), std ≥ 0                                     a density, in nats
    Quantized  ∫ N over the bin around each level, outer bins to ±∞          a mass
    Levels     a mass on each level of a table, given by its log-weights     a mass

Every method is elementwise: `log_prob` and `kl` have the shape of the state; sum them with `types.per_example`.
Nothing is clamped: an impossible value has log_prob −∞. All draws take a generator, one for the batch or one per example.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.types import Generator


class Distribution(ABC):
    """A distribution over each element of a state, independently.

    ``mean`` and ``std`` are its first two moments, shaped like the state.
    """

    mean: Tensor
    std: Tensor

    @abstractmethod
    def sample(self, generator: Generator = None) -> Tensor:
        """Draw a state; with one generator per example, each draw depends on its own generator only."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density or log-mass of each element of ``x``, in nats."""

    @abstractmethod
    def kl(self, other: "Distribution") -> Tensor:
        """KL(self ‖ other) of each element, in nats; ``other`` is of the same family, else TypeError."""


def standard_normal(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw N(0, 1) with the shape, dtype and device of ``like``."""
    return _draw(torch.randn, like, generator)


def standard_uniform(like: Tensor, generator: Generator = None) -> Tensor:
    """Draw U[0, 1) with the shape, dtype and device of ``like``."""
    return _draw(torch.rand, like, generator)


def _draw(kind, like: Tensor, generator: Generator) -> Tensor:  # type: ignore[no-untyped-def]
    if generator is None or isinstance(generator, torch.Generator):
        device = like.device if generator is None else generator.device
        return kind(like.shape, dtype=like.dtype, device=device, generator=generator).to(like.device)
    if len(generator) != len(like):
        raise ValueError(f"one generator per example was asked for: {len(like)} examples came with {len(generator)} generators")
    rows = [kind(like.shape[1:], dtype=like.dtype, device=one.device, generator=one) for one in generator]
    return torch.stack(rows).to(like.device)


@dataclass(frozen=True, eq=False)
class Normal(Distribution):
    """N(mean, std²) per element, broadcast against each other; std = 0 is a point mass."""

    mean: Float[Tensor, "*shape"]
    std: Float[Tensor, "*#shape"]

    def sample(self, generator: Generator = None) -> Float[Tensor, "*shape"]:
        return self.mean + self.std * standard_normal(self.mean, generator)

    def log_prob(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log-density in nats; where std = 0, +∞ at the mean and −∞ elsewhere."""
        gap = x - self.mean
        z = torch.where(gap == 0, torch.zeros_like(gap), gap / self.std)
        return -0.5 * z**2 - self.std.log() - 0.5 * math.log(2 * math.pi)

    def kl(self, other: Distribution) -> Float[Tensor, "*shape"]:
        """ln(σ'/σ) + (σ² + (μ − μ')²)/(2σ'²) − ½ (theory: Gaussian KL per dimension)."""
        if not isinstance(other, Normal):
            raise TypeError(f"a Normal is compared with a Normal, got {type(other).__name__}")
        ratio = (self.std / other.std) ** 2
        return 0.5 * (ratio - 1 - ratio.log() + ((self.mean - other.mean) / other.std) ** 2)


def normal_bin_log_mass(low: Tensor, high: Tensor) -> Tensor:
    """log(Φ(high) − Φ(low)) for standardised edges low < high, exact in both tails; edges may be ±∞."""
    # Φ(high) − Φ(low) = Φ(−low) − Φ(−high): take the side where both terms are small.
    flip = low > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    below, above = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    return above + torch.log(-torch.expm1(below - above))


@dataclass(frozen=True, eq=False)
class Quantized(Distribution):
    """A Normal rounded to the nearest of the ``levels``: mass on each, the outer two bins open to ±∞.

    Drawing from it is drawing from ``base`` and rounding, so the sampled law is the scored law. ``levels`` rise.
    Source: Ho et al. 2020, eq. 13, with the exact Φ in place of a bounded approximation.
    """

    base: Normal
    levels: Float[Tensor, " levels"]

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self._masses().mul(self.levels).sum(-1)

    @property
    def std(self) -> Tensor:  # type: ignore[override]
        return (self._masses() * (self.levels - self.mean[..., None]) ** 2).sum(-1).sqrt()

    def sample(self, generator: Generator = None) -> Tensor:
        return self.levels[self._index(self.base.sample(generator))]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass in nats of the level at ``x``; −∞ where ``x`` is no level."""
        index = self._index(x)
        edges = self._edges(x)
        low, high = edges[index], edges[index + 1]
        mass = normal_bin_log_mass((low - self.base.mean) / self.base.std, (high - self.base.mean) / self.base.std)
        return torch.where(is_level(x, self.levels), mass, -math.inf)

    def kl(self, other: Distribution) -> Tensor:
        if not isinstance(other, Quantized) or not torch.equal(self.levels, other.levels):
            raise TypeError(f"a Quantized is compared with a Quantized over the same levels, got {type(other).__name__}")
        mine, theirs = self._log_masses(), other._log_masses()
        return (mine.exp() * torch.where(mine == -math.inf, torch.zeros_like(mine), mine - theirs)).sum(-1)

    def _edges(self, x: Tensor) -> Tensor:
        middle = (self.levels[1:] + self.levels[:-1]) / 2
        ends = middle.new_tensor([math.inf])
        return torch.cat([-ends, middle, ends]).to(x)

    def _index(self, x: Tensor) -> Tensor:
        return torch.bucketize(x, ((self.levels[1:] + self.levels[:-1]) / 2).to(x))

    def _log_masses(self) -> Tensor:
        z = (self._edges(self.base.mean) - self.base.mean[..., None]) / self.base.std.expand_as(self.base.mean)[..., None]
        return normal_bin_log_mass(z[..., :-1], z[..., 1:])

    def _masses(self) -> Tensor:
        return self._log_masses().exp()


def is_level(x: Tensor, levels: Tensor) -> Tensor:
    """True where ``x`` is one of the rising ``levels``, within a thousandth of the smallest gap."""
    levels = levels.to(x)
    index = torch.bucketize(x, (levels[1:] + levels[:-1]) / 2)
    return (x - levels[index]).abs() <= 1e-3 * levels.diff().min()


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
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.logits.softmax(-1) @ self.levels

    @property
    def std(self) -> Tensor:  # type: ignore[override]
        return (self.logits.softmax(-1) * (self.levels - self.mean[..., None]) ** 2).sum(-1).sqrt()

    def sample(self, generator: Generator = None) -> Tensor:
        # inverse of the distribution function: one uniform number per element, whatever the number of levels
        below = self.logits.softmax(-1).cumsum(-1)
        u = standard_uniform(below[..., 0], generator) * below[..., -1]
        index = (below <= u[..., None]).sum(-1).clamp(max=len(self.levels) - 1)
        return self.levels[index]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-mass in nats of the level at ``x``; −∞ where ``x`` is no level."""
        index = torch.bucketize(x, ((self.levels[1:] + self.levels[:-1]) / 2).to(x))
        mass = self.log_masses.gather(-1, index[..., None])[..., 0]
        return torch.where(is_level(x, self.levels), mass, -math.inf)

    def kl(self, other: Distribution) -> Tensor:
        if not isinstance(other, Levels) or not torch.equal(self.levels, other.levels):
            raise TypeError(f"a Levels is compared with a Levels over the same levels, got {type(other).__name__}")
        mine, theirs = self.log_masses, other.log_masses
        return (mine.exp() * torch.where(mine == -math.inf, torch.zeros_like(mine), mine - theirs)).sum(-1)
