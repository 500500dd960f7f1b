"""Matches a table's columns and categories with those of a model, by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.data.codec.base import Codec
from quasistatic.data.dataset import Dataset, Held, Storage
from quasistatic.data.table.aside import ConstantColumn
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column
from quasistatic.data.table.series import Series, groups_in


@final
class Rows(Storage):
    """Rows of a table in memory: the columns that are learned, and all columns as read, for models of others.

    Args:
        values: raw values of the learned columns.
        found: all columns as read.
        raw: their raw values, of all lines of the file.
    """

    def __init__(
        self, values: Float[Tensor, "rows columns"], found: Sequence[Column], raw: Float[Tensor, "lines found"]
    ):
        self.values, self.found, self.raw = values, tuple(found), raw
        self.shape, self.dtype = tuple(values.shape[1:]), values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch columns"]:
        return self.values[rows]


def aligned(dataset: Dataset, codec: Codec) -> Dataset:
    """Return ``dataset`` in the columns of ``codec``, matched by name; unchanged if ``codec`` is not a table's.

    Raises:
        ValueError: if the data are not a table, a column is missing or unknown, or a value does not fit its column.
    """
    if not isinstance(codec, TableCodec) or dataset.codec == codec:
        return dataset
    if not isinstance(dataset.codec, TableCodec):
        raise ValueError(f"the model is one of {codec}, got {dataset.name} without these names; give a table with them")
    found, values = as_read(dataset, dataset.codec)
    held = Held(realigned(dataset.name, values, found, codec))
    if len(held) != len(dataset.storage):
        raise ValueError(
            f"{dataset.name}: the model's examples have up to {codec.series.length if codec.series else 1} rows, got "
            "data read in another way; give --group, --time and data.rows as in training"
        )
    return replace(dataset, storage=held, codec=codec, notes=(*dataset.notes, *changed(values, found, codec)))


def as_read(dataset: Dataset, codec: TableCodec) -> tuple[tuple[Column, ...], Float[Tensor, "lines found"]]:
    """Return all columns of a table as they were read, those set aside too, and their raw values in the whole file."""
    storage = dataset.storage
    if isinstance(storage, Rows):
        return storage.found, storage.raw
    return codec.columns, storage.read(torch.arange(len(storage)))


def realigned(
    name: str, values: Float[Tensor, "rows found"], found: Sequence[Column], codec: TableCodec
) -> Float[Tensor, "own columns"]:
    """Convert raw ``values``, read as the columns ``found``, to the columns of ``codec``.

    Columns that the model sets aside may be there or not. Where several rows make one, they do so here.

    Raises:
        ValueError: see `aligned`.
    """
    rows = adopted(name, values, found, codec)
    if codec.series is None:
        return rows
    return codec.series.widened(rows, runs_in(name, rows, values, found, codec.series))


def runs_in(
    name: str,
    rows: Float[Tensor, "rows own"],
    values: Float[Tensor, "rows found"],
    found: Sequence[Column],
    series: Series,
) -> Int[Tensor, "runs length"]:
    """Return which rows make one, for ``rows`` in the columns of a model, read as the columns ``found``.

    Raises:
        ValueError: if a row has no group or no time.
    """
    try:
        return series.runs([c.name for c in series.columns], rows, groups_in(series.group, found, values))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def adopted(
    name: str, values: Float[Tensor, "rows found"], found: Sequence[Column], codec: TableCodec
) -> Float[Tensor, "rows own"]:
    """Convert raw ``values`` to the columns of ``codec`` as a file has them.

    Raises:
        ValueError: see `aligned`.
    """
    names = [column.name for column in codec.of_file]
    places = {column.name: place for place, column in enumerate(found)}
    aside = {aside.name for aside in codec.asides}
    lacking = [column for column in names if column not in places]
    unknown = [column for column in places if column not in names and column not in aside]
    if lacking or unknown:
        came = [f"none called {', '.join(map(repr, lacking))}"] * bool(lacking)
        came += [f"unknown ones called {', '.join(map(repr, unknown))}"] * bool(unknown)
        raise ValueError(
            f"{name}: the columns of the model are needed ({', '.join(names)}), got {' and '.join(came)}; "
            "rename, add (with empty cells) or drop them"
        )
    try:
        own = [(column, places[column.name]) for column in codec.of_file]
        cells = [emptied(found[place], values[:, place], codec.missing) for _, place in own]
        return torch.stack([c.adopt(found[place], raw) for (c, place), raw in zip(own, cells, strict=True)], 1)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def emptied(column: Column, raw: Float[Tensor, " rows"], missing: Sequence[str]) -> Float[Tensor, " rows"]:
    """Return raw values with NaN for those that the ``missing`` texts stand for."""
    if not missing:
        return raw
    distinct = raw[~raw.isnan()].unique()
    numbers = [float(text) for text in missing if _is_float(text)] if column.ranges else []
    marked = [value for value in distinct.tolist() if value in numbers or column.text(value) in missing]
    return torch.where(torch.isin(raw, torch.tensor(marked, dtype=raw.dtype)), torch.nan, raw)


def changed(values: Float[Tensor, "rows found"], found: Sequence[Column], codec: TableCodec) -> tuple[str, ...]:
    """Return a note if cells differ from a constant that the model carries along."""
    constants = {aside.name: aside.value for aside in codec.asides if isinstance(aside, ConstantColumn)}
    others = []
    for column, raw in zip(found, values.unbind(1), strict=True):
        if column.name in constants and bool((~raw.isnan()).any()):
            first = raw[~raw.isnan()]
            same = bool((first == first[0]).all()) and column.text(first[0].item()) == constants[column.name]
            others += [] if same else [column.name]
    named = ", ".join(others)
    return (f"not compared with the model, for which they are constant: {named}",) if others else ()


def present(raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    """True where a cell is not empty."""
    return ~raw.isnan()


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
