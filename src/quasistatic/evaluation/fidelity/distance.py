"""Distances between two sets of features (n, d): Fréchet's, between their Gaussians, and the kernel distance.

    Fréchet    |μ − μ'|² + tr( Σ + Σ' − 2 (Σ½ Σ' Σ½)½ )                     squared units of the features
    kernel     E k(x, y) + E k(x', y') − 2 E k(x, x'),  k = (xᵀy/d + 1)³     0 for the same law; may fall below

The plain Fréchet distance has a positive bias in 1/n, which the jackknife removes. The kernel distance is a U-statistic
and unbiased.
Sources: Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500); Bińkowski et al. 2018 (arXiv:1801.01401), eq. 3-4.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import eigh, eigvalsh

from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, jackknife, unbiased

Features: TypeAlias = Float[np.ndarray, "n d"]
Others: TypeAlias = Float[np.ndarray, "m d"]
Groups: TypeAlias = Int[np.ndarray, " n"]
OtherGroups: TypeAlias = Int[np.ndarray, " m"]
ROWS = 1024


def gaussian_distance(
    mean: Float[np.ndarray, " d"],
    covariance: Float[np.ndarray, "d d"],
    other_mean: Float[np.ndarray, " d"],
    other_covariance: Float[np.ndarray, "d d"],
) -> float:
    """Return the squared Fréchet (2-Wasserstein) distance of two Gaussians; covariances may be singular."""
    return _distance(mean - other_mean, covariance, other_covariance, _root(other_covariance))


def frechet(
    real: Features, samples: Others, real_groups: Groups, sample_groups: OtherGroups
) -> tuple[Estimate, Estimate]:
    """Return the squared Fréchet distance corrected for its bias in 1/n, and uncorrected as commonly reported."""
    center = real.mean(0)
    sets = (Moments(real - center, real_groups), Moments(samples - center, sample_groups))
    whole = [one.all for one in sets]
    roots = [_root(covariance) for _, covariance in whole]
    without = []
    for one, (other_mean, other_covariance), root in zip(sets, whole[::-1], roots[::-1], strict=True):
        left = (one.without(group) for group in range(GROUPS))
        without.append(np.array([_distance(mean - other_mean, cov, other_covariance, root) for mean, cov in left]))
    value = _distance(whole[0][0] - whole[1][0], whole[0][1], whole[1][1], roots[1])
    return unbiased(value, *without), jackknife(value, *without)


class Moments:
    """Mean and covariance (over n − 1) of centred rows: of all rows, and without one group."""

    def __init__(self, rows: Features, groups: Groups) -> None:
        self.rows, self.groups = rows, groups
        self.sum, self.product = rows.sum(0), rows.T @ rows

    @property
    def all(self) -> tuple[np.ndarray, np.ndarray]:
        return self._of(len(self.rows), self.sum, self.product)

    def without(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        out = self.rows[self.groups == group]
        return self._of(len(self.rows) - len(out), self.sum - out.sum(0), self.product - out.T @ out)

    @staticmethod
    def _of(count: int, total: np.ndarray, product: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = total / count
        return mean, (product - count * np.outer(mean, mean)) / (count - 1)


def _distance(gap: np.ndarray, covariance: np.ndarray, other: np.ndarray, other_root: np.ndarray) -> float:
    between = eigvalsh(other_root @ covariance @ other_root)
    shared = np.sqrt(np.maximum(between, 0)).sum()  # below 0 is rounding: the product is positive semi-definite
    return float(gap @ gap + np.trace(covariance) + np.trace(other) - 2 * shared)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def kernel(real: Features, samples: Others, real_groups: Groups, sample_groups: OtherGroups) -> Estimate:
    """Return the unbiased squared maximum mean discrepancy of the cubic kernel."""
    own = [_pair_means(x, groups) for x, groups in ((real, real_groups), (samples, sample_groups))]
    cross = _block_sums(real, samples, real_groups, sample_groups)
    n, m = len(real), len(samples)
    n_left, m_left = n - np.bincount(real_groups), m - np.bincount(sample_groups)
    across = cross.sum() / (n * m)
    without_real = own[0][1] + own[1][0] - 2 * (cross.sum() - cross.sum(1)) / (n_left * m)
    without_samples = own[0][0] + own[1][1] - 2 * (cross.sum() - cross.sum(0)) / (n * m_left)
    return jackknife(own[0][0] + own[1][0] - 2 * across, without_real, without_samples)


def _pair_means(x: Features, groups: Groups) -> tuple[float, np.ndarray]:
    """Return the mean of k over pairs of different rows: of all rows, and without each group."""
    blocks = _block_sums(x, x, groups, groups)
    blocks -= np.diag(np.bincount(groups, weights=((x**2).mean(1) + 1) ** 3))
    left = len(x) - np.bincount(groups)
    without = blocks.sum() - blocks.sum(0) - blocks.sum(1) + blocks.diagonal()
    return blocks.sum() / (len(x) * (len(x) - 1)), without / (left * (left - 1))


def _block_sums(x: Features, y: Others, x_groups: Groups, y_groups: OtherGroups) -> np.ndarray:
    """Σ k(x_i, y_j) over each pair of groups, (groups, groups)."""
    from sklearn.metrics.pairwise import polynomial_kernel

    x_member, y_member = np.eye(GROUPS)[x_groups], np.eye(GROUPS)[y_groups]
    total = np.zeros((GROUPS, GROUPS))
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        total += x_member[rows].T @ (polynomial_kernel(x[rows], y, degree=3) @ y_member)
    return total
