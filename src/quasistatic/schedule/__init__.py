"""Noise schedules ᾱ(t), the fraction of the data kept at time t, and grids of times.

    Schedule                                   the interface                                base.py
    Linear, Cosine, Reciprocal, Table          fixed schedules                              fixed.py
    Staggered                                  a clock for each element                     staggered.py
    Learned, Clock                             schedules with trained rates                 learned.py
    grid, uniform_times, …                     time grids of a chain                        grids.py

A new schedule is a frozen dataclass with `alpha_bar`; docs/extending.md has an example. The package may import `types`,
`streams` and `runtime`.
"""

from quasistatic.schedule.base import NOTHING, Elementwise, Schedule, Span, Values, check_order
from quasistatic.schedule.fixed import Cosine, Linear, Reciprocal, Table
from quasistatic.schedule.grids import GRIDS, GridSteps, check_grid, grid, karras_times, log_snr_times, uniform_times
from quasistatic.schedule.learned import Clock, Learned
from quasistatic.schedule.staggered import Staggered

__all__ = [
    "GRIDS",
    "NOTHING",
    "Clock",
    "Cosine",
    "Elementwise",
    "GridSteps",
    "Learned",
    "Linear",
    "Reciprocal",
    "Schedule",
    "Span",
    "Staggered",
    "Table",
    "Values",
    "check_grid",
    "check_order",
    "grid",
    "karras_times",
    "log_snr_times",
    "uniform_times",
]
