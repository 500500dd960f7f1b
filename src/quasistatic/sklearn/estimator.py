"""What the estimators share: parameters, validation, training, and rows of the model as the user's own."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from quasistatic.data import TableCodec
from quasistatic.data.table.write import arrow_of
from quasistatic.recipes.fit import fit
from quasistatic.sklearn.frames import Form, as_frame, is_frame, kinds


class DiffusionEstimator(BaseEstimator):
    """A masked diffusion of the rows of an array or a frame.

    As scikit-learn asks for, parameters of any type are stored as they are, and checked by `fit`.

    Args:
        steps: optimizer steps; None takes what suits the number of rows, and at most eight minutes.
        learning_rate: peak learning rate; None takes what suits the number of rows.
        config: other fields, as keywords of `quasistatic.fit`: ``{"network__width": 64, "batch_size": 128}``.
        validation_fraction: share of the rows that is held out to score the training, one row at least.
        random_state: seed of the split, the training and the draws.
        verbose: show the progress of training.
    """

    def __init__(
        self,
        *,
        steps: Any = None,
        learning_rate: Any = None,
        config: Any = None,
        validation_fraction: Any = 0.1,
        random_state: Any = None,
        verbose: Any = False,
    ) -> None:
        self.steps = steps
        self.learning_rate = learning_rate
        self.config = config
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _learn(self, X: Any) -> pd.DataFrame:
        """Train the model on ``X``, and return the rows.

        Raises:
            ValueError: if there are fewer than two rows, or a parameter is invalid.
        """
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction is between 0 and 1, got {self.validation_fraction}")
        frame = self._validated(X, reset=True)
        changes = {"steps": self.steps, "lr": self.learning_rate}
        own = {name: value for name, value in changes.items() if value is not None} | dict(self.config or {})
        self.form_ = Form.of(X)
        self.model_ = fit(
            frame,
            progress=self.verbose,
            columns=kinds(frame),
            held_out=max(1, round(self.validation_fraction * len(frame))),
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            **own,
        )
        return frame

    def _checked(self, X: Any) -> pd.DataFrame:
        """Return the rows of ``X`` for the fitted model.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        check_is_fitted(self)
        return self._validated(X, reset=False)

    def _validated(self, X: Any, reset: bool) -> pd.DataFrame:
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < 1 + reset:
                raise ValueError(f"two samples or more are needed, got n_samples = {len(X)}")
            return as_frame(X)
        checked = validate_data(
            self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=1 + reset
        )
        return as_frame(checked)

    def _rows(self, raw: Any) -> pd.DataFrame:
        """Return raw rows of the model as a frame with all columns of the fit, empty where a column is not learned."""
        codec = self.model_.specification.codec
        assert isinstance(codec, TableCodec)
        return arrow_of(raw, codec).to_pandas().reindex(columns=self._names())

    def _names(self) -> list[str]:
        """Return the names of the columns of the fit, as texts."""
        return list(self.form_.dtypes) or [f"x{place}" for place in range(self.n_features_in_)]

    def _log_likelihoods(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the exact log-likelihood of each row, in nats, in the order of the columns."""
        elements = self.model_.specification.dimensions
        return self.model_.evaluate(frame, method="ordered", steps=elements).log_likelihoods.numpy()
