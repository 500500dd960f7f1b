"""Finds the best grid of K steps for the bound: measures the cost of every step, then uses dynamic programming.

    cost of a path 1 = t_K > … > t_1 > 0  =  prior + Σ_k F(t_k → t_{k−1}) + R(t_1)

F(t → s) is the mean KL of a step, and R(t) the mean cost of the last one, −log p(x | x_t). The guess depends on t only,
so one denoiser call at each of N candidate times gives the costs of all N²/2 steps. The path is optimal for them.
Source: Watson et al. 2021 (arXiv:2106.03802), §3; Bao et al. 2022 (arXiv:2201.06503), §4.3; for any process and head.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution
from quasistatic.evaluation.steps.variance import Widen, finishing, keep
from quasistatic.process import Process
from quasistatic.types import Generator, State, Times, Watch, per_example


@dataclass(frozen=True, eq=False)
class StepCosts:
    """Mean cost of every step between candidate times, in nats per example.

    Attributes:
        times: candidate times, decreasing from 1, shape (N,); 0 is not included.
        steps: (N, N): cost of the step from time i down to time j, j > i; +∞ elsewhere.
        last: (N,): cost of the last step, from time i to 0.
        prior: KL( q(x_1 | x) ‖ π ), part of every path's cost.
    """

    times: Times
    steps: Float[Tensor, "times times"]
    last: Float[Tensor, " times"]
    prior: float

    def best(self, steps: int) -> tuple[Times, float]:
        """Return the cheapest grid of ``steps`` steps, from 1 to 0, and its cost in nats per example.

        Raises:
            ValueError: if ``steps`` is below 1 or above the number of candidates.
        """
        if not 1 <= steps <= len(self.times):
            raise ValueError(
                f"a plan over {len(self.times)} candidate times has 1 to {len(self.times)} steps, got {steps}; "
                "plan with more candidates"
            )
        # The lowest cost of k steps from time 1 to each candidate, and the candidate before it.
        arrived = torch.full_like(self.last, math.inf)
        arrived[0] = 0.0
        came_from = []
        for _ in range(steps - 1):
            arrived, origin = (arrived[:, None] + self.steps).min(0)
            came_from.append(origin)
        place = int((arrived + self.last).argmin())
        cost = self.prior + (arrived + self.last)[place].item()
        path = [place]
        for origin in reversed(came_from):
            path.append(int(origin[path[-1]]))
        return torch.cat([self.times[path[::-1]], torch.zeros(1, dtype=torch.float64)]), cost


def step_costs(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    generator: Generator = None,
    widen: Widen = keep,
    watch: Watch | None = None,
) -> StepCosts:
    """Measure what every step between the candidate ``times`` would cost on data ``x``.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t); called once for each candidate.
        decode: makes the law that data are scored with; a codec's `decoder`, or the identity for densities.
        x: states (batch, …).
        times: candidates, falling from 1 to above 0.
        generator: of the noised states.
        widen: makes of a guess what a step takes it for (see `variance.widening`; of the last step, `finishing`).
        watch: called with (candidates done, candidates in all).

    Raises:
        ValueError: unless the candidates fall from 1 and stay above 0.
        FloatingPointError: if a step's cost is not a number.
    """
    if times[0] != 1 or not bool((times.diff() < 0).all()) or times[-1] <= 0:
        raise ValueError("a plan needs candidate times that fall from 1 and stay above 0")
    batch, count = len(x), len(times)
    steps = torch.full((count, count), math.inf, dtype=torch.float64)
    last, finish = torch.zeros(count, dtype=torch.float64), finishing(widen)
    for i in range(count):
        t = times[i].expand(batch)
        x_t = process.marginal(x, t).sample(generator)
        clean = denoise(x_t, t)
        end = process.reverse(x_t, finish(clean, x_t, t), t, torch.zeros_like(t))
        last[i] = -per_example(decode(end).log_prob(x)).double().mean().cpu()
        wide = widen(clean, x_t, t)
        for j in range(i + 1, count):
            kl = process.step_kl(x, x_t, wide, t, times[j].expand(batch))
            steps[i, j] = per_example(kl).double().mean().cpu()
        if watch:
            watch(i + 1, count)
    if bool(steps.isnan().any()) or bool(last.isnan().any()):
        raise FloatingPointError(
            "the cost of a step is not a number: the model's guesses are not finite, or two times meet"
        )
    prior = per_example(process.marginal(x, torch.ones(batch, dtype=torch.float64)).kl(process.prior(x)))
    return StepCosts(times, steps, last, prior.double().mean().item())
