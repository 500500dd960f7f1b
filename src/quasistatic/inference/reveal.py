"""Completion of masked data: what is known is shown from the start, and the rest is revealed as in sampling.

    x_s ← mask · observed + (1 − mask) · step( mask · observed + (1 − mask) · x_t )

For a process that ends in a mask (absorbing). There the guess p(x | x_t) is what the data are given whatever elements
are seen, so showing all that is known at once needs no noised copies of it: the answer has the law of the unknown part
given the known one, as exactly as the guesses and the steps are.
Source: Austin et al. 2021 (arXiv:2107.03006), §3.1 and App. A (absorbing states as any-order models).
"""

import torch

from quasistatic.inference.hold import check_mask
from quasistatic.process import FiniteProcess, Process
from quasistatic.types import Generator, Mask, State, Step, Time

NEARLY = 1 - 1e-9
"""The time at which everything unknown is masked and a known element can still be seen."""


def is_absorbing(process: Process) -> bool:
    """Tell whether every element ends in one state, a mask."""
    return isinstance(process, FiniteProcess) and bool((process.stationary == 1).any())


def reveal(process: Process, step: Step, observed: State, mask: Mask, generator: Generator = None) -> Step:
    """Wrap a sampler's step so that the elements under ``mask`` are ``observed`` all the way.

    The wrapped step also walks up (s > t), by the forward process, for grids from `resampled_times`.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step.
        observed: states (batch, …); what lies outside the mask is not read.
        mask: True where known, shaped like ``observed``.
        generator: of the noise on the way up.

    Raises:
        TypeError: if the process does not end in a mask.
        ValueError: if the mask is not shaped like the states.
    """
    if not is_absorbing(process):
        raise TypeError(f"reveal needs an absorbing process (one that ends in a mask), got {process!r}; use hold")
    check_mask(observed, mask)

    def revealed(x_t: State, t: Time, s: Time) -> State:
        if bool((s > t).all()):
            x_s = process.forward(x_t, t, s).sample(generator)
        else:
            x_s = step(torch.where(mask, observed, x_t), t.clamp(max=NEARLY), s)
        return torch.where(mask, observed, x_s)

    return revealed
