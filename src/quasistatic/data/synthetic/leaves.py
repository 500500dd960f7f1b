"""Dead leaves: discs of grey that hide one another, drawn front to back until nothing behind them shows.

    radius  p(r) ∝ r⁻³ on [r_min, r_max]      grey  U(0, 1)      centre  even over the image and r_max around it

dead-leaves[:SIDE[:NOISE]]   SIDE × SIDE pixels (32), r from 2 to SIDE/2, plus N(0, NOISE²) (0.05)

Two pixels are at least sometimes of one leaf, and then exactly equal: without noise the images have no density, and a
likelihood of them means nothing unless the noise is stated. Drawing front to back and only where nothing is painted yet
is exact: what lies behind can never change what is seen (a fixed number of leaves, or centres inside the image only,
gives another law).
Source: Lee, Mumford & Huang 2001; perfect simulation by Kendall & Thönnes 1999; used in Sohl-Dickstein et al. 2015.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, from_tensor
from quasistatic.types import batches

IMAGES = 4000
"""Default number of images."""

MOST_VALUES = 2**28
"""Maximum number of pixels of all images together."""


@dataclass(frozen=True)
class DeadLeaves(Contents):
    """A set of dead-leaves images.

    Attributes:
        side: height and width in pixels.
        noise: standard deviation of the added noise; grey levels run from 0 to 1.
        smallest: r_min, in pixels; r_max is half the side.

    Raises:
        ValueError: if the side is below 6, or a number is not above 0.
    """

    side: int = 32
    noise: float = 0.05
    smallest: float = 2.0

    def __post_init__(self) -> None:
        if self.side < 6 or not 0 < self.smallest < self.side / 2 or not 0 < self.noise < math.inf:
            raise ValueError(
                "dead leaves need a side of 6 pixels or more and noise above 0 (without it they have no density), "
                f"got side = {self.side}, noise = {self.noise}, smallest radius = {self.smallest}"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the set."""
        return f"dead-leaves:{self.side}:{self.noise:g}"

    @property
    def largest(self) -> float:
        """r_max, in pixels."""
        return self.side / 2

    def sample(self, count: int, seed: int = 0) -> tuple[Float[Tensor, "count side side"], Tensor]:
        """Draw ``count`` images without noise, and the index of the visible leaf of each pixel."""
        random = np.random.default_rng(seed)
        parts = [self._painted(size, random) for size in batches(count, 128)]
        grey, leaf = (np.concatenate(part) for part in zip(*parts, strict=True))
        return torch.from_numpy(grey), torch.from_numpy(leaf)

    def _painted(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Paint ``count`` images at the same time; finished ones are removed from the batch now and then."""
        grey = np.empty((count, self.side, self.side), dtype=np.float32)
        leaf = np.full(grey.shape, -1, dtype=np.int32)
        axis, number = np.arange(self.side, dtype=np.float32), 0
        left, bare, now = np.arange(count), leaf < 0, (grey.copy(), leaf.copy())
        while len(left):
            shape = (len(left), 1, 1)
            u = random.random(shape)
            radius = (u * self.largest**-2 + (1 - u) * self.smallest**-2) ** -0.5
            low, high = -self.largest, self.side - 1 + self.largest
            row, column = random.uniform(low, high, shape), random.uniform(low, high, shape)
            down, across = (axis[:, None] - row) ** 2, (axis - column) ** 2
            shown = bare & (across.astype(np.float32) <= (radius**2 - down).astype(np.float32))
            np.copyto(now[0], random.random(shape, dtype=np.float32), where=shown)
            np.copyto(now[1], np.int32(number), where=shown)
            bare &= ~shown
            number += 1
            if number % 25 == 0:
                going = bare.any((1, 2))
                grey[left[~going]], leaf[left[~going]] = now[0][~going], now[1][~going]
                left, bare, now = left[going], bare[going], (now[0][going], now[1][going])
        return grey, leaf

    def same_leaf(self, distance: float) -> float:
        """Return the probability that two points ``distance`` pixels apart show one leaf.

        γ(d)/(2 γ(0) − γ(d)), with γ(d) the mean overlap of two discs at distance d. It is also the correlation of their
        grey levels without noise.
        """
        radii = self._radii()
        overlap = np.mean([_overlap(distance, radius) for radius in radii])
        return float(overlap / (2 * np.mean([_overlap(0.0, radius) for radius in radii]) - overlap))

    def dataset(self, options: DataOptions) -> Dataset:
        """Return 4,000 images with noise, or ``options.limit`` images."""
        count = options.limit or IMAGES
        if count * self.side**2 > MOST_VALUES:
            raise ValueError(
                f"{self.name}: dead leaves are drawn in memory, at most {MOST_VALUES} pixels in all, got {count} "
                f"images of {self.side}×{self.side}; take fewer or smaller ones"
            )
        grey, _ = self.sample(count)
        noise = np.random.default_rng(1).standard_normal(grey.shape).astype(np.float32)
        return from_tensor(self.name, (grey + self.noise * torch.from_numpy(noise))[:, None])

    def _radii(self, count: int = 20_000) -> np.ndarray:
        u = (np.arange(count) + 0.5) / count
        return (u * self.largest**-2 + (1 - u) * self.smallest**-2) ** -0.5


def dead_leaves(name: str) -> DeadLeaves:
    """Return the set called ``name``, as above.

    Raises:
        ValueError: if SIDE or NOISE is no number in range.
    """
    given = name.split(":")[1:]
    try:
        side, noise = [*given, *("32", "0.05")[len(given) :]]
        return DeadLeaves(int(side), float(noise))
    except ValueError as error:
        raise ValueError(f"dead leaves are written dead-leaves:SIDE:NOISE, got {name!r}: {error}") from None


def _overlap(distance: float, radius: float) -> float:
    """Return the overlap area of two discs of equal radius."""
    if distance >= 2 * radius:
        return 0.0
    angle = math.acos(distance / (2 * radius))
    return 2 * radius**2 * angle - distance / 2 * math.sqrt(4 * radius**2 - distance**2)
