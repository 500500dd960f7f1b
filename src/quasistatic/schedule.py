"""Schedules: the clock of a forward process, ᾱ(t), the fraction kept at time t.

    ᾱ(0) = 1,  ᾱ falls,  kept(s → t) = ᾱ(t)/ᾱ(s),  log_snr(t) = log ᾱ(t)/(1 − ᾱ(t))

    Linear       β_i from 1e-4 to 0.02 in 1,000 steps; with T steps, times 1000/T   Ho et al. 2020
    Cosine       ᾱ = f(t)/f(0),  f = cos²((t + c)/(1 + c) · π/2),  c = 0.008         Nichol & Dhariwal 2021, eq. 17
    Reciprocal   β_i = 1/(T − i + 1), so ᾱ = 1 − t whatever T                        Sohl-Dickstein et al. 2015, §2.4.1
    Table        any list of β
    Learned      a list of β that training improves, all but the first               Sohl-Dickstein et al. 2015, §2.4.1

Times are float64 on the CPU, in [0, 1]; step i of T is the time i/T. Everything returned is float64.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.fields import Checked, Positive, Range, Steps, check
from quasistatic.types import Times

Values = Float[Tensor, "*n"]

MOST = Annotated[int, Range(at_most=10**6)]
"""Steps of a grid, whose times are held in memory."""

NOTHING = -40.0
"""Log-SNR that counts as none, where a schedule goes on to −∞: α is 2e-9 there."""


class Schedule(Checked, ABC):
    """A clock ᾱ(t) for t in [0, 1], decreasing from 1; subclasses are frozen dataclasses of plain numbers."""

    @abstractmethod
    def alpha_bar(self, t: Values) -> Values:
        """Fraction of the data kept at time ``t``."""

    def log_snr(self, t: Values) -> Values:
        """log ᾱ(t)/(1 − ᾱ(t)): +∞ at t = 0, −∞ where ᾱ = 0."""
        return torch.logit(self.alpha_bar(t))

    def time_of(self, log_snr: Values) -> Values:
        """Return t with ``log_snr(t)`` as given, by search to float64's resolution.

        A value beyond ``log_snr(1)`` or ``log_snr(0)`` gives that end.
        """
        # 128 pieces a round: fewer, longer calls than halving, to the same 63 bits.
        low, width, inner = torch.zeros_like(log_snr), 1.0, torch.arange(1, 128, dtype=log_snr.dtype)
        for _ in range(9):
            width /= 128
            cleaner = self.log_snr(low[..., None] + width * inner) >= log_snr[..., None]
            low = low + width * cleaner.sum(-1)
        return low + width / 2


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
    """ᾱ(t) = 1 − t: a constant share of the data is erased per step, β_i = 1/(T − i + 1).

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
        # Where the step ends at ᾱ = 0 no line in log ᾱ reaches it: there ᾱ itself is linear.
        to_zero = torch.isinf(high)
        along = low + share * torch.where(to_zero, low, high).sub(low)
        return torch.where(to_zero, low.exp() * (1 - share), along.exp())


@dataclass(frozen=True)
class Learned(Schedule):
    """A `Table` whose rates training improves together with the network, all but β_1: here, where they stand.

    What is learned is kept as the same plain numbers: a trained model's configuration holds its rates. β_1 is fixed,
    since the bound of continuous data gains without end as the last step's noise shrinks.
    Source: Sohl-Dickstein et al. 2015, §2.4.1.

    Raises:
        ValueError: if there are fewer than three β, or one lies outside (0, 1).
    """

    beta: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.beta) < 3 or not all(0 < beta < 1 for beta in self.beta):
            raise ValueError(
                f"learned rates start from three β or more, 0 < β < 1, got {len(self.beta)}: {self.beta[:4]}; "
                "`Learned.from_schedule` takes them from another schedule"
            )

    @classmethod
    def from_schedule(cls, schedule: Schedule, steps: int, first: float | None = None, last: float = 1e-3) -> "Learned":
        """Start from the rates of ``schedule`` in ``steps`` even steps.

        Args:
            schedule: where to start.
            steps: T.
            first: β_1, which stays; None takes the schedule's.
            last: ᾱ(1) where the schedule reaches 0, from which no gradient leads away.

        Raises:
            ValueError: see the class.
        """
        kept = schedule.alpha_bar(torch.linspace(0, 1, steps + 1, dtype=torch.float64))
        if first is not None:
            kept = torch.cat([kept[:1], kept[1:].clamp(max=1 - first)])
            kept[1] = 1 - first
        kept[-1] = kept[-1].clamp(min=min(last, kept[-2].item() / 2))
        return cls(tuple((1 - kept[1:] / kept[:-1]).tolist()))

    @cached_property
    def table(self) -> Table:
        """The same clock as a list of β."""
        return Table(self.beta)

    def alpha_bar(self, t: Values) -> Values:
        return self.table.alpha_bar(t)


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
        """The same clock as a list of β."""
        beta = torch.linspace(self.beta_start, self.beta_end, self.steps, dtype=torch.float64) * 1000 / self.steps
        return Table(tuple(beta.tolist()))

    def alpha_bar(self, t: Values) -> Values:
        return self.table.alpha_bar(t)


def uniform_times(steps: int) -> Times:
    """Return 1, 1 − 1/steps, …, 0: shape (steps + 1,).

    Raises:
        ValueError: if ``steps`` is not positive.
    """
    check("steps", MOST, steps)
    if steps < 1:
        raise ValueError(f"a chain needs at least one step, got {steps}")
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)


def log_snr_times(schedule: Schedule, steps: int, first: float = 1e-3, last: float = 1.0) -> Times:
    """Return a grid whose log-SNR falls evenly from time ``first`` to ``last``; the ends are 1 and 0 exactly.

    ``first`` is the time next to the data; shape (steps + 1,). What a schedule keeps below e⁻¹⁰ counts as nothing.

    Raises:
        ValueError: if ``steps`` < 2 or the two times do not lie in order inside (0, 1].
    """
    check("steps", MOST, steps)
    if steps < 2 or not 0 < first < last <= 1:
        raise ValueError(
            f"a grid in log-SNR needs two steps or more and 0 < first < last ≤ 1, got {steps}, {first}, {last}"
        )
    low, high = schedule.log_snr(torch.tensor([last, first], dtype=torch.float64)).clamp(-10, None).tolist()
    inner = schedule.time_of(torch.linspace(low, high, steps, dtype=torch.float64))
    return torch.cat([inner.new_ones(1), inner[1:], inner.new_zeros(1)])


def karras_times(
    schedule: Schedule, steps: int, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Times:
    """Return the grid on which σ/α to the power 1/``rho`` falls evenly from ``sigma_max`` to ``sigma_min``, then to 0.

    It starts at time 1, where the prior is, in place of the time of σ/α = ``sigma_max``: a chain that began there would
    still have to pay for what is left of the data. The ends are 1 and 0 exactly; shape (steps + 1,).
    Source: Karras et al. 2022, eq. 5.

    Raises:
        ValueError: if ``steps`` < 2, or the numbers are not 0 < sigma_min < sigma_max and rho > 0.
    """
    check("steps", MOST, steps)
    if steps < 2 or not 0 < sigma_min < sigma_max or rho <= 0:
        raise ValueError(
            f"a Karras grid needs two steps or more, 0 < sigma_min < sigma_max and rho > 0, got {steps}, {sigma_min}, "
            f"{sigma_max}, {rho}"
        )
    first, last = (torch.tensor(v, dtype=torch.float64) for v in (sigma_max, sigma_min))
    # A schedule that ends with more signal than sigma_max would leave starts where it ends.
    first = torch.minimum(first, (-schedule.log_snr(torch.ones(1, dtype=torch.float64))[0] / 2).exp())
    share = torch.linspace(0, 1, steps, dtype=torch.float64)
    sigma = (first ** (1 / rho) + share * (last ** (1 / rho) - first ** (1 / rho))) ** rho
    inner = schedule.time_of(-2 * sigma.log())
    return torch.cat([inner.new_ones(1), inner[1:], inner.new_zeros(1)])


GRIDS: dict[str, Callable[[Schedule, int], Times]] = {
    "time": lambda schedule, steps: uniform_times(steps),
    "log-snr": log_snr_times,
    "karras": karras_times,
}
"""(schedule, steps) → a grid, by the name that users type; each falls strictly from exactly 1 to exactly 0."""


def grid(name: str, schedule: Schedule, steps: int) -> Times:
    """Return the grid called ``name``, of ``steps`` steps.

    Raises:
        ValueError: if there is none of that name, or it cannot have so few or so many steps.
    """
    if name not in GRIDS:
        raise ValueError(f"the grid is one of {', '.join(GRIDS)}, got {name!r}")
    return check_grid(GRIDS[name](schedule, steps))


def check_grid(times: Times) -> Times:
    """Return a grid as it is.

    Raises:
        ValueError: unless it falls strictly from 1 to 0, where the prior and the data are.
    """
    if len(times) < 2 or times[0] != 1 or times[-1] != 0 or not bool((times.diff() < 0).all()):
        shown = ", ".join(f"{time:.6g}" for time in times[:3].tolist())
        raise ValueError(
            f"a grid of times falls strictly from 1 to 0, got {len(times)} times: {shown}, …; choose another grid or "
            "number of steps"
        )
    return times
