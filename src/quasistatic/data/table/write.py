"""Tables to files: raw values as .csv text or an Arrow table, and what draws say of cells that were empty."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, Column, IntegerColumn, NumberColumn

Keys = dict[str, list[int]]
"""Columns of whole numbers that stand before a table's own: which row and draw it is."""

INTERVAL = 0.9
"""Probability of the interval in a summary."""


def csv_of(raw: Float[Tensor, "rows columns"], codec: TableCodec, keys: Keys | None = None) -> str:
    """Return ``raw`` as .csv text under the columns' names, after the ``keys``."""
    before = keys or {}
    cells = [[c.text(v) for c, v in zip(codec.columns, row, strict=True)] for row in raw.tolist()]
    keyed = [[str(value) for value in own] for own in before.values()]
    lines = [[*(own[number] for own in keyed), *row] for number, row in enumerate(cells)]
    return written([*before, *codec.names], lines)


def arrow_of(raw: Float[Tensor, "rows columns"], codec: TableCodec, keys: Keys | None = None) -> Any:
    """Return ``raw`` as an Arrow table: float64, int64, bool and string columns, null where a cell is empty."""
    import pyarrow

    kinds = {
        NumberColumn: (pyarrow.float64(), lambda column, value: value),
        IntegerColumn: (pyarrow.int64(), lambda column, value: int(value)),
        BooleanColumn: (pyarrow.bool_(), lambda column, value: bool(value)),
        CategoryColumn: (pyarrow.string(), lambda column, value: column.text(value)),
    }
    arrays = {name: pyarrow.array(values, pyarrow.int64()) for name, values in (keys or {}).items()}
    for column, cells in zip(codec.columns, raw.T.tolist(), strict=True):
        kind, convert = kinds[type(column)]
        values = [None if value != value else convert(column, value) for value in cells]
        arrays[column.name] = pyarrow.array(values, kind)
    return pyarrow.table(arrays)


def long_form(
    draws: Float[Tensor, "rows draws columns"],
) -> tuple[Float[Tensor, "rows_draws columns"], Keys]:
    """Return the draws of every row below each other, with the row and the draw of each, counted from 0."""
    rows, count = draws.shape[:2]
    keys = {
        "row": [row for row in range(rows) for _ in range(count)],
        "draw": [draw for _ in range(rows) for draw in range(count)],
    }
    return draws.flatten(0, 1), keys


def wide_form(
    draws: Float[Tensor, "rows draws columns"], known: Bool[Tensor, "rows columns"], codec: TableCodec
) -> tuple[Float[Tensor, "rows wide"], TableCodec]:
    """Return a row for each row: a column with empty cells is there once for each draw, as ``name.0``, ``name.1``, …"""
    values, columns = [], list[Column]()
    for place, column in enumerate(codec.columns):
        if bool(known[:, place].all()):
            values.append(draws[:, :1, place])
            columns.append(column)
        else:
            values.append(draws[:, :, place])
            columns += [replace(column, name=f"{column.name}.{draw}") for draw in range(draws.shape[1])]  # type: ignore[type-var]
    return torch.cat(values, 1), TableCodec(tuple(columns))


def summary(draws: Float[Tensor, "rows draws columns"], known: Bool[Tensor, "rows columns"], codec: TableCodec) -> str:
    """Say what the draws say of each cell that was empty, as .csv text.

    Of numbers: their mean and the ends of the central 90 % interval. Of categories: the most frequent one, and its
    share.
    """
    lines = []
    for row, place in (~known).nonzero().tolist():
        column, values = codec.columns[place], draws[row, :, place]
        cells = [str(row), column.name]
        if column.states:
            counts = values.long().bincount(minlength=column.states)
            cells += [column.text(float(counts.argmax())), f"{counts.max().item() / len(values):.4g}", "", ""]
        else:
            low, high = values.quantile((1 - INTERVAL) / 2).item(), values.quantile((1 + INTERVAL) / 2).item()
            cells += [f"{values.mean().item():.6g}", "", f"{low:.6g}", f"{high:.6g}"]
        lines.append(cells)
    return written(["row", "column", "value", "share", "low", "high"], lines)


def written(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells under ``names`` as .csv text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *lines])
    return text.getvalue()
