"""The swiss roll in two dimensions, with its exact density.

    u ~ U(3π/2, 9π/2),   x = (u cos u, u sin u) + N(0, s² I),   p(x) = (1/3π) ∫ N(x; c(u), s² I) du

swiss-roll[:NOISE]   in scikit-learn's raw units, NOISE = s (0.5)

The integral is a composite Gauss–Legendre sum, so the roll is also a mixture of as many Gaussians as there are nodes:
its exact score and posterior are those of the mixture. Without noise it has no density (its entropy is −∞): s is part
of what the set is. Both columns are scaled by one number, to a mean variance of 1, so that the noise stays round.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.codec.affine import AffineCodec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Held
from quasistatic.runtime.digest import digest

ROWS = 200_000
"""Number of points; enough that a network does not memorise them."""


@dataclass(frozen=True)
class SwissRoll(Contents):
    """A swiss roll with the given noise.

    Attributes:
        noise: s, in raw units.

    Raises:
        ValueError: if ``noise`` is not above 0.
    """

    noise: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.noise < math.inf:
            raise ValueError(
                f"a swiss roll needs noise above 0, or it has no density to learn, got {self.noise}; "
                "write swiss-roll:NOISE in raw units, where the roll is about 28 wide"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the set."""
        return f"swiss-roll:{self.noise:g}"

    @property
    def center(self) -> tuple[float, float]:
        """The mean of x."""
        return 2.0, 2 / (3 * math.pi)

    @property
    def scale(self) -> float:
        """√ of the mean variance of the two columns."""
        return math.sqrt((9.75 * math.pi**2 + 2 * self.noise**2 - 4 - 4 / (9 * math.pi**2)) / 2)

    def sample(self, count: int, seed: int = 0) -> Float[Tensor, "count 2"]:
        """Draw raw points, float64."""
        random = np.random.default_rng(seed)
        u = torch.from_numpy(random.uniform(1.5 * math.pi, 4.5 * math.pi, count))
        return _curve(u) + self.noise * torch.from_numpy(random.standard_normal((count, 2)))

    def log_density(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
        """Return log p of raw points, in nats per squared raw unit, float64."""
        rows = [self._log_joint(part).logsumexp(-1) for part in x.double().split(2048)]
        return torch.cat(rows)

    @cached_property
    def mixture(self) -> tuple[Float[Tensor, " nodes"], Float[Tensor, "nodes 2"]]:
        """Weights and centres of the Gaussians N(·, s² I) that the density is a sum of, raw units.

        Panels are no longer than two widths of the noise, so that 16 nodes each give the integral to rounding.
        """
        length = 4.5 * math.pi * 3 * math.pi  # no less than the curve's
        panels = max(16, math.ceil(length / (2 * self.noise)))
        nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(16))
        edges = torch.linspace(1.5 * math.pi, 4.5 * math.pi, panels + 1, dtype=torch.float64)
        half = edges.diff()[:, None] / 2
        u = (edges[:-1, None] + half * (nodes + 1)).flatten()
        return (half * weights / (3 * math.pi)).flatten(), _curve(u)

    def entropy(self, fineness: float = 0.5) -> float:
        """Return −∫ p log₂ p in bits, raw units, by the trapezoid rule on a grid of step ``fineness`` · s.

        At ½ it is exact to 1e-7 bits for s up to 1.
        """
        (low, high), step = self._reach(), fineness * self.noise
        total = 0.0
        columns = torch.arange(low[1].item(), high[1].item() + step, step, dtype=torch.float64)
        for first in torch.arange(low[0].item(), high[0].item() + step, step, dtype=torch.float64):
            log_p = self.log_density(torch.stack([first.expand(len(columns)), columns], 1))
            total -= (log_p.exp() * log_p).sum().item() * step**2
        return total / math.log(2)

    def dataset(self, options: DataOptions) -> Dataset:
        """Return 200,000 points, or ``options.limit`` points."""
        values = self.sample(min(options.limit or ROWS, ROWS)).float()
        codec = AffineCodec(self.center, (self.scale, self.scale))
        return Dataset(self.name, Held(values), codec, digest(values))

    def _reach(self) -> tuple[Tensor, Tensor]:
        centres = self.mixture[1]
        return centres.amin(0) - 9 * self.noise, centres.amax(0) + 9 * self.noise

    def _log_joint(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch nodes"]:
        weights, centres = self.mixture
        square = torch.cdist(x, centres, compute_mode="donot_use_mm_for_euclid_dist").square()
        return weights.log() - square / (2 * self.noise**2) - math.log(2 * math.pi * self.noise**2)


def swiss_roll(name: str) -> SwissRoll:
    """Return the set called ``name``, as above.

    Raises:
        ValueError: if NOISE is no number above 0.
    """
    try:
        return SwissRoll(*(float(part) for part in name.split(":")[1:]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"a swiss roll is written swiss-roll:NOISE, got {name!r}: {error}") from None


def _curve(u: Float[Tensor, " count"]) -> Float[Tensor, "count 2"]:
    return torch.stack([u * u.cos(), u * u.sin()], 1)
