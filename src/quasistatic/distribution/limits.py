"""Factors in [0, 1] of the cells of one column: what is left of its bins, and values seen with noise.

r = 1 in a part of each bin, 0 elsewhere; with noise exp(−(raw − y)²/(2 std²)) in that part
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

Cells = Float[Tensor, " rows"]


@dataclass(frozen=True, eq=False)
class Noise:
    """A value of each row's cell, seen with noise: r = exp(−(raw − y)²/(2 std²)).

    Attributes:
        y: what was seen, in raw units.
        std: of the noise, in raw units; infinite for rows that have none.
        ends: raw values at both ends of each bin.
        decode: states → raw values.
    """

    y: Cells
    std: Cells
    ends: Float[Tensor, "bins 2"]
    decode: Callable[[Tensor], Tensor]

    def log_r(self, state: Cells) -> Cells:
        """log r of states."""
        return -0.5 * ((self.decode(state) - self.y) / self.std).square()

    @property
    def bounds(self) -> Float[Tensor, "rows bins"]:
        """The largest log r in each bin: at its point nearest to y."""
        low, high = self.ends.unbind(1)
        nearest = torch.minimum(torch.maximum(self.y[:, None], low), high)
        return -0.5 * ((nearest - self.y[:, None]) / self.std[:, None]).square()

    def take(self, rows: Int[Tensor, " taken"]) -> "Noise":
        """Return the noise of the examples ``rows``."""
        return Noise(self.y[rows], self.std[rows], self.ends, self.decode)


@dataclass(frozen=True, eq=False)
class Limit:
    """What limits the cells of one column.

    Attributes:
        parts: the part of each bin that is left, from … to; for each row, or one for all rows.
        noise: if values were seen with noise.
    """

    parts: Float[Tensor, "#rows bins 2"]
    noise: Noise | None = None

    def take(self, rows: Int[Tensor, " taken"]) -> "Limit":
        """Return the limits of the examples ``rows``."""
        noise = None if self.noise is None else self.noise.take(rows)
        return Limit(self.parts if len(self.parts) == 1 else self.parts[rows.to(self.parts.device)], noise)


Limits: TypeAlias = Mapping[int, Limit]
"""Limits by column."""
