"""Bounds on the entropy of each reverse step, from the forward process alone, and on the entropy that steps produce.

    H(X_t | X_s) + H(X_s | X) − H(X_t | X)  ≤  H_q(X_s | X_t)  ≤  H(X_t | X_s) + CE_s − CE_t,    s < t

CE_t = E[−log π(x_t)]. The paper's upper bound omits CE_s − CE_t, which is 0 only if E[−log π] is constant in time: for
Gaussian data with E‖x‖² = D, and for bits with mean p₀. For data of larger variance the paper's form fails.

The lower bound is H_q(X_s | X_t, X), the entropy left when the data are known. Each step adds at least
H_q(X_s | X_t) − lower = I(X_s; X | X_t) to the cost of the bound; with the best possible guess, at most upper − lower.

The forward step from s to t produces the entropy KL(q_s ‖ π) − KL(q_t ‖ π) = upper − H_q(X_s | X_t) ≥ 0, an
irreversible loss. It is at most upper − lower, and at least upper − lower minus the step's cost under any model.
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
    """Entropy bounds of each step of a grid except the last (to s = 0): means over the data, nats per example, float64.

    Attributes:
        t: start time of each step.
        s: end time of each step.
        lower: lower bound on H_q(X_s | X_t).
        upper: upper bound on H_q(X_s | X_t).
        uncorrected: the paper's upper bound, without CE_s − CE_t.
        standard_error: standard error of ``lower`` over the examples; that of ``upper`` is about the same.
    """

    t: Float[Tensor, " steps"]
    s: Float[Tensor, " steps"]
    lower: Float[Tensor, " steps"]
    upper: Float[Tensor, " steps"]
    uncorrected: Float[Tensor, " steps"]
    standard_error: Float[Tensor, " steps"]

    @property
    def gap(self) -> Float[Tensor, " steps"]:
        """upper − lower: the maximum cost of a step in the bound of the best reverse chain."""
        return self.upper - self.lower

    def production(self, costs: Float[Tensor, " steps"]) -> tuple[Float[Tensor, " steps"], Float[Tensor, " steps"]]:
        """Return a lower and an upper bound on the entropy that each forward step produces, in nats per example.

        The lower bound is at least 0, because no step lowers the total entropy.

        Args:
            costs: E KL of each step of the same grid except the last under some model, in nats per example: the bound's
                `step_costs` with every step evaluated. A better model gives a tighter lower bound.

        Raises:
            ValueError: if the number of costs is not the number of steps.
        """
        if costs.shape != self.t.shape:
            raise ValueError(
                f"a cost is needed for each of {len(self.t)} steps, got costs of shape {tuple(costs.shape)}"
            )
        return (self.gap - costs).clamp(min=0), self.gap

    @property
    def correction(self) -> Float[Tensor, " steps"]:
        """CE_s − CE_t, which the paper's upper bound omits: an upper limit on the fall of the state's entropy from s to
        t. If it is 0, the entropy of the state never falls on the way to noise.
        """
        return self.upper - self.uncorrected


def entropy_bounds(process: Process, x: State, times: Times, generator: Generator = None) -> EntropyBounds:
    """Bound the entropy of every reverse step of data ``x``.

    Args:
        process: the forward process.
        x: states (batch, …) of data.
        times: a grid from 1 to 0, shape (steps + 1,).
        generator: random numbers for the states x_s over which H(X_t | X_s) is averaged. For a Gaussian process the
            entropy does not depend on them.

    Raises:
        ValueError: if the grid has fewer than two steps; the last step, to s = 0, has no such bounds.
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
    """E[−log π] under ``law`` for each element: the entropy of ``law`` plus its KL from π."""
    return law.entropy + law.kl(process.prior(x))
