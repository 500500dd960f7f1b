"""Schedules with trained rates: `Learned` holds them as plain numbers, `Clock` as trainable parameters.

    log_snr(k/T) = log_snr(1/T) − e^r Σ_{j=2..k} softmax(w)_j,    k = 2 … T

It decreases for all w and r, and its first value is fixed, so β_1 is fixed. Samples use the reparametrisation
x_t = √ᾱ_t x + √(1 − ᾱ_t) ε, so the bound is differentiable in the rates.
Source: Sohl-Dickstein et al. 2015, §2.4.1 ("frozen noise").
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from quasistatic.schedule.base import Schedule, Values
from quasistatic.schedule.fixed import Table


@dataclass(frozen=True)
class Learned(Schedule):
    """A `Table` of rates that are trained together with the network, except β_1; holds their current values.

    Trained rates are stored as plain numbers in the model's configuration. β_1 is fixed, because for continuous data
    the bound grows without limit as the last step's noise shrinks.
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
            schedule: the initial schedule.
            steps: number of steps T.
            first: β_1, which is not trained; None uses the schedule's.
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
        """The same schedule as a list of β."""
        return Table(self.beta)

    def alpha_bar(self, t: Values) -> Values:
        return self.table.alpha_bar(t)


class Clock(nn.Module, Schedule):
    """A schedule with trainable rates, float64 on the CPU; `learned` returns them as plain numbers.

    Args:
        start: the initial rates.
    """

    first: torch.Tensor

    def __init__(self, start: Learned) -> None:
        super().__init__()
        steps = len(start.beta)
        log_snr = start.log_snr(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
        falls = -log_snr.diff()
        self._beta = start.beta[0]
        self.register_buffer("first", log_snr[0].clone())
        self.shares = nn.Parameter(falls.log() - falls.log().mean())
        self.span = nn.Parameter(falls.sum().log())

    def alpha_bar(self, t: Values) -> Values:
        falls = self.span.exp() * self.shares.softmax(0)
        log_snr = torch.cat([self.first[None], self.first - falls.cumsum(0)])
        table = torch.cat([log_snr.new_zeros(1), nn.functional.logsigmoid(log_snr)])
        place = t * (len(table) - 1)
        left = place.detach().floor().clamp(0, len(table) - 2).long()
        return torch.lerp(table[left], table[left + 1], place - left).exp()

    @torch.no_grad()
    def learned(self) -> Learned:
        """Return the current rates."""
        steps = len(self.shares) + 1
        kept = self.alpha_bar(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
        return Learned((self._beta, *(1 - kept[1:] / kept[:-1]).tolist()))
