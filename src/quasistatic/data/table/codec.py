"""Codec of a table: columns by name, each with its own kind; see `column`, `date` and `aside`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.codec.base import Codec
from quasistatic.data.table.aside import Aside, CarriedColumn, ConstantColumn, IdColumn, NumberedColumn
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, Column, IntegerColumn, NumberColumn
from quasistatic.data.table.date import DateColumn
from quasistatic.data.table.series import Series
from quasistatic.distribution import Distribution

COLUMNS: dict[str, type[Column]] = {
    "number": NumberColumn,
    "integer": IntegerColumn,
    "category": CategoryColumn,
    "boolean": BooleanColumn,
    "date": DateColumn,
}
"""Kinds of columns by their name in a stored configuration."""


@final
@dataclass(frozen=True)
class TableCodec(Codec):
    """The columns of a table, in order; raw values and states are (rows, columns), with NaN for an empty cell.

    Attributes:
        columns: the columns that are learned.
        asides: other columns of the file, by their place in it.
        missing: texts and numbers that stand for an empty cell, besides the usual ones.
        series: how rows of a file make the rows that are learned, if several make one.

    Raises:
        ValueError: if there are no columns, or two have the same name.
    """

    columns: tuple[Column, ...]
    asides: tuple[Aside, ...] = ()
    missing: tuple[str, ...] = ()
    series: Series | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        named = Counter([*self.names, *(aside.name for aside in self.asides)])
        twice = sorted(name for name, count in named.items() if count > 1)
        if twice or not self.columns:
            raise ValueError(f"a table needs columns of different names, got {', '.join(twice) or 'none'}")

    def __str__(self) -> str:
        return f"a table of {', '.join(self.names[:6])}{', …' if len(self.names) > 6 else ''}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def of_file(self) -> tuple[Column, ...]:
        """The learned columns as a file has them."""
        return self.columns if self.series is None else self.series.columns

    @property
    def bins(self) -> tuple[int, ...]:
        """Number of bins of each column."""
        return tuple(column.count for column in self.columns)

    @property
    def ranges(self) -> tuple[int, ...]:
        """Number of bins of each column that are ranges of numbers."""
        return tuple(column.ranges for column in self.columns)

    @property
    def between(self) -> tuple[tuple[float, ...], ...]:
        """Where the other bins of each column lie among its ranges."""
        return tuple(column.between for column in self.columns)

    @property
    def measure(self) -> str:
        """``density`` if a column holds numbers that are not whole, else ``mass``."""
        return "density" if any(isinstance(column, NumberColumn) for column in self.columns) else "mass"

    def numbered(self) -> "TableCodec":
        """Return the codec with rows numbered in place of ids."""
        asides = [NumberedColumn(a.name, a.place) if isinstance(a, IdColumn) else a for a in self.asides]
        return replace(self, asides=tuple(asides))

    def carrying(self, cells: Mapping[str, Sequence[str]]) -> "TableCodec":
        """Return the codec with the cells of a file in place of what is set aside, by the names of the columns."""
        return replace(self, asides=tuple(_carried(a, cells[a.name]) if a.name in cells else a for a in self.asides))

    def encode(self, raw: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """Return states, float32; an empty cell stays NaN.

        Raises:
            ValueError: if the number of columns differs, or a value is not of its column's kind; the message names it.
        """
        if raw.ndim != 2 or raw.shape[1] != len(self.columns):
            raise ValueError(f"the table has {len(self.columns)} columns, got data of shape {tuple(raw.shape)}")
        values = raw.double().unbind(1)
        return torch.stack([c.encode(own) for c, own in zip(self.columns, values, strict=True)], 1).float()

    def decode(self, x: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """Return raw values, float64; NaN stays NaN."""
        return torch.stack([c.decode(own) for c, own in zip(self.columns, x.unbind(1), strict=True)], 1)

    def decoder(self, clean: Distribution) -> Distribution:
        """Return ``clean``, a law of states; `log_jacobian` turns its scores into those of raw values."""
        return clean

    def log_jacobian(self, x: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch columns"]:
        """log |d state / d raw|, or log of the share of its bin that a value holds, in nats; 0 for empty cells."""
        slopes = [column.log_slope(own) for column, own in zip(self.columns, x.unbind(1), strict=True)]
        return torch.where(x.isnan(), 0, torch.stack(slopes, 1))


def _carried(aside: Aside, cells: Sequence[str]) -> CarriedColumn:
    """Return a column of a file's cells, of the type of a constant if they are that constant."""
    same = isinstance(aside, ConstantColumn) and set(cells) <= {aside.value}
    return CarriedColumn(aside.name, aside.place, tuple(cells), aside.arrow if same else "string")
