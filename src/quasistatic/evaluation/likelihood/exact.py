"""Exact log p(x) of discrete data by enumeration: the probability of every state, followed down the reverse chain.

    p_1 = π,    p_s(a) = Σ_b p_t(b) Π_i reverse(b, guess(b))_i(a_i)

for all K^D states at once. Each step takes a K^D × K^D matrix, so this is for small state spaces only. The result is
the distribution of the model's samples, up to rounding.
"""

from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.process import BernoulliProcess, FiniteProcess, Process
from quasistatic.schedule import check_grid
from quasistatic.types import Nats, State, Times, per_example

MOST_STATES = 4096
"""Maximum size of the state space; a step multiplies by a square matrix of this size."""


def exact(process: Process, denoise: Denoise, x: State, times: Times) -> Nats:
    """Return log p(x) of each example under the reverse chain, in nats.

    Args:
        process: the forward process, of bits or of states.
        denoise: (x_t, t) → p(x | x_t).
        x: states (batch, …).
        times: a grid from 1 to 0, shape (steps + 1,).

    Raises:
        TypeError: if the process has no finite number of states.
        ValueError: if the state space is larger than `MOST_STATES`, or the grid does not fall from 1 to 0.
    """
    everything = all_states(process, x)
    law = log_law(process, denoise, everything, times)
    return law[_number(process, x)]


def all_states(process: Process, x: State) -> Shaped[Tensor, " count *shape"]:
    """Return every possible state with the shape of an example of ``x``, in increasing order.

    Raises:
        TypeError, ValueError: see `exact`.
    """
    states, elements = _states(process), x[0].numel()
    if elements * torch.tensor(float(states)).log2() > torch.tensor(float(MOST_STATES)).log2() + 1e-6:
        raise ValueError(
            f"exact enumeration walks at most {MOST_STATES} states, got {states}^{elements}; use importance or bound"
        )
    numbers = torch.arange(states**elements, device=x.device)
    digits = [numbers // states**place % states for place in reversed(range(elements))]
    return torch.stack(digits, 1).reshape(-1, *x.shape[1:]).to(x.dtype)


def log_law(
    process: Process, denoise: Denoise, everything: Shaped[Tensor, " count *shape"], times: Times
) -> Float[Tensor, " count"]:
    """Return log p of every state, in the order of `all_states`, in nats, float64."""
    check_grid(times)
    law = per_example(process.prior(everything).log_prob(everything)).double()
    for t, s in pairwise(times):
        at, to = t.expand(len(everything)), s.expand(len(everything))
        possible = law > -torch.inf
        # states with probability 0 have no reverse step
        x_t, at, to = everything[possible], at[possible.cpu()], to[possible.cpu()]
        back = process.reverse(x_t, denoise(x_t, at), at, to)
        moves = torch.cat([_moves(back, part, everything) for part in torch.arange(len(x_t)).split(256)])
        law = (law[possible][:, None] + moves).logsumexp(0)
    return law


def _moves(back: Distribution, part: Tensor, everything: Tensor) -> Float[Tensor, "part count"]:
    """Log-probability of each state (columns) after a step from each of the states ``part`` (rows)."""
    flat = cast(Bernoulli | Categorical, back).log_masses[part].flatten(1, -2).double()
    chosen = everything.flatten(1).long().T  # (elements, count)
    total = flat.new_zeros(len(part), len(everything))
    for element, states in enumerate(chosen):
        total = total + flat[:, element, states]
    return total


def _states(process: Process) -> int:
    if isinstance(process, BernoulliProcess):
        return 2
    if not isinstance(process, FiniteProcess):
        raise TypeError(f"exact enumeration needs a process over finitely many states, got {process!r}; use importance")
    return process.states


def _number(process: Process, x: State) -> Int[Tensor, " batch"]:
    states, flat = _states(process), x.flatten(1).long()
    weights = torch.tensor([states**place for place in reversed(range(flat.shape[1]))], device=x.device)
    return (flat * weights).sum(1)
