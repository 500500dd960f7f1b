"""Gaussian process: the data shrink by √r and gain noise of variance 1 − r.

    q(x_t | x_s)     = N( √r x_s, 1 − r ),            r = ᾱ_t/ᾱ_s
    q(x_s | x_t, x)  = N( a x + b x_t, v ),           a = √ᾱ_s (1 − r)/(1 − ᾱ_t),  b = √r (1 − ᾱ_s)/(1 − ᾱ_t)
    reverse          = N( a m + b x_t, v + a² w² ),   v = (1 − r)(1 − ᾱ_s)/(1 − ᾱ_t),  guess with mean m and std w

A guess with w = 0 gives the small variance of Ho et al. 2020, β̃; w² = 1 − ᾱ_t their large one, β.
Source: Sohl-Dickstein et al. 2015, table App.1; Ho et al. 2020, eq. 2–7, for any s < t.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Distribution, Normal
from quasistatic.process.base import Process, moved, unmoved
from quasistatic.schedule import Elementwise, Schedule, Span
from quasistatic.types import State, Time, like


@dataclass(frozen=True)
class Bridge:
    """The coefficients of q(x_s | x_t, x) = N(a x + b x_t, v), one per example or element, float64."""

    a: Elementwise
    b: Elementwise
    v: Elementwise

    @classmethod
    def over(cls, span: Span) -> "Bridge":
        """Return the coefficients of a step."""
        alpha_s, alpha_t, kept = span.alpha_s, span.alpha_t, span.kept
        lost = (1 - kept) / (1 - alpha_t)
        return cls(a=alpha_s.sqrt() * lost, b=kept.sqrt() * (1 - alpha_s) / (1 - alpha_t), v=lost * (1 - alpha_s))


@dataclass(frozen=True)
class GaussianProcess(Process):
    """The Gaussian process over real states with stationary law N(0, 1)."""

    schedule: Schedule

    def point(self, x: State) -> Normal:
        return Normal(x, torch.zeros_like(x))

    def prior(self, x: State) -> Normal:
        return Normal(torch.zeros_like(x), torch.ones_like(x))

    def forward(self, x_s: State, s: Time, t: Time) -> Normal:
        span = self.schedule.between(s, t)
        kept, lost = like(span.kept.sqrt(), x_s), like((1 - span.kept).sqrt(), x_s)
        return moved(Normal(kept * x_s, lost.expand_as(x_s)), span, x_s)

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Distribution:
        span = self.schedule.between(s, t)
        if not bool(s.any()):
            return moved(clean, span, x_t)
        bridge = Bridge.over(span)
        a, b, v = (like(c, x_t) for c in (bridge.a, bridge.b, bridge.v))
        return moved(Normal(a * clean.mean + b * x_t, (v + a**2 * clean.variance).sqrt()), span, x_t)

    def bridge(self, t: Time, s: Time) -> Bridge:
        """Return the coefficients of q(x_s | x_t, x).

        Raises:
            ValueError: unless s < t for every example.
        """
        return Bridge.over(self.schedule.between(s, t))

    def step_kl(self, x: State, x_t: State, clean: Distribution, t: Time, s: Time) -> Float[Tensor, " batch *shape"]:
        """½ [ ln(1 + δ) − δ/(1 + δ) + a²(x − m)²/(v + a²w²) ], δ = a²w²/v: the generic KL, free of its cancellations.

        In float32 the generic form subtracts two means that agree to most digits when a is small.
        """
        span = self.schedule.between(s, t)
        bridge = Bridge.over(span.inside)
        a, v = like(bridge.a, x), like(bridge.v, x)
        widened = a**2 * clean.variance / v
        miss = (a * (x - clean.mean)) ** 2 / v
        kl = 0.5 * (torch.log1p(widened) + (miss - widened) / (1 + widened))
        return unmoved(kl, span)
