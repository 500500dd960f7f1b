"""An outlier detector for scikit-learn: rows that the model finds improbable."""

from typing import Any, final

import numpy as np
from sklearn.base import OutlierMixin

from quasistatic.sklearn.estimator import DiffusionEstimator


@final
class DiffusionOutlier(OutlierMixin, DiffusionEstimator):
    """Finds the rows of least likelihood; `DiffusionDensity` says which likelihood.

    Args:
        contamination: share of outliers among the rows of the fit, above 0 and at most 0.5.
        steps: as for `DiffusionEstimator`, and so are the others.
        learning_rate: as there.
        config: as there.
        validation_fraction: as there.
        random_state: as there.
        verbose: as there.

    Attributes:
        model_: the trained `quasistatic.Model`.
        offset_: the log-likelihood below which a row is an outlier, in nats.
    """

    def __init__(
        self,
        *,
        contamination: Any = 0.1,
        steps: Any = None,
        learning_rate: Any = None,
        config: Any = None,
        validation_fraction: Any = 0.1,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        super().__init__(
            steps=steps,
            learning_rate=learning_rate,
            config=config,
            validation_fraction=validation_fraction,
            random_state=random_state,
            verbose=verbose,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> "DiffusionOutlier":
        """Train on the rows of ``X``, an array or a frame, and find the threshold; ``y`` is not used.

        Raises:
            ValueError: if the data cannot be learned, or a parameter is invalid.
        """
        if not 0 < self.contamination <= 0.5:
            raise ValueError(f"contamination is above 0 and at most 0.5, got {self.contamination}")
        frame = self._learn(X)
        self.offset_ = float(np.percentile(self._log_likelihoods(frame), 100 * self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Return log p of each row (n_samples,), in nats: the lower, the stranger.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        return self._log_likelihoods(self._checked(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return log p above the threshold, in nats; negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """Return −1 for outliers and 1 for other rows."""
        return np.where(self.decision_function(X) < 0, -1, 1)
