"""Similarity of each column's distribution in two tables, from 0 to 1.

    numbers       1 − sup |F − G|         Kolmogorov-Smirnov distance of the distribution functions
    categories    1 − ½ Σ_k |p_k − q_k|   total variation distance

An empty cell is one more category, and a number above all others. The mean over columns is called `shape`.
Both distances have a positive bias at few rows: two samples of n and m rows of one law of numbers have a similarity of
about 1 − 0.87 √(1/n + 1/m).
"""

import numpy as np
from jaxtyping import Float, Int

from quasistatic.evaluation.tabular.replicates import Replicates, replicated, shares
from quasistatic.evaluation.tabular.tables import NamedColumn, Tables


def column_measure(column: NamedColumn) -> str:
    """Return the name of the distance of a column."""
    return "Kolmogorov-Smirnov" if column.categories is None else "total variation"


def column_similarities(
    tables: Tables, real_groups: Int[np.ndarray, " real"], made_groups: Int[np.ndarray, " made"]
) -> Replicates:
    """Return the similarity of each column, (columns, replicates)."""
    found = []
    for column, real, made in zip(tables.columns, tables.real.T, tables.made.T, strict=True):
        values, places = np.unique(np.concatenate([real, made]), return_inverse=True)  # NaN is the last
        p = shares(places[: len(real)], real_groups, len(values))
        q = shares(places[len(real) :], made_groups, len(values))
        similarity = by_kolmogorov_smirnov if column.categories is None else by_total_variation
        found.append(replicated(similarity, p, q))
    return np.stack(found)


def by_total_variation(p: Float[np.ndarray, "#rows k"], q: Float[np.ndarray, "#rows k"]) -> np.ndarray:
    """Return 1 − total variation distance of shares, by row."""
    return 1 - np.abs(p - q).sum(-1) / 2


def by_kolmogorov_smirnov(p: Float[np.ndarray, "#rows k"], q: Float[np.ndarray, "#rows k"]) -> np.ndarray:
    """Return 1 − Kolmogorov-Smirnov distance of shares of increasing values, by row."""
    return 1 - np.abs((p - q).cumsum(-1)).max(-1)
