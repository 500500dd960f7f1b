"""Time grids of a chain: strictly decreasing from exactly 1 to exactly 0."""

from collections.abc import Callable
from typing import Annotated

import torch

from quasistatic.runtime.fields import Range, check
from quasistatic.schedule.base import Schedule
from quasistatic.types import Times

GridSteps = Annotated[int, Range(at_most=10**6)]
"""Number of steps of a grid; its times are held in memory."""


def uniform_times(steps: int) -> Times:
    """Return 1, 1 − 1/steps, …, 0: shape (steps + 1,).

    Raises:
        ValueError: if ``steps`` is not positive.
    """
    check("steps", GridSteps, steps)
    if steps < 1:
        raise ValueError(f"a chain needs at least one step, got {steps}")
    return torch.linspace(1, 0, steps + 1, dtype=torch.float64)


def log_snr_times(schedule: Schedule, steps: int, first: float = 1e-3, last: float = 1.0) -> Times:
    """Return a grid with equal steps in log-SNR between the times ``first`` and ``last``; the ends are exactly 1 and 0.

    ``first`` is the last time before 0; shape (steps + 1,). A fraction kept below e⁻¹⁰ counts as 0.

    Raises:
        ValueError: if ``steps`` < 2 or the two times do not lie in order inside (0, 1].
    """
    check("steps", GridSteps, steps)
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
    """Return the grid with equal steps in (σ/α)^(1/``rho``) from ``sigma_max`` to ``sigma_min``, then a step to 0.

    It starts at time 1 instead of the time with σ/α = ``sigma_max``, because the prior holds at time 1: a chain that
    started later would pay for the data left there. The ends are exactly 1 and 0; shape (steps + 1,).
    Source: Karras et al. 2022, eq. 5.

    Raises:
        ValueError: if ``steps`` < 2, or the numbers are not 0 < sigma_min < sigma_max and rho > 0.
    """
    check("steps", GridSteps, steps)
    if steps < 2 or not 0 < sigma_min < sigma_max or rho <= 0:
        raise ValueError(
            f"a Karras grid needs two steps or more, 0 < sigma_min < sigma_max and rho > 0, got {steps}, {sigma_min}, "
            f"{sigma_max}, {rho}"
        )
    first, last = (torch.tensor(v, dtype=torch.float64) for v in (sigma_max, sigma_min))
    # If the schedule ends with more signal than at sigma_max, start at its end.
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
"""(schedule, steps) → a grid, by name; grids decrease strictly from exactly 1 to exactly 0."""


def grid(name: str, schedule: Schedule, steps: int) -> Times:
    """Return the grid called ``name``, of ``steps`` steps.

    Raises:
        ValueError: if the name is unknown, or the grid does not support this number of steps.
    """
    if name not in GRIDS:
        raise ValueError(f"the grid is one of {', '.join(GRIDS)}, got {name!r}")
    return check_grid(GRIDS[name](schedule, steps))


def check_grid(times: Times) -> Times:
    """Return ``times`` after a check.

    Raises:
        ValueError: if the times do not decrease strictly from 1 (the prior) to 0 (the data).
    """
    if len(times) < 2 or times[0] != 1 or times[-1] != 0 or not bool((times.diff() < 0).all()):
        shown = ", ".join(f"{time:.6g}" for time in times[:3].tolist())
        raise ValueError(
            f"a grid of times falls strictly from 1 to 0, got {len(times)} times: {shown}, …; choose another grid or "
            "number of steps"
        )
    return times
