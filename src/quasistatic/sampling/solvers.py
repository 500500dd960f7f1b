"""Few-step samplers for Gaussian processes: ODE and SDE solvers of order one to three.

With α = √ᾱ, σ = √(1 − ᾱ), λ = log α/σ, h = λ_s − λ_t, the guess's mean m and noise ε̂ = (x_t − α_t m)/σ_t:

    ddim        x_s = (σ_s/σ_t) x_t + α_s (1 − e^{−h}) m                      order 1: m held over the step
    dpm++       the same with m + ½ (h/h₋) (m − m₋) for m                    order 2: m a line in λ, from the last step
    dpm++sde    x_s ~ q(x_s | x_t, x = the same)                             the same, drawing noise
    unipc       dpm++, then x_s again with m_s once that is known            order 3, at no more evaluations
    heun        x_s + ½ α_s (σ_s/α_s − σ_t/α_t) (ε̂_s − ε̂_t) after ddim       order 2, two evaluations a step

Coefficients are float64 and finite at both ends. Where α_t = 0 or s = 0, h is infinite: the guess is then held constant
(as is usual for the last step), and a guess made at α = 0 is not used for extrapolation.
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
"""Below this ᾱ a Heun step falls back to Euler, because its time variable σ/α becomes too large."""

Foresee: TypeAlias = Callable[[State, Time, Time], State]
"""(x_t, t, s) → the mean of the guess to use for the whole step."""


@dataclass(frozen=True)
class Move:
    """The flow's step from t to s for a constant guess: x_s = ``keep`` x_t + ``pull`` m; float64, per example.

    ``h`` is the increase of λ; it is +∞ if α_t = 0 or s = 0.
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
        """Return the state at s, from ``x_t`` and the guess's ``mean``."""
        return like(self.keep, x_t) * x_t + like(self.pull, x_t) * mean


def ddim(process: Process, denoise: Denoise, generator: Generator = None, eta: float = 0.0) -> Step:
    """Return the DDIM step: deterministic for ``eta`` = 0, with DDPM's variance β̃ for ``eta`` = 1.

    At s = 0 it returns the mean of the guess.

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
    """Return the step of DPM-Solver++(2M): second order, deterministic, one network evaluation per step.

    Raises:
        TypeError: if the process is not Gaussian.
    """
    process = gaussian("dpm++", process)
    foresee = extrapolated(process, denoise)
    return lambda x_t, t, s: Move.of(process, t, s)(x_t, foresee(x_t, t, s))


def dpm_solver_sde(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step of SDE-DPM-Solver++(2M): DDPM's step with its small variance, second order.

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
    """Return a function that extrapolates the guess's mean to mid-step, linearly in λ from the last two guesses.

    The previous guess is used only if the step starts where the last one ended.
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
    """Return the step of UniPC-2 with its corrector: third order, deterministic, one network evaluation per step.

    Each step first corrects the state that the last one predicted, with the guess made there. The first correction uses
    the exact coefficient of a linear guess; the reference code uses its limit ½.

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
    """The previous step, which ended at ``end``: its move, its initial state and guess, and the change of the guess.

    ``slope`` is the guess minus the one before it, at a distance of ``h`` in λ; None for the first step.
    """

    end: Time
    move: Move
    x_t: State
    mean: State
    h: Time | None
    slope: State | None

    def corrected(self, mean_s: State) -> State:
        """Repeat the step with the guess at its end: m is linear in λ, or quadratic if there is an earlier guess."""
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
    """Return EDM's Heun step in σ/α; two network evaluations per step, one at the last step.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t).
        generator: random numbers for the noise that churn adds.
        churn: γ, the fraction by which fresh noise first raises σ/α; 0 is deterministic, EDM's maximum is √2 − 1.

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
    """Return ``process``, or raise TypeError if it is not Gaussian with one clock for all elements."""
    if not isinstance(process, GaussianProcess):
        raise TypeError(f"{name} needs a Gaussian process (it moves continuous states), got {process!r}; use ancestral")
    if process.staggered:
        raise TypeError(f"{name} needs one clock for all elements, got {process.schedule!r}; use ancestral")
    return process


def _noise(x_t: State, mean: State, alpha_bar: Time) -> State:
    """Return ε̂, the noise in ``x_t`` implied by the guess ``mean``."""
    return (x_t - like(alpha_bar.sqrt(), x_t) * mean) / like((1 - alpha_bar).sqrt(), x_t)


def _share(h: Time, of: Time) -> Tensor:
    """Return h/of, or 0 where either is infinite, which disables extrapolation there."""
    return torch.where(h.isinf() | of.isinf(), 0.0, h / of)
