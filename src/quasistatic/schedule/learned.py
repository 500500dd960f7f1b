"""Rates that training improves: `Learned` keeps them as plain numbers, `Clock` lets gradients reach them.

    log_snr(k/T) = log_snr(1/T) − e^r Σ_{j=2..k} softmax(w)_j,    k = 2 … T

It falls whatever w and r are, and its first value stays: β_1 is fixed. Samples follow the rates with their noise held
(x_t = √ᾱ_t x + √(1 − ᾱ_t) ε), so the gradient of the bound is that of a function of the rates.
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


class Clock(nn.Module, Schedule):
    """A schedule with trainable rates, float64 on the CPU; `learned` gives it back as plain numbers.

    Args:
        start: the rates to begin with.
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
        """Return where the rates stand."""
        steps = len(self.shares) + 1
        kept = self.alpha_bar(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
        return Learned((self._beta, *(1 - kept[1:] / kept[:-1]).tolist()))
