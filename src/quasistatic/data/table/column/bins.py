"""Bins of a column of numbers: ranges of values, and a bin of its own for each value that repeats.

    state = range + place in it     for a number in a range: an increasing function, linear between knots
          = ranges + j + ½          for the j-th repeated value

Ranges hold about equally many of the values that do not repeat, fewer at both ends; inside, the line follows their
quantiles. A column that is 0 in nine rows of ten thus has a bin for 0 and ranges for the tenth row. Numbers beyond the
observed ones have the ends of the outer ranges, with tails ∝ 1/distance², as likely as one row in all; draws there
return the observed end.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.runtime.fields import Checked, NotNegative, Positive, Range

Values = Float[Tensor, "*shape"]

RANGES, MOST_RANGES = 64, 128
"""Maximum number of ranges of a column, and that of long tables."""

PER_LONG = 200
"""Values that a range holds at least, where there are more than `RANGES`."""

PER_RANGE = 4
"""Values that a range holds at least, where there are so few."""

KNOTS = 8
"""Maximum number of linear pieces of a range."""

PER_KNOT = 4
"""Values between two knots at least."""

REPEATS = 5
"""Rows from which a value repeats. In long tables it holds in one row of `RARE` at least, if few others repeat."""

RARE = 2000

REPEATED = 256
"""Maximum number of repeated values with a bin of their own."""

NEIGHBOURS = 10
"""Values on both sides, to whose frequency that of a repeated value is compared."""

OFTEN = 4
"""Times as often as its neighbours, and once more, a value repeats to have a bin of its own."""

NOTHING = 1e-12
"""Distance between the ends of a column of one value, relative to its size."""

TAIL = 0.25
"""Maximum share of an outer range beyond the observed values."""

LAST = 2.0**-20
"""Distance, in shares of all ranges, that a state keeps from their end: float32 holds it."""

NEXT = 1e-12
"""Distance that a state keeps from 0."""


@dataclass(frozen=True)
class Bins(Checked):
    """An increasing function from numbers to [0, ranges), and bins for repeated values after it.

    Attributes:
        knots: numbers, increasing, two or more; the first and the last are the observed ends.
        levels: their states, increasing, from inside the first range to inside the last.
        repeated: values with a bin of their own, increasing.
        reach: distance from an observed end at which the density of a tail is a quarter of that at the end.
        step: distance between the numbers that can occur; 0 if all can.
        decimals: digits after the point that draws are rounded to; −1 for as many as float32 has.

    Raises:
        ValueError: if knots or levels do not increase, or their numbers differ.
    """

    knots: tuple[float, ...]
    levels: tuple[float, ...]
    repeated: tuple[float, ...]
    reach: Positive
    step: NotNegative = 0.0
    decimals: Annotated[int, Range(at_least=-1, at_most=15)] = -1

    def __post_init__(self) -> None:
        super().__post_init__()
        rises = all(bool((np.diff(values) > 0).all()) for values in (self.knots, self.levels, self.repeated))
        if not rises or len(self.knots) < 2 or len(self.knots) != len(self.levels) or self.levels[0] <= 0:
            raise ValueError(f"bins have two knots or more that rise with their states, got {self}")

    @classmethod
    def of(cls, raw: np.ndarray, step: int = 0) -> "Bins":
        """Return bins for ``raw`` values, none of them NaN; whole numbers have the ``step`` between them."""
        values, counts = np.unique(raw, return_counts=True)
        own = _repeating(values, counts)
        repeated, half = values[own], step / 2
        if step and own.all() and (values[-1] - values[0]) / step < REPEATED:
            repeated = np.arange(values[0], values[-1] + step, step)  # whole numbers between them may occur, too
        low, high = values[0] - half, values[-1] + half
        if low == high:
            high = low + NOTHING * max(abs(low), 1.0)
        knots, levels = _line(values[~own], counts[~own], (low, high), float(step))
        reach = float(raw.std()) or float(high - low)
        return cls(
            tuple(knots.tolist()), tuple(levels.tolist()), tuple(repeated.tolist()), reach, float(step), _decimals(raw)
        )

    @property
    def ranges(self) -> int:
        """Number of ranges, the first of the bins."""
        return math.ceil(self.levels[-1])

    @property
    def count(self) -> int:
        """Number of bins."""
        return self.ranges + len(self.repeated)

    @property
    def between(self) -> tuple[float, ...]:
        """Where repeated values lie among the ranges: the states they would have there."""
        return tuple(self.along(torch.tensor(self.repeated, dtype=torch.float64)).tolist())

    @property
    def constant(self) -> bool:
        """True if they were made for a single value."""
        return self.high - self.low <= 2 * NOTHING * max(abs(self.low), 1.0)

    @property
    def low(self) -> float:
        """The smallest number observed."""
        return self.knots[0] + self.step / 2

    @property
    def high(self) -> float:
        """The largest number observed."""
        if self.step:  # by steps from the lowest: far from 0, half a step is no float64
            return self.low + self.step * round((self.knots[-1] - self.knots[0]) / self.step - 1)
        return self.knots[-1]

    def to_states(self, raw: Values) -> Values:
        """Return the states of numbers; NaN stays NaN."""
        return torch.where(self._own(raw), self.ranges + 0.5 + self._place(raw), self.along(raw))

    def to_raw(self, x: Values) -> Values:
        """Return the numbers of states, within the observed ends and rounded as they are; NaN stays NaN."""
        inside, repeated = self._back(x), self._tables[2]
        if self.step:
            inside = self.low + self.step * ((inside - self.low) / self.step).round()
        elif self.decimals >= 0:
            inside = inside.round(decimals=self.decimals)
        inside = inside.clamp(self.low, self.high)
        place = (x - self.ranges).nan_to_num(0.0).floor().long().clamp(0, max(len(repeated) - 1, 0))
        own = repeated.to(x)[place] if len(repeated) else inside
        return torch.where(x.isnan(), x, torch.where(x >= self.ranges, own, inside))

    def log_slope(self, x: Values) -> Values:
        """log |d state / d raw| at states, in nats; with a step, log of the share of a range that a number holds.

        It is 0 for repeated values, which are scored as mass.
        """
        x = x.double()
        if self.step:
            raw = self.low + self.step * ((self._back(x) - self.low) / self.step).round()
            inside = (self.along(raw + self.step / 2) - self.along(raw - self.step / 2)).log()
        else:
            knots, levels, _ = self._tables
            inside = (levels.diff() / knots.diff()).log().to(x)[_piece(x, levels)]
            for left, share in ((x, self.levels[0]), (self.ranges - x, self.ranges - self.levels[-1])):
                tail = 2 * (left / share).clamp(min=1e-300).log() + math.log(share / self.reach)
                inside = torch.where(left < share, tail, inside)
        return torch.where(x >= self.ranges, 0, inside)

    def _back(self, x: Values) -> Values:
        """Return the numbers of states in ranges, tails included."""
        knots, levels, _ = self._tables
        piece = _piece(x, levels)
        slope = (knots.diff() / levels.diff()).to(x)[piece]
        inside = knots.to(x)[piece] + slope * (x - levels.to(x)[piece])
        first, last = self.levels[0], self.ranges - self.levels[-1]
        inside = torch.where(x < first, self.knots[0] - self.reach * (first / x.clamp(min=NEXT) - 1), inside)
        above = self.reach * (last / (self.ranges - x).clamp(min=NEXT) - 1)
        return torch.where(x > self.levels[-1], self.knots[-1] + above, inside)

    def along(self, raw: Values) -> Values:
        """Return the states of numbers as if none repeated: in ranges, tails included."""
        knots, levels, _ = self._tables
        piece = _piece(raw, knots)
        slope = (levels.diff() / knots.diff()).to(raw)[piece]
        inside = levels.to(raw)[piece] + slope * (raw - knots.to(raw)[piece])
        below, above = (self.knots[0] - raw) / self.reach, (raw - self.knots[-1]) / self.reach
        inside = torch.where(below > 0, self.levels[0] / (1 + below), inside)
        end = self.ranges - (self.ranges - self.levels[-1]) / (1 + above)
        return torch.where(above > 0, end, inside).clamp(NEXT, self.ranges * (1 - LAST))

    def _own(self, raw: Values) -> Bool[Tensor, "*shape"]:
        """Return whether numbers have a bin of their own."""
        repeated = self._tables[2].to(raw)
        if not len(repeated):
            return torch.zeros_like(raw, dtype=torch.bool)
        return repeated[self._place(raw)] == raw

    def _place(self, raw: Values) -> Tensor:
        repeated = self._tables[2].to(raw)
        place = torch.searchsorted(repeated, raw.nan_to_num(0.0).contiguous())
        return place.clamp(max=max(len(repeated) - 1, 0))

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(torch.tensor(v, dtype=torch.float64) for v in (self.knots, self.levels, self.repeated))  # type: ignore[return-value]


def _repeating(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return which values have a bin of their own: all of a few, or those that repeat far more often than others near.

    Whole numbers repeat because of their step; a value that does so no more than its neighbours belongs to a range.
    """
    rows = counts.sum()
    if len(values) == 1 or (len(values) <= REPEATED and np.median(counts) >= REPEATS):
        return np.ones(len(values), dtype=bool)
    half = NEIGHBOURS // 2
    around = np.convolve(counts, np.ones(NEIGHBOURS + 1))
    count = np.convolve(np.ones(len(counts)), np.ones(NEIGHBOURS + 1))
    near = (around[half : half + len(counts)] - counts) / (count[half : half + len(counts)] - 1)
    own = (counts >= max(REPEATS, rows / RARE)) & (counts >= OFTEN * (near + 1))
    if own.sum() > REPEATED:
        own &= counts > np.sort(counts[own])[-REPEATED - 1]
    return own


def _line(
    values: np.ndarray, counts: np.ndarray, ends: tuple[float, float], step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return knots from one of the ``ends`` to the other, and their states, from distinct values and their counts."""
    low, high = ends
    rows = int(counts.sum())
    if len(values) < 2:
        return np.array([low, high]), np.array([TAIL, 1 - TAIL])
    most = int(np.clip(rows // PER_LONG, RANGES, MOST_RANGES))
    ranges = int(np.clip(min(rows, len(values)) // PER_RANGE, 1, most))
    pieces = ranges * int(np.clip(rows // (ranges * PER_KNOT), 1, KNOTS))
    # Candidates for knots lie between neighbouring values; a knot is taken at every share k/pieces.
    shares, cuts = counts.cumsum()[:-1] / rows, _cuts(ranges, pieces)
    wanted = np.concatenate([np.arange(1, pieces) / pieces, cuts])
    taken = np.unique(np.searchsorted(shares, wanted - 1e-9).clip(max=len(shares) - 1))
    between = (values[:-1] + values[1:]) / 2
    if step:
        between = values[:-1] + step / 2
    keep = (between[taken] > low) & (between[taken] < high)
    taken = taken[keep]
    knots = np.concatenate([[low], between[taken], [high]])
    at = np.concatenate([[0.0], shares[taken], [1.0]])
    edges = np.unique(np.searchsorted(at, cuts - 1e-9))
    edges = np.concatenate([[0], edges[(edges > 0) & (edges < len(at) - 1)], [len(at) - 1]])
    levels = np.interp(at, at[edges], np.arange(len(edges), dtype=float))
    return knots, _with_tails(levels, rows)


def _cuts(ranges: int, pieces: int) -> np.ndarray:
    """Return the shares of rows below each range but the first: even, but the outer ones are halved up to the ends.

    A quantile says little about values far out, so the law of what is far out needs narrower ranges.
    """
    outer = 1 / ranges / 2.0 ** np.arange(1, math.floor(math.log2(pieces / ranges)) + 1)
    return np.sort(np.concatenate([np.arange(1, ranges) / ranges, outer, 1 - outer]))


def _with_tails(levels: np.ndarray, rows: int) -> np.ndarray:
    """Leave room for tails in the outer ranges: as much as one row in all has."""
    ranges = levels[-1]
    tail = min(TAIL, ranges / (2 * (rows + 1)))
    first, last = levels <= 1, levels >= ranges - 1
    if ranges == 1:
        return tail + (1 - 2 * tail) * levels
    return np.where(first, tail + (1 - tail) * levels, np.where(last, levels - tail * (levels - ranges + 1), levels))


def _decimals(raw: np.ndarray) -> int:
    """Return the digits after the point that all values have, −1 if they have more than seven."""
    for digits in range(8):
        if bool((np.abs(raw - raw.round(digits)) <= 4e-15 * np.abs(raw)).all()):
            return digits
    return -1


def _piece(at: Values, places: Tensor) -> Tensor:
    """Return the index of the linear piece, from 0; the outer pieces extend to infinity."""
    return torch.searchsorted(places[1:-1].to(at), at.nan_to_num(0.0).contiguous(), right=True)
