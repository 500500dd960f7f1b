"""The imputers that `imputation.py` compares with: what each fills in, once or nineteen times.

iterative, knn, mean    scikit-learn's, one guess of each cell
iterative, draws        IterativeImputer with sample_posterior=True
miceforest              chained equations of boosted trees with mean matching, where it is installed (6.0.5 needs a
                        lightgbm below 4.7)
"""

import importlib
import importlib.util

import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

DRAWS = 19
"""Draws of a method that makes several."""

ROUNDS = 5
"""Rounds of miceforest."""

FOREST_COLUMNS = 20
"""Columns up to which miceforest is run: of 31, its draws take more than half an hour on a core."""


class Spread:
    """Numbers in units of the learned rows' deviation beside one-hot categories: what the others work on.

    The first of a column's categories has no feature of its own: with one, the features of a hidden category would sum
    to 1, each a function of the others as they were first filled in, and an iterative imputer would leave them there.

    Args:
        states: number of categories of each column; 0 of numbers.
        learned: rows without gaps.
    """

    def __init__(self, states: list[int], learned: np.ndarray) -> None:
        self.states = states
        self.center, self.scale = np.nanmean(learned, 0), np.nanstd(learned, 0)

    def out(self, raw: np.ndarray) -> np.ndarray:
        parts = []
        for place, states in enumerate(self.states):
            own = raw[:, place : place + 1]
            hot = np.where(np.isnan(own), np.nan, own == np.arange(1, max(states, 2)))
            parts.append(hot if states else (own - self.center[place]) / self.scale[place])
        return np.concatenate(parts, 1)

    def back(self, spread: np.ndarray) -> np.ndarray:
        """Numbers in their deviations; categories as the place of the largest."""
        parts, done = [], 0
        for states in self.states:
            own = spread[:, done : done + max(states - 1, 1)]
            first = 1 - own.sum(1, keepdims=True)
            parts.append(np.concatenate([first, own], 1).argmax(1) if states else own[:, 0])
            done += own.shape[1]
        return np.stack(parts, 1).astype(float)


def filled_by(learned: np.ndarray, observed: np.ndarray, spread: Spread) -> dict[str, np.ndarray]:
    """What each method fills in: (rows, draws, columns), numbers in deviations."""
    both, rows = np.concatenate([spread.out(learned), spread.out(observed)]), len(learned)
    found = {}
    points = {
        "iterative": IterativeImputer(max_iter=50, random_state=0, tol=1e-3),
        "knn": KNNImputer(),
        "mean": SimpleImputer(),
    }
    for name, one in points.items():
        found[name] = spread.back(one.fit_transform(both)[rows:])[:, None]
    draws = []
    for seed in range(DRAWS):
        one = IterativeImputer(max_iter=10, random_state=seed, sample_posterior=True)
        draws.append(spread.back(one.fit_transform(both)[rows:]))
    found["iterative, draws"] = np.stack(draws, 1)
    if importlib.util.find_spec("miceforest") and learned.shape[1] <= FOREST_COLUMNS:
        try:
            found["miceforest"] = forests(np.concatenate([learned, observed]), rows, spread)
        except ValueError as error:  # as with a category that a data set has not drawn
            print(f"miceforest failed: {error}")
    return found


def forests(both: np.ndarray, rows: int, spread: Spread) -> np.ndarray:
    """Draws by miceforest."""
    frame = pd.DataFrame(both, columns=[f"c{place}" for place in range(both.shape[1])])
    for place, states in enumerate(spread.states):
        if states:
            frame[f"c{place}"] = pd.Categorical(frame[f"c{place}"].astype("Int64"), categories=range(states))
    made = []
    for draw in range(DRAWS):  # one by one: a kernel keeps the trees of all its data sets
        kernel = importlib.import_module("miceforest").ImputationKernel(frame, num_datasets=1, random_state=draw)
        kernel.mice(ROUNDS, num_threads=1, verbosity=-1)
        made.append(kernel.complete_data(0).astype(float).to_numpy()[rows:])
    numbers = np.array(spread.states) == 0
    return np.where(numbers, (np.stack(made, 1) - spread.center) / spread.scale, np.stack(made, 1))
