"""Schedules: the clock of a forward process, ᾱ(t), the fraction kept at time t; and grids of times.

    Schedule                                   the interface                                base.py
    Linear, Cosine, Reciprocal, Table          schedules that stay as they are              fixed.py
    Learned, Clock                             rates that training improves                 learned.py
    grid, uniform_times, …                     the times that a chain walks                 grids.py

A new schedule is a frozen dataclass with `alpha_bar`; docs/extending.md has an example. The package may import `types`,
`streams` and `runtime`.
"""

from quasistatic.schedule.base import NOTHING, Schedule, Values
from quasistatic.schedule.fixed import Cosine, Linear, Reciprocal, Table
from quasistatic.schedule.grids import GRIDS, GridSteps, check_grid, grid, karras_times, log_snr_times, uniform_times
from quasistatic.schedule.learned import Clock, Learned

__all__ = [
    "GRIDS",
    "NOTHING",
    "Clock",
    "Cosine",
    "GridSteps",
    "Learned",
    "Linear",
    "Reciprocal",
    "Schedule",
    "Table",
    "Values",
    "check_grid",
    "grid",
    "karras_times",
    "log_snr_times",
    "uniform_times",
]
