"""Inpainting by replacement: at each step, the known part of the state is replaced by a noised copy of the observation.

    x_s ← mask · q(x_s | observed) + (1 − mask) · step(x_t)

Heuristic: the unknown part is drawn as if the known part had been sampled with it, so the result is biased even with a
perfect denoiser. For two unit normals with correlation 0.9 and x_1 = 1 observed, the posterior N(0.900, 0.190) comes
out as N(0.626, 0.312). Going back up and down again (`resampled_times`) reduces the bias, for proportionally more
steps. `clamp` inserts the known values without noise, as the 2015 paper's code did, and gives N(0.726, 0.311) there: it
is heuristic too.
Source: Sohl-Dickstein et al. 2015, §2.5; Lugmayr et al. 2022 (RePaint, arXiv:2201.09865), algorithm 1.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.process import Process
from quasistatic.types import Generator, Mask, State, Step, Time, Times


def check_mask(observed: Tensor, mask: Tensor) -> None:
    """Raise ValueError unless the mask is shaped like the states."""
    if mask.shape != observed.shape:
        raise ValueError(f"a mask covers states of shape {tuple(observed.shape)}, got one of shape {tuple(mask.shape)}")


def hold(process: Process, step: Step, observed: State, mask: Mask, generator: Generator = None) -> Step:
    """Wrap a sampler's step so that the elements under ``mask`` follow ``observed``. Heuristic, biased: see above.

    For grids from `resampled_times`, the wrapped step also goes up (s > t), by the forward process.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step.
        observed: states (batch, …); values outside the mask are not read.
        mask: True where known, shaped like ``observed``.
        generator: random numbers for the noise on the known part.

    Raises:
        ValueError: if the mask is not shaped like the states.
    """
    check_mask(observed, mask)

    def held(x_t: State, t: Time, s: Time) -> State:
        if bool((s > t).all()):
            return process.forward(x_t, t, s).sample(generator)
        x_s = step(x_t, t, s)
        known = process.marginal(observed, s).sample(generator) if bool(s.any()) else observed
        return torch.where(mask, known, x_s)

    return held


def clamp(step: Step, observed: State, mask: Mask) -> Step:
    """Wrap a sampler's step so that the elements under ``mask`` equal ``observed`` at every step. Heuristic, biased.

    For an absorbing process, whose states hold clean values next to masks, this is exact: see `reveal`.

    Args:
        step: a sampler's step.
        observed: states (batch, …); values outside the mask are not read.
        mask: True where known, shaped like ``observed``.

    Source: Sohl-Dickstein et al. 2015, §2.5 (r = δ at every time).
    """

    def clamped(x_t: State, t: Time, s: Time) -> State:
        return torch.where(mask, observed, step(torch.where(mask, observed, x_t), t, s))

    return clamped


def resampled_times(times: Times, resamplings: int, jump: int = 10) -> Float[Tensor, " walk"]:
    """Return a grid that repeats every stretch of ``jump`` steps: up again and down again, ``resamplings`` − 1 times.

    Args:
        times: a decreasing grid (steps + 1,).
        resamplings: number of downward passes over each stretch; 1 returns the grid unchanged.
        jump: steps per stretch.

    Raises:
        ValueError: if ``resamplings`` or ``jump`` is below 1.
    """
    if resamplings < 1 or jump < 1:
        raise ValueError(f"resamplings and jump count from 1, got {resamplings} and {jump}")
    ends = [*range(0, len(times) - 1, jump), len(times) - 1]
    walk = [times[:1]]
    for top, bottom in pairwise(ends):
        down = times[top + 1 : bottom + 1]
        walk.append(down)
        for _ in range(resamplings - 1):
            walk += [times[top : top + 1], down]
    return torch.cat(walk)
