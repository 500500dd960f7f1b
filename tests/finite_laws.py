"""Finite processes and their laws as vectors."""

import torch
from torch import Tensor

from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.process import (
    FiniteProcess,
    Process,
)


def at(value: float, batch: int) -> Tensor:
    return torch.full((batch,), value, dtype=torch.float64)


def every(process: Process) -> Tensor:
    """All states of one element, shape (K, 1), in the type the process takes."""
    return torch.arange(process.states)[:, None] if isinstance(process, FiniteProcess) else torch.arange(2.0)[:, None]


def masses(law: Distribution) -> Tensor:
    assert isinstance(law, Bernoulli | Categorical)
    return law.log_masses.exp()


def step(process: Process, s: float, t: float) -> Tensor:
    """The K × K matrix of q(x_t | x_s)."""
    x = every(process)
    return masses(process.forward(x, at(s, len(x)), at(t, len(x))))[:, 0]
