"""Reverse chains whose own law is known exactly, and what that says given an observation.

    LinearChain     two correlated normals by elementwise kernels: a linear recursion of covariances
    grid_law        one real element: matrices on a grid
    FiniteChain     a few discrete elements with an arbitrary guess: `evaluation.exact` counts all paths

Particles are exact under the chain they walk, so they are held to these, for any number of steps.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from oracles import MixtureOracle
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.evaluation.likelihood.exact import all_states, log_law
from quasistatic.inference import Known
from quasistatic.process import BernoulliProcess, FiniteProcess, GaussianProcess, Process
from quasistatic.types import State


def chain_covariance(oracle: MixtureOracle, times: Tensor) -> Tensor:
    """Covariance of what the chain with the exact guess of one normal of mean 0 makes of N(0, I)."""
    size = oracle.means.shape[1]
    eye, covariance = torch.eye(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    for t, s in pairwise(times):
        guess = oracle(eye, t.expand(size))
        gain, variance = guess.mean.mT, guess.variance[0]  # columns: the mean is linear in x_t
        if s > 0:
            bridge = oracle.process.bridge(t[None], s[None])
            gain, variance = bridge.a * gain + bridge.b * eye, bridge.v + bridge.a**2 * variance
        covariance = gain @ covariance @ gain.mT + variance.diag()
    return covariance


def grid_law(process: GaussianProcess, denoise, grid: Tensor, times: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    """Masses of one real element on a fine even grid, walked down from N(0, 1)."""
    cell = math.log((grid[1] - grid[0]).item())
    x_t = grid[:, None]
    law = (process.prior(x_t).log_prob(x_t)[:, 0] + cell).exp()
    for t, s in pairwise(times):
        back = process.reverse(x_t, denoise(x_t, t.expand(len(grid))), t.expand(len(grid)), s.expand(len(grid)))
        law = law @ (back.log_prob(grid.expand(len(grid), -1)) + cell).exp()
    return law


def arbitrary(process: Process):  # type: ignore[no-untyped-def]
    """A guess that no data have: what an element says itself, and a pull towards its neighbour."""

    def denoise(x_t: State, t: Tensor) -> Distribution:
        beside = x_t.roll(1, -1)
        if isinstance(process, BernoulliProcess):
            one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
            return Bernoulli(one - zero + 1.5 * beside - 0.5)
        assert isinstance(process, FiniteProcess)
        pull = 1.2 * torch.nn.functional.one_hot(beside, process.states) + 0.3 * torch.arange(process.states)
        never = torch.where(process.stationary == 1, -math.inf, 0.0)  # a mask is no datum
        return Categorical(process.evidence(x_t, t) + pull + never)

    return denoise


class FiniteChain:
    """A chain over a few discrete elements, with the log-probability of every state of them."""

    def __init__(self, process: Process, elements: int, times: Tensor) -> None:
        self.process, self.times, self.denoise = process, times, arbitrary(process)
        whole = torch.zeros(1, elements) if isinstance(process, BernoulliProcess) else torch.zeros(1, elements).long()
        self.states = all_states(process, whole)
        self.law = log_law(process, self.denoise, self.states, times)

    def posterior(self, log_r: Tensor) -> tuple[Tensor, float]:
        """Probability of every state given r, and the evidence E r."""
        joint = (self.law + log_r).exp()
        return joint / joint.sum(), joint.sum().item()

    def shares(self, x: Tensor, log_weights: Tensor) -> Tensor:
        """Weight of every state among weighted particles, (batch, states)."""
        same = (x[:, :, None] == self.states.to(x)).all(-1)
        return (log_weights.exp()[..., None] * same).sum(1)


def misleading(x_t, t, clean, observation):  # type: ignore[no-untyped-def]
    """A positive twist that knows nothing of r and likes some states for no reason."""
    return torch.sin(3 * x_t.double().sum(-1)) + 0.5 * x_t.double()[:, 0].clamp(-2, 2)


def first_known(batch: int, size: int, value: float) -> Known:
    values = torch.full((batch, size), value)
    mask = torch.zeros(batch, size, dtype=torch.bool)
    mask[:, 0] = True
    return Known(mask, values)


def template(process: Process, batch: int, size: int) -> Tensor:
    zeros = torch.zeros(batch, size)
    return zeros if isinstance(process, BernoulliProcess) else zeros.long()
