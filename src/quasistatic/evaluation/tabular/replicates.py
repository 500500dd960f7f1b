"""Replicates of a similarity of two tables, for its standard error: see `quasistatic.evaluation.fidelity.estimate`.

A similarity is computed of all rows, then without each group of real rows, then without each group of samples. These
1 + 2 G numbers are the last axis of an array, so that a mean over columns or pairs has its own replicates, in which
the dependence between columns counts.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, jackknife

Replicates: TypeAlias = Float[np.ndarray, "... replicates"]

Left: TypeAlias = Shaped[np.ndarray, "left_out ..."]
"""A statistic of one table: of all rows, then without each group."""


def left_out(by_group: Shaped[np.ndarray, "groups ..."]) -> Left:
    """Return sums over all groups, then without each of them."""
    return by_group.sum(0) - np.concatenate([np.zeros_like(by_group[:1]), by_group])


def shares(places: Int[np.ndarray, " rows"], groups: Int[np.ndarray, " rows"], size: int) -> Left:
    """Return the share of rows in each of ``size`` places."""
    counts = np.bincount(groups * size + places, minlength=GROUPS * size).reshape(GROUPS, size)
    left = left_out(counts.astype(float))
    return left / left.sum(1, keepdims=True)


def replicated(similarity: Callable[[np.ndarray, np.ndarray], np.ndarray], real: Left, made: Left) -> Replicates:
    """Return the replicates of a ``similarity`` of statistics of both tables, the replicates first in its result."""
    whole_real, whole_made = real[:1], made[:1]
    found = np.concatenate([similarity(real, whole_made), similarity(whole_real, made[1:])])
    return np.moveaxis(found, 0, -1)


def estimated(values: Float[np.ndarray, " replicates"]) -> Estimate:
    """Return the value of all rows with its standard error."""
    return jackknife(float(values[0]), values[1 : 1 + GROUPS], values[1 + GROUPS :])
