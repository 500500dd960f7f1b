"""The clock of a forward process, ᾱ(t): the fraction kept at time t.

    ᾱ(0) = 1,  ᾱ falls,  kept(s → t) = ᾱ(t)/ᾱ(s),  log_snr(t) = log ᾱ(t)/(1 − ᾱ(t))

Times are float64 on the CPU, in [0, 1]; step i of T is the time i/T. Everything returned is float64.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.runtime.fields import Checked

Values = Float[Tensor, "*n"]

NOTHING = -40.0
"""Lowest log-SNR in use; below it (α = 2e-9) no signal is left."""


class Schedule(Checked, ABC):
    """A clock ᾱ(t) for t in [0, 1], decreasing from 1; subclasses are frozen dataclasses of plain numbers."""

    @abstractmethod
    def alpha_bar(self, t: Values) -> Values:
        """Fraction of the data kept at time ``t``."""

    def log_snr(self, t: Values) -> Values:
        """log ᾱ(t)/(1 − ᾱ(t)): +∞ at t = 0, −∞ where ᾱ = 0."""
        return torch.logit(self.alpha_bar(t))

    def time_of(self, log_snr: Values) -> Values:
        """Return the time t with the given ``log_snr``, by search to float64's resolution.

        Values beyond ``log_snr(1)`` or ``log_snr(0)`` give that end.
        """
        # 128 intervals per round: fewer, larger calls than bisection, to the same 63 bits.
        low, width, inner = torch.zeros_like(log_snr), 1.0, torch.arange(1, 128, dtype=log_snr.dtype)
        for _ in range(9):
            width /= 128
            cleaner = self.log_snr(low[..., None] + width * inner) >= log_snr[..., None]
            low = low + width * cleaner.sum(-1)
        return low + width / 2
