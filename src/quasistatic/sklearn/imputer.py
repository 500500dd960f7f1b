"""An imputer for scikit-learn: missing values given the known ones of their row, all of them together."""

from typing import Any, final

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from torch import Tensor

from quasistatic.data import TableCodec
from quasistatic.data.table.column import NumberColumn
from quasistatic.sklearn.estimator import DiffusionEstimator
from quasistatic.sklearn.frames import Form, whole_columns


@final
class DiffusionImputer(OneToOneFeatureMixin, TransformerMixin, DiffusionEstimator):
    """Fills missing values by draws of the row's missing values given its known ones.

    A row's draws are exact given the model's guesses, and hold together: a city fits its country. Frames stay frames
    with their index, order and dtypes. Columns that are not learned (ids) keep their gaps; constants are filled.

    Args:
        fill: ``mean``: the mean of the draws of a number or date, and the most frequent one of a category; or ``draw``:
            the first draw, which keeps the spread of the data.
        draws: per row, for ``mean``.
        steps: as for `DiffusionEstimator`, and so are the others.
        learning_rate: as there.
        config: as there.
        validation_fraction: as there.
        random_state: as there.
        verbose: as there.

    Attributes:
        model_: the trained `quasistatic.Model`.
        whole_: names of the columns of whole numbers, whose means are rounded.
    """

    def __init__(
        self,
        *,
        fill: Any = "mean",
        draws: Any = 10,
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
        self.fill = fill
        self.draws = draws

    def fit(self, X: Any, y: Any = None) -> "DiffusionImputer":
        """Train on the rows of ``X``, an array with NaN or a frame with empty cells; ``y`` is not used.

        Raises:
            ValueError: if the data cannot be learned, or a parameter is invalid.
        """
        if self.fill not in ("mean", "draw"):
            raise ValueError(f"values are filled by mean or draw, got {self.fill!r}")
        self.whole_ = whole_columns(self._learn(X))
        return self

    def transform(self, X: Any) -> Any:
        """Return ``X`` with its missing values filled, in its own form.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        frame = self._checked(X)
        count = self.draws if self.fill == "mean" else 1
        drawn = self._drawn(frame, count, self.random_state)
        return self._filled(X, frame, drawn[:, 0] if self.fill == "draw" else self._middle(drawn))

    def sample_posterior(self, X: Any, n_draws: int = 5, random_state: Any = None) -> list[Any]:
        """Return ``n_draws`` copies of ``X``, each with other draws of its missing values: multiple imputations.

        Args:
            X: rows with missing values.
            n_draws: how many.
            random_state: seed of the draws; None takes the estimator's.

        Raises:
            NotFittedError: before `fit`.
            ValueError: if the columns are not those of the fit.
        """
        frame = self._checked(X)
        drawn = self._drawn(frame, n_draws, self.random_state if random_state is None else random_state)
        return [self._filled(X, frame, own) for own in drawn.unbind(1)]

    def _drawn(self, frame: pd.DataFrame, count: int, random_state: Any) -> Float[Tensor, "gaps draws columns"]:
        """Return raw draws of the rows that have gaps."""
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        part = frame[frame.isna().any(axis=1)]
        if not len(part):
            return torch.zeros(0, count, self.model_.specification.dimensions, dtype=torch.float64)
        observed = self.model_.observed(part)
        known = ~observed.isnan()
        if bool(known.all()):  # gaps in columns that are not learned
            return observed[:, None].expand(-1, count, -1)
        if not bool(known.any()):
            return self.model_.sample(len(part) * count, seed=seed).unflatten(0, (len(part), count))
        return self.model_.infer(observed, known, draws=count, seed=seed)

    def _middle(self, drawn: Float[Tensor, "gaps draws columns"]) -> Float[Tensor, "gaps columns"]:
        """Return the mean of each number's draws, rounded where the column is whole, and the mode of the others."""
        codec, own = self.model_.specification.codec, []
        assert isinstance(codec, TableCodec)
        for column, draws in zip(codec.columns, drawn.unbind(2), strict=True):
            mean = draws.mean(1)
            if not column.ranges:
                own.append(draws.mode(1).values)
            else:
                fine = isinstance(column, NumberColumn) and column.name not in self.whole_
                own.append(mean if fine else mean.round())
        return torch.stack(own, 1)

    def _filled(self, X: Any, frame: pd.DataFrame, raw: Float[Tensor, "gaps columns"]) -> Any:
        """Return ``X`` with the gaps of ``frame``, its columns, filled by rows of the model."""
        gaps = frame.isna().to_numpy()
        filled, rows = frame.copy(), self._rows(raw)
        place = np.cumsum(gaps.any(1)) - 1
        for number, name in enumerate(frame.columns):
            missing = gaps[:, number]
            if missing.any():
                cells = frame[name].astype(object).to_numpy(copy=True)
                cells[missing] = rows[name].astype(object).to_numpy()[place[missing]]
                filled[name] = _typed(cells, frame[name])
        return Form.of(X).back(filled)


def _typed(cells: np.ndarray, like: pd.Series) -> pd.Series:
    """Return cells as a column of the dtype of ``like``, or of their own if that cannot hold them."""
    try:
        return pd.Series(cells, index=like.index).astype(like.dtype)
    except (TypeError, ValueError):
        return pd.Series(cells, index=like.index)
