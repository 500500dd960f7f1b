"""Importance estimate of log p(x): the forward process proposes paths, the reverse chain weights them.

    p(x) = E_q e^{−W},    −W = log π(x_1) + Σ_k [ log p(x_s | x_t) − log q(x_t | x_s) ]

with p(x_s | x_t) = reverse(x_t, guess); the last step uses the distribution that scores the data. W is the work done on
the system along a path, and the equation is Jarzynski's equality. On average, log (1/N) Σ e^{−W} of N paths lies
between the bound (its mean for N = 1) and log p(x), and rises with N. A single path is exact if the reverse chain is.
Source: Sohl-Dickstein et al. 2015, eq. 9; Burda et al. 2016 (arXiv:1509.00519), theorem 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.process import Process
from quasistatic.schedule import check_grid
from quasistatic.types import Generator, Nats, State, Times, error_of_log_mean, per_example


@dataclass(frozen=True, eq=False)
class Works:
    """Works of the paths of each example, in nats; ``minus_work`` is −W, shape (draws, batch), float64."""

    minus_work: Float[Tensor, "draws batch"]

    @property
    def value(self) -> Nats:
        """log (1/N) Σ e^{−W} of each example, in nats: below log p(x) on average."""
        return self.minus_work.logsumexp(0) - math.log(len(self.minus_work))

    @property
    def bound(self) -> Nats:
        """−mean W of each example, in nats: the variational bound, from the same paths."""
        return self.minus_work.mean(0)

    @property
    def error(self) -> Nats:
        """Standard error of each example's value, in nats, by the jackknife over its paths; NaN for a single path.

        It measures the spread of the value, not its bias: with few paths the value is also too low.
        """
        return error_of_log_mean(self.minus_work)

    @property
    def effective(self) -> Float[Tensor, " batch"]:
        """Effective number of paths of each example, (Σ w)²/Σ w²."""
        return (2 * self.minus_work.logsumexp(0) - (2 * self.minus_work).logsumexp(0)).exp()


def importance(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    draws: int,
    generator: Generator = None,
) -> Works:
    """Draw ``draws`` forward paths from each example and weight them by the reverse chain.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t).
        decode: returns the distribution that scores the data: a codec's `decoder`, or the identity for densities.
        x: states (batch, …).
        times: a grid from 1 to 0, shape (steps + 1,).
        draws: N, the number of paths per example.
        generator: random numbers for the paths.

    Raises:
        ValueError: if ``draws`` is below 1, or the grid does not fall from 1 to 0.
    """
    if draws < 1:
        raise ValueError(f"an importance estimate needs one path or more per example, got draws = {draws}")
    check_grid(times)
    return Works(torch.stack([_minus_work(process, denoise, decode, x, times, generator) for _ in range(draws)]))


def _minus_work(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    generator: Generator,
) -> Nats:
    total, x_s = torch.zeros(len(x), dtype=torch.float64, device=x.device), x
    for s, t in pairwise(times.flip(0)):
        before, after = s.expand(len(x)), t.expand(len(x))
        forward = process.forward(x_s, before, after)
        x_t = forward.sample(generator)
        back = process.reverse(x_t, denoise(x_t, after), after, before)
        back = decode(back) if s == 0 else back
        total = total + per_example(back.log_prob(x_s).double() - forward.log_prob(x_t).double())
        x_s = x_t
    return total + per_example(process.prior(x_s).log_prob(x_s)).double()
