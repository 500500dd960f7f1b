"""Rows of a table: each empty cell has a small distribution."""

import csv
import io
from collections import Counter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data import TableCodec
from quasistatic.data.observed import Partly, read_partly
from quasistatic.data.table import write
from quasistatic.model import Model
from quasistatic.model.complete import known, within
from quasistatic.serve.worker import asked
from quasistatic.serve.worker.completing.draws import drawn, made_by
from quasistatic.serve.worker.desk import Desk

BARS = 24
"""Bars of a small distribution of numbers."""

MOST_CELLS = 600
"""Maximum cells whose distributions are shown; the files have them all."""


def complete_rows(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Complete rows of a table: their empty cells."""
    codec = model.specification.codec
    assert isinstance(codec, TableCodec)
    path = desk.folder / "rows.csv"
    text = asked.text(request, "csv", 2_000_000)
    path.write_text(text if text is not None else _one_row(request), encoding="utf-8")
    rows = read_partly(path, codec).first(200)
    given = within(model, rows.values, rows.known, rows.loose) if rows.loose else known(model, rows.values, rows.known)
    draws = asked.whole(request, "draws", 100, 2_000)
    parts: list[Tensor] = []

    def show(values: Tensor) -> None:
        parts.append(values)
        done = torch.cat(parts)
        whole = [done[row * draws : (row + 1) * draws] for row in range(-(-len(done) // draws))]
        desk.show({"cells": _cells(whole, rows, codec), "done": len(done), "of": draws * len(rows.values)})

    found = drawn(desk, model, given, request, draws, show)
    raw = found.draws.where(~rows.known[:, None], rows.values[:, None].to(found.draws))
    cells = _cells(list(raw), rows, codec)
    flat, keys = write.long_form(raw)
    (desk.folder / "draws.csv").write_text(write.csv_of(flat, codec, keys), encoding="utf-8")
    (desk.folder / "summary.csv").write_text(write.summary(raw, rows.known, codec), encoding="utf-8")
    return {**made_by(found), "cells": cells, "rows": len(raw), "files": ["draws.csv", "summary.csv"]}


def _cells(draws: list[Tensor], rows: Partly, codec: TableCodec) -> list[dict[str, Any]]:
    """Return the distribution of each unknown cell of the rows that have draws, up to `MOST_CELLS` cells."""
    places = [(row, place) for row in range(len(draws)) for place in (~rows.known[row]).nonzero().flatten().tolist()]
    return [
        {"row": row, "column": codec.columns[place].name, **distribution(draws[row][:, place], place, codec)}
        for row, place in places[:MOST_CELLS]
    ]


def _one_row(request: dict[str, Any]) -> str:
    """Return the cells of a form as a file of one row.

    Raises:
        ValueError: if they are no texts by name.
    """
    cells = request.get("cells")
    if not isinstance(cells, dict) or not all(isinstance(cell, str) for cell in cells.values()):
        raise ValueError("a row is a text for each column, got something else")
    return write.csv_text(list(cells), [[cell.strip() for cell in cells.values()]])


def distribution(values: Float[Tensor, " draws"], place: int, codec: TableCodec) -> dict[str, Any]:
    """Return the draws of a cell: of a number, bars and an interval; of a category, the share of each."""
    if codec.columns[place].ranges and bool(values.isfinite().all()):
        return of_numbers(values)
    rows = torch.full((len(values), len(codec.columns)), torch.nan, dtype=torch.float64)
    rows[:, place] = values
    head, *lines = csv.reader(io.StringIO(write.csv_of(rows, codec)))
    counts = Counter(line[head.index(codec.columns[place].name)] for line in lines)
    return {"shares": [[name, count / len(values)] for name, count in counts.most_common(12)]}


def of_numbers(values: Float[Tensor, " draws"]) -> dict[str, Any]:
    """Return draws of a number as bars, with their mean and interval."""
    interval = write.Interval.of(len(values)) if len(values) > 1 else None
    low, high = (values.min().item(), values.max().item()) if interval is None else interval.ends(values)
    bars = torch.histc(values.double(), BARS).tolist() if values.min() < values.max() else [float(len(values))]
    level = None if interval is None else interval.level
    ends = [values.min().item(), values.max().item()]
    return {"mean": values.mean().item(), "low": low, "high": high, "level": level, "bars": bars, "ends": ends}
