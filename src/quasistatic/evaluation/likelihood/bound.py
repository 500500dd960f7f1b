"""The variational bound on log p(x): three terms, each exact or estimated without bias, in nats per example.

    log p(x) ≥ − KL( q(x_1 | x) ‖ π )                                        prior
               − Σ_k KL( q(x_s | x_t, x) ‖ reverse(x_t, guess) ),  k ≥ 2     diffusion
               + log p(x | x_t),  k = 1                                      reconstruction

with t, s the ends of step k of a grid. Discrete values are scored by mass (the codec's decoder), others by density.
Source: Sohl-Dickstein et al. 2015, eq. 14; Ho et al. 2020, eq. 5, with log p(x | x_t) for their L_0.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import Distribution, spread_uniform
from quasistatic.process import Process
from quasistatic.schedule import check_grid
from quasistatic.types import Generator, Nats, State, Times, per_example

BANDS = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
"""Edges of the log-SNR bands in reports."""


@dataclass(frozen=True)
class Band:
    """Cost of the steps with log-SNR from ``low`` to ``high``: mean and standard error over examples."""

    low: float
    high: float
    value: float
    standard_error: float

    def scaled(self, factor: float) -> "Band":
        """Return the band in another unit."""
        return Band(self.low, self.high, self.value * factor, self.standard_error * factor)


@dataclass(frozen=True, eq=False)
class BoundTerms:
    """The bound's three terms for each example, in nats; the bound is minus their sum.

    ``times`` (draws, batch) are the sampled steps. ``step_costs`` (draws, batch) are their contributions to the
    diffusion term: a step's cost divided by its sampling probability. They sum to ``diffusion`` over the draws.
    ``pilot_evaluations`` counts the denoiser calls that were used to choose the sampling probabilities.
    """

    prior: Nats
    diffusion: Nats
    reconstruction: Nats
    times: Float[Tensor, "draws batch"]
    step_costs: Float[Tensor, "draws batch"]
    pilot_evaluations: int = 0

    @property
    def value(self) -> Nats:
        """The lower bound on log p(x) of each example, in nats."""
        return -(self.prior + self.diffusion + self.reconstruction)

    @property
    def error(self) -> Nats:
        """Standard error of each example's bound, from the spread of its draws, in nats; NaN for a single draw.

        Draws are treated as independent. They are stratified, so the true error is smaller.
        """
        draws = len(self.step_costs)
        if draws < 2:
            return torch.full_like(self.prior, torch.nan)
        return self.step_costs.std(0) * draws**0.5

    @property
    def network_evaluations(self) -> int:
        """Calls of the denoiser per example."""
        return len(self.times) + 1

    @classmethod
    def joined(cls, parts: Sequence["BoundTerms"]) -> "BoundTerms":
        """Concatenate the terms of several batches."""
        names = ("prior", "diffusion", "reconstruction", "times", "step_costs")
        joined = {name: torch.cat([getattr(part, name) for part in parts], dim=-1) for name in names}
        return cls(**joined, pilot_evaluations=sum(part.pilot_evaluations for part in parts))

    def bands(self, log_snr: Callable[[Tensor], Tensor], edges: Sequence[float] = BANDS) -> list["Band"]:
        """Return the mean diffusion cost per example in each band of log-SNR, in nats.

        Args:
            log_snr: the schedule's log-SNR as a function of time.
            edges: boundaries between bands, increasing; the first band starts at −∞, the last ends at +∞.
        """
        level, costs = log_snr(self.times), self.step_costs.cpu()
        bands = []
        for low, high in pairwise((-math.inf, *edges, math.inf)):
            inside = torch.where((level >= low) & (level < high), costs, 0).sum(0)
            error = inside.std().item() / math.sqrt(len(inside)) if len(inside) > 1 else math.nan
            bands.append(Band(low, high, inside.mean().item(), error))
        return bands


def bound(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    draws: int | None = None,
    generator: Generator = None,
    chances: Float[Tensor, " steps"] | None = None,
) -> BoundTerms:
    """Estimate the bound of each example over the steps of ``times``.

    Args:
        process: the forward process.
        denoise: (x_t, t) → p(x | x_t).
        decode: returns the distribution that scores the data: a codec's `decoder`, or the identity for densities.
        x: states (batch, …).
        times: a grid from 1 to 0, shape (steps + 1,).
        draws: number of steps k ≥ 2 to sample per example, one in each of ``draws`` equal strata; None evaluates all.
        generator: random numbers for the noised states and the sampled steps. With a stream per example, an example's
            terms do not depend on its batch.
        chances: sampling probability of each step except the last, summing to 1 (see `chances_by_cost`); None is
            uniform.

    Returns:
        The three terms, in nats per example, without bias for any ``draws``.

    Raises:
        ValueError: if ``draws`` is below 1, or the grid does not fall from 1 to 0.
    """
    return bound_with_map(process, denoise, decode, x, times, draws, generator, chances)[0]


def bound_with_map(
    process: Process,
    denoise: Denoise,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    draws: int | None = None,
    generator: Generator = None,
    chances: Float[Tensor, " steps"] | None = None,
) -> tuple[BoundTerms, Float[Tensor, " batch *shape"]]:
    """Estimate the bound as `bound` does; also return the share of each element in minus the bound, in nats, float64.

    Processes and heads factorise over elements, so all three terms are sums over elements: the shares of an example
    sum to minus its bound. A share belongs to the element whose value is predicted, given noised values of all others.

    Raises:
        ValueError: as `bound`.
    """
    if draws is not None and draws < 1:
        raise ValueError(f"the bound evaluates one step or more per example, got draws = {draws}")
    check_grid(times)
    batch, count = len(x), len(times) - 2
    one = torch.ones(batch, dtype=torch.float64)
    prior = process.marginal(x, one).kl(process.prior(x))
    first = times[-2].expand(batch)
    x_t = process.marginal(x, first).sample(generator)
    clean = denoise(x_t, first)
    if process.staggered:
        reconstruction = process.cost(x, x_t, clean, first, 0 * first, decode)
    else:
        reconstruction = -decode(process.reverse(x_t, clean, first, 0 * first)).log_prob(x)
    shares = prior.double() + reconstruction.double()
    strata = count if draws is None else min(draws, count)
    chance = torch.full((count,), 1 / max(count, 1), dtype=torch.float64) if chances is None else chances
    looked, costs = [], []
    for stratum in range(strata):
        k, share = _step_in(stratum, strata, chance, batch, generator)
        t, s = times[k], times[k + 1]
        x_t = process.marginal(x, t).sample(generator)
        looked.append(t)
        cost, weight = process.cost(x, x_t, denoise(x_t, t), t, s, decode), share.to(x.device)
        costs.append(per_example(cost).double() * weight)
        shares = shares + cost.double() * weight.reshape(weight.shape + (1,) * (cost.ndim - weight.ndim))
    empty = torch.zeros((0, batch), dtype=torch.float64)
    step_costs = torch.stack(costs) if costs else empty.to(x.device)
    terms = BoundTerms(
        prior=per_example(prior).double(),
        diffusion=step_costs.sum(0),
        reconstruction=per_example(reconstruction).double(),
        times=torch.stack(looked) if looked else empty,
        step_costs=step_costs,
    )
    return terms, shares


def _step_in(
    stratum: int, strata: int, chance: Float[Tensor, " steps"], batch: int, generator: Generator
) -> tuple[Int[Tensor, " batch"], Float[Tensor, "*batch"]]:
    """Sample a step of the stratum for each example; return it with its weight, one over its probability."""
    count = len(chance)
    if strata == count:
        return torch.full((batch,), stratum), torch.ones((), dtype=torch.float64)
    # Draws of different examples are spread over the stratum, which lowers the variance of their mean.
    u = (stratum + spread_uniform(batch, generator)) / strata
    below = chance.cumsum(0)
    k = torch.searchsorted(below, u * below[-1], right=True).clamp(max=count - 1)
    return k, 1 / (strata * chance[k])


def chances_by_cost(pilot: BoundTerms, times: Times, bands: int = 40) -> Float[Tensor, " steps"]:
    """Return sampling probabilities of the steps, proportional to the root mean square cost that ``pilot`` found there.

    This nearly minimises the variance of the bound's estimate. A fifth of the probability is uniform, so that no step
    is missed. Infinite costs are ignored.

    Args:
        pilot: the bound's terms of some examples, with steps sampled uniformly from ``times``.
        times: the grid.
        bands: number of bands of consecutive steps in which costs are pooled.
    """
    count = len(times) - 2
    if count < 2:
        return torch.ones(count, dtype=torch.float64)
    band = torch.arange(count) * min(bands, count) // count
    place = (len(times) - 1 - torch.searchsorted(times.flip(0), pilot.times.contiguous())).clamp(0, count - 1)
    square = torch.zeros(int(band[-1]) + 1, dtype=torch.float64)
    costs = pilot.step_costs.cpu().flatten()
    finite, where = costs.isfinite(), band[place].flatten()
    looks = square.index_add(0, where, finite.double())
    square.index_add_(0, where, torch.where(finite, costs, 0) ** 2)
    share = (square / looks.clamp(min=1)).sqrt()[band]
    even = torch.full((count,), 1 / count, dtype=torch.float64)
    return even if not bool(share.sum() > 0) else 0.2 * even + 0.8 * share / share.sum()


def null(process: Process, decode: Callable[[Distribution], Distribution], x: State) -> Nats:
    """L_null: log-probability of the data under the process's prior π, in nats per example.

    Source: Sohl-Dickstein et al. 2015, table 1.
    """
    return per_example(decode(process.prior(x)).log_prob(x)).double()
