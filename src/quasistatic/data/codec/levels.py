"""Codec of equally spaced levels, such as 8-bit pixels; scored as mass."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.data.codec.base import Codec, refuse_nan
from quasistatic.distribution import Distribution, LevelMixture, Levels, Normal, Quantized
from quasistatic.runtime.fields import Range, Whole

FEW_LEVELS = 32
"""Up to this many equally spaced integers, exactly these are the levels; with more, the full range of the type is."""

MANY_LEVELS = 2**16
"""Maximum number of levels; integers with more levels should be stored as floats."""


@final
@dataclass(frozen=True)
class LevelsCodec(Codec):
    """``levels`` equally spaced integers from ``low`` to ``high``: digits are (0, 16, 17), 8-bit images (0, 255, 256).

    Raises:
        ValueError: if there are fewer than two levels, or they do not divide the range into equal whole steps.
    """

    low: Whole
    high: Whole
    levels: Annotated[int, Range(at_most=MANY_LEVELS)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels < 2 or self.high <= self.low or (self.high - self.low) % (self.levels - 1):
            raise ValueError(
                f"a levels codec needs two or more levels in equal whole steps from low to high, got {self.levels} "
                f"levels from {self.low} to {self.high}; choose levels − 1 to divide high − low"
            )

    def __str__(self) -> str:
        return f"{self.levels} levels from {self.low} to {self.high}" + (f" by {self.step}" if self.step > 1 else "")

    @property
    def step(self) -> int:
        """The distance between two raw levels."""
        return (self.high - self.low) // (self.levels - 1)

    @property
    def states(self) -> Float[Tensor, " levels"]:
        """The state of each level, rising from −1 to 1, float32."""
        return torch.linspace(-1, 1, self.levels, dtype=torch.float64).float()

    @property
    def dtype(self) -> torch.dtype:
        """The smallest of uint8, int16, int32 and int64 that holds every raw level."""
        types = (torch.uint8, torch.int16, torch.int32, torch.int64)
        return next(d for d in types if torch.iinfo(d).min <= self.low and self.high <= torch.iinfo(d).max)

    @property
    def measure(self) -> str:
        return "mass"

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Return the states of ``raw``, float32, bitwise equal to entries of ``states``.

        Raises:
            ValueError: if a value is NaN or not one of the levels.
        """
        whole = (raw.round() if raw.is_floating_point() else raw).long()
        # ⌊raw/step⌋ − ⌊low/step⌋ is right on the levels and, unlike raw − low, never overflows 64 bits.
        index = torch.div(whole, self.step, rounding_mode="floor") - self.low // self.step
        known = (index >= 0) & (index < self.levels) & (self.low + index * self.step == raw)
        if not known.all():
            refuse_nan(raw)
            value = raw[~known][0].item()
            raise ValueError(f"the data should hold {self}, got the value {value:g}; use data in these units")
        return self.states.to(raw.device)[index]

    def decode(self, x: Float[Tensor, " batch *shape"]) -> Shaped[Tensor, " batch *shape"]:
        """Return the level nearest to each state, in the smallest integer type; the outer level beyond ±1.

        ``Quantized`` rounds in the same way, so decoded draws follow the scored distribution.

        Raises:
            ValueError: if a state is NaN or infinite, which means that sampling failed.
        """
        refuse_nan(x)
        edges = (self.states[1:] + self.states[:-1]) / 2
        index = torch.bucketize(x.contiguous(), edges.to(x))
        return (self.low + index * self.step).to(self.dtype)

    def log_jacobian(self, x: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        return torch.zeros_like(x)

    def decoder(self, clean: Distribution) -> Distribution:
        """Return the mass on each level: a Normal is quantized, a mass on levels is unchanged.

        Raises:
            TypeError: if ``clean`` is neither a Normal nor a mass on levels.
        """
        if isinstance(clean, Quantized | Levels | LevelMixture):
            return clean
        if not isinstance(clean, Normal):
            raise TypeError(f"levels are scored with a Normal, a Quantized or a Levels, got {type(clean).__name__}")
        return Quantized(clean, self.states.to(clean.mean))


def levels_codec_of(values: Shaped[Tensor, " batch *shape"]) -> LevelsCodec:
    """Find the levels of integer ``values``; see `levels_codec_of_blocks`."""
    return levels_codec_of_blocks(values.dtype, values.flatten().split(2**20))


def levels_codec_of_blocks(dtype: torch.dtype, blocks: Iterable[Shaped[Tensor, "..."]]) -> LevelsCodec:
    """Find the levels of integers that come in blocks.

    Integers on at most 32 equally spaced levels have those levels. Others have the full range of 8 bits or, if that is
    too small, of 16 bits, or otherwise the observed range.

    Raises:
        ValueError: if integers of more than 16 bits span more than 65,536 levels.
    """
    low, high, step = _progression(dtype, blocks)
    if step and (high - low) // step < FEW_LEVELS:
        return LevelsCodec(low, high, (high - low) // step + 1)
    signed = [torch.iinfo(d) for d in (torch.int8, torch.int16) if d == dtype]
    ranges = [(one.min, one.max) for one in signed] + [(0, 2**8 - 1), (0, 2**16 - 1)]
    for first, last in ranges:
        if first <= low and high <= last:
            return LevelsCodec(first, last, last - first + 1)
    levels = (high - low) // step + 1 if step else 0
    if not 2 <= levels <= MANY_LEVELS:
        raise ValueError(
            f"integer data needs 2 to {MANY_LEVELS} levels, got {levels or 1} from {low} to {high}; store it as "
            "floats, to be scored as a density"
        )
    return LevelsCodec(low, high, levels)


def _progression(dtype: torch.dtype, blocks: Iterable[Tensor]) -> tuple[int, int, int]:
    """Return the minimum, the maximum, and the largest step that reaches every value (0 for a single value).

    Stops early once 8-bit data have more than a few levels, because more values cannot change their codec.
    """
    distinct = torch.empty(0, dtype=torch.int64)
    low, high, step, many = 0, 0, 0, False
    for part in blocks:
        # counting is ten times faster than the sort behind `unique`
        seen = part.flatten().bincount().nonzero()[:, 0] if dtype == torch.uint8 else part.unique().long()
        distinct = torch.cat([distinct, seen]).unique()
        low, high, many = int(distinct[0]), int(distinct[-1]), many or len(distinct) >= MANY_LEVELS
        step = 1 if many else math.gcd(*(value - low for value in distinct.tolist()))
        distinct = distinct[[0, -1]] if many else distinct
        if dtype == torch.uint8 and step and (high - low) // step >= FEW_LEVELS:
            break
    return low, high, step
