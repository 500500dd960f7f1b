"""scikit-learn's own checks of estimators; each expected failure has its reason."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from quasistatic.sklearn import DiffusionDensity, DiffusionImputer, DiffusionOutlier

TINY: dict[str, Any] = {"steps": 2, "random_state": 0, "config": {"network__width": 8, "network__depth": 1}}

EXPECTED: dict[str, str] = {}
"""Checks that fail, with the reason."""


@pytest.mark.slow
@parametrize_with_checks(
    [DiffusionDensity(**TINY), DiffusionOutlier(**TINY), DiffusionImputer(draws=2, **TINY)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
