"""The sampling loop, shared by all samplers, and the ancestral step, which works for every process.

    ancestral   x_s ~ Σ_x q(x_s | x_t, x) p(x | x_t)         a masked process: see `unmask`

Source: Sohl-Dickstein et al. 2015, eq. 4–5; Ho et al. 2020, algorithm 2.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch

from quasistatic.denoiser import Denoise
from quasistatic.process import MaskedProcess, Process
from quasistatic.sampling.unmask import unmask
from quasistatic.types import Generator, State, Step, Time, Times


def sample(step: Step, x_1: State, times: Times) -> Iterator[State]:
    """Yield states from noise to data; ``times`` falls to 0, shape (steps + 1,)."""
    x_t = x_1
    for t, s in pairwise(times):
        x_t = step(x_t, t.expand(len(x_t)), s.expand(len(x_t)))
        yield x_t


def ancestral(process: Process, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the ancestral step, which draws from the reverse chain that the bound scores.

    With clocks of elements, those that reach the data are drawn from the guess itself, as all are at the end.
    """
    if isinstance(process, MaskedProcess) and not process.staggered:
        return unmask(process, denoise, generator)

    def step(x_t: State, t: Time, s: Time) -> State:
        clean = denoise(x_t, t)
        x_s, ends = process.reverse(x_t, clean, t, s).sample(generator), process.ends(t, s)
        return x_s if ends is None else torch.where(ends.to(x_s.device), clean.sample(generator), x_s)

    return step
