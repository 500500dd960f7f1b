"""Completion with an absorbing process: known elements are visible from the start, the rest is sampled as usual.

    x_s ← mask · observed + (1 − mask) · step( mask · observed + (1 − mask) · x_t )

For processes that end in a mask (absorbing). Their guess p(x | x_t) is the distribution of the data given the visible
elements, so known elements can be visible from the start, without noised copies. The draws follow the distribution of
the unknown part given the known part, as exactly as the guesses and the steps do.
Source: Austin et al. 2021 (arXiv:2107.03006), §3.1 and App. A (absorbing states as any-order models).
"""

import torch

from quasistatic.inference.hold import check_mask
from quasistatic.process import FiniteProcess, MaskedProcess, Process
from quasistatic.types import Generator, Mask, State, Step, Time

NEARLY = 1 - 1e-9
"""Just below t = 1, so that known elements keep nonzero probability."""


def is_absorbing(process: Process) -> bool:
    """Return whether the process is absorbing: every element ends in one state, a mask."""
    return isinstance(process, MaskedProcess) or (
        isinstance(process, FiniteProcess) and bool((process.stationary == 1).any())
    )


def reveal(process: Process, step: Step, observed: State, mask: Mask, generator: Generator = None) -> Step:
    """Wrap a sampler's step so that the elements under ``mask`` equal ``observed`` at every step.

    For grids from `resampled_times`, the wrapped step also goes up (s > t), by the forward process.

    Args:
        process: the forward process of the sampler.
        step: a sampler's step.
        observed: states (batch, …); values outside the mask are not read.
        mask: True where known, shaped like ``observed``.
        generator: random numbers for upward steps.

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
