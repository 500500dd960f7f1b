"""The laws of states whose elements are known or behind a mask."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.distribution.base import Distribution, standard_uniform
from quasistatic.types import Generator, State

MASK = -1.0
"""The mask, as an element of a state; all other states are at least 0."""


@dataclass(frozen=True, eq=False)
class Masked(Distribution):
    """Each element is the mask with probability ``hidden``; else it is its ``known`` value, or drawn from ``law``.

    An element of ``known`` that is NaN is absent: it stays NaN, and its log_prob, entropy and kl are 0.

    Attributes:
        known: values (batch, columns), the mask where ``law`` decides.
        hidden: probability of the mask, shaped like ``known``.
        law: of the elements that are not known; None if they are the mask for certain.
    """

    known: State
    hidden: Float[Tensor, " batch *shape"]
    law: Distribution | None = None

    @property
    def mean(self) -> State:
        """Mean, with the mask as the number that stands for it."""
        return self.hidden * MASK + (1 - self.hidden) * self._values[0]

    @property
    def variance(self) -> State:
        mean, variance = self._values
        return (1 - self.hidden) * (variance + self.hidden * (mean - MASK).square())

    @property
    def entropy(self) -> State:
        inner = self.law.entropy if self.law is not None else 0
        both = torch.special.entr(self.hidden) + torch.special.entr(1 - self.hidden)
        return torch.where(self.known.isnan(), 0, both + torch.where(self._open, (1 - self.hidden) * inner, 0))

    def sample(self, generator: Generator = None) -> State:
        covered = standard_uniform(self.known, generator) < self.hidden
        value = self.known if self.law is None else torch.where(self._open, self.law.sample(generator), self.known)
        return torch.where(covered & ~self.known.isnan(), MASK, value)

    def log_prob(self, x: State) -> State:
        """Log-probability of a mask or a known value, log-density of others, in nats; 0 where ``known`` is NaN."""
        seen = torch.log1p(-self.hidden) + self._of_value(x)
        return torch.where(self.known.isnan(), 0, torch.where(x == MASK, self.hidden.log(), seen))

    def kl(self, other: Distribution) -> State:
        """KL in nats; a point, where nothing is hidden, is compared with a law of any kind.

        Raises:
            TypeError: if ``other`` is not Masked, and this is no point.
        """
        if not isinstance(other, Masked):
            if self.law is not None or bool((self.hidden > 0).any()):
                raise TypeError(f"a Masked law is compared with another, got {type(other).__name__}")
            return torch.where(self.known.isnan(), 0, -other.log_prob(self.known))
        masks = _surprise(self.hidden, other.hidden) + _surprise(1 - self.hidden, 1 - other.hidden)
        values = -other._of_value(self.known)
        if self.law is not None and other.law is not None:
            values = torch.where(self._open, self.law.kl(other.law), values)
        values = torch.where(self.hidden < 1, (1 - self.hidden) * values, 0)
        return torch.where(self.known.isnan(), 0, masks + values)

    def take(self, rows: Int[Tensor, " rows"]) -> "Masked":
        law = None if self.law is None else self.law.take(rows)
        return replace(self, known=self.known[rows], hidden=self.hidden[rows], law=law)

    @property
    def _open(self) -> Bool[Tensor, " batch *shape"]:
        return self.known == MASK

    @property
    def _values(self) -> tuple[State, State]:
        """Mean and variance of the elements that are not masked."""
        if self.law is None:
            return self.known, torch.zeros_like(self.known)
        return torch.where(self._open, self.law.mean, self.known), torch.where(self._open, self.law.variance, 0)

    def _of_value(self, x: State) -> State:
        """Log-probability of values that are not the mask, given that none is drawn."""
        fixed = torch.where(x == self.known, 0.0, -math.inf)
        return fixed if self.law is None else torch.where(self._open, self.law.log_prob(x), fixed)


def _surprise(p: Tensor, q: Tensor) -> Tensor:
    """Return p log (p/q), 0 where p = 0."""
    return torch.where(p > 0, p * (p.log() - q.log()), 0)
