"""Nearer to training rows or to real rows, and exact copies."""

import numpy as np
import pytest
import torch

from named_tables import mixed, named
from quasistatic.data import Dataset
from quasistatic.evaluation.tabular.neighbours import TableCopies, table_copies
from quasistatic.evaluation.tabular.tables import matched


def searched(real: Dataset, made: Dataset, training: Dataset) -> TableCopies:
    return table_copies(matched(real, made, training), np.random.default_rng(0))


def test_new_samples_are_nearer_to_training_rows_in_half_of_all_cases() -> None:
    """Also where there are three times as many training rows: as many are searched."""
    found = searched(mixed(200, 0), mixed(400, 1), mixed(600, 2))
    assert (found.training, found.searched) == (600, 200)
    assert abs(found.nearer_to_training.value - 0.5) < 4 * found.nearer_to_training.standard_error
    assert 0.02 < found.nearer_to_training.standard_error < 0.1
    assert found.copies.samples is not None
    assert (found.copies.samples.value, found.copies.real.value) == (0, 0)


def test_copies_have_share_one() -> None:
    training = mixed(200, 2)
    found = searched(mixed(200, 0), training.select(torch.randperm(200)), training)
    assert found.nearer_to_training.value == 1
    assert found.copies.samples is not None
    assert (found.copies.samples.value, found.copies.samples.standard_error) == (1, 0)
    assert found.copies.real.value == 0


def test_some_copies() -> None:
    """Half of the samples are training rows, the others are new: shares ½ and ¾."""
    x = np.random.default_rng(0).normal(size=(3, 400))
    made = named(x=np.concatenate([x[0, :200], x[1, :200]]))
    found = searched(named(x=x[2]), made, named(x=x[0]))
    assert found.copies.samples is not None
    assert found.copies.samples.value == 0.5
    assert found.copies.samples.standard_error == pytest.approx(0.5 / 20)
    assert abs(found.nearer_to_training.value - 0.75) < 4 * found.nearer_to_training.standard_error


def test_rows_that_repeat_by_nature() -> None:
    """Two binary columns: each row is in all tables, and every distance is a tie."""

    def table(rows: int) -> Dataset:
        return named(a=["u", "v"] * (rows // 2), b=["u", "u", "v", "v"] * (rows // 4))

    found = searched(table(80), table(100), table(60))
    assert found.nearer_to_training.value == 0.5
    assert found.copies.samples is not None
    assert (found.copies.samples.value, found.copies.real.value) == (1, 1)


def test_the_distance_is_in_units_of_the_range() -> None:
    """All samples are 0.2 of the range of x from a training row, and 0.3 of the range of z from a real row."""
    far = {"x": [59000.0] * 59, "z": [0.0, *[1.0] * 58]}
    training = named(x=[11800.0, *far["x"]], z=[0.5, *far["z"]])
    real = named(x=[0.0, *far["x"]], z=[0.8, *far["z"]])
    assert searched(real, named(x=[0.0] * 60, z=[0.5] * 60), training).nearer_to_training.value == 1


def test_a_category_is_as_far_as_the_whole_range() -> None:
    """Samples have the category of training rows; then none, which is as far from either."""
    x = np.arange(60.0)
    real, training = named(x=x, y=["a"] * 60), named(x=x, y=["b"] * 60)
    assert searched(real, named(x=x + 0.2, y=["b"] * 60), training).nearer_to_training.value == 1
    assert searched(real, named(x=x + 0.2, y=[None] * 60), training).nearer_to_training.value == 0.5


def test_numbers_far_outside_are_no_mistake() -> None:
    x = np.random.default_rng(0).normal(size=(3, 60))
    found = searched(named(x=x[0]), named(x=1e149 * x[1]), named(x=x[2]))
    assert found.nearer_to_training.value == 0.5


def test_real_rows_that_were_trained_on_are_refused() -> None:
    table = mixed(100, 0)
    with pytest.raises(ValueError, match="got 100 of 100 that equal a training row; give held-out rows as REAL"):
        searched(table, mixed(100, 1), table)
