"""Matches a table's columns and categories with those of a model, by name."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.data.codec.base import Codec
from quasistatic.data.dataset import Dataset, Held
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column


def aligned(dataset: Dataset, codec: Codec) -> Dataset:
    """Return ``dataset`` in the columns of ``codec``, matched by name; unchanged if ``codec`` is not a table's.

    Raises:
        ValueError: if the data are not a table, a column is missing or unknown, or a value does not fit its column.
    """
    if not isinstance(codec, TableCodec) or dataset.codec == codec:
        return dataset
    if not isinstance(dataset.codec, TableCodec):
        raise ValueError(f"the model is one of {codec}, got {dataset.name} without these names; give a table with them")
    values = dataset.storage.read(torch.arange(len(dataset.storage)))
    return replace(dataset, storage=Held(realigned(dataset.name, values, dataset.codec.columns, codec)), codec=codec)


def realigned(
    name: str, values: Float[Tensor, "rows found"], found: Sequence[Column], codec: TableCodec
) -> Float[Tensor, "rows columns"]:
    """Convert raw ``values``, read as the columns ``found``, to the columns of ``codec``.

    Raises:
        ValueError: see `aligned`.
    """
    places = {column.name: place for place, column in enumerate(found)}
    lacking = [column for column in codec.names if column not in places]
    unknown = [column for column in places if column not in codec.names]
    if lacking or unknown:
        came = [f"none called {', '.join(map(repr, lacking))}"] * bool(lacking)
        came += [f"unknown ones called {', '.join(map(repr, unknown))}"] * bool(unknown)
        raise ValueError(
            f"{name}: the columns of the model are needed ({', '.join(codec.names)}), got {' and '.join(came)}; "
            "rename, add (with empty cells) or drop them"
        )
    try:
        own = [(column, places[column.name]) for column in codec.columns]
        return torch.stack([column.adopt(found[place], values[:, place]) for column, place in own], 1)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def present(raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, "rows columns"]:
    """True where a cell is not empty."""
    return ~raw.isnan()
