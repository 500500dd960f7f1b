"""Masses on bits and on states.

Bernoulli    a bit, 0 or 1, given by its log-odds
Categorical  a state 0 … K − 1, given by its log-weights
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from quasistatic.distribution.base import Distribution, standard_uniform
from quasistatic.types import Generator


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
    return index_at(logits, standard_uniform(logits[..., 0], generator))


def index_at(logits: Tensor, u: Tensor) -> Tensor:
    """Return the index along the last axis at the quantile ``u`` in [0, 1) of the masses ∝ exp(logits)."""
    # Inverse of the distribution function: one uniform number per element, whatever the number of states.
    below = logits.softmax(-1).cumsum(-1)
    return torch.searchsorted(below, (u * below[..., -1])[..., None], right=True)[..., 0]


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
