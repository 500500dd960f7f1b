"""Samplers of a Gaussian process in few steps: the probability flow, and its noisy relatives, to second or third order.

With α = √ᾱ, σ = √(1 − ᾱ), λ = log α/σ, h = λ_s − λ_t, the guess's mean m and noise ε̂ = (x_t − α_t m)/σ_t:

    ddim        x_s = (σ_s/σ_t) x_t + α_s (1 − e^{−h}) m                      order 1: m held over the step
    dpm++       the same with m + ½ (h/h₋) (m − m₋) for m                    order 2: m a line in λ, from the last step
    dpm++sde    x_s ~ q(x_s | x_t, x = the same)                             the same, drawing noise
    unipc       dpm++, then x_s again with m_s once that is known            order 3, at no more evaluations
    heun        x_s + ½ α_s (σ_s/α_s − σ_t/α_t) (ε̂_s − ε̂_t) after ddim       order 2, two evaluations a step

Coefficients are float64 and finite at both ends: where α_t = 0 or s = 0, h is infinite. There the guess is held (as
is usual for the last step), and what was guessed at α = 0 is not extrapolated from.
Source: Song et al. 2021 (arXiv:2010.02502), eq. 12; Lu et al. 2022 (arXiv:2211.01095), algorithm 2 and its SDE; Zhao et
al. 2023 (arXiv:2302.04867), with B(h) = e^{−h} − 1; Karras et al. 2022 (arXiv:2206.00364), algorithms 1 and 2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import standard_normal
from quasistatic.process import GaussianProcess, Process
from quasistatic.types import Generator, State, Step, Time, like

EULER = 1e-6
"""Below this ᾱ a Heun step is Euler's: σ/α, its clock, has run off towards infinity."""

Foresee: TypeAlias = Callable[[State, Time, Time], State]
"""(x_t, t, s) → the mean of the guess that stands for the whole step."""


@dataclass(frozen=True)
class Move:
    """The step from t to s of the flow, for a guess that is held: x_s = ``keep`` x_t + ``pull`` m; float64 per example.

    ``h`` is the rise of λ, +∞ from α = 0 or to s = 0.
    """

    keep: Time
    pull: Time
    h: Time

    @classmethod
    def of(cls, process: GaussianProcess, t: Time, s: Time) -> "Move":
        """Return the move of ``process`` from t to s < t."""
        alpha_t, alpha_s = process.schedule.alpha_bar(t), process.schedule.alpha_bar(s)
        keep = ((1 - alpha_s) / (1 - alpha_t)).sqrt()
        h = (process.schedule.log_snr(s) - process.schedule.log_snr(t)) / 2
        return cls(keep, alpha_s.sqrt() - alpha_t.sqrt() * keep, h)

    def __call__(self, x_t: State, mean: State) -> State:
        """Take ``x_t`` to s with the guess ``mean``."""
        return like(self.keep, x_t) * x_t + like(self.pull, x_t) * mean


def ddim(process: Process, denoise: Denoise, generator: Generator = None, eta: float = 0.0) -> Step:
    """Return the step that keeps the noise it infers; with ``eta`` = 0 nothing is drawn, with 1 it adds DDPM's β̃.

    At s = 0 it gives the mean of the guess.

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if ``eta`` lies outside [0, 1].
    """
    process = gaussian("ddim", process)
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is the share of DDPM's noise, from 0 to 1, got {eta}")

    def step(x_t: State, t: Time, s: Time) -> State:
        alpha_t, alpha_s = process.schedule.alpha_bar(t), process.schedule.alpha_bar(s)
        mean = denoise(x_t, t).mean
        noise = _noise(x_t, mean, alpha_t)
        drawn = eta**2 * process.bridge(t, s).v
        x_s = like(alpha_s.sqrt(), x_t) * mean + like((1 - alpha_s - drawn).clamp(min=0).sqrt(), x_t) * noise
        return x_s if eta == 0 else x_s + like(drawn.sqrt(), x_t) * standard_normal(x_t, generator)

    return step


def dpm_solver(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step of DPM-Solver++(2M): the flow, to second order, one evaluation a step; it draws nothing.

    Raises:
        TypeError: if the process is not Gaussian.
    """
    process = gaussian("dpm++", process)
    foresee = extrapolated(process, denoise)
    return lambda x_t, t, s: Move.of(process, t, s)(x_t, foresee(x_t, t, s))


def dpm_solver_sde(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step of SDE-DPM-Solver++(2M): DDPM's step with its small variance, to second order.

    Raises:
        TypeError: if the process is not Gaussian.
    """
    process = gaussian("dpm++sde", process)
    foresee = extrapolated(process, denoise)

    def step(x_t: State, t: Time, s: Time) -> State:
        mean = foresee(x_t, t, s)
        return mean if not bool(s.any()) else process.reverse(x_t, process.point(mean), t, s).sample(generator)

    return step


def extrapolated(process: GaussianProcess, denoise: Denoise) -> Foresee:
    """Return the guess's mean as it will be half a step on, by a line in λ through it and the one before.

    What it remembers is used only by the step that starts where the last one ended; any other starts afresh.
    """
    before: tuple[Time, Time, State] | None = None

    def foresee(x_t: State, t: Time, s: Time) -> State:
        nonlocal before
        mean = denoise(x_t, t).mean
        h = Move.of(process, t, s).h
        slope = torch.zeros_like(mean) if before is None or not torch.equal(before[0], t) else mean - before[2]
        ahead = torch.zeros_like(h) if before is None else _share(h, before[1])
        before = s, h, mean
        return mean + like(ahead / 2, x_t) * slope

    return foresee


def unipc(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step of UniPC-2 with its corrector: the flow, to third order, one evaluation a step; it draws nothing.

    Where a step starts, the state that the last one predicted is first corrected by the guess just made there. The
    first correction takes the exact coefficient of a line, for which the reference code has its limit ½.

    Raises:
        TypeError: if the process is not Gaussian.
    """
    process = gaussian("unipc", process)
    before: _Past | None = None

    def step(x_t: State, t: Time, s: Time) -> State:
        nonlocal before
        mean = denoise(x_t, t).mean
        past = before if before is not None and torch.equal(before.end, t) else None
        if past is not None:
            x_t = past.corrected(mean)
        move = Move.of(process, t, s)
        slope = None if past is None else mean - past.mean
        before = _Past(s, move, x_t, mean, None if past is None else past.move.h, slope)
        ahead = torch.zeros_like(move.h) if past is None else _share(move.h, past.move.h)
        return move(x_t, mean if slope is None else mean + like(ahead / 2, x_t) * slope)

    return step


@dataclass(frozen=True, eq=False)
class _Past:
    """A step that ended at ``end``: its move, the state and guess it started from, and how the guess had moved before.

    ``slope`` is the guess less the one before it, ``h`` apart; None for the first step.
    """

    end: Time
    move: Move
    x_t: State
    mean: State
    h: Time | None
    slope: State | None

    def corrected(self, mean_s: State) -> State:
        """Take the step again with the guess at its end: m a line in λ, or a parabola where there was one before."""
        hh = -self.move.h
        base = torch.expm1(hh)
        first = torch.where(hh.isinf(), -1.0, base / hh - 1)  # g₁; the second is g₁/hh − ½
        b1, b2 = first / base, 2 * (first / hh - 0.5) / base
        if self.h is None or self.slope is None:
            return self.move(self.x_t, self.mean + like(b1, mean_s) * (mean_s - self.mean))
        behind = _share(self.h, self.move.h)  # r₁ = −behind
        old = torch.where(self.h.isinf(), 0.0, (b1 - b2) / (1 + behind))
        share = _share(self.move.h, self.h)
        gain = like(old * share, mean_s) * self.slope + like(b1 - old, mean_s) * (mean_s - self.mean)
        return self.move(self.x_t, self.mean + gain)


def heun(process: Process, denoise: Denoise, generator: Generator = None, churn: float = 0.0) -> Step:
    """Return the step of EDM: Euler's in σ/α, corrected by the slope at its end; two evaluations, one at the last step.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t).
        generator: of the noise that churn adds.
        churn: γ, the share that σ/α is first raised by, with fresh noise; 0 draws nothing, EDM's most is √2 − 1.

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if ``churn`` lies outside [0, √2 − 1].
    """
    process = gaussian("heun", process)
    if not 0 <= churn <= math.sqrt(2) - 1:
        raise ValueError(f"churn raises the noise by a share from 0 to √2 − 1 = 0.414, got {churn}")
    schedule = process.schedule

    def step(x_t: State, t: Time, s: Time) -> State:
        if churn and bool((schedule.alpha_bar(t) > EULER).all()):
            raised = schedule.time_of(schedule.log_snr(t) - 2 * math.log1p(churn))
            if bool((raised > t).all()):
                x_t, t = process.forward(x_t, t, raised).sample(generator), raised
        alpha_t, alpha_s = schedule.alpha_bar(t), schedule.alpha_bar(s)
        mean = denoise(x_t, t).mean
        x_s = Move.of(process, t, s)(x_t, mean)
        if not bool(s.all()) or not bool((alpha_t > EULER).all()):
            return x_s
        turn = _noise(x_s, denoise(x_s, s).mean, alpha_s) - _noise(x_t, mean, alpha_t)
        return x_s + like(((1 - alpha_s).sqrt() - ((1 - alpha_t) * alpha_s / alpha_t).sqrt()) / 2, x_t) * turn

    return step


def gaussian(name: str, process: Process) -> GaussianProcess:
    """Return ``process``, or raise TypeError if it is not Gaussian."""
    if not isinstance(process, GaussianProcess):
        raise TypeError(f"{name} needs a Gaussian process (it moves continuous states), got {process!r}; use ancestral")
    return process


def _noise(x_t: State, mean: State, alpha_bar: Time) -> State:
    """ε̂, the noise that the guess ``mean`` leaves in ``x_t``."""
    return (x_t - like(alpha_bar.sqrt(), x_t) * mean) / like((1 - alpha_bar).sqrt(), x_t)


def _share(h: Time, of: Time) -> Tensor:
    """h/of, and 0 where either is infinite: nothing is extrapolated from infinity, or to it."""
    return torch.where(h.isinf() | of.isinf(), 0.0, h / of)
