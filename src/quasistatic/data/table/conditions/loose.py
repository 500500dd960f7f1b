"""Cells that are known loosely: ``40..50``, ``>=60``, ``<5`` or ``42±3`` in place of a number or a date.

``42±3`` was seen with normal noise of standard deviation 3; ``42+-3`` is the same. A range includes both ends.
"""

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.source.named.sheet import Sheet
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column, IntegerColumn, NumberColumn
from quasistatic.data.table.conditions.where import Places, left_of, raw_of

RANGE, BOUND = re.compile(r"\s*(\S.*?)\s*\.\.\s*(\S.*?)\s*"), re.compile(r"\s*(>=|<=|>|<)\s*(\S.*?)\s*")
NOISY = re.compile(r"\s*(\S.*?)\s*(?:±|\+-)\s*(\S.*?)\s*")


@dataclass(frozen=True, eq=False)
class Loose:
    """What is known of the cells of one column, in each row.

    Attributes:
        parts: the part of each bin that is left, from … to.
        y: values seen with noise, in raw units; 0 in rows without.
        std: of the noise; infinite in rows without.
        ends: raw values at both ends of each bin.
    """

    parts: Float[Tensor, "rows bins 2"]
    y: Float[Tensor, " rows"]
    std: Float[Tensor, " rows"]
    ends: Float[Tensor, "bins 2"]

    @property
    def noisy(self) -> bool:
        """Whether a value was seen with noise."""
        return bool(self.std.isfinite().any())

    def take(self, rows: slice) -> "Loose":
        """Return what is known in the ``rows``."""
        return replace(self, parts=self.parts[rows], y=self.y[rows], std=self.std[rows])


def loosened(sheet: Sheet, codec: TableCodec) -> tuple[Sheet, dict[int, Loose]]:
    """Return the sheet with loosely known cells emptied, and what is known of them, by column of the codec.

    Raises:
        ValueError: if a cell cannot be read, or leaves no value; the message names it.
    """
    found: dict[int, Loose] = {}
    if sheet.typed:
        return sheet, found
    import pyarrow

    table = sheet.table
    for place, column in enumerate(codec.columns):
        if not column.ranges or column.name not in sheet.names:
            continue
        number = sheet.names.index(column.name)
        texts = table.column(number).to_pylist()
        rows = [row for row, text in enumerate(texts) if text and _is_loose(text)]
        if rows:
            found[place] = _of_rows(column, {row: texts[row] for row in rows}, len(texts))
            texts = [None if row in set(rows) else text for row, text in enumerate(texts)]
            field = table.schema.field(number)
            table = table.set_column(number, field, pyarrow.array(texts, field.type))
    return replace(sheet, table=table), found


def _is_loose(text: str) -> bool:
    return any(form.fullmatch(text) for form in (RANGE, BOUND, NOISY))


def _of_rows(column: Column, texts: dict[int, str], count: int) -> Loose:
    everything = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(column.count, 2)
    parts = everything.repeat(count, 1, 1)
    y, std = torch.zeros(count, dtype=torch.float64), torch.full((count,), math.inf, dtype=torch.float64)
    for row, text in texts.items():
        if seen := NOISY.fullmatch(text):
            y[row], std[row] = raw_of(text, column, seen[1]), _std(column, seen[2], text, row)
            continue
        bound = BOUND.fullmatch(text)
        ends = RANGE.fullmatch(text)
        assert bound or ends
        conditions = [bound.groups()] if bound else [(">=", ends[1]), ("<=", ends[2])]  # type: ignore[index]
        parts[row] = _cut(everything, [left_of(text, column, sign, value) for sign, value in conditions])
        if not bool((parts[row, :, 1] > parts[row, :, 0]).any()):
            raise ValueError(f"the column {column.name!r} holds {column}, and {text!r} in row {row} leaves none")
    return Loose(parts, y, std, _ends(column))


def _cut(everything: Places, kept: Sequence[Places]) -> Places:
    low = torch.stack([everything[:, 0], *(part[:, 0] for part in kept)]).amax(0)
    high = torch.stack([everything[:, 1], *(part[:, 1] for part in kept)]).amin(0)
    return torch.stack([low, torch.maximum(low, high)], 1)


def _std(column: Column, value: str, text: str, row: int) -> float:
    std = math.nan
    with suppress(ValueError):
        std = float(value)
    if not isinstance(column, NumberColumn | IntegerColumn) or not 0 < std < math.inf:
        raise ValueError(
            f"a number with noise is a value ± a standard deviation above 0, got {text!r} in row {row} of the column "
            f"{column.name!r}, which holds {column}"
        )
    return std


def _ends(column: Column) -> Float[Tensor, "bins 2"]:
    """Return the raw values at both ends of each bin."""
    starts = torch.arange(column.count, dtype=torch.float64)
    return torch.stack([column.decode(starts), column.decode(starts + 1 - 2.0**-20)], 1)
