"""The 2015 paper's fixed last step: the forward step reversed by detailed balance, instead of a learned step.

    p(x | x_1) = q(x_1 | x) π(x)/π(x_1) = T_π(x | x_1; β_1)

It removes the "edge effect" at t = 0, where data may have no entropy, and costs H_q(X_1 | X) in the bound. In
expectation over q(x_1 | x), −log p(x | x_1) is H_q(X_1 | X = x) + CE_0 − CE_1 with CE_t = E_q[−log π(x_t) | x]. The
paper drops CE_0 − CE_1, which is right for data of unit variance (Gaussian) or of mean p₀ (binomial) only; here nothing
is dropped.
Source: Sohl-Dickstein et al. 2015, App. B.2, eq. 43–46 (arXiv:1503.03585).
"""

import torch

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.process import Process, RateProcess
from quasistatic.types import State, Time


def fixed_last_step(process: Process, denoise: Denoise, first: float) -> Denoise:
    """Return ``denoise`` with the paper's fixed step, in place of the guess, from ``first`` to the data.

    With it, `bound`, `importance` and the samplers score and draw the paper's model, on grids whose last time before 0
    is ``first``.

    Args:
        process: a process in detailed balance with its π: Gaussian, or keep-or-redraw.
        denoise: (x_t, t) → p(x | x_t).
        first: the last time before 0, 1/T.

    Raises:
        ValueError: if ``first`` does not lie inside (0, 1].
        TypeError: if the process is a `RateProcess`, which need not be reversible.
    """
    if isinstance(process, RateProcess):
        raise TypeError(f"the fixed last step needs a process in detailed balance with its prior, got {process!r}")
    if not 0 < first <= 1:
        raise ValueError(f"the time next to the data lies in (0, 1], got {first}")

    def guess(x_t: State, t: Time) -> Distribution:
        if bool((t > first * (1 + 1e-9)).any()):
            return denoise(x_t, t)
        return process.forward(x_t, torch.zeros_like(t), t)

    return guess
