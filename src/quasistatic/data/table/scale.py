"""Scales convert numbers in raw units to states of about mean 0 and variance 1, and back.

    Standard    state = (raw − center) / scale
    Line        an increasing piecewise linear function through knots, extrapolated linearly

    standard    Standard, by mean and deviation
    power       Line along the Yeo–Johnson transform that makes the column most nearly normal
    quantile    Line along Φ⁻¹(share of values below raw): normal, whatever the column's shape

By its quantiles a column of any shape becomes about normal, so that a joint normal law of the states is a Gaussian
copula of the raw values; a power is smoother, and keeps what columns that are powers of each other have in common.
Everything is float64, in raw units and back.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from scipy.special import boxcox1p, inv_boxcox1p
from torch import Tensor

from quasistatic.runtime.fields import Checked, NotNegative

Values = Float[Tensor, "*shape"]

POWER_KNOTS = 65

NARROW = 1e-5
"""Relative spread below which any power transform is linear on the values, so rounding would distort it."""

MOST_KNOTS = 33
"""Maximum number of quantile knots; more would follow single values instead of the column's shape."""


class Scale(Checked, ABC):
    """An increasing function from raw numbers to states; a frozen dataclass of plain numbers."""

    @property
    @abstractmethod
    def constant(self) -> bool:
        """True if it was fitted to a single value."""

    @abstractmethod
    def to_states(self, raw: Values) -> Values:
        """Return states; NaN stays NaN."""

    @abstractmethod
    def to_raw(self, x: Values) -> Values:
        """Return the raw values of states, of any size; NaN stays NaN."""

    @abstractmethod
    def log_slope(self, x: Values) -> Values:
        """log |d state / d raw| at states, in nats."""


@final
@dataclass(frozen=True)
class Standard(Scale):
    """Mean ``center`` and standard deviation ``scale``; a scale of 0 is a column of one value."""

    center: float
    scale: NotNegative

    @classmethod
    def of(cls, raw: np.ndarray) -> "Standard":
        """Return the scale of ``raw`` values, none of them NaN."""
        same = raw.max() == raw.min()
        return cls(float(raw[0] if same else raw.mean()), 0.0 if same else float(raw.std()))

    @property
    def constant(self) -> bool:
        return self.scale == 0

    def to_states(self, raw: Values) -> Values:
        return (raw - self.center) / (self.scale or 1.0)

    def to_raw(self, x: Values) -> Values:
        return x * (self.scale or 1.0) + self.center

    def log_slope(self, x: Values) -> Values:
        return torch.full_like(x, -math.log(self.scale or 1.0))


@final
@dataclass(frozen=True)
class Line(Scale):
    """Raw values ``knots`` and their states ``levels``, both increasing, at least two of each.

    Raises:
        ValueError: if the knots do not increase, or the numbers of knots and levels differ.
    """

    knots: tuple[float, ...]
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        rises = bool((np.diff(self.knots) > 0).all() and (np.diff(self.levels) > 0).all())
        if not rises or len(self.knots) < 2 or len(self.knots) != len(self.levels):
            raise ValueError(f"a line has two knots or more that rise with their states, got {self}")

    @property
    def constant(self) -> bool:
        return False

    def to_states(self, raw: Values) -> Values:
        return _along(raw, *self._tables)

    def to_raw(self, x: Values) -> Values:
        return _along(x, *self._tables[::-1])

    def log_slope(self, x: Values) -> Values:
        knots, levels = self._tables
        slopes = (levels.diff() / knots.diff()).log()
        return slopes.to(x.device)[_piece(x, levels)].to(x)

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.knots, dtype=torch.float64), torch.tensor(self.levels, dtype=torch.float64)


def _along(at: Values, places: Tensor, values: Tensor) -> Values:
    """Interpolate linearly through (places, values), with linear extrapolation."""
    places, values = places.to(at), values.to(at)
    piece = _piece(at, places)
    slopes = values.diff() / places.diff()
    return values[piece] + slopes[piece] * (at - places[piece])


def _piece(at: Values, places: Tensor) -> Tensor:
    """Return the index of the linear piece, from 0; the outer pieces extend to infinity."""
    inner = places[1:-1].to(at)
    return torch.searchsorted(inner, at.nan_to_num(0.0).contiguous(), right=True)


def quantile(raw: np.ndarray) -> Scale:
    """Return the line through quantiles of ``raw`` values, none of them NaN; `Standard` for a single value.

    There are at least ten values per knot, and equal values share one. Source of the shares (rank − 3/8)/(n + 1/4):
    Blom 1958, Statistical Estimates and Transformed Beta-Variables.
    """
    values, counts = np.unique(raw, return_counts=True)
    if len(values) < 2:
        return Standard.of(raw)
    shares = (counts.cumsum() - counts / 2 + 0.125) / (len(raw) + 0.25)  # the mean of (rank − 3/8)/(n + 1/4)
    wanted = min(max(len(raw) // 10, 2), MOST_KNOTS)
    places = np.unique(np.searchsorted(shares, np.linspace(shares[0], shares[-1], wanted)))
    levels = torch.special.ndtri(torch.from_numpy(shares[places]))
    return Line(tuple(values[places].tolist()), tuple(levels.tolist()))


def power(raw: np.ndarray) -> Scale:
    """Return the Yeo–Johnson transform of ``raw`` values, none of them NaN, that makes them closest to normal.

    Its power λ is limited to [0, 2], with a logarithm at either end. Outside, the transform is bounded, and near its
    bound a small change of the state is a huge change of the raw value. The result is a line through `POWER_KNOTS`
    knots over the range of the values, extrapolated linearly.
    Source: Yeo & Johnson 2000, Biometrika 87(4).
    """
    if raw.std() <= NARROW * np.abs(raw).max():
        return Standard.of(raw)
    unit = raw.std() / 10  # far from 0 the transform is then the logarithm of the value
    chosen = float(np.clip(stats.yeojohnson_normmax(raw / unit), 0.0, 2.0))
    bent = _bent(raw / unit, chosen)
    levels = np.linspace(bent.min(), bent.max(), POWER_KNOTS)
    straight = np.where(levels < 0, -inv_boxcox1p(-levels, 2 - chosen), inv_boxcox1p(levels, chosen))
    return Line(tuple((straight * unit).tolist()), tuple(((levels - bent.mean()) / bent.std()).tolist()))


def _bent(raw: np.ndarray, chosen: float) -> np.ndarray:
    """Yeo & Johnson's transform with the power ``chosen``."""
    up, down = boxcox1p(raw.clip(min=0), chosen), boxcox1p(-raw.clip(max=0), 2 - chosen)
    return np.where(raw < 0, -down, up)


SCALES: dict[str, type[Scale]] = {"standard": Standard, "line": Line}
"""Scales by their name in a stored configuration."""


def scale_of(name: str, raw: np.ndarray) -> Scale:
    """Return the scale called ``name``, fitted to ``raw`` values, none of them NaN.

    Raises:
        ValueError: if there is no such scale.
    """
    made = {"power": power, "quantile": quantile, "standard": Standard.of}
    if name not in made:
        raise ValueError(f"numbers are scaled by one of {', '.join(made)}, got data.scale = {name!r}")
    return made[name](raw)
