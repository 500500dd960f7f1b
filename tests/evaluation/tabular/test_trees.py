"""Boosted trees: known areas, features, the library."""

import numpy as np
import pytest
import torch

from named_tables import mixed, named
from quasistatic.data import Dataset
from quasistatic.evaluation.fidelity.estimate import Estimate
from quasistatic.evaluation.tabular import trees
from quasistatic.evaluation.tabular.tables import matched


def separation(real: Dataset, made: Dataset) -> Estimate:
    tables = matched(real, made)
    return trees.separation(tables.columns, tables.real, tables.made, 0, np.random.default_rng(0))


def test_one_binary_column() -> None:
    """The best classifier of shares ½ and 0.8 has AUC ½ + 0.3/2."""
    draws = np.random.default_rng(0)
    texts = [np.where(draws.random(1000) < share, "a", "b").tolist() for share in (0.5, 0.8)]
    auc = separation(named(x=texts[0]), named(x=texts[1]))
    assert abs(auc.value - 0.65) < 4 * auc.standard_error
    assert trees.detection_score(auc).value == pytest.approx(2 - 2 * auc.value)
    assert trees.detection_score(auc).standard_error == pytest.approx(2 * auc.standard_error)


def test_columns_whose_dependence_alone_differs() -> None:
    """Signs that agree, against signs that do not: AUC ¾ for a tree of two splits."""
    x, y, u, v = np.random.default_rng(0).normal(size=(4, 800))
    auc = separation(named(x=x, y=np.abs(y) * np.sign(x)), named(x=u, y=v))
    assert 0.64 < auc.value < 0.78


def test_a_shuffled_table_cannot_be_told_apart() -> None:
    real = mixed(300, 0)
    made = real.select(torch.randperm(300))
    assert trees.detection_score(separation(real, made)).value > 0.9


def test_empty_cells_tell() -> None:
    """Half of the cells are empty in one table: AUC ¾."""
    x, y = np.random.default_rng(0).normal(size=(2, 800))
    auc = separation(named(x=x), named(x=np.where(np.arange(800) % 2, np.nan, y)))
    assert 0.68 < auc.value < 0.78  # trees of few rows learn some noise


def test_features_of_categories() -> None:
    """The place by frequency, and 0 or 1 for each level of more than two; an empty cell is −1 and zeros."""
    tables = matched(named(x=[*"cccbba"] * 10, y=["u", "v"] * 30), named(x=[*"ccc", None, "b", "a"] * 10, y=["u"] * 60))
    real, made = trees.tree_features(tables.columns, tables.real, tables.made)
    assert real[:6, :4].tolist() == [[0, 1, 0, 0]] * 3 + [[1, 0, 1, 0]] * 2 + [[2, 0, 0, 1]]
    assert made[3, :4].tolist() == [-1, 0, 0, 0]
    assert real[:2, 4:].tolist() == [[0], [1]]


def test_features_are_few_for_many_categories() -> None:
    texts = {f"c{place}": [f"t{row % 150}" for row in range(300)] for place in range(30)}
    tables = matched(named(**texts), named(**texts))
    (features,) = trees.tree_features(tables.columns, tables.real)
    assert features.shape[1] <= trees.MOST_FEATURES + len(texts)


def test_the_library_is_xgboost_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    fake = SimpleNamespace(XGBClassifier=lambda **given: ("classifier", given), XGBRegressor=lambda **given: given)
    monkeypatch.setattr(trees, "find_spec", lambda name: name == "xgboost")
    monkeypatch.setattr(trees, "import_module", lambda name: fake)
    assert trees.tree_library() == "xgboost"
    assert trees.tree_classifier(3) == ("classifier", {"n_estimators": 100, "random_state": 3})
    assert trees.tree_regressor(3) == {"n_estimators": 100, "random_state": 3}
    monkeypatch.setattr(trees, "find_spec", lambda name: None)
    assert trees.tree_library() == "scikit-learn"


def test_features_of_numbers() -> None:
    tables = matched(named(x=[3.5, None, 1.5] * 20), named(x=[2.5, 0.5, 0.5] * 20))
    real, made = trees.tree_features(tables.columns, tables.real, tables.made)
    assert real[:3].tolist() == [[3.5, 0], [0.5, 1], [1.5, 0]]
    assert made[:2].tolist() == [[2.5, 0], [0.5, 0]]
