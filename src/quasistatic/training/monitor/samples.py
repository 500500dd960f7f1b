"""Grids of samples of a run, for images: ``samples/step-N.png``, always from the same noise.

A grid takes few steps of a fast sampler. It is skipped while grids would take more than a fiftieth of the run's time;
the last one is made smaller instead.
"""

import re
import time
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
        shape: of an example; grids are drawn of images only.
        every: seconds between grids; None for no grids.
        began: seconds of the run before this session.
    """

    def __init__(self, run: Path, shape: tuple[int, ...], every: float | None, began: float) -> None:
        self.folder, self.every = run / SAMPLES, every
        self.wanted = every is not None and len(shape) == 3 and shape[0] in (1, 3, 4)
        self.began, self.drawn, self.spent = began, began, 0.0
        self.guess: float | None = None
        if self.wanted:
            import quasistatic.plotting  # noqa: F401  # takes a second: not at the end, when time is short

    def due(self, seconds: float, example: float) -> bool:
        """Return whether a whole grid is due at these seconds of the run.

        Args:
            seconds: of the run.
            example: seconds of a training example.
        """
        if not self.wanted or self.every is None or seconds - self.drawn < self.every:
            return False
        return self.spent + self._cost(SIZES[0], example) <= SHARE * (seconds - self.began)

    def expected(self, example: float, seconds: float) -> float:
        """Return the seconds that the last grid takes in a run of ``seconds``."""
        return self._cost(self._last(example, seconds), example) if self.wanted else 0.0

    def draw_last(self, model: Model, example: float, seconds: float) -> str | None:
        """Draw the last grid, unless it is there; return a sentence if that fails."""
        if not self.wanted or self._path(model).exists():
            return None
        return self.draw(model, seconds, self._last(example, seconds))

    def draw(self, model: Model, seconds: float, size: tuple[int, int] | None = None) -> str | None:
        """Draw a grid of a model, by default a whole one; return a sentence if that fails: the run goes on."""
        from quasistatic.plotting import picture

        began, size = time.monotonic(), size or SIZES[0]
        try:
            raw = _drawn(model, *size)
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

    def _last(self, example: float, seconds: float) -> tuple[int, int]:
        """Return the size of the last grid: the largest that the run's time allows, or the smallest."""
        return next((size for size in SIZES if self._cost(size, example) <= SHARE * seconds), SIZES[-1])

    def _cost(self, size: tuple[int, int], example: float) -> float:
        """Return the seconds that a grid takes.

        Until one is drawn: a training example costs a forward and a backward pass, about three times a guess.
        """
        return size[0] * size[1] * (example / 3 if self.guess is None else self.guess)


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
