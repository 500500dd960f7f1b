"""`compare_tables`: what a perfect model would score, what it returns, what it refuses."""

import json

import numpy as np
import pytest
import torch

from named_tables import mixed, named
from quasistatic.evaluation.tabular import TableFidelity, TableOptions, are_tables, compare_tables


def test_a_table_against_itself_shuffled() -> None:
    real = mixed(300, 0)
    found = compare_tables(real, real.select(torch.randperm(300)))
    assert found.trend is not None
    assert found.shape.samples is not None
    assert found.shape.samples.value == pytest.approx(1)
    assert found.trend.samples is not None
    assert found.trend.samples.value == pytest.approx(1)
    assert found.detection.samples is not None
    assert found.detection.samples.value > 0.9
    assert found.trees == "scikit-learn"
    assert (found.examples, found.other_examples) == ((300, 300), (150, 150))
    assert (found.task, found.copies) == (None, None)


def test_another_table_of_the_law_scores_as_real_rows_do() -> None:
    """Next to the training rows in the place of samples: equal within the errors."""
    options = TableOptions(mixed(200, 2), "kind")
    watched: list[tuple[int, int]] = []
    found = compare_tables(
        mixed(200, 0), mixed(200, 1), options, watch=lambda done, total: watched.append((done, total))
    )
    assert watched == [(stage, 8) for stage in range(1, 9)]
    assert found.task is not None
    assert found.copies is not None
    for pair in (found.shape, found.trend, found.auc, found.task.score):
        assert pair is not None
        assert pair.samples is not None
        gap = np.hypot(pair.samples.standard_error, pair.real.standard_error)
        assert abs(pair.samples.value - pair.real.value) < 4 * gap
    assert found.other_examples == (200, 200)
    assert [one.measure for one in found.columns] == [
        *["Kolmogorov-Smirnov"] * 2,
        "total variation",
        "Kolmogorov-Smirnov",
    ]
    assert [one.measure for one in found.pairs].count("correlation") == 3
    assert [one.names for one in found.pairs][:2] == [("x", "y"), ("x", "kind")]


def test_it_is_json_and_a_seed_decides() -> None:
    first, again, other = (
        compare_tables(mixed(120, 0), mixed(100, 1), TableOptions(target="count", seed=seed, limit=80)).to_dict()
        for seed in (0, 0, 1)
    )
    assert json.loads(json.dumps(first)) == json.loads(json.dumps(again))
    assert first != other
    assert first["examples"] == (80, 80)
    assert set(first["shape"]["samples"]) == {"value", "standard_error"}
    assert first["task"]["measure"] == "R2"


def test_one_column_has_no_trend() -> None:
    found = compare_tables(named(x=np.arange(60.0)), named(x=np.arange(60.0) + 100))
    assert isinstance(found, TableFidelity)
    assert (found.trend, found.pairs) == (None, ())
    assert found.shape.samples is not None
    assert found.shape.samples.value == pytest.approx(0)
    assert "trend (similarity of pairs)" not in found.rows()


def test_columns_that_are_empty() -> None:
    table = named(x=np.arange(60.0), nothing=[None] * 60)
    found = compare_tables(table, table, TableOptions(named(x=np.arange(60.0) + 0.5, nothing=[None] * 60)))
    assert found.shape.samples is not None
    assert found.shape.samples.value == pytest.approx(1)


def test_numbers_out_of_range_and_other_data() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        TableOptions(limit=0)
    with pytest.raises(ValueError, match="seed must be"):
        TableOptions(seed=-1)
    with pytest.raises(ValueError, match=r"training\.csv: the columns of real\.csv are needed"):
        compare_tables(mixed(60, 0), mixed(60, 1), TableOptions(named("training.csv", x=np.arange(60.0))))
    with pytest.raises(ValueError, match="the target is a column of both tables"):
        compare_tables(mixed(60, 0), mixed(60, 1), TableOptions(target="income"))
    assert are_tables(mixed(60, 0))
