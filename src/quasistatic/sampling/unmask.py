"""The step of a masked process: shows as many cells as the chain shows on average, chosen at random in each row.

    of m masked cells,  m − round(m · s/t)  are drawn from the guess,  t, s → 1 − ᾱ

With as many steps as cells this shows one cell at a time, in a random order: the chain in the limit of infinitely many
steps, where no two cells are drawn from one guess. More steps change nothing.
Source: Hoogeboom et al. 2022, §3 (arXiv:2110.02037): any-order autoregression as the limit of absorbing diffusion.
"""

import torch

from quasistatic.denoiser import Denoise
from quasistatic.distribution import standard_uniform
from quasistatic.distribution.masked import MASK
from quasistatic.process import MaskedProcess
from quasistatic.types import Generator, State, Step, Time, like


def unmask(process: MaskedProcess, denoise: Denoise, generator: Generator = None) -> Step:
    """Return the step that shows an even share of the masked cells."""

    def step(x_t: State, t: Time, s: Time) -> State:
        masked = x_t == MASK
        left = like((1 - process.schedule.alpha_bar(s)) / (1 - process.schedule.alpha_bar(t)), x_t)
        count = masked.sum(1, keepdim=True)
        # A thousandth more shows, at equal steps, a cell in each step in spite of rounding.
        shown = count - (count * left - 1e-3).round().clamp(min=0)
        order = torch.where(masked, standard_uniform(x_t, generator), torch.inf).argsort(1).argsort(1)
        drawn = denoise(x_t, t).sample(generator)
        return torch.where(masked & (order < shown), drawn, x_t)

    return step
