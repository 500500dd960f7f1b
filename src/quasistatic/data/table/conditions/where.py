"""Conditions on a table's cells, as people type them: ``income='>50K'``, ``age>=60``, ``low<=high``, ``a+b<=total``.

A condition on one column keeps a part of its bins: whole bins, and in ranges of numbers a part of the places. So the
law of a cell under a condition is its histogram, cut to these parts. A condition on several columns is checked on rows.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import BinnedColumn, Column, IntegerColumn, NumberColumn
from quasistatic.data.table.date import DateColumn, counts_of

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
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
    """A comparison of a sum of columns, counted from 0, with a sum of ``others`` and a ``number``."""

    columns: tuple[int, ...]
    sign: str
    others: tuple[int, ...] = ()
    number: float = 0.0

    def holds(self, raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, " rows"]:
        """Return for which rows it holds; sums are equal up to rounding."""
        left, right = raw[:, self.columns].sum(1), raw[:, self.others].sum(1) + self.number
        same = torch.isclose(left, right, rtol=1e-9, atol=1e-12)
        if self.sign in (*EQUAL, "!="):
            return same if self.sign in EQUAL else ~same
        return COMPARISONS[self.sign](left, right) | (same if self.sign in (">=", "<=") else False)


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

    def fulfilled(self, x: Float[Tensor, "rows columns"], raw: Float[Tensor, "rows columns"]) -> Bool[Tensor, " rows"]:
        """Return which rows, as states and raw values, fulfil all conditions."""
        found = self.holds(raw)
        for column, state in self.known.items():
            found &= (x[:, column].double() - state).abs() < 1e-4
        for column, parts in self.limits.items():
            own, place = parts[x[:, column].long()], x[:, column].double() % 1
            found &= (place >= own[:, 0]) & (place <= own[:, 1])
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
        names, sign, value = _split(text, places)
        number, column = places[names[0]], codec.columns[places[names[0]]]
        others = _terms(value, places) if len(names) > 1 or not _has(column, value) else ()
        if len(names) > 1 or others:
            checks.append(_comparison(text, [places[name] for name in names], sign, others, value, codec))
            continue
        kept = left_of(text, column, sign, value)
        before = limits.get(number, torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(column.count, 2))
        start, stop = torch.maximum(before[:, 0], kept[:, 0]), torch.minimum(before[:, 1], kept[:, 1])
        limits[number] = torch.stack([start, torch.maximum(start, stop)], 1)
        if sign in EQUAL:
            known[number] = column.encode(torch.tensor([raw_of(text, column, value)], dtype=torch.float64)).item()
        if sign == "!=" and column.ranges:
            checks.append(Check((number,), sign, number=raw_of(text, column, value)))
        if not bool((limits[number][:, 1] > limits[number][:, 0]).any()):
            raise ValueError(f"the conditions on {column.name!r} leave no value, got {', '.join(texts)}; drop one")
    return Where(known, {n: kept for n, kept in limits.items() if n not in known}, tuple(checks))


def _split(text: str, places: Mapping[str, int]) -> tuple[list[str], str, str]:
    """Return the columns of a condition's left side, the comparison and the value."""
    signs = "|".join(map(re.escape, COMPARISONS))
    found = re.fullmatch(rf"\s*({_sum(places)})\s*({signs})\s*(.*?)\s*", text)
    if found:
        value = found[found.re.groups]
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        return _names(found[1], places), found[found.re.groups - 1], value[1:-1] if quoted else value
    raise ValueError(
        f"a condition is COLUMN, one of {' '.join(COMPARISONS)}, and a value or another column, got {text!r}; the "
        f"columns are {', '.join(places)}"
    )


def _sum(places: Mapping[str, int]) -> str:
    """Return a pattern of columns with + between them; of names that begin alike the longest counts."""
    name = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
    return rf"(?:{name})(?:\s*\+\s*(?:{name}))*"


def _names(text: str, places: Mapping[str, int]) -> list[str]:
    name = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
    return re.findall(rf"({name})(?:\s*\+\s*|$)", text)


def _terms(value: str, places: Mapping[str, int]) -> tuple[int, ...]:
    """Return the columns whose sum ``value`` is, if it is one."""
    return tuple(places[name] for name in _names(value, places)) if re.fullmatch(_sum(places), value) else ()


def _comparison(
    text: str, columns: Sequence[int], sign: str, others: tuple[int, ...], value: str, codec: TableCodec
) -> Check:
    """Return the comparison of a sum of columns with others, or with a number."""
    for other in (*columns[1:], *others):
        _check_comparable(text, codec.columns[columns[0]], codec.columns[other])
    number = 0.0 if others else raw_of(text, codec.columns[columns[0]], value)
    return Check(tuple(columns), sign, others, number)


def _has(column: Column, value: str) -> bool:
    """Return whether ``value`` is one of the column's own texts."""
    return not column.ranges and any(column.text(float(place)) == value for place in range(column.count))


def raw_of(text: str, column: Column, value: str) -> float:
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


def left_of(text: str, column: Column, sign: str, value: str) -> Places:
    """Return what one condition leaves of a column's bins.

    Args:
        text: the whole condition, for messages.
        column: the column.
        sign: one of `COMPARISONS`.
        value: what cells are compared with.

    Raises:
        ValueError: if the value is none of the column's, or the column has no order.
    """
    bins = torch.arange(column.count, dtype=torch.float64)
    if not column.ranges:
        if sign not in (*EQUAL, "!="):
            raise ValueError(
                f"the column {column.name!r} holds {column}, which have no order, got {text!r}; use = or !="
            )
        same = bins == raw_of(text, column, value)
        kept = same if sign != "!=" else ~same
        return torch.stack([torch.zeros_like(bins), kept.double()], 1)
    assert isinstance(column, BinnedColumn)
    return _of_number(column, sign, raw_of(text, column, value))


def _of_number(column: BinnedColumn, sign: str, number: float) -> Places:
    """Return what a comparison leaves: of ranges the places beyond the number, of other bins those that fit."""
    step, half = column.bins.step, column.bins.step / 2
    observed = torch.tensor([column.bins.low, column.bins.high], dtype=torch.float64)
    outside = sign in EQUAL and not column.bins.low <= number <= column.bins.high
    if outside or not (sign in (*EQUAL, "!=") or bool(COMPARISONS[sign](observed, number).any())):
        return torch.zeros(column.count, 2, dtype=torch.float64)  # draws stay within the observed numbers
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
