"""The kinds of table columns, which convert raw values to states and back.

    NumberColumn     a number                           ↔  its place in its `Bins`     scored as density
    IntegerColumn    a whole number                     ↔  its place in its `Bins`     scored as mass
    CategoryColumn   the place of a text in a list      ↔  the middle of its bin       scored as mass
    BooleanColumn    0 = false, 1 = true                ↔  the middle of its bin       scored as mass

Raw values are float64 whatever the kind, NaN where a cell is empty. A state is a number in [0, count): its whole
part is the bin. A number that repeats has a bin of its own, and is scored as mass in columns of either kind.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.table.column.bins import Bins
from quasistatic.runtime.fields import Checked

Cells = Float[Tensor, " rows"]


class Column(Checked, ABC):
    """One column of a table; a frozen dataclass of plain values."""

    name: str

    @property
    @abstractmethod
    def arrow(self) -> str:
        """Arrow's name of the type of its cells."""

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

    def mean_text(self, raw: float) -> str:
        """Return a mean of raw values as text."""
        return f"{raw:.6g}"

    @abstractmethod
    def adopt(self, other: "Column", raw: Cells) -> Cells:
        """Convert raw values that were read as ``other``, a column of the same name, to this column.

        Raises:
            ValueError: if a value does not fit this column; the message names it.
        """

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of bins."""

    @property
    def ranges(self) -> int:
        """Number of bins, the first ones, that are ranges of numbers; 0 if the column holds no numbers."""
        return 0

    @property
    def between(self) -> tuple[float, ...]:
        """Where the other bins of a column of numbers lie among its ranges."""
        return ()

    def log_slope(self, x: Cells) -> Cells:
        """log |d state / d raw| at states, or log of the share of its bin that a value holds, in nats."""
        return torch.zeros_like(x)

    def _refused(self, needed: str, came: str, row: int) -> ValueError:
        return ValueError(f"the column {self.name!r} {needed}, got {came} in row {row}; fix it or leave the cell empty")


class BinnedColumn(Column, ABC):
    """A column of numbers, or of what is counted in numbers, in `Bins`."""

    bins: Bins

    @property
    def constant(self) -> bool:
        return self.bins.constant

    @property
    def count(self) -> int:
        return self.bins.count

    @property
    def ranges(self) -> int:
        return self.bins.ranges

    def log_slope(self, x: Cells) -> Cells:
        return self.bins.log_slope(x)

    @property
    def between(self) -> tuple[float, ...]:
        return self.bins.between


@final
@dataclass(frozen=True)
class NumberColumn(BinnedColumn):
    """Numbers, with a density but for those that repeat; cells have units before or after them, as in $5 or 5%."""

    name: str
    bins: Bins
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"numbers{in_units(self)}, {self.bins.low:.4g} to {self.bins.high:.4g}{repeats(self.bins)}"

    @property
    def arrow(self) -> str:
        return "double"

    def encode(self, raw: Cells) -> Cells:
        if bool(raw.isinf().any()):
            raise self._refused("holds finite numbers", "an infinite one", int(raw.isinf().nonzero()[0]))
        return self.bins.to_states(raw)

    def decode(self, x: Cells) -> Cells:
        """Return raw values, rounded to the digits of the data or to float32."""
        raw = self.bins.to_raw(x.double())
        return raw if self.bins.decimals >= 0 else raw.float().double()

    def text(self, raw: float) -> str:
        if math.isnan(raw):
            return ""
        short = np.float32(raw)
        digits = np.format_float_positional(short, unique=True, trim="0") if short == raw else repr(raw)
        return dressed(digits, self.prefix, self.suffix)

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return numbers_of(self, other, raw)


@final
@dataclass(frozen=True)
class IntegerColumn(BinnedColumn):
    """Whole numbers on a grid: `Bins` with a step of 1 or more; see `NumberColumn` for ``prefix`` and ``suffix``."""

    name: str
    bins: Bins
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        by = f" by {self.step}" if self.step > 1 else ""
        return f"whole numbers{in_units(self)}, {self.bins.low:.0f} to {self.bins.high:.0f}{by}{repeats(self.bins)}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins.step < 1 or self.bins.step % 1:
            raise ValueError(f"the column {self.name!r} of whole numbers has a whole step, got {self.bins.step:g}")

    @property
    def arrow(self) -> str:
        return "int64"

    @property
    def step(self) -> int:
        """Distance between the numbers."""
        return int(self.bins.step)

    def encode(self, raw: Cells) -> Cells:
        off = ~raw.isnan() & ((raw - self.bins.low) % self.step != 0)
        if bool(off.any()):
            row = int(off.nonzero()[0])
            by = f" by {self.step}" if self.step > 1 else ""
            raise self._refused(f"holds whole numbers from {self.bins.low:.0f}{by}", f"{raw[row].item():g}", row)
        return self.bins.to_states(raw)

    def decode(self, x: Cells) -> Cells:
        return self.bins.to_raw(x.double())

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else dressed(str(int(raw)), self.prefix, self.suffix)

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return numbers_of(self, other, raw)


@final
@dataclass(frozen=True)
class CategoryColumn(Column):
    """Unordered texts; a raw value is an index into ``categories``.

    Attributes:
        name: name of the column.
        categories: the texts.
        rest: the category that stands for all other texts; "" if there is none.
    """

    name: str
    categories: tuple[str, ...]
    rest: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rest and self.rest not in self.categories:
            raise ValueError(f"the column {self.name!r} groups texts in one of its categories, got {self.rest!r}")

    def __str__(self) -> str:
        shown = ", ".join(self.categories[:6]) + (", …" if len(self.categories) > 6 else "")
        return f"{len(self.categories)} categories: {shown}"

    @property
    def arrow(self) -> str:
        return "string"

    @property
    def constant(self) -> bool:
        return len(self.categories) < 2

    @property
    def count(self) -> int:
        return len(self.categories)

    def encode(self, raw: Cells) -> Cells:
        off = ~raw.isnan() & ~((raw >= 0) & (raw < self.count) & (raw % 1 == 0))
        if bool(off.any()):
            row = int(off.nonzero()[0])
            raise self._refused(f"holds places in {self.count} categories", f"{raw[row].item():g}", row)
        return raw + 0.5

    def decode(self, x: Cells) -> Cells:
        return x.double().floor()

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else self.categories[int(raw)]

    def adopt(self, other: Column, raw: Cells) -> Cells:
        places = {text: float(place) for place, text in enumerate(self.categories)}
        known = ~raw.isnan()
        distinct, where = raw[known].unique(return_inverse=True)
        texts = [other.text(value) for value in distinct.tolist()]
        found = [places.get(text if text in places else self.rest, math.nan) for text in texts]
        for text, value, place in zip(texts, distinct.tolist(), found, strict=True):
            if math.isnan(place):
                row = int((raw == value).nonzero()[0])
                raise self._refused(f"holds {self}", f"the category {text!r}, never seen in training,", row)
        result = raw.clone()
        result[known] = torch.tensor(found, dtype=raw.dtype)[where]
        return result


@final
@dataclass(frozen=True)
class BooleanColumn(Column):
    """True or false; a raw value is 1 or 0."""

    name: str

    def __str__(self) -> str:
        return "true or false"

    @property
    def arrow(self) -> str:
        return "bool"

    @property
    def constant(self) -> bool:
        return False

    @property
    def count(self) -> int:
        return 2

    def encode(self, raw: Cells) -> Cells:
        return CategoryColumn(self.name, ("false", "true")).encode(raw)

    def decode(self, x: Cells) -> Cells:
        return x.double().floor()

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else ("false", "true")[int(raw)]

    def adopt(self, other: Column, raw: Cells) -> Cells:
        return CategoryColumn(self.name, ("false", "true")).adopt(other, raw)


def repeats(bins: Bins) -> str:
    """Return which numbers have a bin of their own, as the end of a sentence."""
    if not bins.repeated:
        return ""
    if len(bins.repeated) > 4:
        return f", {len(bins.repeated)} of them repeated"
    return f", {', '.join(f'{value:g}' for value in bins.repeated)} repeated"


def numbers_of(column: NumberColumn | IntegerColumn, other: Column, raw: Cells) -> Cells:
    """Return ``raw`` after a check that ``other`` is a column of numbers or empty.

    Raises:
        ValueError: if it is not; the message names its first text.
    """
    if isinstance(other, NumberColumn | IntegerColumn) and not units_differ(column, other):
        return raw
    if bool(raw.isnan().all()):
        return raw
    row = int((~raw.isnan()).nonzero()[0])
    raise column._refused(f"holds {column}", repr(other.text(raw[row].item())), row)


def dressed(digits: str, prefix: str, suffix: str) -> str:
    """Return a number with its units, as in -$5 or 12.5%."""
    if prefix and digits.startswith("-"):
        return f"-{prefix}{digits[1:]}{suffix}"
    return f"{prefix}{digits}{suffix}"


def in_units(column: NumberColumn | IntegerColumn) -> str:
    """Return the units of a column, as part of a sentence."""
    units = " ".join(unit.strip() for unit in (column.prefix, column.suffix) if unit)
    return f" in {units}" if units else ""


def units_differ(one: NumberColumn | IntegerColumn, other: NumberColumn | IntegerColumn) -> bool:
    """Return whether two columns state units, and others."""
    own, its = (column.prefix.strip() + column.suffix.strip() for column in (one, other))
    return bool(own and its) and own != its
