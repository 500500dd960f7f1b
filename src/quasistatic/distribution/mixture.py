"""Mass on levels from a few normal components and one noisy value: a cost that does not grow with the levels.

    P(level) ∝ Σ_j w_j [Φ((b⁺ − m_j)/s_j) − Φ((b⁻ − m_j)/s_j)] · N(x_t; κ level, ν²)

b⁻ and b⁺ are the edges of the level's bin, the outer bins open to ±∞. Mean and variance are those of the mixture times
the likelihood, before rounding, in closed form:

    weights ∝ w_j N(x_t; κ m_j, d_j),  means m_j + κ s_j² (x_t − κ m_j)/d_j,  variances s_j² ν²/d_j,  d_j = κ² s_j² + ν²

They differ from the moments of P by the rounding to levels: where ν/κ is half a gap between levels or more, by less
than a twentieth of a gap in the mean and a tenth of a gap² in the variance.
Source: the product of normals; discretised mixtures: Salimans et al. 2017 (arXiv:1701.05517).
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution.base import Distribution, standard_uniform
from quasistatic.distribution.levels import Levels, is_level, nearest_level
from quasistatic.distribution.normal import log_masses_between
from quasistatic.types import Generator

REACH = 9.0
"""Levels further than this many noise stds from x_t/κ are not summed; their mass has the bound e^(−REACH²/2)."""

AT_ONCE = 2**22
"""Elements × levels that a draw holds in memory at once."""

PIECE = 2**20
"""Elements × levels × components whose masses are computed at once; if there are more, in groups of components."""

OPEN = 1e20
"""The outer bins' ends; the mass beyond is 0 for all stds that a network gives."""


@dataclass(frozen=True, eq=False)
class LevelMixture(Distribution):
    """Mass on rising, evenly spaced ``levels``: a mixture of normals, rounded to them, times N(x_t; κ level, ν²).

    Attributes:
        logits: log-weights of the components, up to a constant per element.
        means: m_j.
        stds: s_j > 0.
        x_t: the noisy value.
        kept: κ per example, shaped to multiply ``x_t``.
        noise: ν > 0 per example, likewise.
        levels: the levels, evenly spaced.
        tilt: η of a factor exp(η level), or None for no such factor.
    """

    logits: Float[Tensor, " components *shape"]
    means: Float[Tensor, " components *shape"]
    stds: Float[Tensor, " components *shape"]
    x_t: Float[Tensor, "*shape"]
    kept: Float[Tensor, "*#shape"]
    noise: Float[Tensor, "*#shape"]
    levels: Float[Tensor, " levels"]
    tilt: Float[Tensor, "*shape"] | None = None

    @property
    def mean(self) -> Float[Tensor, "*shape"]:
        """E x of the mixture times the likelihood, before rounding."""
        return self._moments[0]

    @property
    def variance(self) -> Float[Tensor, "*shape"]:
        """Var x of the mixture times the likelihood, before rounding."""
        return self._moments[1]

    @property
    def entropy(self) -> Float[Tensor, "*shape"]:
        return self.as_levels().entropy

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        spread = self.stds**2
        total = self.kept**2 * spread + self.noise**2
        gap = self.x_t - self.kept * self.means
        logits = self.logits - 0.5 * (total.log() + gap**2 / total)
        gain = spread / total
        means, variances = self.means + self.kept * gain * gap, gain * self.noise**2
        if self.tilt is not None:
            logits = logits + self.tilt * (means + 0.5 * self.tilt * variances)
            means = means + self.tilt * variances
        weights = logits.softmax(0)
        mean = (weights * means).sum(0)
        return mean, (weights * (variances + (means - mean) ** 2)).sum(0)

    def sample(self, generator: Generator = None) -> Float[Tensor, "*shape"]:
        u = standard_uniform(self.x_t, generator)
        rows = torch.arange(len(self.x_t), device=self.x_t.device)
        size = max(1, AT_ONCE // max(1, len(self.levels) * self.x_t[:1].numel()))
        return torch.cat([self.take(part).as_levels().at(u[part]) for part in rows.split(size)])

    def log_prob(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Log-mass in nats of the level at ``x``; −∞ where ``x`` is no level.

        The normaliser sums the levels near x_t/κ and adds a bound on the mass of all others, so the result is never
        above the true log-mass, and equal to it to rounding unless the components put all their mass far from x_t/κ.
        """
        first, width = self._window()
        total = self._log_masses(first, width).logsumexp(0)
        if width < len(self.levels):
            total = torch.logaddexp(total, torch.full_like(total, -0.5 * REACH**2))
        asked = self._log_masses(nearest_level(x, self.levels), 1)[0]
        return torch.where(is_level(x, self.levels), asked - total, -math.inf)

    def kl(self, other: Distribution) -> Float[Tensor, "*shape"]:
        mine, theirs = self.as_levels(), other.as_levels() if isinstance(other, LevelMixture) else other
        return mine.kl(theirs)

    def take(self, rows: Int[Tensor, " rows"]) -> "LevelMixture":
        parts = (self.logits[:, rows], self.means[:, rows], self.stds[:, rows])
        shape = self.x_t.shape
        examples = (self.x_t[rows], self.kept.expand(shape)[rows], self.noise.expand(shape)[rows])
        return LevelMixture(*parts, *examples, self.levels, None if self.tilt is None else self.tilt[rows])

    def tilted(self, slope: Float[Tensor, "*shape"]) -> "LevelMixture":
        """Return this law times exp(slope · level), normalised. A slope that is not finite counts as 0."""
        slope = torch.where(slope.isfinite(), slope, 0)
        return replace(self, tilt=slope if self.tilt is None else self.tilt + slope)

    def as_levels(self) -> Levels:
        """Return the same mass on each level, as a `Levels`; its cost grows with the number of levels."""
        every = self._log_masses(torch.zeros_like(self.x_t, dtype=torch.long), len(self.levels))
        return Levels(every.movedim(0, -1), self.levels)

    def _window(self) -> tuple[Int[Tensor, "*shape"], int]:
        """Return the first level and the number of levels that x_t leaves mass to; all, if there is a tilt."""
        count = len(self.levels)
        if self.tilt is not None:
            return torch.zeros_like(self.x_t, dtype=torch.long), count
        gap = (self.levels[-1] - self.levels[0]).item() / (count - 1)
        reach = max((self.noise / self.kept).flatten().tolist(), default=0.0) * REACH / gap
        width = min(count, 2 * math.ceil(reach) + 1) if math.isfinite(reach) else count
        middle = nearest_level(self.x_t / self.kept, self.levels)
        return (middle - width // 2).clamp(0, count - width), width

    def _log_masses(self, first: Int[Tensor, "*shape"], count: int) -> Float[Tensor, " {count} *shape"]:
        """Return log Σ_j w_j P_j(level) + log N(x_t; κ level, ν²) of ``count`` levels from each first.

        The constant of the normal is left out.
        """
        levels = self.levels.to(self.x_t)
        last = len(levels) - 1
        gap = (levels[-1] - levels[0]) / last
        index = first + torch.arange(count + 1, device=first.device).reshape(-1, *(1,) * first.ndim)
        edges = levels[0] + gap * (index.to(levels) - 0.5)
        # The outer bins are open; ±∞ would make NaN gradients.
        edges = torch.where(index == 0, -OPEN, torch.where(index > last, OPEN, edges))
        parts = torch.arange(len(self.means), device=index.device).split(max(1, PIECE // max(1, index.numel())))
        weights = self.logits.log_softmax(0)
        masses = (
            weights[part] + log_masses_between((edges[:, None] - self.means[part]) / self.stds[part]) for part in parts
        )
        total = reduce(torch.logaddexp, (mass.logsumexp(1) for mass in masses))
        value = levels[index[:-1]]
        evidence = -0.5 * ((self.x_t - self.kept * value) / self.noise) ** 2
        return total + evidence if self.tilt is None else total + evidence + self.tilt * value
