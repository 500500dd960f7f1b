"""The kinds of table columns, which convert raw values to states and back.

    NumberColumn     a number                           ↔  that number on its `Scale`         scored as density
    IntegerColumn    a whole number, low … high by step ↔  the same, one of a set of levels   scored as mass
    CategoryColumn   the place of a text in a list      ↔  the same, as a state               scored as mass
    BooleanColumn    0 = false, 1 = true                ↔  the same, as a state               scored as mass

Raw values are float64 whatever the kind, NaN where a cell is empty; states are held as floats too.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.table.scale import Scale
from quasistatic.distribution import Distribution, Normal, Quantized
from quasistatic.runtime.fields import Checked, Range, Whole

MOST_LEVELS = 2**20
"""Maximum number of levels of a whole-number column; all are held in memory."""

Cells = Float[Tensor, " rows"]


class Column(Checked, ABC):
    """One column of a table; a frozen dataclass of plain values."""

    name: str

    @property
    @abstractmethod
    def constant(self) -> bool:
        """True if it holds at most one value, so that there is nothing to learn."""

    @abstractmethod
    def encode(self, raw: Cells) -> Cells:
        """Return states, float64; NaN stays NaN.

        Raises:
            ValueError: if a value is infinite or not of the column's kind.
        """

    @abstractmethod
    def decode(self, x: Cells) -> Cells:
        """Return the raw values nearest to the states."""

    @abstractmethod
    def text(self, raw: float) -> str:
        """Return a raw value as the text in a file; "" for NaN."""

    @abstractmethod
    def adopt(self, other: "Column", raw: Cells) -> Cells:
        """Convert raw values that were read as ``other``, a column of the same name, to this column.

        Raises:
            ValueError: if a value does not fit this column; the message names it.
        """

    @property
    def states(self) -> int:
        """K, if the states are 0 … K − 1; 0 if they are numbers."""
        return 0

    def log_slope(self, x: Cells) -> Cells:
        """log |d state / d raw| at states, in nats; 0 if scores are masses."""
        return torch.zeros_like(x)

    def decoder(self, clean: Distribution) -> Distribution:
        """Turn a guess of this column's states into the distribution that scores them."""
        return clean

    def _refused(self, needed: str, came: str, row: int) -> ValueError:
        return ValueError(f"the column {self.name!r} {needed}, got {came} in row {row}; fix it or leave the cell empty")


@final
@dataclass(frozen=True)
class NumberColumn(Column):
    """Numbers on a ``scale``."""

    name: str
    scale: Scale

    def __str__(self) -> str:
        low, middle, high = self.scale.to_raw(torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)).tolist()
        return f"numbers, about {middle:.4g} ({low:.4g} to {high:.4g})"

    @property
    def constant(self) -> bool:
        return self.scale.constant

    def log_slope(self, x: Cells) -> Cells:
        return self.scale.log_slope(x)

    def encode(self, raw: Cells) -> Cells:
        if bool(raw.isinf().any()):
            raise self._refused("holds finite numbers", "an infinite one", int(raw.isinf().nonzero()[0]))
        return self.scale.to_states(raw)

    def decode(self, x: Cells) -> Cells:
        """Return raw values, rounded to float32, the precision of a model."""
        return self.scale.to_raw(x.double()).float().double()

    def text(self, raw: float) -> str:
        if math.isnan(raw):
            return ""
        short = np.float32(raw)
        return np.format_float_positional(short, unique=True, trim="0") if short == raw else repr(raw)

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return numbers_of(self, other, raw)


@final
@dataclass(frozen=True)
class IntegerColumn(Column):
    """Whole numbers ``low``, ``low`` + ``step``, … ``high``; a guess is a Normal rounded to the nearest of them.

    A whole number beyond the ends has a state, and probability 0.
    """

    name: str
    low: Whole
    high: Whole
    step: Annotated[int, Range(at_least=1)]
    scale: Scale

    def __str__(self) -> str:
        return f"whole numbers, {self.low} to {self.high}" + (f" by {self.step}" if self.step > 1 else "")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.high - self.low <= MOST_LEVELS * self.step:
            raise ValueError(
                f"the column {self.name!r} has up to {MOST_LEVELS:,} whole numbers from low to high, got {self.low} "
                f"to {self.high} by {self.step}"
            )

    @property
    def constant(self) -> bool:
        return self.low == self.high

    @cached_property
    def levels(self) -> Float[Tensor, " levels"]:
        """The state of each level, increasing, float32."""
        count = (self.high - self.low) // self.step + 1
        whole = self.low + self.step * torch.arange(count, dtype=torch.float64)
        return self.scale.to_states(whole).float()

    def encode(self, raw: Cells) -> Cells:
        off = ~raw.isnan() & ((raw - self.low) % self.step != 0)
        if bool(off.any()):
            row = int(off.nonzero()[0])
            by = f" by {self.step}" if self.step > 1 else ""
            raise self._refused(f"holds whole numbers from {self.low}{by}", f"{raw[row].item():g}", row)
        return self.scale.to_states(raw)

    def decode(self, x: Cells) -> Cells:
        """Return the level with the nearest state; beyond the ends, the outer level, as `Quantized` does."""
        edges = (self.levels[1:] + self.levels[:-1]).double() / 2
        place = torch.searchsorted(edges.to(x.device), x.double().nan_to_num(0.0).contiguous())
        return torch.where(x.isnan(), torch.nan, self.low + self.step * place.double())

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else str(int(raw))

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return numbers_of(self, other, raw)

    def decoder(self, clean: Distribution) -> Distribution:
        """Return the mass on each level.

        Raises:
            TypeError: if the guess is not a Normal.
        """
        if not isinstance(clean, Normal):
            raise TypeError(f"whole numbers are scored with a rounded Normal, got {type(clean).__name__}")
        return Quantized(clean, self.levels.to(clean.mean))


@final
@dataclass(frozen=True)
class CategoryColumn(Column):
    """Unordered texts; a raw value is an index into ``categories``."""

    name: str
    categories: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.categories[:6]) + (", …" if len(self.categories) > 6 else "")
        return f"{len(self.categories)} categories: {shown}"

    @property
    def constant(self) -> bool:
        return len(self.categories) < 2

    @property
    def states(self) -> int:
        return len(self.categories)

    def encode(self, raw: Cells) -> Cells:
        off = ~raw.isnan() & ~((raw >= 0) & (raw < self.states) & (raw % 1 == 0))
        if bool(off.any()):
            row = int(off.nonzero()[0])
            raise self._refused(f"holds places in {self.states} categories", f"{raw[row].item():g}", row)
        return raw

    def decode(self, x: Cells) -> Cells:
        return x.double()

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else self.categories[int(raw)]

    def adopt(self, other: Column, raw: Cells) -> Cells:
        places, found = {text: place for place, text in enumerate(self.categories)}, raw.clone()
        for value in raw[~raw.isnan()].unique().tolist():
            text = other.text(value)
            if text not in places:
                row = int((raw == value).nonzero()[0])
                raise self._refused(f"holds {self}", f"the category {text!r}, never seen in training,", row)
            found[raw == value] = float(places[text])
        return found


@final
@dataclass(frozen=True)
class BooleanColumn(Column):
    """True or false; a raw value is 1 or 0."""

    name: str

    def __str__(self) -> str:
        return "true or false"

    @property
    def constant(self) -> bool:
        return False

    @property
    def states(self) -> int:
        return 2

    def encode(self, raw: Cells) -> Cells:
        return CategoryColumn(self.name, ("false", "true")).encode(raw)

    def decode(self, x: Cells) -> Cells:
        return x.double()

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else ("false", "true")[int(raw)]

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return CategoryColumn(self.name, ("false", "true")).adopt(other, raw)


COLUMNS: dict[str, type[Column]] = {
    "number": NumberColumn,
    "integer": IntegerColumn,
    "category": CategoryColumn,
    "boolean": BooleanColumn,
}
"""Kinds of columns by their name in a stored configuration."""


def numbers_of(column: Column, other: Column, raw: Cells) -> Cells:
    """Return ``raw`` after a check that ``other`` is a column of numbers or empty.

    Raises:
        ValueError: if it is not; the message names its first text.
    """
    if isinstance(other, NumberColumn | IntegerColumn) or bool(raw.isnan().all()):
        return raw
    row = int((~raw.isnan()).nonzero()[0])
    raise column._refused(f"holds {column}", repr(other.text(raw[row].item())), row)
