"""Which steps of the bound to draw if examples are to be ranked: those that decide the order of most of them.

    probability of step k ∝ √( mean over examples of (c_k(i) / Σ_k c_k(i))² )

Each example's costs are divided by their sum first. A few odd examples, whose costs may be a hundred times those of the
others, would else decide alone where to look. Bands of steps are narrow near the data, where costs change most.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.process import Process
from quasistatic.streams import Streams
from quasistatic.types import State, Times, per_example

BANDS = 24
"""Bands of steps, evenly spaced in the logarithm of the number of steps from the data."""

LOOKS = 2
"""Steps of each band that are evaluated."""

EVEN = 0.2
"""Share of the probability that is spread evenly over all steps, so that none is missed."""


@dataclass(frozen=True, eq=False)
class StepShares:
    """Mean cost of a step in each band, for each pilot example, in nats.

    Attributes:
        edges: ends of the bands, as numbers of steps from the data: band b is [edges[b], edges[b + 1]).
        costs: mean cost of a step of each band.
        evaluations: denoiser calls per example.
    """

    edges: tuple[int, ...]
    costs: Float[Tensor, "bands batch"]
    evaluations: int


def pilot_steps(process: Process, denoise: Denoise, x: State, times: Times, seed: int) -> StepShares:
    """Measure what the steps of each band cost on pilot examples ``x``, with the same steps and noise for all of them.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t).
        x: states (batch, …).
        times: a grid from 1 to 0 with two steps or more.
        seed: of the steps and noise.
    """
    steps = len(times) - 2
    ends = torch.logspace(0, math.log10(steps + 1), BANDS + 1, dtype=torch.float64).round().long().unique().tolist()
    streams, costs = Streams.shared(seed, 0, len(x)), []
    for low, high in pairwise(ends):
        looks = []
        for _ in range(LOOKS):
            k = steps - low - int(streams.spread()[0].item() * (high - low))
            t, s = times[k].expand(len(x)), times[k + 1].expand(len(x))
            x_t = process.marginal(x, t).sample(streams)
            looks.append(per_example(process.step_kl(x, x_t, denoise(x_t, t), t, s)).double().cpu())
        costs.append(torch.stack(looks).mean(0))
    return StepShares(tuple(ends), torch.stack(costs), LOOKS * len(costs))


def chances_by_share(pilot: StepShares, steps: int) -> Float[Tensor, " steps"]:
    """Return sampling probabilities of the steps but the last, from the noise to the data, summing to 1.

    Args:
        pilot: costs of the bands.
        steps: number of steps without the last.
    """
    width = torch.tensor(pilot.edges).diff().double()
    finite = pilot.costs[:, pilot.costs.isfinite().all(0)]
    total = (finite * width[:, None]).sum(0)
    shares = finite[:, total > 0] / total[total > 0]
    even = torch.full((steps,), 1 / steps, dtype=torch.float64)
    if not shares.numel():
        return even
    each = shares.square().mean(1).sqrt().repeat_interleave(width.long()).flip(0)
    return EVEN * even + (1 - EVEN) * each / each.sum()
