"""Boosted trees that judge tables, and their features: XGBoost's where it is installed, else scikit-learn's.

    number      as it is, the least one for an empty cell; and 0 or 1 for a cell that is empty
    category    its place by frequency, −1 for an empty cell; and 0 or 1 for each of the most frequent ones

The libraries have their own ways with NaN, but scikit-learn refuses a column without any number, as a fold may have.

A library's own defaults are used, with 100 trees for each class and no early stopping.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float

from quasistatic.evaluation.fidelity.classifier import two_sample
from quasistatic.evaluation.fidelity.estimate import Estimate
from quasistatic.evaluation.tabular.tables import Cells, NamedColumn, chosen

MOST_LEVELS, MOST_FEATURES = 60, 1000
"""Maximum number of 0-or-1 features of a column, and about the maximum of all features of a table."""


def tree_library() -> str:
    """Return the name of the library whose trees are used."""
    return "xgboost" if find_spec("xgboost") else "scikit-learn"


def tree_classifier(seed: int) -> Any:
    """Return an unfitted classifier."""
    if tree_library() == "xgboost":
        return import_module("xgboost").XGBClassifier(n_estimators=100, random_state=seed)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)


def tree_regressor(seed: int) -> Any:
    """Return an unfitted regressor."""
    if tree_library() == "xgboost":
        return import_module("xgboost").XGBRegressor(n_estimators=100, random_state=seed)
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=100, early_stopping=False, random_state=seed)


def tree_features(columns: Sequence[NamedColumn], *tables: Cells) -> list[Float[np.ndarray, "_ features"]]:
    """Return the features of each table; the order of categories is that of all tables together."""
    texts = sum(column.categories is not None for column in columns)
    most = min(MOST_LEVELS, MOST_FEATURES // max(texts, 1))
    parts: list[list[np.ndarray]] = [[] for _ in tables]
    for place, column in enumerate(columns):
        cells = [table[:, place] for table in tables]
        together = np.concatenate(cells)
        seen = together[~np.isnan(together)]
        if column.categories is None:
            least = seen.min() if len(seen) else 0.0
            for part, own in zip(parts, cells, strict=True):
                part.append(np.stack([np.where(np.isnan(own), least, own), np.isnan(own)], 1))
            continue
        counts = np.bincount(seen.astype(np.int64), minlength=len(column.categories))
        rank = np.append(np.argsort(np.argsort(-counts, kind="stable")), -1.0)
        levels = min(len(counts), most) if len(counts) > 2 else 0
        for part, own in zip(parts, cells, strict=True):
            ranked = rank[np.where(np.isnan(own), len(counts), own).astype(np.int64)][:, None]
            part.append(np.concatenate([ranked, ranked == np.arange(levels)], 1))
    return [np.concatenate(part, 1) for part in parts]


def separation(
    columns: Sequence[NamedColumn], real: Cells, made: Cells, seed: int, draws: np.random.Generator
) -> Estimate:
    """Return the cross-validated AUC of trees that tell samples from as many real rows, ½ if they cannot."""
    count = min(len(real), len(made))
    x, y = tree_features(columns, chosen(real, count, draws), chosen(made, count, draws))
    return two_sample(x, y, tree_classifier(seed), seed)["auc"]


def detection_score(auc: Estimate) -> Estimate:
    """Return 1 − (2 max(AUC, ½) − 1): 1 if samples cannot be told from real rows, 0 if all can."""
    return Estimate(2 - 2 * max(auc.value, 0.5), 2 * auc.standard_error)
