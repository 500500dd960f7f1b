"""The clock of a forward process, ᾱ(t): the fraction kept at time t.

    ᾱ(0) = 1,  ᾱ falls,  kept(s → t) = ᾱ(t)/ᾱ(s),  log_snr(t) = log ᾱ(t)/(1 − ᾱ(t))

Times are float64 on the CPU, in [0, 1]; step i of T is the time i/T. Everything returned is float64.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.runtime.fields import Checked

Values = Float[Tensor, "*n"]
Elementwise = Float[Tensor, "..."]
"""A value of each time, or of each element at each time where elements have clocks of their own."""

NOTHING = -40.0
"""Lowest log-SNR in use; below it (α = 2e-9) no signal is left."""


STAND_INS = 0.5, 0.25
"""ᾱ at both ends of a step for elements that the step leaves alone: any numbers that divide nothing by 0."""


class Schedule(Checked, ABC):
    """A clock ᾱ(t) for t in [0, 1], decreasing from 1; subclasses are frozen dataclasses of plain numbers."""

    @property
    def elementwise(self) -> bool:
        """Whether each element has a clock of its own; values are then (times, *shape)."""
        return False

    @abstractmethod
    def alpha_bar(self, t: Values) -> Elementwise:
        """Fraction of the data kept at time ``t``."""

    def between(self, s: Float[Tensor, " batch"], t: Float[Tensor, " batch"]) -> "Span":
        """Return what the clock shows at both ends of a step.

        Raises:
            ValueError: unless s < t for every example.
        """
        check_order(s, t)
        return Span(self.alpha_bar(s), self.alpha_bar(t))

    def noised(self, t: Float[Tensor, " batch"]) -> Elementwise:
        """ᾱ(t) for guesses: some number below 1 where an element has no noise, as its guess is not used."""
        return self.alpha_bar(t)

    def log_snr(self, t: Values) -> Elementwise:
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


@dataclass(frozen=True)
class Span:
    """What a clock shows at times s < t, float64 on the CPU; per example, or per element where these have their own.

    Attributes:
        alpha_s: ᾱ(s).
        alpha_t: ᾱ(t). Where an element does not move, both are stand-ins, so that no formula divides by 0.
        still: which elements do not move; None if all do.
        ends: which elements reach the data at s > 0, while others do not; None if there are none.
    """

    alpha_s: Elementwise
    alpha_t: Elementwise
    still: Bool[Tensor, " batch *shape"] | None = None
    ends: Bool[Tensor, " batch *shape"] | None = None

    @property
    def inside(self) -> "Span":
        """The same with stand-ins also where elements reach the data, where a KL of densities is infinite."""
        if self.ends is None:
            return self
        alpha_s, alpha_t = (
            torch.where(self.ends, a, b) for a, b in zip(STAND_INS, (self.alpha_s, self.alpha_t), strict=True)
        )
        return replace(self, alpha_s=alpha_s, alpha_t=alpha_t)

    @property
    def kept(self) -> Elementwise:
        """ᾱ(t)/ᾱ(s), the fraction kept from s to t."""
        return self.alpha_t / self.alpha_s


def check_order(s: Float[Tensor, " batch"], t: Float[Tensor, " batch"]) -> None:
    """Raise ValueError unless s < t for every example."""
    if not bool((s < t).all()):
        raise ValueError(
            f"a step needs s < t, got s = {s.tolist()[:4]} and t = {t.tolist()[:4]}; "
            "`forward` goes s → t, `reverse` t → s"
        )
