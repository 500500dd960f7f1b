"""A density estimator for scikit-learn: log-likelihoods that are exact, and samples of the same law."""

from typing import Any, final

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from quasistatic.sklearn.estimator import DiffusionEstimator


@final
class DiffusionDensity(DensityMixin, DiffusionEstimator):
    """The law of the rows of a table: numbers, categories, dates and booleans, with gaps.

    `DiffusionEstimator` has the parameters. The likelihood is that of the columns in their order, each given those
    before it: a density in numbers and a probability mass in whole numbers, categories and numbers that repeat. Missing
    values are left out of it.

    Attributes:
        model_: the trained `quasistatic.Model`.
    """

    def fit(self, X: Any, y: Any = None) -> "DiffusionDensity":
        """Train on the rows of ``X`` (n_samples, n_features), an array or a frame; ``y`` is not used.

        Raises:
            ValueError: if the data cannot be learned, or a parameter is invalid.
        """
        self._learn(X)
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return log p of each row (n_samples,), in nats.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        return self._log_likelihoods(self._checked(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log p of the rows, in nats; higher is better.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Draw rows, in the form of what was fitted: an array or a frame; ids and columns set aside are empty.

        Args:
            n_samples: how many.
            random_state: seed of the draws; None takes the estimator's.

        Raises:
            NotFittedError: before `fit`.
        """
        check_is_fitted(self)
        random = check_random_state(self.random_state if random_state is None else random_state)
        raw = self.model_.sample(n_samples, seed=int(random.randint(2**31 - 1)))
        return self.form_.back(self._rows(raw))
