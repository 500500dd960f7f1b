"""Similarity of the dependence of each pair of columns in two tables, from 0 to 1.

    two numbers                         1 − |ρ − ρ'|/2              correlation (Pearson), of rows with both cells
    two categories                      1 − ½ Σ |p_kl − q_kl|       contingency: total variation of the joint shares
    a number and a category             the same, the number in ten bins between the deciles of the real rows

The mean over pairs is called `trend`. In a contingency table an empty cell is one more category. A column of one value
has correlation 0.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from quasistatic.evaluation.fidelity.estimate import GROUPS
from quasistatic.evaluation.tabular.columns import by_total_variation
from quasistatic.evaluation.tabular.replicates import Left, Replicates, left_out, replicated, shares
from quasistatic.evaluation.tabular.tables import Cells, NamedColumn, Tables

BINS = 10
"""Number of bins of a number next to a category."""

CONSTANT = 1e-12
"""A column has one value if its variance is below this fraction of its mean square, at its largest size."""


def pair_places(columns: int) -> list[tuple[int, int]]:
    """Return the pairs of columns, in order."""
    return list(combinations(range(columns), 2))


def pair_measure(one: NamedColumn, other: NamedColumn) -> str:
    """Return the name of the similarity of two columns."""
    return "correlation" if one.categories is other.categories is None else "contingency"


def pair_similarities(
    tables: Tables, real_groups: Int[np.ndarray, " real"], made_groups: Int[np.ndarray, " made"]
) -> Replicates:
    """Return the similarity of each of `pair_places`, (pairs, replicates)."""
    numbers = [place for place, column in enumerate(tables.columns) if column.categories is None]
    real, made = (
        correlations(cells[:, numbers], groups)
        for cells, groups in ((tables.real, real_groups), (tables.made, made_groups))
    )
    correlated = replicated(lambda one, other: 1 - np.abs(one - other) / 2, real, made)
    rank = {place: number for number, place in enumerate(numbers)}
    binned = [_binned(*one) for one in zip(tables.columns, tables.real.T, tables.made.T, strict=True)]
    found = []
    for i, j in pair_places(len(tables.columns)):
        if i in rank and j in rank:
            found.append(correlated[rank[i], rank[j]])
            continue
        (real_i, made_i, size), (real_j, made_j, width) = binned[i], binned[j]
        p = shares(real_i * width + real_j, real_groups, size * width)
        q = shares(made_i * width + made_j, made_groups, size * width)
        found.append(replicated(by_total_variation, p, q))
    return np.stack(found)


def _binned(
    column: NamedColumn, real: Float[np.ndarray, " real"], made: Float[np.ndarray, " made"]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the place of each cell in a list of categories or bins, the last for empty cells, and its length."""
    if column.categories is not None:
        last = len(column.categories)
        places = [np.where(np.isnan(cells), last, cells).astype(np.int64) for cells in (real, made)]
    else:
        seen = real[~np.isnan(real)]
        edges = np.unique(np.quantile(seen, np.arange(1, BINS) / BINS)) if len(seen) else np.array([])
        last = len(edges) + 1
        places = [np.where(np.isnan(cells), last, np.searchsorted(edges, cells)) for cells in (real, made)]
    return places[0], places[1], last + 1


def correlations(cells: Cells, groups: Int[np.ndarray, " rows"]) -> Left:
    """Return correlations of columns of numbers, (1 + groups, columns, columns), each of rows with both cells."""
    z, present = _scaled(cells)
    parts = [_sums(z[groups == group], present[groups == group]) for group in range(GROUPS)]
    count, sums, squares, products = left_out(np.stack(parts)).swapaxes(0, 1)
    count = np.maximum(count, 1)
    others, other_squares = sums.swapaxes(-1, -2), squares.swapaxes(-1, -2)
    covariance = products - sums * others / count
    variances = [own - total**2 / count for own, total in ((squares, sums), (other_squares, others))]
    varies = (variances[0] > CONSTANT * count) & (variances[1] > CONSTANT * count)
    scale = np.sqrt(np.where(varies, variances[0] * variances[1], 1.0))
    return np.where(varies, (covariance / scale).clip(-1, 1), 0.0)


def _scaled(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Return centred columns of mean square 1, 0 where a cell is empty, and 1 where it is not."""
    present = ~np.isnan(cells)
    count = np.maximum(present.sum(0), 1)
    z = np.where(present, cells, 0.0)
    size = np.abs(z).max(0, initial=0.0)
    z /= np.where(size > 0, size, 1.0)  # so that no square overflows
    z = np.where(present, z - z.sum(0) / count, 0.0)
    spread = np.sqrt((z**2).sum(0) / count)
    return z / np.where(spread > CONSTANT, spread, 1.0), present.astype(float)


def _sums(z: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return, for each pair of columns, Σ 1, Σ z_i, Σ z_i² and Σ z_i z_j over rows with both cells."""
    return np.stack([present.T @ present, z.T @ present, (z**2).T @ present, z.T @ z])
