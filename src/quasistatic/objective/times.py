"""Importance sampling of training times: in proportion to their cost, on a low-discrepancy grid.

Source: Nichol & Dhariwal 2021, eq. 18; Kingma et al. 2021, App. I.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import standard_uniform


class TimeDensity:
    """Draws steps in proportion to the root mean square of their recent costs, which minimises the loss's variance.

    A tenth of the probability is uniform over all steps. ``cost · weight`` has the same mean as under uniform draws.
    Draws are uniform until every band of steps has been seen.
    Source: Nichol & Dhariwal 2021, eq. 18, with bands and a running mean.
    """

    def __init__(self, steps: int, bands: int = 100, memory: float = 0.9) -> None:
        self.steps, self.memory = steps, memory
        # The last step has its own band: its cost is a log-probability, the others' a KL.
        self._band = torch.cat(
            [torch.zeros(1), 1 + torch.arange(steps - 1) * min(bands, steps - 1) // max(steps - 1, 1)]
        )
        self._band = self._band.long()
        self.square = torch.full((int(self._band.max()) + 1,), torch.nan, dtype=torch.float64)

    def probabilities(self) -> Float[Tensor, " steps"]:
        """Probability of each step 1 … T, summing to 1."""
        even = torch.full((self.steps,), 1 / self.steps, dtype=torch.float64)
        if bool(self.square.isnan().any()):
            return even
        share = self.square.sqrt()[self._band]
        return 0.1 * even + 0.9 * share / share.sum()

    def draw(
        self, count: int, generator: torch.Generator | None = None
    ) -> tuple[Int[Tensor, " count"], Float[Tensor, " count"]]:
        """Draw ``count`` steps in 1 … T on a low-discrepancy grid, in random order; return them and their weights."""
        probability = self.probabilities()
        u = (standard_uniform(torch.zeros(1, dtype=torch.float64), generator) + torch.arange(count) / count) % 1
        below = probability.cumsum(0)
        k = torch.searchsorted(below, u * below[-1], right=True).clamp(max=self.steps - 1)
        k = k[torch.randperm(count, generator=generator)]
        return k + 1, 1 / (self.steps * probability[k])

    def update(self, k: Int[Tensor, " count"], cost: Float[Tensor, " count"]) -> None:
        """Update the running mean squares with the costs of steps ``k``."""
        band = self._band[k - 1]
        count = torch.zeros_like(self.square).index_add_(0, band, torch.ones_like(cost, dtype=torch.float64))
        seen = torch.zeros_like(self.square).index_add_(0, band, cost.double() ** 2) / count
        blended = torch.where(self.square.isnan(), seen, self.memory * self.square + (1 - self.memory) * seen)
        self.square = torch.where(count > 0, blended, self.square)

    def load(self, square: Float[Tensor, " bands"]) -> None:
        """Load the mean squares of another density over the same number of steps; NaN marks an unseen band.

        Raises:
            ValueError: if the number of bands differs, or a value is negative or infinite.
        """
        if square.shape != self.square.shape or bool((square < 0).any() | square.isinf().any()):
            raise ValueError(
                f"a density over {self.steps} steps keeps {len(self.square)} mean squares, all finite or NaN, "
                f"got {tuple(square.shape)}"
            )
        self.square = square.detach().to("cpu", torch.float64, copy=True)
