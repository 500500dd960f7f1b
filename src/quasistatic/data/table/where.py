"""Conditions on a table's cells, as people type them: ``income='>50K'``, ``age>=60``, ``children!=0``, ``low<=high``.

A condition on one column keeps a part of its bins: whole bins, and in ranges of numbers a part of the places. So the
law of a cell under a condition is its histogram, cut to these parts. A condition on two columns is checked on rows.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column, IntegerColumn, NumberColumn
from quasistatic.data.table.date import DateColumn, counts_of

COMPARISONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
"""Comparisons by their sign, the longer signs first."""

EQUAL = ("=", "==")

Places = Float[Tensor, "bins 2"]
"""For each bin of a column the part of its places, from … to, that is left; from = to where nothing is."""


@dataclass(frozen=True)
class Check:
    """A comparison of a column, counted from 0, with the ``other`` column or, if that is None, with ``number``."""

    column: int
    sign: str
    other: int | None = None
    number: float = 0.0

    def holds(self, raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, " rows"]:
        """Return for which rows it holds."""
        right = self.number if self.other is None else raw[:, self.other]
        return COMPARISONS[self.sign](raw[:, self.column], right)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Where:
    """What rows are to fulfil.

    Attributes:
        known: states of cells that have one value, by column.
        limits: what is left of the bins of other columns, by column.
        checks: what is left to check on whole rows.
    """

    known: dict[int, float]
    limits: dict[int, Places]
    checks: tuple[Check, ...]

    def holds(self, raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, " rows"]:
        """Return for which rows all checks hold."""
        found = torch.ones(len(raw), dtype=torch.bool, device=raw.device)
        for check in self.checks:
            found &= check.holds(raw)
        return found


def where(texts: Sequence[str], codec: TableCodec) -> Where:
    """Return the conditions ``texts`` on the columns of ``codec``.

    Raises:
        ValueError: if one cannot be read, names no column or no value of it, or they contradict each other.
    """
    places = {name: place for place, name in enumerate(codec.names)}
    known: dict[int, float] = {}
    limits: dict[int, Places] = {}
    checks: list[Check] = []
    for text in texts:
        name, sign, value = _split(text, places)
        number, column = places[name], codec.columns[places[name]]
        if value in places and not _has(column, value):
            _check_comparable(text, column, codec.columns[places[value]])
            checks.append(Check(number, sign, places[value]))
            continue
        kept = _kept(text, column, sign, value)
        before = limits.get(number, torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(column.count, 2))
        start, stop = torch.maximum(before[:, 0], kept[:, 0]), torch.minimum(before[:, 1], kept[:, 1])
        limits[number] = torch.stack([start, torch.maximum(start, stop)], 1)
        if sign in EQUAL:
            known[number] = column.encode(torch.tensor([_raw(text, column, value)], dtype=torch.float64)).item()
        if sign == "!=" and column.ranges:
            checks.append(Check(number, sign, number=_raw(text, column, value)))
        if not bool((limits[number][:, 1] > limits[number][:, 0]).any()):
            raise ValueError(f"the conditions on {name!r} leave no value, got {', '.join(texts)}; drop one")
    return Where(known, {n: kept for n, kept in limits.items() if n not in known}, tuple(checks))


def _split(text: str, places: dict[str, int]) -> tuple[str, str, str]:
    """Return the column, the comparison and the value of a condition; the longest fitting column name counts."""
    for name in sorted(places, key=len, reverse=True):
        found = re.fullmatch(rf"\s*{re.escape(name)}\s*({'|'.join(map(re.escape, COMPARISONS))})\s*(.*?)\s*", text)
        if found:
            value = found[2]
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            return name, found[1], value[1:-1] if quoted else value
    raise ValueError(
        f"a condition is COLUMN, one of {' '.join(COMPARISONS)}, and a value or another column, got {text!r}; the "
        f"columns are {', '.join(places)}"
    )


def _has(column: Column, value: str) -> bool:
    """Return whether ``value`` is one of the column's own texts."""
    return not column.ranges and any(column.text(float(place)) == value for place in range(column.count))


def _raw(text: str, column: Column, value: str) -> float:
    """Return the raw value that ``value`` stands for.

    Raises:
        ValueError: if it is none of the column's.
    """
    found = math.nan
    match column:
        case DateColumn():
            found = float(counts_of([value], column.format)[0])
        case NumberColumn() | IntegerColumn():
            with suppress(ValueError):
                found = float(value.removeprefix(column.prefix).removesuffix(column.suffix))
        case _:
            places = (place for place in range(column.count) if column.text(float(place)) == value)
            found = float(next(places, math.nan))
    if math.isnan(found):
        raise ValueError(f"the column {column.name!r} holds {column}, got {value!r} in {text!r}")
    return found


def _check_comparable(text: str, column: Column, other: Column) -> None:
    """Raise ValueError unless both columns hold numbers, or dates of one unit."""
    units = {one.unit if isinstance(one, DateColumn) else "" for one in (column, other)}
    if not column.ranges or not other.ranges or len(units) > 1:
        raise ValueError(f"two columns of numbers can be compared, got {text!r} with {column} and {other}")


def _kept(text: str, column: Column, sign: str, value: str) -> Places:
    """Return what one condition leaves of a column's bins."""
    bins = torch.arange(column.count, dtype=torch.float64)
    if not column.ranges:
        if sign not in (*EQUAL, "!="):
            raise ValueError(
                f"the column {column.name!r} holds {column}, which have no order, got {text!r}; use = or !="
            )
        same = bins == _raw(text, column, value)
        kept = same if sign != "!=" else ~same
        return torch.stack([torch.zeros_like(bins), kept.double()], 1)
    assert isinstance(column, NumberColumn | IntegerColumn | DateColumn)
    return _of_number(column, sign, _raw(text, column, value))


def _of_number(column: NumberColumn | IntegerColumn | DateColumn, sign: str, number: float) -> Places:
    """Return what a comparison with a number leaves: of ranges the places beyond it, of other bins those that fit."""
    step, half = column.bins.step, column.bins.step / 2
    steps = (number - column.bins.low) / step if step else 0.0
    under, over = (column.bins.low + step * round_(steps) if step else number for round_ in (math.floor, math.ceil))
    starts = torch.arange(column.ranges, dtype=torch.float64)

    def below(edge: float) -> Tensor:
        """Return the share of each range below ``edge``."""
        return (column.bins.along(torch.tensor([edge], dtype=torch.float64)) - starts).clamp(0, 1)

    nothing, everything = torch.zeros_like(starts), torch.ones_like(starts)
    if sign in EQUAL:
        column.encode(torch.tensor([number], dtype=torch.float64))  # refuses what is no number of the column
        edge = half or column.bins.reach * 2.0**-20
        ends = below(number - edge), below(number + edge)
    elif sign == "!=":
        ends = nothing, everything  # one number of a range is left to a check
    elif sign in (">", ">="):
        ends = below(under + half if sign == ">" else over - half), everything
    else:
        ends = nothing, below(over - half if sign == "<" else under + half)
    repeated = torch.tensor(column.bins.repeated, dtype=torch.float64)
    own = COMPARISONS[sign](repeated, number)
    if sign in EQUAL and bool(own.any()):
        ends = nothing, nothing
    ranges = torch.stack([ends[0], torch.maximum(ends[0], ends[1])], 1)
    return torch.cat([ranges, torch.stack([torch.zeros_like(repeated), own.double()], 1)])
