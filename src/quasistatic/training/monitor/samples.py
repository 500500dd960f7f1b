"""Grids of samples of a run, for images: ``samples/step-N.png``, always from the same noise.

A grid takes few steps of a fast sampler. It is skipped while grids would take more than a fiftieth of the run's time;
the last one is made smaller instead.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.model import Model
from quasistatic.process import GaussianProcess

SAMPLES = "samples"
"""Folder of the grids, in a run's folder."""

COLUMNS = 8
"""Images in a row of a grid. A model with labels has one class in each column."""

SIZES = ((32, 16), (16, 16), (8, 16), (8, 8))
"""Images and steps of a grid, the largest first."""

SHARE = 0.02
"""Most of the run's time that grids take, except for the last one of the smallest size."""


class Samples:
    """Draws grids of samples at most every ``every`` seconds, and decides what they may cost.

    Args:
        run: the run's folder.
        model: returns the model as it is now. Grids are drawn of images only.
        every: seconds between grids; None for no grids.
        began: seconds of the run before this session.
        ends: seconds of the whole run, if it has a budget.
        first: returns what work returns in the first of the processes that draw together; by default there is one.
        writes: whether this process writes the grids.
    """

    def __init__(
        self,
        run: Path,
        model: Callable[[], Model],
        every: float | None,
        began: float,
        ends: float = 0.0,
        first: Callable[[Callable[[], Any]], Any] = lambda work: work(),
        writes: bool = True,
    ) -> None:
        self.folder, self.model, self.every, self.ends = run / SAMPLES, model, every, ends
        self.first, self.writes = first, writes
        shape = model().specification.shape
        self.wanted = every is not None and len(shape) == 3 and shape[0] in (1, 3, 4)
        self.began, self.drawn, self.spent = began, began, 0.0
        self.guess: float | None = None
        """Seconds of a step of an image, once measured."""

    def try_out(self) -> None:
        """Draw a row in two steps, twice as the first time is slow, to measure how long a grid takes."""
        if not self.wanted:
            return
        import quasistatic.plotting  # noqa: F401  # takes a second: not at the end, when time is short

        self.guess = 0.0
        with suppress(Exception):  # the first grid says what is wrong
            for _ in range(2):
                began = time.monotonic()
                _drawn(self.model(), COLUMNS, 2)
                self.guess = (time.monotonic() - began) / (2 * COLUMNS)

    def due(self, seconds: float) -> bool:
        """Return whether a whole grid is due at these seconds of the run."""
        self._measured()
        return self.first(lambda: self._due(seconds))

    def _due(self, seconds: float) -> bool:
        if not self.wanted or self.every is None or seconds - self.drawn < self.every:
            return False
        return self.spent + self._cost(SIZES[0]) <= SHARE * (seconds - self.began)

    def expected(self) -> float:
        """Return the seconds that the last grid takes in a run with a budget."""
        self._measured()
        return self._cost(self._last(self.ends)) if self.wanted else 0.0

    def draw_last(self, seconds: float) -> str | None:
        """Draw the last grid, unless it is there; return a sentence if that fails."""
        self._measured()
        there = self._path(self.model()).exists
        size = self.first(lambda: self._last(seconds) if self.wanted and not there() else None)
        return None if size is None else self.draw(seconds, size)

    def draw(self, seconds: float, size: tuple[int, int] | None = None) -> str | None:
        """Draw a grid, by default a whole one; return a sentence if that fails: the run goes on."""
        from quasistatic.plotting import picture

        began, size, model = time.monotonic(), size or SIZES[0], self.model()
        try:
            raw = _drawn(model, *size)
            if self.writes:
                self.folder.mkdir(exist_ok=True)
                grid = picture.image_grid(raw, model.specification.codec, columns=COLUMNS)
                picture.write_bytes(picture.png(grid), self._path(model))
        except Exception as error:
            self.wanted = False
            return f"samples could not be drawn, and no more are tried: {error}"
        took = time.monotonic() - began
        self.guess, self.spent, self.drawn = took / (size[0] * size[1]), self.spent + took, seconds
        return None

    def _path(self, model: Model) -> Path:
        return self.folder / f"step-{model.step}.png"

    def _last(self, seconds: float) -> tuple[int, int]:
        """Return the size of the last grid: the largest that the run's time allows, or the smallest."""
        return next((size for size in SIZES if self._cost(size) <= SHARE * seconds), SIZES[-1])

    def _measured(self) -> None:
        """Try out a grid, if it is not known how long one takes."""
        if self.guess is None:
            self.try_out()

    def _cost(self, size: tuple[int, int]) -> float:
        """Return the seconds that a grid takes, as far as is known."""
        return size[0] * size[1] * (self.guess or 0.0)


def trim_samples(run: Path, step: int) -> None:
    """Remove grids of steps after ``step``, which will be repeated."""
    for path in (run / SAMPLES).glob("step-*.png"):
        found = re.fullmatch(r"step-(\d{1,18})\.png", path.name)
        if found and int(found[1]) > step:
            path.unlink(missing_ok=True)


def _drawn(model: Model, count: int, steps: int) -> Shaped[Tensor, " n *shape"]:
    """Draw images row by row; a model with labels shows one class per column."""
    sampler = "unipc" if isinstance(model.config.process, GaussianProcess) else "ancestral"
    options: dict[str, Any] = {"steps": steps, "sampler": sampler, "seed": 0}
    classes = len(model.specification.classes) if model.config.data.conditional else 0
    if not classes:
        return model.sample(count, **options)
    rows = count // COLUMNS
    columns = [model.sample(rows, label=place % classes, first=place * rows, **options) for place in range(COLUMNS)]
    return torch.stack(columns, 1).flatten(0, 1)
