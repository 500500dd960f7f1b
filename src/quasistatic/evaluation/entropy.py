"""Bounds on the entropy of every reverse step, from the forward process alone, and what the steps lose.

    H(X_t | X_s) + H(X_s | X) − H(X_t | X)  ≤  H_q(X_s | X_t)  ≤  H(X_t | X_s) + CE_s − CE_t,    s < t

CE_t = E[−log π(x_t)]. The paper's upper bound leaves out CE_s − CE_t, which is 0 only where E[−log π] does not move:
for Gaussian data of E‖x‖² = D, for bits of mean p₀. With data of larger variance the shorter form fails.

The lower bound is H_q(X_s | X_t, X), what an all-knowing guess would leave: a step costs the bound at least
H_q(X_s | X_t) − lower = I(X_s; X | X_t), so at most upper − lower for the best guess there is.

The step from s to t produces the entropy KL(q_s ‖ π) − KL(q_t ‖ π) = upper − H_q(X_s | X_t) ≥ 0: what is lost for good.
It is at most upper − lower, and at least that less what the step costs any model's bound.
Source: Sohl-Dickstein et al. 2015, eq. 24 and App. A, with the terms that its assumption drops.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.process import Process
from quasistatic.types import Generator, State, Times, per_example


@dataclass(frozen=True, eq=False)
class EntropyBounds:
    """For each step of a grid but the last (to s = 0), in nats per example, means over the data; float64.

    Attributes:
        t: where each step starts.
        s: where it ends.
        lower: on H_q(X_s | X_t).
        upper: on the same.
        uncorrected: the paper's upper bound, without CE_s − CE_t.
        standard_error: of ``lower``, and of ``upper`` about the same, over the examples.
    """

    t: Float[Tensor, " steps"]
    s: Float[Tensor, " steps"]
    lower: Float[Tensor, " steps"]
    upper: Float[Tensor, " steps"]
    uncorrected: Float[Tensor, " steps"]
    standard_error: Float[Tensor, " steps"]

    @property
    def gap(self) -> Float[Tensor, " steps"]:
        """upper − lower: the most that a step of the best reverse chain costs the bound."""
        return self.upper - self.lower

    def production(self, costs: Float[Tensor, " steps"]) -> tuple[Float[Tensor, " steps"], Float[Tensor, " steps"]]:
        """Return the least and the most entropy that each step of the forward process produces, in nats per example.

        Where a model's cost says less than nothing, the least is 0: no step lowers the entropy of the whole.

        Args:
            costs: E KL of each step of the same grid but the last under some model, in nats per example: a bound's
                `step_costs` where every step was looked at. The better the model, the nearer the least is to the truth.

        Raises:
            ValueError: if there are not as many costs as steps.
        """
        if costs.shape != self.t.shape:
            raise ValueError(
                f"a cost is needed for each of {len(self.t)} steps, got costs of shape {tuple(costs.shape)}"
            )
        return (self.gap - costs).clamp(min=0), self.gap

    @property
    def correction(self) -> Float[Tensor, " steps"]:
        """CE_s − CE_t, which the paper's upper bound leaves out: the most that the entropy of the state can fall from
        s to t. Where it is 0 the entropy of the state never falls on the way to noise.
        """
        return self.upper - self.uncorrected


def entropy_bounds(process: Process, x: State, times: Times, generator: Generator = None) -> EntropyBounds:
    """Bound the entropy of every reverse step of data ``x``.

    Args:
        process: the forward process.
        x: states (batch, …) of data.
        times: a grid from 1 to 0, shape (steps + 1,).
        generator: of the states x_s that H(X_t | X_s) is averaged over; a Gaussian process's does not depend on them.

    Raises:
        ValueError: if the grid has fewer than two steps: the last, to s = 0, has no such bounds.
    """
    if len(times) < 3:
        raise ValueError(f"entropy bounds need a grid of two steps or more, got {len(times) - 1}")
    rows = []
    for t, s in pairwise(times[:-1]):
        at_t, at_s = t.expand(len(x)), s.expand(len(x))
        early, late = process.marginal(x, at_s), process.marginal(x, at_t)
        x_s = early.sample(generator)
        step = per_example(process.forward(x_s, at_s, at_t).entropy).double()
        lower = step + per_example(early.entropy).double() - per_example(late.entropy).double()
        fall = per_example(_cross_entropy(early, process, x) - _cross_entropy(late, process, x)).double()
        error = lower.std() / math.sqrt(len(x)) if len(x) > 1 else lower.new_tensor(math.nan)
        rows.append(torch.stack([lower.mean(), (step + fall).mean(), step.mean(), error]).cpu())
    lower_mean, upper, uncorrected, error = torch.stack(rows, 1)
    return EntropyBounds(times[:-2], times[1:-1], lower_mean, upper, uncorrected, error)


def _cross_entropy(law: Distribution, process: Process, x: State) -> Tensor:
    """E[−log π] under ``law``, of each element: its entropy and what it is away from π."""
    return law.entropy + law.kl(process.prior(x))
