"""Fixed noise schedules.

Linear       β_i from 1e-4 to 0.02 in 1,000 steps; with T steps, times 1000/T   Ho et al. 2020
Cosine       ᾱ = f(t)/f(0),  f = cos²((t + c)/(1 + c) · π/2),  c = 0.008         Nichol & Dhariwal 2021, eq. 17
Reciprocal   β_i = 1/(T − i + 1), so ᾱ = 1 − t whatever T                        Sohl-Dickstein et al. 2015, §2.4.1
Table        any list of β
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch

from quasistatic.runtime.fields import Positive, Range, Steps
from quasistatic.schedule.base import Schedule, Values


@dataclass(frozen=True)
class Cosine(Schedule):
    """ᾱ(t) = f(t)/f(0), f = cos²((t + offset)/(1 + offset) · π/2); ᾱ(1) = 0 to within 1e-32.

    Source: Nichol & Dhariwal 2021, eq. 17 (their table cuts β at 0.999; `Table` takes such a list).
    """

    offset: Annotated[float, Range(at_least=0, at_most=1)] = 0.008

    def alpha_bar(self, t: Values) -> Values:
        angle = (t + self.offset) / (1 + self.offset) * (math.pi / 2)
        start = math.cos(self.offset / (1 + self.offset) * (math.pi / 2)) ** 2
        return torch.where(t == 0, 1.0, angle.cos() ** 2 / start)


@dataclass(frozen=True)
class Reciprocal(Schedule):
    """ᾱ(t) = 1 − t: every step erases the same fraction of the data, β_i = 1/(T − i + 1).

    Source: Sohl-Dickstein et al. 2015, §2.4.1. ᾱ(1) = 0 exactly.
    """

    def alpha_bar(self, t: Values) -> Values:
        return 1 - t


@dataclass(frozen=True)
class Table(Schedule):
    """ᾱ(i/T) = Π_{j ≤ i} (1 − β_j) for a list of T step noises β; between its times log ᾱ is linear.

    Raises:
        ValueError: if the list is empty or a β lies outside (0, 1], or β = 1 comes before the end.
    """

    beta: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.beta:
            raise ValueError("a schedule table needs at least one β, got none")
        for number, beta in enumerate(self.beta, 1):
            if not 0 < beta <= 1 or (beta == 1 and number < len(self.beta)):
                raise ValueError(f"a schedule table needs 0 < β < 1 (the last may be 1), got β_{number} = {beta}")

    @cached_property
    def _log_alpha_bar(self) -> Values:
        beta = torch.tensor(self.beta, dtype=torch.float64)
        return torch.cat([beta.new_zeros(1), torch.log1p(-beta).cumsum(0)])

    def alpha_bar(self, t: Values) -> Values:
        table = self._log_alpha_bar
        place = t * len(self.beta)
        left = place.floor().clamp(0, len(self.beta) - 1).long()
        share = place - left
        low, high = table[left], table[left + 1]
        # A step that ends at ᾱ = 0 cannot be linear in log ᾱ; use linear ᾱ there.
        to_zero = torch.isinf(high)
        along = low + share * torch.where(to_zero, low, high).sub(low)
        return torch.where(to_zero, low.exp() * (1 - share), along.exp())


@dataclass(frozen=True)
class Linear(Schedule):
    """β rises linearly from ``beta_start`` to ``beta_end`` over ``steps`` steps, each times 1000/``steps``.

    Without that factor (Nichol & Dhariwal 2021) 200 steps leave ᾱ(1) = 0.13, far from noise; with it 3.0e-5.

    Raises:
        ValueError: if the scaled β reaches 1, which it does at 20 steps or fewer with the published range.
    """

    beta_start: Positive = 1e-4
    beta_end: Positive = 0.02
    steps: Steps = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        largest = max(self.beta_start, self.beta_end) * 1000 / self.steps
        if largest >= 1:
            raise ValueError(
                f"a linear schedule needs 0 < β · 1000/steps < 1, got {largest:.3g} at most with steps = {self.steps}; "
                "use more steps here (few sampling steps are a matter of the grid, not of the schedule)"
            )

    @cached_property
    def table(self) -> Table:
        """The same schedule as a list of β."""
        beta = torch.linspace(self.beta_start, self.beta_end, self.steps, dtype=torch.float64) * 1000 / self.steps
        return Table(tuple(beta.tolist()))

    def alpha_bar(self, t: Values) -> Values:
        return self.table.alpha_bar(t)
