"""Samples next to training rows and to as many held-out real rows, and exact copies of training rows.

    distance               mean over columns of |x − y| / range for numbers, and of 0 or 1 for categories
    nearer to training     share of samples whose nearest row is a training row; ties count ½     ½ is ideal
    copies                 share of samples that equal a training row in every cell

Two empty cells are at distance 0, an empty and another cell at 1. The range is that of real and training rows. Where
rows repeat in the data, samples equal some of them by chance: next to the share of copies stands that of real rows.
Source of the distance: Gower 1971, "A general coefficient of similarity and some of its properties".
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped, jackknife
from quasistatic.evaluation.fidelity.verdict import Beside
from quasistatic.evaluation.tabular.tables import Cells, Tables, chosen

QUERIES = 5000
"""Maximum number of samples whose nearest rows are searched; the share is then known to 0.007."""

BLOCK = 2**21
"""Distances computed at a time."""

TIE = 1e-6
"""Distances that differ by less are equal (rounding)."""

FARTHEST = 1e30
"""Distances beyond this number of ranges are equal, as float32 cannot tell them apart."""


@dataclass(frozen=True)
class TableCopies:
    """Whether samples copy training rows.

    Attributes:
        nearer_to_training: share of samples nearer to a training row than to any of as many real rows.
        copies: share of samples, and of real rows, that equal a training row.
        training: number of training rows searched for copies.
        searched: number of training rows, and of real rows, searched for the nearest.
    """

    nearer_to_training: Estimate
    copies: Beside
    training: int
    searched: int


def table_copies(tables: Tables, draws: np.random.Generator) -> TableCopies:
    """Search the training rows, which ``tables`` must have.

    Raises:
        ValueError: if most real rows are training rows.
    """
    real, made, training = tables.real, tables.made, tables.training
    assert training is not None
    known = set(_keys(training))
    copied, same = (np.array([key in known for key in _keys(cells)]) for cells in (made, real))
    _check_apart(real, same)
    count = min(len(real), len(training))
    near, far = chosen(training, count, draws), chosen(real, count, draws)
    numbers = np.array([column.categories is None for column in tables.columns])
    low, spans = _units(np.concatenate([real, training]), numbers)
    sets = [_comparable(cells, low, spans) for cells in (chosen(made, QUERIES, draws), near, far)]
    groups = [grouped(len(cells), draws) for cells in sets]
    least = [_nearest(sets[0], sets[place], groups[place], spans) for place in (1, 2)]
    return TableCopies(
        _nearer(least[0], least[1], groups[0]),
        Beside(_share(copied), _share(same)),
        len(training),
        count,
    )


def _keys(cells: Cells) -> list[bytes]:
    """Return each row as bytes, equal for equal rows."""
    plain = np.where(np.isnan(cells), np.nan, cells) + 0.0  # one pattern of bits for NaN, one for 0
    return [row.tobytes() for row in np.ascontiguousarray(plain)]


def _check_apart(real: Cells, same: Bool[np.ndarray, " rows"]) -> None:
    """Raise ValueError if most real rows equal a training row, but not another real row."""
    repeated = sum(count for count in Counter(_keys(real)).values() if count > 1)
    if same.sum() > len(same) / 2 > repeated:
        raise ValueError(
            f"copies are found by comparison with rows that the model has not learned from, got {int(same.sum())} of "
            f"{len(same)} that equal a training row; give held-out rows as REAL"
        )


def _units(cells: Cells, numbers: Bool[np.ndarray, " columns"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least value and the range of each column of numbers (1 for a range of 0); 0 of categories."""
    low, high = np.where(np.isnan(cells), np.inf, cells).min(0), np.where(np.isnan(cells), -np.inf, cells).max(0)
    return np.where(numbers & (low <= high), low, 0.0), np.where(numbers, np.where(high > low, high - low, 1.0), 0.0)


def _comparable(cells: Cells, low: np.ndarray, spans: np.ndarray) -> Cells:
    """Return numbers from 0 in units of their range, places of categories, and NaN, in float32."""
    return ((cells - low) / np.where(spans > 0, spans, 1.0)).clip(-FARTHEST, FARTHEST).astype(np.float32)


def _nearest(
    queries: Cells, rows: Cells, groups: Int[np.ndarray, " rows"], spans: Float[np.ndarray, " columns"]
) -> Float[np.ndarray, "queries groups"]:
    """Return the distance of each query to the nearest row of each group."""
    found = np.empty((len(queries), GROUPS), dtype=np.float32)
    for group in range(GROUPS):
        x = rows[groups == group]
        size = max(1, BLOCK // len(x))
        for start in range(0, len(queries), size):
            found[start : start + size, group] = _distances(queries[start : start + size], x, spans).min(1)
    return found.astype(float)


def _distances(
    x: Float[np.ndarray, "x columns"], y: Float[np.ndarray, "y columns"], spans: Float[np.ndarray, " columns"]
) -> Float[np.ndarray, "x y"]:
    total = np.zeros((len(x), len(y)), dtype=np.float32)
    gap = np.empty_like(total)
    for own, other, span in zip(x.T[:, :, None], y.T[:, None, :], spans, strict=True):
        if span:
            np.abs(np.subtract(own, other, out=gap), out=gap)
        else:
            np.not_equal(own, other, out=gap)
        empty, other_empty = np.isnan(own[:, 0]), np.isnan(other[0])
        if empty.any() or other_empty.any():
            gap[empty] = 1.0
            gap[:, other_empty] = 1.0
            gap[np.ix_(empty, other_empty)] = 0.0
        total += gap
    return total / len(spans)


def _nearer(near: np.ndarray, far: np.ndarray, groups: Int[np.ndarray, " queries"]) -> Estimate:
    """Return the share of queries nearer to training rows, from the distances to each group of both sets of rows."""
    each = _is_nearer(near, far)
    sums, count = np.bincount(groups, each), np.bincount(groups)
    without = (each.sum() - sums) / (len(each) - count)
    without_near = [_is_nearer(np.delete(near, group, 1), far).mean() for group in range(GROUPS)]
    without_far = [_is_nearer(near, np.delete(far, group, 1)).mean() for group in range(GROUPS)]
    return jackknife(float(each.mean()), without, np.array(without_near), np.array(without_far))


def _is_nearer(near: np.ndarray, far: np.ndarray) -> Float[np.ndarray, " queries"]:
    gap = far.min(1) - near.min(1)
    return np.where(np.abs(gap) <= TIE, 0.5, gap > 0)


def _share(values: Bool[np.ndarray, " rows"]) -> Estimate:
    return Estimate(float(values.mean()), float(values.std() / np.sqrt(len(values))))
