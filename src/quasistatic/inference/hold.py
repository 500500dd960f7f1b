"""Inpainting by holding what is known: each state's known part is replaced by a noised copy of the observation.

    x_s ← mask · q(x_s | observed) + (1 − mask) · step(x_t)

Heuristic: the unknown part is drawn as if the known part had been drawn with it, so the answer is biased, also with a
perfect denoiser: for two unit normals of correlation 0.9 and x_1 = 1 observed, the posterior N(0.900, 0.190) comes out
as N(0.626, 0.312). Walking back up and down again (`resampled_times`) lessens the bias and costs as many more steps.
`clamp` puts the known values in without their noise, as the 2015 paper's code did, and gives N(0.726, 0.311) there:
heuristic too.
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

    The wrapped step also walks up (s > t), by the forward process, for grids from `resampled_times`.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step.
        observed: states (batch, …); what lies outside the mask is not read.
        mask: True where known, shaped like ``observed``.
        generator: of the noise on the known part.

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
    """Wrap a sampler's step so that the elements under ``mask`` are ``observed`` all the way. Heuristic, biased.

    For a process that keeps clean values among the noised ones (absorbing), this is right: see `reveal`.

    Args:
        step: a sampler's step.
        observed: states (batch, …); what lies outside the mask is not read.
        mask: True where known, shaped like ``observed``.

    Source: Sohl-Dickstein et al. 2015, §2.5 (r = δ at every time).
    """

    def clamped(x_t: State, t: Time, s: Time) -> State:
        return torch.where(mask, observed, step(torch.where(mask, observed, x_t), t, s))

    return clamped


def resampled_times(times: Times, resamplings: int, jump: int = 10) -> Float[Tensor, " walk"]:
    """Return a grid that goes back up ``jump`` steps after every ``jump`` steps down, ``resamplings`` − 1 times each.

    Args:
        times: a falling grid (steps + 1,).
        resamplings: how often each stretch is walked down; 1 returns the grid as it is.
        jump: steps of a stretch.

    Raises:
        ValueError: if a number is below 1.
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
