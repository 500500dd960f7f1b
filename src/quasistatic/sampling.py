"""Sampling: from noise to data along any grid of times, with any step.

    ancestral   x_s ~ Σ_x q(x_s | x_t, x) p(x | x_t)                                   any process
    ddim        x_s = √ᾱ_s m + √(1 − ᾱ_s − σ²) ε̂ + σ z,   ε̂ = (x_t − √ᾱ_t m)/√(1 − ᾱ_t)   Gaussian

A sampler makes a step; `sample` walks it down a grid, yielding every state. Few steps need no other class.
Source: Ho et al. 2020, algorithm 2; Song et al. 2021 (arXiv:2010.02502), eq. 12 and 16.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from quasistatic.denoiser import Denoise
from quasistatic.distribution import standard_normal
from quasistatic.process import Gaussian, Process
from quasistatic.types import Generator, State, Step, Time, Times, like


def sample(step: Step, x_1: State, times: Times) -> Iterator[State]:
    """Yield states from noise to data; ``times`` falls from 1 to 0, shape (steps + 1,)."""
    x_t = x_1
    for t, s in pairwise(times):
        x_t = step(x_t, t.expand(len(x_t)), s.expand(len(x_t)))
        yield x_t


def ancestral(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step that draws from the reverse chain itself: the law that the bound scores."""

    def step(x_t: State, t: Time, s: Time) -> State:
        return process.reverse(x_t, denoise(x_t, t), t, s).sample(generator)

    return step


def ddim(process: Gaussian, denoise: Denoise, generator: Generator = None, eta: float = 0.0) -> Step:
    """Return the step that keeps the noise it infers; with ``eta`` = 0 nothing is drawn, with 1 it adds DDPM's β̃.

    At s = 0 it gives the mean of the guess.

    Raises:
        TypeError: if the process is not Gaussian.
        ValueError: if ``eta`` lies outside [0, 1].
    """
    if not isinstance(process, Gaussian):
        raise TypeError(f"ddim needs a Gaussian process (it moves continuous states), got {process!r}; use ancestral")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is the share of DDPM's noise, from 0 to 1, got {eta}")

    def step(x_t: State, t: Time, s: Time) -> State:
        alpha_t, alpha_s = process.schedule.alpha_bar(t), process.schedule.alpha_bar(s)
        mean = denoise(x_t, t).mean
        noise = (x_t - like(alpha_t.sqrt(), x_t) * mean) / like((1 - alpha_t).sqrt(), x_t)
        drawn = eta**2 * process.bridge(t, s).v
        x_s = like(alpha_s.sqrt(), x_t) * mean + like((1 - alpha_s - drawn).clamp(min=0).sqrt(), x_t) * noise
        return x_s if eta == 0 else x_s + like(drawn.sqrt(), x_t) * standard_normal(x_t, generator)

    return step


SAMPLERS: dict[str, Callable[..., Step]] = {"ancestral": ancestral, "ddim": ddim}
"""(process, denoise, generator) → a step, by the name that users type."""
