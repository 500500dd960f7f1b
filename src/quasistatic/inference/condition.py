"""Completion by a model trained with revealed elements: samples the unknown elements, given the known ones.

    x_s ← mask · observed + (1 − mask) · step(x_t)

The step's guess is p(x | x_t, observed), from a denoiser with the observation bound (`Denoiser.given`). No noised
copies and no weights are needed: the draws are as exact as the guesses. The network must accept observations. In a
product process, known elements of x_t are NaN: it integrates them out.
Source: Tashiro et al. 2021 (CSDI, arXiv:2107.03502), §4.1: a conditional model trained on random masks.
"""

import torch

from quasistatic.inference.hold import check_mask
from quasistatic.process import Process, ProductProcess
from quasistatic.types import Generator, Mask, State, Step, Time


def condition(process: Process, step: Step, observed: State, mask: Mask, generator: Generator = None) -> Step:
    """Wrap a sampler's step, whose denoiser is given ``observed``, so that it samples the unknown elements only.

    Exact given the guesses. For grids from `resampled_times`, the wrapped step also goes up (s > t), by the forward
    process.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step, whose denoiser has the observation bound.
        observed: floating-point states (batch, …); values outside the mask are not read.
        mask: True where known, shaped like ``observed``.
        generator: random numbers for upward steps.

    Raises:
        ValueError: if the mask is not shaped like the states.
    """
    check_mask(observed, mask)

    def conditioned(x_t: State, t: Time, s: Time) -> State:
        unknown = x_t.masked_fill(mask, torch.nan) if isinstance(process, ProductProcess) else x_t
        x_s = process.forward(unknown, t, s).sample(generator) if bool((s > t).all()) else step(unknown, t, s)
        return torch.where(mask, observed, x_s)

    return conditioned
