"""What a network is shown of examples beside their noised states: elements that are known, or means over blocks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from quasistatic.types import Mask, State, like


@dataclass(frozen=True, eq=False)
class Shown:
    """What a network is shown of each example.

    Attributes:
        values: known elements, or the mean over its block for each pixel; NaN where nothing is shown.
        sides: of the blocks of each example in pixels, on the CPU; 0 if elements are known. None if all are.
    """

    values: State
    sides: Int[Tensor, " batch"] | None = None

    @classmethod
    def of(cls, observed: "State | Shown") -> "Shown":
        """Return what is shown where elements that are not known are NaN."""
        return observed if isinstance(observed, Shown) else cls(observed)

    @classmethod
    def means(cls, y: Float[Tensor, "batch channels rows columns"], side: int, levels: int) -> "Shown":
        """Return means over ``side`` × ``side`` pixels, in [−1, 1], rounded to that many levels."""
        rounded = ((y + 1) / 2 * (levels - 1)).round() * (2 / (levels - 1)) - 1
        return cls(interpolate(rounded, scale_factor=side), torch.full((len(y),), side))

    @property
    def known(self) -> Mask:
        """Where elements are known."""
        there = ~self.values.isnan()
        return there if self.sides is None else there & ~self._by_example(self.sides > 0)

    @property
    def share(self) -> Float[Tensor, " batch *shape"]:
        """What the values tell of each element: 1 if it is known, 1/side² if the mean of its block is, else 0."""
        there = (~self.values.isnan()).to(self.values)
        return there if self.sides is None else there / self._by_example(self.sides.clamp(min=1) ** 2)

    def place(self, x_t: State, root: Float[Tensor, " batch"]) -> State:
        """Return noised states with what is shown in its place, without its noise.

        Args:
            x_t: noised states.
            root: √ᾱ of each example, by which the data are scaled; 1 for processes that do not scale.
        """
        clean = like(root, x_t) * self.values.nan_to_num(0.0)
        placed = torch.where(self.known, clean, x_t)
        for side in [] if self.sides is None else self.sides.unique().tolist():
            rows = (self.sides == side).nonzero()[:, 0].to(x_t.device) if side else []
            if len(rows):
                own = interpolate(avg_pool2d(x_t[rows], side), scale_factor=side)
                placed[rows] = x_t[rows] - own + clean[rows]
        return placed

    def _by_example(self, value: Tensor) -> Tensor:
        """Return a value of each example in the shape and on the device of ``values``."""
        return value.to(self.values.device).view(-1, *(1,) * (self.values.ndim - 1))

    def __len__(self) -> int:
        return len(self.values)
