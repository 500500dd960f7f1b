"""Histograms of a row's cells: one per column, each with bins of its own number."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution.base import Distribution, standard_uniform
from quasistatic.distribution.discrete import categorical_entropy, categorical_kl
from quasistatic.types import Generator


@dataclass(frozen=True, eq=False)
class Histograms(Distribution):
    """Densities over [0, K) that are constant on each of the K bins [0, 1), [1, 2), … of a column.

    The whole part of a value is its bin, the rest its place there. A bin may stand for a category or for one number;
    the place then has no meaning. An element of ``x`` that is NaN is integrated out: its log_prob is 0.

    Attributes:
        logits: log-weights of all bins, the columns one after the other: (batch, Σ bins).
        bins: K of each column.
    """

    logits: Float[Tensor, "batch total"]
    bins: tuple[int, ...]

    @cached_property
    def log_masses(self) -> Float[Tensor, "batch columns most"]:
        """Log-masses of the bins of each column; −∞ beyond a column's own."""
        place = layout(self.bins).to(self.logits.device)
        wide = torch.cat([self.logits, self.logits.new_full((len(self.logits), 1), -math.inf)], 1)
        return wide[:, place].log_softmax(-1)

    @property
    def mean(self) -> Float[Tensor, "batch columns"]:
        return self._moment(0.5 + torch.arange(self.log_masses.shape[-1]))

    @property
    def variance(self) -> Float[Tensor, "batch columns"]:
        middle = 0.5 + torch.arange(self.log_masses.shape[-1])
        return self._moment(middle.square() + 1 / 12) - self.mean.square()

    @property
    def entropy(self) -> Float[Tensor, "batch columns"]:
        return categorical_entropy(self.log_masses)

    def sample(self, generator: Generator = None) -> Float[Tensor, "batch columns"]:
        """Draw a bin and a place in it, from one uniform number."""
        below = self.log_masses.exp().cumsum(-1)
        u = standard_uniform(below[..., 0].contiguous(), generator) * below[..., -1]
        last = torch.tensor(self.bins, device=u.device) - 1
        chosen = torch.searchsorted(below, u[..., None], right=True)[..., 0].clamp(max=last)
        upper = below.gather(-1, chosen[..., None])[..., 0]
        mass = self.log_masses.gather(-1, chosen[..., None])[..., 0].exp()
        # Rounding must not carry a place into the next bin; float32 keeps 2⁻¹⁴ of a bin at least.
        return chosen + (1 - (upper - u) / mass).clamp(2**-14, 1 - 2**-10)

    def log_prob(self, x: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """Log-density in nats, which is the log-mass of the bin; −∞ outside [0, K), 0 where ``x`` is NaN."""
        count = torch.tensor(self.bins, device=x.device)
        inside, place = (x >= 0) & (x < count), x.nan_to_num(0.0).floor().long().clamp(min=0)
        found = self.log_masses.gather(-1, torch.minimum(place, count - 1)[..., None])[..., 0]
        return torch.where(x.isnan(), 0, torch.where(inside, found, -math.inf))

    def kl(self, other: Distribution) -> Float[Tensor, "batch columns"]:
        """KL in nats.

        Raises:
            TypeError: if ``other`` is no Histograms of the same bins.
        """
        if not isinstance(other, Histograms) or other.bins != self.bins:
            raise TypeError(f"Histograms are compared with others of the same bins, got {type(other).__name__}")
        return categorical_kl(self.log_masses, other.log_masses)

    def take(self, rows: Int[Tensor, " rows"]) -> "Histograms":
        return Histograms(self.logits[rows], self.bins)

    def _moment(self, of: Float[Tensor, " most"]) -> Float[Tensor, "batch columns"]:
        return self.log_masses.exp() @ of.to(self.logits)


def layout(bins: tuple[int, ...]) -> Int[Tensor, "columns most"]:
    """Return the place of each column's bins among all; beyond a column's own, the place after the last of all."""
    most, total = max(bins, default=1), sum(bins)
    first = torch.tensor((0, *bins)).cumsum(0)[:-1]
    place, count = torch.arange(most), torch.tensor(bins)[:, None]
    return torch.where(place < count, first[:, None] + place, total)
