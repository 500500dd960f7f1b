"""Picklable functions of a dict of arrays, for engines that map over batches of rows.

    ray.data.read_parquet(…).map_batches(Scorer, fn_constructor_args=["runs/a"], concurrency=4)
    datasets.Dataset.map(Scorer("runs/a"), batched=True)

A batch holds ``row``, the number of each row in the whole set, and (but for `Sampler`) ``values``, the raw values of
each row, or for a model of a table its columns, by name. The model is read in the process that first calls.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.data import TableCodec, from_tensor
from quasistatic.data.table.write import arrow_of
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import complete, known
from quasistatic.model.evaluate.examples import EvaluateOptions, fitting_data
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

    needs: ClassVar[tuple[str, ...]] = ("row", "values")

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
        columns = self._columns(batch) if "values" in self.needs else ()
        needs = ("row", *columns) if columns else self.needs
        missing = [name for name in needs if name not in batch]
        if missing:
            raise ValueError(
                f"a batch holds {' and '.join(needs)}, got {', '.join(batch) or 'nothing'}; add {' and '.join(missing)}"
            )
        numbers = torch.as_tensor(np.asarray(batch["row"]))
        if numbers.is_floating_point() or numbers.ndim != 1:
            raise ValueError(f"row holds a whole number for each row, got {numbers.dtype} of {tuple(numbers.shape)}")
        return numbers.long()

    def _columns(self, batch: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of a table's columns, if a batch holds these in place of values."""
        codec = self.model.specification.codec
        return codec.names if isinstance(codec, TableCodec) and "values" not in batch else ()

    def _table(self, batch: Mapping[str, Any]) -> Any:
        """Return the columns as an Arrow table; None for a batch of values."""
        import pyarrow

        columns = self._columns(batch)
        return pyarrow.table({name: batch[name] for name in columns}) if columns else None

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
        numbers, table = self._numbers(batch), self._table(batch)
        held = from_tensor("batch", self._values(batch)) if table is None else table
        data = fitting_data(self.model, self.model.data(held))
        found = score_rows(self.model, data, numbers, self.method, self.options)
        scores = {"log_likelihood": found.log_likelihoods, "error": found.errors}
        return {**batch, **{name: value.cpu().numpy() for name, value in scores.items()}}


class Sampler(_Mapped):
    """Adds ``values``: the samples of the numbers in ``row``, which `Model.sample` draws with the same seed.

    For a model of a table, adds its columns in place of ``values``.

    Args:
        run: the model's folder.
        options: how they are drawn; their own number and first are not used.
        device: where it works.
    """

    needs: ClassVar[tuple[str, ...]] = ("row",)

    def __init__(self, run: str | Path, options: SampleOptions | None = None, device: str = "cpu") -> None:
        super().__init__(run, device)
        self.options = options or SampleOptions()

    def __call__(self, batch: Mapping[str, Any]) -> Arrays:
        """Return the batch with the samples of its rows."""
        numbers, o = self._numbers(batch), self.options
        asked = SampleOptions(
            len(numbers), o.steps, o.sampler, o.grid, o.variance, o.seed, o.label, o.scale, 0, o.condition, o.where
        )
        values, codec = sample(self.model, asked, numbers=numbers), self.model.specification.codec
        return {**batch, **(_named(values, codec) if isinstance(codec, TableCodec) else {"values": values.numpy()})}


class Completer(_Mapped):
    """Adds ``draws`` (rows, draws, *shape): completions of ``values``, where NaN is not known.

    For the columns of a table: returns ``row``, ``draw`` and the columns, a row for each draw, in place of the batch.

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
        numbers, table = self._numbers(batch), self._table(batch)
        values = self._values(batch) if table is None else self.model.observed(table)
        if not values.is_floating_point():
            raise ValueError(f"what is unknown is NaN, which {values.dtype} does not have; give the values as floats")
        there = ~values.isnan()
        draws = self._draws(values, there, numbers)
        codec, count = self.model.specification.codec, draws.shape[1]
        if table is None or not isinstance(codec, TableCodec):
            return {**batch, "draws": draws.numpy()}
        rows = {"row": numbers.repeat_interleave(count).numpy(), "draw": np.tile(np.arange(count), len(numbers))}
        kept = draws.where(~there[:, None], values[:, None].to(draws))
        return {**rows, **_named(kept.flatten(0, 1), codec)}

    def _draws(self, values: Tensor, there: Tensor, numbers: Int[Tensor, " rows"]) -> Tensor:
        """Return draws of each row. Whole rows are what they are; rows of which nothing is known are samples."""
        count, o = self.options.draws, self.options
        whole, empty = there.flatten(1).all(1), ~there.flatten(1).any(1)
        draws = values[:, None].expand(-1, count, *values.shape[1:]).clone()
        some = (~whole & ~empty).nonzero()[:, 0]
        if len(some):
            given = known(self.model, values[some], there[some]).take(torch.arange(len(some)), numbers[some])
            draws[some] = complete(self.model, given, self.method, self.options).draws.to(draws)
        if bool(empty.any()):
            own = (numbers[empty][:, None] * count + torch.arange(count)).flatten()
            asked = SampleOptions(
                len(own), o.steps, o.sampler, seed=o.seed, label=o.label, scale=o.scale, condition=o.condition
            )
            draws[empty] = sample(self.model, asked, numbers=own).unflatten(0, (-1, count)).to(draws)
        return draws


def _named(values: Tensor, codec: TableCodec) -> Arrays:
    """Return rows of a table by its columns."""
    table = arrow_of(values, codec)
    return {name: table.column(name).combine_chunks() for name in table.column_names}
