"""Tables matched by the names of their columns; cells are numbers, or places in one list of categories.

A column holds numbers if it does in all tables, empty cells aside. Otherwise its cells are compared as texts. Other
than for a model, a category that only one table has is no mistake: it counts as a difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from quasistatic.data import Column, Dataset, TableCodec
from quasistatic.data.labels import listed
from quasistatic.data.table.align import as_read
from quasistatic.data.table.aside import ConstantColumn

FEWEST = 50
"""Minimum number of rows of a table."""

Cells: TypeAlias = Float[np.ndarray, "_ columns"]
"""Numbers or places of categories; NaN where a cell is empty."""


@dataclass(frozen=True)
class NamedColumn:
    """A column of all tables: its name, and its categories, or None if it holds numbers."""

    name: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Tables:
    """Cells of the same columns in each table; ``training`` are the rows that the model learned from, if given."""

    columns: tuple[NamedColumn, ...]
    real: Cells
    made: Cells
    training: Cells | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    def limited(self, limit: int | None, draws: np.random.Generator) -> "Tables":
        """Return the tables with at most ``limit`` real rows and samples, chosen at random."""
        return replace(self, real=chosen(self.real, limit, draws), made=chosen(self.made, limit, draws))


@dataclass(frozen=True, eq=False)
class _Read:
    """One column of one table, as read."""

    table: str
    column: Column
    cells: Float[np.ndarray, " rows"]

    @property
    def empty(self) -> bool:
        return bool(np.isnan(self.cells).all())

    def texts(self) -> tuple[list[str], np.ndarray]:
        """Return the distinct texts, in the order of the column's values, and the place of each cell's in them."""
        values, places = np.unique(self.cells, return_inverse=True)
        return [self.column.text(value) for value in values[~np.isnan(values)].tolist()], places


def are_tables(*sets: Dataset) -> bool:
    """Return whether all data sets are tables of named columns."""
    return all(isinstance(one.codec, TableCodec) for one in sets)


def chosen(cells: Cells, limit: int | None, draws: np.random.Generator) -> Cells:
    """Return at most ``limit`` rows, chosen at random; all of them in their order if there are no more."""
    return cells if limit is None or limit >= len(cells) else cells[draws.permutation(len(cells))[:limit]]


def matched(real: Dataset, made: Dataset, training: Dataset | None = None) -> Tables:
    """Match tables by the names of their columns, in the order of ``real``; what it sets aside as ids is left out.

    Raises:
        ValueError: if one is not a table, has too few rows or other columns, or holds texts where ``real`` has numbers.
    """
    sets = [real, made] if training is None else [real, made, training]
    read = [_columns(one) for one in sets]
    assert isinstance(real.codec, TableCodec)
    for aside in real.codec.asides:
        for columns in read if not isinstance(aside, ConstantColumn) else []:
            columns.pop(aside.name, None)
    for other, columns in zip(sets[1:], read[1:], strict=True):
        _check_names(real.name, list(read[0]), other.name, list(columns))
    shared = [_shared([columns[name] for columns in read]) for name in read[0]]
    cells = [np.stack(parts, 1) for parts in zip(*(parts for _, parts in shared), strict=True)]
    return Tables(tuple(column for column, _ in shared), cells[0], cells[1], cells[2] if training is not None else None)


def _columns(dataset: Dataset) -> dict[str, _Read]:
    codec = dataset.codec
    if not isinstance(codec, TableCodec):
        raise ValueError(
            f"tables are compared with tables of the same columns, got {dataset.name}, which is {codec}; give a file "
            "whose first line names the columns"
        )
    if len(dataset) < FEWEST:
        raise ValueError(
            f"comparing tables needs at least {FEWEST} rows of each, got {len(dataset)} in {dataset.name}; give more"
        )
    found, raw = as_read(dataset, codec)
    cells = (raw if dataset.index is None else raw[dataset.index]).double().numpy()
    return {column.name: _Read(dataset.name, column, own) for column, own in zip(found, cells.T, strict=True)}


def _check_names(name: str, needed: Sequence[str], other: str, found: Sequence[str]) -> None:
    lacking = [column for column in needed if column not in found]
    unknown = [column for column in found if column not in needed]
    if lacking or unknown:
        came = [f"none called {listed([*map(repr, lacking)])}"] * bool(lacking)
        came += [f"others called {listed([*map(repr, unknown)])}"] * bool(unknown)
        raise ValueError(
            f"{other}: the columns of {name} are needed ({listed(needed)}), got {' and '.join(came)}; rename, add or "
            "drop columns"
        )


def _shared(read: Sequence[_Read]) -> tuple[NamedColumn, list[np.ndarray]]:
    """Return one column of all tables, and its cells in each."""
    real, name = read[0], read[0].column.name
    texts = [one for one in read if not one.empty and not one.column.ranges]
    if not texts:
        return NamedColumn(name), [one.cells for one in read]
    if real.column.ranges and not real.empty:
        row = int((~np.isnan(texts[0].cells)).argmax())
        text = texts[0].column.text(float(texts[0].cells[row]))
        raise ValueError(
            f"the column {name!r} holds numbers in {real.table}, and {texts[0].table} has {text!r} in row {row}; fix "
            "it or leave the cell empty"
        )
    found = [one.texts() for one in read]
    own, others = found[0][0], {text for distinct, _ in found[1:] for text in distinct}
    categories = [*own, *sorted(others - set(own))]
    places = {text: float(place) for place, text in enumerate(categories)}
    lists = [np.array([places[text] for text in distinct] + [np.nan]) for distinct, _ in found]
    return NamedColumn(name, tuple(categories)), [own[at] for own, (_, at) in zip(lists, found, strict=True)]
