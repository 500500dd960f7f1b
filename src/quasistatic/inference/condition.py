"""Completion by a model that was trained to be shown what is known: a walk over the unknown elements alone.

    x_s ← mask · observed + (1 − mask) · step( NaN where mask, x_t elsewhere )

The step's guess is p(x | x_t, observed): its denoiser has the observation bound (`Denoiser.given`). There is then
nothing to hold and nothing to weight: draws are exact where those guesses are. A model whose network takes no
observation has no such guess.
Source: Tashiro et al. 2021 (CSDI, arXiv:2107.03502), §4.1: a conditional model trained on random masks.
"""

import torch

from quasistatic.inference.hold import check_mask
from quasistatic.process import Process
from quasistatic.types import Generator, Mask, State, Step, Time


def condition(process: Process, step: Step, observed: State, mask: Mask, generator: Generator = None) -> Step:
    """Wrap a sampler's step, of a denoiser that is given ``observed``, so that it walks the unknown elements only.

    Exact given the guesses. The wrapped step also walks up (s > t), by the forward process, for grids from
    `resampled_times`.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step, its denoiser bound to what is observed.
        observed: floating states (batch, …); what lies outside the mask is not read.
        mask: True where known, shaped like ``observed``.
        generator: of the noise on the way up.

    Raises:
        ValueError: if the mask is not shaped like the states.
    """
    check_mask(observed, mask)

    def conditioned(x_t: State, t: Time, s: Time) -> State:
        unknown = x_t.masked_fill(mask, torch.nan)
        x_s = process.forward(unknown, t, s).sample(generator) if bool((s > t).all()) else step(unknown, t, s)
        return torch.where(mask, observed, x_s)

    return conditioned
