"""Writes tables: raw values as .csv text or an Arrow table, and summaries of the draws of empty cells."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column
from quasistatic.data.table.date import DateColumn, instant

Keys = dict[str, list[int]]
"""Integer columns before the table's own columns: row and draw numbers."""

ENOUGH = 19
"""Minimum number of draws for a 90 % interval."""


@dataclass(frozen=True)
class Interval:
    """The interval from the ``rank``-th smallest to the ``rank``-th largest of K draws, with its coverage probability.

        level = (K + 1 − 2 rank)/(K + 1)

    The level is exact if the truth and the draws are exchangeable (independent draws of the true distribution, without
    ties); with ties it is a lower bound. Interpolated quantiles would cover less: 81 % instead of 90 % with 20 draws.
    Source: order statistics; Wilks 1941.
    """

    rank: int
    draws: int

    @classmethod
    def of(cls, draws: int) -> "Interval":
        """Return the narrowest interval of at least 90 %, or, with too few draws, the one from minimum to maximum.

        Raises:
            ValueError: if there are fewer than two draws.
        """
        if draws < 2:
            raise ValueError(f"an interval needs two draws or more, got {draws}")
        return cls(max(1, (draws + 1) // (ENOUGH + 1)), draws)

    @property
    def level(self) -> float:
        """The probability that it covers the truth."""
        return (self.draws + 1 - 2 * self.rank) / (self.draws + 1)

    def ends(self, values: Float[Tensor, " draws"]) -> tuple[float, float]:
        """Return its lower and upper end, two of the ``values``."""
        ordered = values.sort().values
        return ordered[self.rank - 1].item(), ordered[-self.rank].item()

    def __str__(self) -> str:
        said = f"low and high cover the truth with probability {self.level:.1%} if the draws are of the true law"
        return said if self.draws >= ENOUGH else f"{said}; 90 % needs {ENOUGH} draws, got {self.draws}"


def csv_of(raw: Float[Tensor, "rows columns"], codec: TableCodec, keys: Keys | None = None) -> str:
    """Return ``raw`` as .csv text under the columns' names, after the ``keys``; asides are in their places."""
    raw, codec = by_line(raw, codec)
    before, names = keys or {}, list(codec.names)
    cells = [[c.text(v) for c, v in zip(codec.columns, row, strict=True)] for row in raw.tolist()]
    for aside in sorted(codec.asides, key=lambda aside: aside.place):
        texts = aside.texts(len(cells))
        if texts is not None:
            names.insert(aside.place, aside.name)
            for row, text in zip(cells, texts, strict=True):
                row.insert(aside.place, text)
    keyed = [[str(value) for value in own] for own in before.values()]
    lines = [[*(own[number] for own in keyed), *row] for number, row in enumerate(cells)]
    return csv_text([*before, *names], lines)


def arrow_of(raw: Float[Tensor, "rows columns"], codec: TableCodec, keys: Keys | None = None) -> Any:
    """Return ``raw`` as an Arrow table: float64, int64, bool, date and string columns, null where a cell is empty."""
    import pyarrow

    raw, codec = by_line(raw, codec)
    arrays = []
    for column, cells in zip(codec.columns, raw.T.tolist(), strict=True):
        values = [None if value != value else cell_of(column, value) for value in cells]
        arrays.append((column.name, pyarrow.array(values, pyarrow.type_for_alias(column.arrow))))
    for aside in sorted(codec.asides, key=lambda aside: aside.place):
        texts = aside.texts(len(raw))
        if texts is not None:
            strings = pyarrow.array([text or None for text in texts], pyarrow.string())
            arrays.insert(aside.place, (aside.name, strings.cast(pyarrow.type_for_alias(aside.arrow))))
    keyed = [(name, pyarrow.array(values, pyarrow.int64())) for name, values in (keys or {}).items()]
    return pyarrow.table(dict([*keyed, *arrays]))


def by_line(raw: Float[Tensor, "rows columns"], codec: TableCodec) -> tuple[Float[Tensor, "lines own"], TableCodec]:
    """Return one row for each line of a file, with numbered groups; unchanged if each row is a line."""
    series = codec.series
    if series is None:
        return raw, codec
    counts = series.counts(raw)
    groups = [str(1 + row) for row, count in enumerate(counts.tolist()) for _ in range(count)]
    rows = replace(codec, columns=series.columns, series=None)
    return series.narrowed(raw, counts), rows.carrying({series.group: groups})


def completed_lines(
    draws: Float[Tensor, "rows draws columns"],
    known: Bool[Tensor, "rows columns"],
    codec: TableCodec,
    runs: Int[Tensor, "rows length"],
) -> tuple[Float[Tensor, "lines draws own"], Bool[Tensor, "lines own"], TableCodec]:
    """Return draws, the mask and the codec by the lines of the file that was completed, in their order.

    Args:
        draws: completions of rows that are made of several lines.
        known: the mask of known cells.
        codec: with `TableCodec.series`.
        runs: the lines of each row, −1 after the last.
    """
    series = codec.series
    assert series is not None
    counts = (runs >= 0).sum(1)
    order = runs[runs >= 0].argsort()
    each = [series.narrowed(own, counts)[order] for own in draws.unbind(1)]
    seen = series.narrowed(torch.where(known, draws[:, 0], torch.nan), counts)[order]
    return torch.stack(each, 1), ~seen.isnan(), replace(codec, columns=series.columns, series=None)


def cell_of(column: Column, raw: float) -> Any:
    """Return a raw value as Python's type for Arrow's."""
    if isinstance(column, DateColumn) and column.arrow != "string":
        moment = instant(raw, column.unit)
        return moment.date() if column.unit == "days" else moment
    plain = {"double": float, "int64": int, "bool": bool}.get(column.arrow)
    return column.text(raw) if plain is None else plain(raw)


def long_form(
    draws: Float[Tensor, "rows draws columns"],
) -> tuple[Float[Tensor, "rows_draws columns"], Keys]:
    """Return one line per row and draw, with the row and draw numbers, from 0."""
    rows, count = draws.shape[:2]
    keys = {
        "row": [row for row in range(rows) for _ in range(count)],
        "draw": [draw for _ in range(rows) for draw in range(count)],
    }
    return draws.flatten(0, 1), keys


def wide_form(
    draws: Float[Tensor, "rows draws columns"], known: Bool[Tensor, "rows columns"], codec: TableCodec
) -> tuple[Float[Tensor, "rows wide"], TableCodec]:
    """Return one line per row; a column with empty cells appears once per draw, as ``name.0``, ``name.1``, …"""
    values, columns = [], list[Column]()
    for place, column in enumerate(codec.columns):
        if bool(known[:, place].all()):
            values.append(draws[:, :1, place])
            columns.append(column)
        else:
            values.append(draws[:, :, place])
            columns += [replace(column, name=f"{column.name}.{draw}") for draw in range(draws.shape[1])]  # type: ignore[type-var]
    return torch.cat(values, 1), replace(codec, columns=tuple(columns))


def summary(draws: Float[Tensor, "rows draws columns"], known: Bool[Tensor, "rows columns"], codec: TableCodec) -> str:
    """Summarise the draws of each empty cell as .csv text, one line per cell.

    For numbers: the mean, and the ends and level of an `Interval`. For categories: the most frequent, and its share.

    Raises:
        ValueError: if there are fewer than two draws.
    """
    lines, interval = [], Interval.of(draws.shape[1])
    for row, place in (~known).nonzero().tolist():
        column, values = codec.columns[place], draws[row, :, place]
        cells = [str(row), column.name]
        if not column.ranges:
            counts = values.long().bincount(minlength=column.count)
            cells += [column.text(float(counts.argmax())), f"{counts.max().item() / len(values):.4g}", "", "", ""]
        else:
            ends = [column.text(end) for end in interval.ends(values)]
            cells += [column.mean_text(values.mean().item()), "", *ends, f"{interval.level:.4g}"]
        lines.append(cells)
    return csv_text(["row", "column", "value", "share", "low", "high", "level"], lines)


def csv_text(names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells under ``names`` as .csv text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *lines])
    return text.getvalue()
