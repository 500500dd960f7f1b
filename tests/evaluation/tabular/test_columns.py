"""Similarity of each column: exact laws of few values, and scipy's distance."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from named_tables import mixed, named
from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity.estimate import Estimate, grouped
from quasistatic.evaluation.tabular.columns import column_similarities
from quasistatic.evaluation.tabular.replicates import estimated
from quasistatic.evaluation.tabular.tables import matched


def similarities(real: Dataset, made: Dataset) -> list[Estimate]:
    draws, tables = np.random.default_rng(0), matched(real, made)
    found = column_similarities(tables, grouped(len(real), draws), grouped(len(made), draws))
    return [estimated(values) for values in found]


def test_two_values_as_text_and_as_number() -> None:
    """Shares 0.3 and 0.5 of one value differ by 0.2, by either distance."""
    ones, others = np.arange(100) < 30, np.arange(60) < 30
    real = named(text=np.where(ones, "a", "b").tolist(), number=1.5 * ones, flag=ones)
    made = named(text=np.where(others, "a", "b").tolist(), number=1.5 * others, flag=others)
    for one in similarities(real, made):
        assert one.value == pytest.approx(0.8)
        assert one.standard_error == pytest.approx(np.sqrt(0.3 * 0.7 / 100 + 0.5 * 0.5 / 60), rel=0.4)


def test_numbers_as_scipy_measures_them() -> None:
    draws = np.random.default_rng(1)
    x, y = draws.normal(size=300).round(1), draws.normal(0.3, 1.2, 200).round(1)
    (found,) = similarities(named(x=x), named(x=y))
    assert found.value == pytest.approx(1 - ks_2samp(x, y).statistic)


def test_the_error_is_that_of_repeated_tables() -> None:
    found = []
    for seed in range(40):
        draws = np.random.default_rng(seed)
        (one,) = similarities(named(x=draws.normal(size=200)), named(x=draws.normal(0.7, 1, 200)))
        found.append((one.value, one.standard_error))
    values, errors = np.array(found).T
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.35)  # the std of 40 values has an error of 0.11


def test_an_empty_cell_is_a_value() -> None:
    """30 of 100 cells are empty in one table only: a distance of 0.3, for numbers and for texts."""
    whole = np.arange(100.0) + 0.5
    holed = np.where(np.arange(100) % 10 < 3, np.nan, whole)
    texts = [None if np.isnan(value) else "a" for value in holed]
    found = similarities(named(x=whole, t=["a"] * 100), named(x=holed, t=texts))
    assert [one.value for one in found] == pytest.approx([0.7, 0.7])


def test_texts_that_one_table_lacks_and_numbers_read_as_texts() -> None:
    """Codes 1 and 2 are whole numbers in one file, and next to a letter in the other."""
    real = named(code=["1", "2", "x", "x"] * 25, other=["a"] * 100)
    made = named(code=np.array([1, 2, 2, 2] * 25), other=["b"] * 100)
    assert [one.value for one in similarities(real, made)] == pytest.approx([0.5, 0.0])


def test_columns_are_matched_by_name() -> None:
    real, made = named(a=np.arange(60) % 7, b=["x", "y"] * 30), named(b=["x", "y"] * 30, a=np.arange(60) % 7)
    assert matched(real, made).names == ("a", "b")
    assert [one.value for one in similarities(real, made)] == [1.0, 1.0]


def test_a_table_has_errors_above_zero_next_to_another_of_its_law() -> None:
    for one in similarities(mixed(400, 0), mixed(400, 1)):
        assert 0.85 < one.value < 1
        assert 0 < one.standard_error < 0.05


NUMBERS = {"a": np.arange(60.0)}
MISTAKES = {
    "a column lacks": (
        named(**NUMBERS),
        named("s.csv", b=np.arange(60.0)),
        "s.csv: the columns of real.csv are needed ",
    ),
    "a new column": (
        named(**NUMBERS),
        named("s.csv", **NUMBERS, z=np.arange(60.0)),
        r"\(a\), got others called 'z'; rename, add or drop columns",
    ),
    "few rows": (
        named(**NUMBERS),
        named("s.csv", a=np.arange(49.0)),
        "comparing tables needs at least 50 rows of each, got 49 in s.csv; give more",
    ),
    "texts among numbers": (
        named(**NUMBERS),
        named("s.csv", a=[None, "much"] * 30),
        "the column 'a' holds numbers in real.csv, and s.csv has 'much' in row 1; fix it or leave the cell empty",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence(name: str) -> None:
    real, made, sentence = MISTAKES[name]
    with pytest.raises(ValueError, match=sentence):
        matched(real, made)


def test_an_array_is_not_a_table(digits: Dataset) -> None:
    with pytest.raises(ValueError, match="tables are compared with tables of the same columns, got digits"):
        matched(named(**NUMBERS), digits)
