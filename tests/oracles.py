"""Exact denoisers and closed forms: the truths that learned code is held against (theory.md section 5).

    GaussianOracle   data N(m, diag λ)           p(x | x_t) = N( m + √ᾱ λ/S (x_t − √ᾱ m), λ(1 − ᾱ)/S ),  S = ᾱ λ + 1 − ᾱ
    MixtureOracle    data Σ w_k N(m_k, C_k)      mean and per-element variance of p(x | x_t)
    correlated       two unit normals of correlation ρ, as a mixture of one

A linear sampler on Gaussian data is a pair (gain, variance) per step; `output_moments` walks it down a grid.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from quasistatic.distribution import Distribution, Normal
from quasistatic.process import GaussianProcess

Linear = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(ᾱ_t, ᾱ_s) → (gain, variance) of a step x_s = √ᾱ_s m + gain (x_t − √ᾱ_t m) + √variance z, per eigenvalue."""


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at(t: float, batch: int) -> Tensor:
    """A time for each example."""
    return torch.full((batch,), t, dtype=torch.float64)


def unchecked(function):  # type: ignore[no-untyped-def]
    """The function without the shape checks that tests put around it: what a user's own mistake meets."""
    return inspect.unwrap(function)


def normal_nodes(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of E over N(0, 1), exact for polynomials of degree 2 · count − 1 (Gauss–Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return torch.from_numpy(nodes), torch.from_numpy(weights / math.sqrt(2 * math.pi))


def within_4_errors(draws: Tensor, truth: Tensor | float) -> bool:
    """Whether the mean over axis 0 lies within 4 standard errors of the truth, everywhere."""
    error = draws.std(0) / math.sqrt(len(draws))
    return bool(((draws.mean(0) - truth).abs() <= 4 * error).all())


@dataclass(frozen=True, eq=False)
class GaussianOracle:
    """p(x | x_t) for data N(mean, diag eigenvalues), elementwise (theory.md 5.1)."""

    process: GaussianProcess
    mean: Tensor
    eigenvalues: Tensor

    def __call__(self, x_t: Tensor, t: Tensor) -> Normal:
        kept = self.process.schedule.alpha_bar(t)[:, None]
        spread = self.spread(kept)
        mean = self.mean + kept.sqrt() * self.eigenvalues / spread * (x_t - kept.sqrt() * self.mean)
        return Normal(mean, (self.eigenvalues * (1 - kept) / spread).sqrt())

    def spread(self, kept: Tensor) -> Tensor:
        """S = Var x_t at ᾱ = ``kept``."""
        return kept * self.eigenvalues + 1 - kept

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        z = torch.randn(count, len(self.mean), dtype=torch.float64, generator=generator)
        return self.mean + self.eigenvalues.sqrt() * z

    @property
    def entropy(self) -> Tensor:
        """h(N(m, λ)) = ½ ln 2πeλ of each element, nats."""
        return 0.5 * (2 * math.pi * math.e * self.eigenvalues).log()

    @property
    def end_kl(self) -> Tensor:
        """KL( N(√ᾱ_T m, S_T) ‖ N(0, 1) ) of each element, nats: all that an exact reverse chain loses."""
        kept = self.process.schedule.alpha_bar(double(1.0))
        spread = self.spread(kept)
        return 0.5 * (spread + kept * self.mean**2 - 1 - spread.log())


@dataclass(frozen=True, eq=False)
class MixtureOracle:
    """Exact mean and per-element variance of p(x | x_t) for data Σ w_k N(m_k, C_k) (theory.md 5.2).

    weights (K,), means (K, D), covariances (K, D, D).
    """

    process: GaussianProcess
    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __call__(self, x_t: Tensor, t: Tensor) -> Normal:
        kept = once(self.process.schedule.alpha_bar(t))
        share = self._log_joint(x_t, kept).softmax(-1)[..., None]
        root, at_t = kept.sqrt()[:, None, None], self._spread(kept)
        pull = root[..., None] * torch.linalg.solve(at_t, self.covariances.expand_as(at_t)).mT
        means = self.means + _apply(pull, x_t[:, None] - root * self.means)
        left = self.covariances - root[..., None] * pull @ self.covariances
        mean = (share * means).sum(1)
        second = (share * (left.diagonal(dim1=-2, dim2=-1) + (means - mean[:, None]) ** 2)).sum(1)
        return Normal(mean, second.sqrt())

    def log_density(self, x_t: Tensor, kept: Tensor) -> Tensor:
        """log q_t(x_t) where ᾱ(t) = ``kept`` (batch,); at ``kept`` = 1 the exact log-likelihood of data, nats."""
        return self._log_joint(x_t, kept).logsumexp(-1)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        k = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        z = torch.randn(count, self.means.shape[1], dtype=torch.float64, generator=generator)
        return self.means[k] + (torch.linalg.cholesky(self.covariances)[k] @ z[..., None])[..., 0]

    def _spread(self, kept: Tensor) -> Tensor:
        kept = kept[:, None, None, None]
        return kept * self.covariances + (1 - kept) * torch.eye(self.means.shape[1], dtype=torch.float64)

    def _log_joint(self, x_t: Tensor, kept: Tensor) -> Tensor:
        kept = once(kept)
        gap = x_t[:, None] - kept.sqrt()[:, None, None] * self.means
        spread = self._spread(kept)
        distance = (gap * _apply(torch.linalg.inv(spread), gap)).sum(-1)
        log_det = torch.linalg.slogdet(spread)[1] + gap.shape[-1] * math.log(2 * math.pi)
        return self.weights.log() - 0.5 * (distance + log_det)


def once(kept: Tensor) -> Tensor:
    """One row where all examples are at the same time: matrices are then inverted once."""
    return kept[:1] if bool((kept == kept[0]).all()) else kept


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix * vector[..., None, :]).sum(-1)


def correlated(process: GaussianProcess, rho: float) -> MixtureOracle:
    """Two unit normals of correlation ``rho``."""
    covariance = double(1, rho, rho, 1).reshape(1, 2, 2)
    return MixtureOracle(process, double(1.0), torch.zeros(1, 2, dtype=torch.float64), covariance)


def two_bumps(process: GaussianProcess) -> MixtureOracle:
    """A skewed mixture on the line: ⅓ N(−1.5, 0.09) + ⅔ N(0.8, 0.16)."""
    return MixtureOracle(process, double(1 / 3, 2 / 3), double(-1.5, 0.8)[:, None], double(0.09, 0.16).reshape(2, 1, 1))


# Samplers on Gaussian data are linear: theory.md 5.1


def kept_pairs(process: GaussianProcess, times: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """ᾱ at both ends of each step down a grid."""
    return pairwise(process.schedule.alpha_bar(times))


def true_kernel(oracle: GaussianOracle) -> Linear:
    """q(x_s | x_t): gain √(ᾱ_t/ᾱ_s) S_s/S_t, variance V = (1 − ᾱ_t/ᾱ_s) S_s/S_t."""

    def step(kept_t: Tensor, kept_s: Tensor) -> tuple[Tensor, Tensor]:
        ratio = oracle.spread(kept_s) / oracle.spread(kept_t)
        return (kept_t / kept_s).sqrt() * ratio, (1 - kept_t / kept_s) * ratio

    return step


def small_variance(oracle: GaussianOracle) -> Linear:
    """The true gain with the variance β̃ = (1 − ᾱ_t/ᾱ_s)(1 − ᾱ_s)/(1 − ᾱ_t) of Ho et al. 2020."""

    def step(kept_t: Tensor, kept_s: Tensor) -> tuple[Tensor, Tensor]:
        beta = (1 - kept_t / kept_s) * (1 - kept_s) / (1 - kept_t)
        return true_kernel(oracle)(kept_t, kept_s)[0], beta.expand_as(oracle.mean)

    return step


def ddim_kernel(oracle: GaussianOracle, eta: float = 0.0) -> Linear:
    """Gain [√(ᾱ_s ᾱ_t) λ + √((1 − ᾱ_s − σ²)(1 − ᾱ_t))]/S_t, variance σ² = η² β̃."""

    def step(kept_t: Tensor, kept_s: Tensor) -> tuple[Tensor, Tensor]:
        variance = eta**2 * small_variance(oracle)(kept_t, kept_s)[1]
        noise = ((1 - kept_s - variance).clamp(min=0) * (1 - kept_t)).sqrt()
        return ((kept_s * kept_t).sqrt() * oracle.eigenvalues + noise) / oracle.spread(kept_t), variance

    return step


def output_moments(oracle: GaussianOracle, times: Tensor, linear: Linear) -> tuple[Tensor, Tensor]:
    """Mean and variance of each element of what a sampler makes of the prior N(0, 1)."""
    mean, variance = torch.zeros_like(oracle.mean), torch.ones_like(oracle.mean)
    for kept_t, kept_s in kept_pairs(oracle.process, times):
        gain, added = linear(kept_t, kept_s)
        mean = kept_s.sqrt() * oracle.mean + gain * (mean - kept_t.sqrt() * oracle.mean)
        variance = gain**2 * variance + added
    return mean, variance


# Holding the first of two correlated normals (theory.md 2.6b)


def held_moments(process: GaussianProcess, rho: float, observed: float, times: Tensor) -> tuple[float, float]:
    """Mean and variance of x_2 where x_1 is replaced after every step; ``times`` may walk back up.

    The replaced x_1 is drawn afresh, so it never depends on x_2: the law of (x_1, x_2) is a product of two normals.
    """
    mean, variance = 0.0, 1.0
    known = (0.0, 1.0)
    covariance = double(1, rho, rho, 1).reshape(2, 2)
    grid = process.schedule.alpha_bar(times)
    mixed = grid[:, None, None] * covariance + (1 - grid)[:, None, None] * torch.eye(2, dtype=torch.float64)
    for i, ((t, s), (kept_t, kept_s)) in enumerate(zip(pairwise(times.tolist()), pairwise(grid.tolist()), strict=True)):
        if s > t:
            up = kept_s / kept_t
            mean, variance = up**0.5 * mean, up * variance + 1 - up
            known = (up**0.5 * known[0], up * known[1] + 1 - up)
            continue
        # q(x_s | x_t) of the pair: gain √r S_s S_t⁻¹, covariance (1 − r) S_s S_t⁻¹.
        (_, _), (cross, own) = (mixed[i + 1] @ torch.linalg.inv(mixed[i])).tolist()
        down = kept_t / kept_s
        mean = down**0.5 * (cross * known[0] + own * mean)
        variance = down * (cross**2 * known[1] + own**2 * variance) + (1 - down) * own
        known = (kept_s**0.5 * observed, 1 - kept_s)
    return mean, variance


def density(clean: Distribution) -> Distribution:
    """The decoder of values that are scored by density: the guess itself."""
    return clean
