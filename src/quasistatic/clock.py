"""The rates of a `Learned` schedule while they are learned: the same clock ᾱ(t), with parameters that gradients reach.

    log_snr(k/T) = log_snr(1/T) − e^r Σ_{j=2..k} softmax(w)_j,    k = 2 … T

It falls whatever w and r are, and its first value stays: β_1 is fixed. Samples follow the rates with their noise held
(x_t = √ᾱ_t x + √(1 − ᾱ_t) ε), so the gradient of the bound is that of a function of the rates.
Source: Sohl-Dickstein et al. 2015, §2.4.1 ("frozen noise").
"""

import torch
from torch import nn

from quasistatic.schedule import Learned, Schedule, Values


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
