"""Scores the held-out set during training, and reports when the scores get worse."""

import math
import time
from collections.abc import Callable
from contextlib import suppress

from quasistatic.data import Dataset
from quasistatic.evaluation import Score, mean_and_error
from quasistatic.model import Model

LOOKS = 20
"""A look at held-out data is followed by training for this many times as long, at least."""

FEW = 16
"""Examples that are scored to measure how long a score takes."""


class HeldOut:
    """Scores the same held-out examples with the same noise, and reports when the bound gets worse.

    Args:
        model: returns the model as it is now.
        data: the held-out examples.
        limit: how many of them are scored.
        draws: steps of the bound's grid drawn for each.
        together: scores a model on the data with these draws and limit, in all processes of a run; None: this process
            scores by itself.
    """

    def __init__(
        self,
        model: Callable[[], Model],
        data: Dataset,
        limit: int = 128,
        draws: int = 3,
        together: Callable[[Model, Dataset, int, int], Score] | None = None,
    ) -> None:
        self.model, self.data, self.limit, self.draws = model, data, min(limit, len(data)), draws
        self.together = together
        self.best: Score | None = None
        self.since = 0
        self.looked, self.took = time.monotonic(), 0.0

    def due(self, every: float) -> bool:
        """Return whether ``every`` seconds, and `LOOKS` times the last score's duration, have passed since it."""
        return time.monotonic() - self.looked > max(every, LOOKS * self.took)

    def try_out(self) -> None:
        """Score a few examples, twice as the first time is slow, to measure how long a score takes."""
        few = min(FEW, self.limit)
        with suppress(FloatingPointError):
            for _ in range(2):
                started = time.monotonic()
                self.model().evaluate(self.data, draws=self.draws, limit=few, seed=0)
                self.took = (time.monotonic() - started) * self.limit / few

    def expected(self) -> float:
        """Return the seconds that a score takes, as the last one did."""
        return self.took

    def look(self) -> tuple[float, str | None]:
        """Return bits/dim, and a sentence once three scores are worse than the best by twice the paired error."""
        started = time.monotonic()
        try:
            if self.together is not None:
                score = self.together(self.model(), self.data, self.draws, self.limit)
            else:
                score = self.model().evaluate(self.data, draws=self.draws, limit=self.limit, seed=0)
        except FloatingPointError:  # training itself sees that it diverged, and goes back
            self.looked = time.monotonic()
            return math.nan, None
        self.looked = time.monotonic()
        self.took = self.looked - started
        if self.best is None or score.value < self.best.value:
            self.best, self.since = score, 0
            return score.value, None
        lost, error = mean_and_error(self.best.log_likelihoods - score.log_likelihoods)
        self.since += lost > 2 * error
        if self.since != 3 or not lost > 2 * error:
            return score.value, None
        return score.value, (
            f"the held-out bound was better, {self.best.value:.3f}, than at three looks since: "
            "more steps are likely to fit the training data only"
        )
