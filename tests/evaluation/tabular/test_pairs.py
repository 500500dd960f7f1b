"""Similarity of pairs: exact joint shares, and numpy's correlations."""

import numpy as np
import pytest

from named_tables import named
from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped
from quasistatic.evaluation.tabular.pairs import correlations, pair_places, pair_similarities
from quasistatic.evaluation.tabular.replicates import estimated
from quasistatic.evaluation.tabular.tables import matched


def similarities(real: Dataset, made: Dataset) -> list[Estimate]:
    draws, tables = np.random.default_rng(0), matched(real, made)
    found = pair_similarities(tables, grouped(len(real), draws), grouped(len(made), draws))
    return [estimated(values) for values in found]


def letters(flags: np.ndarray) -> list[str]:
    return np.where(flags, "a", "b").tolist()


def test_two_binary_columns() -> None:
    """Equal in one table, independent in the other: shares ½, 0, 0, ½ and four times ¼."""
    i = np.arange(100)
    (found,) = similarities(
        named(x=letters(i % 2 == 0), y=letters(i % 2 == 0)), named(x=letters(i % 2 == 0), y=letters(i % 4 < 2))
    )
    assert found.value == pytest.approx(0.5)


def test_a_number_and_a_category() -> None:
    """Ten bins of one category each, against both alike: half of the rows would have to move."""
    number = np.arange(200) / 2
    (found,) = similarities(
        named(x=number, y=letters(number < 50)), named(x=number, y=letters(np.arange(200) % 2 == 0))
    )
    assert found.value == pytest.approx(0.5)


def test_bins_of_a_number_that_repeats() -> None:
    """A number that is 0 in most rows has one bin for 0, and others for the rest."""
    number = np.where(np.arange(100) < 80, 0.0, np.arange(100))
    (found,) = similarities(named(x=number, y=letters(number > 0)), named(x=number, y=["b"] * 100))
    assert found.value == pytest.approx(0.8)


def test_independent_columns_lose_half_of_the_correlation() -> None:
    draws = np.random.default_rng(0)
    x, noise = draws.normal(size=(2, 2000))
    y = 0.8 * x + 0.6 * noise
    (found,) = similarities(named(x=x, y=y), named(x=x, y=draws.permutation(y)))
    assert found.standard_error == pytest.approx(np.sqrt(0.36**2 + 1) / 2 / np.sqrt(2000), rel=0.4)
    assert abs(found.value - 0.6) < 4 * found.standard_error


def test_correlations_with_gaps_and_without_groups() -> None:
    """Each is numpy's of the rows with both cells."""
    draws = np.random.default_rng(2)
    cells = draws.normal(size=(300, 3)) @ draws.normal(size=(3, 3)) + 1e6
    cells[draws.random(cells.shape) < 0.2] = np.nan
    groups = grouped(300, draws)
    found = correlations(cells, groups)
    for left in (None, 0, GROUPS - 1):
        kept = cells if left is None else cells[groups != left]
        for i, j in pair_places(3):
            both = kept[~np.isnan(kept[:, i]) & ~np.isnan(kept[:, j])]
            number = 0 if left is None else 1 + left
            assert found[number, i, j] == pytest.approx(np.corrcoef(both[:, i], both[:, j])[0, 1])


def test_a_constant_and_a_huge_column() -> None:
    """Of one value: correlation 0. Squares of the other would overflow."""
    draws = np.random.default_rng(3)
    x = draws.normal(size=100)
    cells = np.stack([np.full(100, 0.1), 1e149 * x, x, np.full(100, np.nan)], 1)
    found = correlations(cells, grouped(100, draws))[0]
    assert found[1, 2] == pytest.approx(1)
    assert (found[0] == 0).all()
    assert (found[3] == 0).all()


def test_an_empty_cell_is_a_category() -> None:
    i = np.arange(100)
    holed = [None if n % 2 else "a" for n in i]
    (found,) = similarities(named(x=["a"] * 100, y=letters(i % 4 < 2)), named(x=holed, y=letters(i % 4 < 2)))
    assert found.value == pytest.approx(0.5)
