"""Measures the bias of an inference method on a posterior in closed form.

The data are a mixture of two normals over a grid, with covariance ρ^(distance along the axes). The process, the steps
and the known elements are those of the real task. The guess p(x | x_t) is exact in the mean and variance of each
element, so any error comes from the method (and, for few steps, from the steps).

    given y, the known part M:   w'_k ∝ w_k N(y; m_k, C_MM),   m'_k = m_k + C_UM C_MM⁻¹ (y − m_k)
                                 C' = C_UU − C_UM C_MM⁻¹ C_MU

C is a Kronecker product over the axes, and so are its eigenvectors, so images of any size are handled axis by axis.
Three numbers are reported: how far the mean of the draws moves from the prior mean to the posterior mean (1 is right);
the root mean square error of the mean, in posterior standard deviations (0 is right); and the standard deviation over
the true one (1 is right). Standard errors are from the spread over independent observations.
Source: theory.md 5.2; closed forms of Gaussian conditioning.
"""

import math
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.distribution import Normal
from quasistatic.process import GaussianProcess, Process
from quasistatic.types import State, Time, like

Elements = Float[Tensor, "batch *shape"]


@dataclass(frozen=True, eq=False)
class Field:
    """½ N(−offset, C) + ½ N(offset, C) over a grid of ``shape``, C_ij = ρ^|i − j| with |i − j| summed over the axes.

    A denoiser: (x_t, t) → the exact mean and variance of each element of p(x | x_t).

    Raises:
        TypeError: if the process is not Gaussian.
    """

    process: Process
    shape: tuple[int, ...]
    rho: float = 0.9
    offset: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.process, GaussianProcess):
            raise TypeError(f"the report has closed forms for a Gaussian process, got {self.process!r}")

    @cached_property
    def covariance(self) -> Float[Tensor, "elements elements"]:
        """C over the flattened elements, float64."""
        return reduce(torch.kron, self._axes)

    @cached_property
    def _axes(self) -> list[Tensor]:
        places = [torch.arange(side, dtype=torch.float64) for side in self.shape]
        return [self.rho ** (place[:, None] - place).abs() for place in places]

    @cached_property
    def _modes(self) -> tuple[Tensor, list[Tensor]]:
        """Eigenvalues of C in the shape of the grid, and eigenvectors of each axis."""
        parts = [torch.linalg.eigh(axis) for axis in self._axes]
        return reduce(torch.kron, [values for values, _ in parts]).view(self.shape), [vectors for _, vectors in parts]

    def __call__(self, x_t: State, t: Time) -> Normal:
        """The exact mean and variance of each element of p(x | x_t)."""
        values, vectors = self._modes
        kept = like(self.process.schedule.alpha_bar(t), x_t)
        spread = kept * values + 1 - kept
        gain, root = kept.sqrt() * values / spread, kept.sqrt()
        here = _turned(x_t, [v.mT for v in vectors])
        one = _turned(torch.full((1, *self.shape), self.offset, dtype=torch.float64), [v.mT for v in vectors])
        log_share = [-0.5 * ((here - sign * root * one) ** 2 / spread).flatten(1).sum(1) for sign in (-1, 1)]
        share = torch.stack(log_share).softmax(0).view(2, -1, *(1,) * len(self.shape))
        middle = (share[1] - share[0]) * one
        mean = _turned(middle + gain * (here - root * middle), vectors)
        half = _turned(one - gain * root * one, vectors)  # of the way between the two modes' means
        variance = _turned(values * (1 - kept) / spread, [v**2 for v in vectors])
        return Normal(mean, (variance + 4 * share[0] * share[1] * half**2).sqrt())

    def sample(self, count: int, generator: torch.Generator) -> Elements:
        """Draw data."""
        values, vectors = self._modes
        z = torch.randn(count, *self.shape, dtype=torch.float64, generator=generator)
        sign = (torch.rand(count, *(1,) * len(self.shape), generator=generator) < 0.5).double() * 2 - 1
        return sign * self.offset + _turned(z * values.clamp(min=0).sqrt(), vectors)

    def posterior(self, x: Elements, mask: Bool[Tensor, "*shape"]) -> Normal:
        """Return the mean and std (batch, hidden) of the unknown elements, given the known elements of ``x``."""
        x, mask = x.flatten(1), mask.flatten()
        known, free = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        inside, across = self.covariance[known][:, known], self.covariance[free][:, known]
        pull = torch.linalg.solve(inside, across.mT).mT
        gaps = torch.stack([x[:, known] - sign * self.offset for sign in (-1, 1)])
        log_share = -0.5 * (gaps * torch.linalg.solve(inside, gaps.mT).mT).sum(-1)
        share = log_share.softmax(0)[..., None]
        means = torch.stack([sign * self.offset + gap @ pull.mT for sign, gap in zip((-1, 1), gaps, strict=True)])
        mean = (share * means).sum(0)
        left = self.covariance[free][:, free].diagonal() - (pull * across).sum(1)
        return Normal(mean, (left + (share * (means - mean) ** 2).sum(0)).sqrt())


@dataclass(frozen=True)
class Bias:
    """The bias of a method; each number comes with its standard error.

    Attributes:
        way: how far the mean of the draws moves from the prior mean to the posterior mean; 1 is right.
        off: root mean square error of the mean, in posterior standard deviations; 0 is right.
        spread: standard deviation of the draws over the true one; 1 is right.
    """

    way: tuple[float, float]
    off: tuple[float, float]
    spread: tuple[float, float]

    @classmethod
    def of(cls, draws: Float[Tensor, "cases groups draws hidden"], truth: Normal) -> "Bias":
        """Compare draws with the posterior of each case; ``groups`` are independent runs, to separate noise from bias.

        Raises:
            ValueError: if there are fewer than two cases, groups or draws.
        """
        if min(draws.shape[:3]) < 2:
            raise ValueError(f"bias needs two cases, groups and draws or more, got {tuple(draws.shape[:3])}")
        means = draws.mean(2)
        mean, noise = means.mean(1), means.var(1) / means.shape[1]
        reach = (truth.mean**2).sum(1)  # the prior mean is 0
        way = _ratio((mean * truth.mean).sum(1), reach)
        squared = (((mean - truth.mean) ** 2 - noise) / truth.variance).mean(1)
        level, error = squared.mean().item(), squared.std().item() / len(squared) ** 0.5
        off = math.sqrt(max(level, 0.0))
        # Use the variance of all draws of a case, between groups too: draws within a group of few particles are alike.
        total = draws.flatten(1, 2).var(1)
        spread = _ratio(total.sqrt().mean(1), truth.std.mean(1))
        return cls(way, (off, error / (2 * off) if off**2 > error else math.sqrt(error)), spread)

    def __str__(self) -> str:
        names = {
            "mean goes": (self.way, "of the way from prior to posterior mean (1 is right)"),
            "mean is off by": (self.off, "posterior standard deviations (0 is right)"),
            "spread is": (self.spread, "of the true standard deviation (1 is right)"),
        }
        return "\n".join(
            f"{name:<16}{value:6.3f} ± {error:.3f} {what}" for name, ((value, error), what) in names.items()
        )


def _ratio(part: Tensor, whole: Tensor) -> tuple[float, float]:
    """Σ part/Σ whole over cases, with its standard error by the delta method."""
    value = (part.sum() / whole.sum()).item()
    return value, ((part - value * whole).std() / whole.mean() / len(part) ** 0.5).item()


def _turned(x: Elements, matrices: list[Tensor]) -> Elements:
    """Multiply the axes of each example by their matrices, rows first: the Kronecker product of them all."""
    for axis, matrix in enumerate(matrices, 1):
        x = (x.movedim(axis, -1) @ matrix.mT).movedim(-1, axis)
    return x
