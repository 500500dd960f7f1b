"""Picklable functions of a dict of arrays, for engines that map over batches of rows.

    ray.data.read_parquet(…).map_batches(Scorer, fn_constructor_args=["runs/a"], concurrency=4)
    datasets.Dataset.map(Scorer("runs/a"), batched=True)

A batch holds ``row``, the number of each row in the whole set, and (but for `Sampler`) ``values``, the raw values of
each row. The model is read in the process that first calls.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.data import from_tensor
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import complete, known
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.evaluate.rows import check_rows, score_rows
from quasistatic.model.sample import SampleOptions, sample

Arrays = dict[str, Any]
"""Arrays by name, a row each."""


class _Mapped:
    """A function of a batch, with the model of a run.

    Args:
        run: the model's folder, which every machine can read.
        device: where it works; ``auto`` takes the accelerator that torch finds.
    """

    needs: tuple[str, ...] = ("row", "values")

    def __init__(self, run: str | Path, device: str = "cpu") -> None:
        self.run, self.device = str(run), device

    @cached_property
    def model(self) -> Model:
        """The model, read when it is first needed."""
        return Model.from_pretrained(self.run, self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "model"}

    def _numbers(self, batch: Mapping[str, Any]) -> Int[Tensor, " rows"]:
        """Return the numbers of the rows.

        Raises:
            ValueError: if an array is missing, or the numbers are not whole.
        """
        missing = [name for name in self.needs if name not in batch]
        if missing:
            raise ValueError(
                f"a batch holds {' and '.join(self.needs)}, got {', '.join(batch) or 'nothing'}; "
                f"add {' and '.join(missing)}"
            )
        numbers = torch.as_tensor(np.asarray(batch["row"]))
        if numbers.is_floating_point() or numbers.ndim != 1:
            raise ValueError(f"row holds a whole number for each row, got {numbers.dtype} of {tuple(numbers.shape)}")
        return numbers.long()

    def _values(self, batch: Mapping[str, Any]) -> Tensor:
        values = batch["values"]
        if isinstance(values, np.ndarray) and values.dtype == object:
            values = np.stack([np.asarray(value) for value in values])
        shape = (-1, *self.model.specification.shape)
        return torch.as_tensor(np.asarray(values)).reshape(shape)


class Scorer(_Mapped):
    """Adds ``log_likelihood`` and ``error``, in nats of raw units.

    The bound's steps are drawn evenly, as what they cost cannot be found on a whole set.

    Args:
        run: the model's folder.
        method: see `score_rows`.
        options: of the estimator.
        device: where it works.

    Raises:
        ValueError: if a method or an option scores a set as a whole.
    """

    def __init__(
        self, run: str | Path, method: str = "bound", options: EvaluateOptions | None = None, device: str = "cpu"
    ) -> None:
        super().__init__(run, device)
        self.method, self.options = method, options or EvaluateOptions()
        check_rows(self.method, self.options)

    def __call__(self, batch: Mapping[str, Any]) -> Arrays:
        """Return the batch with the scores of its rows."""
        numbers, values = self._numbers(batch), self._values(batch)
        data = self.model.data(from_tensor("batch", values))
        found = score_rows(self.model, data, numbers, self.method, self.options)
        scores = {"log_likelihood": found.log_likelihoods, "error": found.errors}
        return {**batch, **{name: value.cpu().numpy() for name, value in scores.items()}}


class Sampler(_Mapped):
    """Adds ``values``: the samples of the numbers in ``row``, which `Model.sample` draws with the same seed.

    Args:
        run: the model's folder.
        options: how they are drawn; their own number and first are not used.
        device: where it works.
    """

    needs = ("row",)

    def __init__(self, run: str | Path, options: SampleOptions | None = None, device: str = "cpu") -> None:
        super().__init__(run, device)
        self.options = options or SampleOptions()

    def __call__(self, batch: Mapping[str, Any]) -> Arrays:
        """Return the batch with the samples of its rows."""
        numbers, o = self._numbers(batch), self.options
        asked = SampleOptions(
            len(numbers), o.steps, o.sampler, o.grid, o.variance, o.seed, o.label, o.scale, 0, o.condition, o.where
        )
        return {**batch, "values": sample(self.model, asked, numbers=numbers).numpy()}


class Completer(_Mapped):
    """Adds ``draws`` (rows, draws, *shape): completions of ``values``, where NaN is not known.

    Args:
        run: the model's folder.
        method: as for `Model.infer`.
        options: how draws are made.
        device: where it works.
    """

    def __init__(
        self, run: str | Path, method: str | None = None, options: DrawOptions | None = None, device: str = "cpu"
    ) -> None:
        super().__init__(run, device)
        self.method, self.options = method, options or DrawOptions()

    def __call__(self, batch: Mapping[str, Any]) -> Arrays:
        """Return the batch with the completions of its rows."""
        numbers, values = self._numbers(batch), self._values(batch)
        there = ~values.isnan() if values.is_floating_point() else torch.ones_like(values, dtype=torch.bool)
        given = known(self.model, values, there).take(torch.arange(len(values)), numbers)
        found = complete(self.model, given, self.method, self.options)
        return {**batch, "draws": found.draws.numpy()}
