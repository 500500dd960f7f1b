"""The bound of elements with clocks of their own, many windows at once.

While element i moves, some elements have reached the data and others are noise. Steps that are M apart move different
elements, where M steps cover a window. So one look at an example takes every M-th step, from a random one on, and a
denoiser that guesses all windows in one pass tells all of them:

    Σ_k cost_k = E [ M/d Σ_j cost_{k + jM} ],      k uniform in one of d strata of 0 … M − 1

where d looks are taken. Every look sees nearly all elements, so that their error does not grow as windows get narrower.
At one clock for all elements it is `bound`.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from quasistatic.distribution import Distribution, spread_uniform
from quasistatic.evaluation.likelihood.bound import BoundTerms
from quasistatic.process import Process
from quasistatic.schedule import Staggered, check_grid
from quasistatic.types import Generator, State, Times, per_example

GuessWindows: TypeAlias = Callable[[State, State, Int[Tensor, "batch length"]], Distribution]
"""(x, x_t, window) → guess of each element, given x of earlier windows and x_t of its own; later ones are noise."""


def bound_in_windows(
    process: Process,
    guess: GuessWindows,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    draws: int | None = None,
    generator: Generator = None,
) -> BoundTerms:
    """Estimate the bound of each example, from left to right.

    Args:
        process: the forward process; its clocks run from the first element to the last.
        guess: the guesses in all windows.
        decode: returns the distribution that scores the data.
        x: states (batch, length).
        times: a grid from 1 to 0, shape (steps + 1,).
        draws: looks at each example; None takes all M.
        generator: random numbers for the noised states and the steps, as in `bound`.

    Returns:
        The three terms, in nats per example, without bias for any ``draws``. A look is one network evaluation.

    Raises:
        ValueError: if ``draws`` is below 1, or the grid does not fall from 1 to 0.
        TypeError: if clocks do not run from left to right.
    """
    if draws is not None and draws < 1:
        raise ValueError(f"the bound evaluates one step or more per example, got draws = {draws}")
    (clock,) = process.schedules
    if not isinstance(clock, Staggered) or clock.order != "left" or len(clock.shape) > 1:
        raise TypeError(f"windows are of clocks from left to right, got {clock!r}; use `bound`")
    check_grid(times)
    count, apart = len(times) - 2, stride(clock, times)
    one = torch.ones(len(x), dtype=torch.float64)
    last = torch.full((len(x),), count)
    reconstruction = _look(process, clock, guess, decode, x, times, last[None], generator)
    looks = apart if draws is None else min(draws, apart)
    looked, costs = [], []
    for look in range(looks):
        u = (look + spread_uniform(len(x), generator)) / looks
        first = torch.full((len(x),), look) if looks == apart else (u * apart).long().clamp(max=apart - 1)
        steps = first + apart * torch.arange(-(-count // apart))[:, None]
        looked.append(times[first])
        costs.append(_look(process, clock, guess, decode, x, times, steps, generator) * (apart / looks))
    step_costs = torch.stack(costs)
    return BoundTerms(
        prior=per_example(process.marginal(x, one).kl(process.prior(x))).double(),
        diffusion=step_costs.sum(0),
        reconstruction=reconstruction,
        times=torch.stack(looked),
        step_costs=step_costs,
    )


def stride(clock: Staggered, times: Times) -> int:
    """Return M: no element moves in steps of ``times`` that are M apart; at most all steps but the last."""
    own = clock.own(times)
    moves = own[:-2] > own[1:-1]  # the last step is looked at by itself
    place = torch.arange(len(moves))[:, None]
    first = torch.where(moves, place, len(moves)).amin(0)
    last = torch.where(moves, place, -1).amax(0)
    return max(1, int((last - first + 1).max()))


def _look(
    process: Process,
    clock: Staggered,
    guess: GuessWindows,
    decode: Callable[[Distribution], Distribution],
    x: State,
    times: Times,
    steps: Int[Tensor, "bands batch"],
    generator: Generator,
) -> Tensor:
    """Return the cost of the elements that move in some steps, earlier ones first; those beyond the grid cost 0."""
    end = len(times) - 2
    there = steps < end if len(steps) > 1 else steps <= end
    steps = steps.clamp(max=end)
    spans = [(times[k], times[k + 1]) for k in steps]
    x_t, window = x, torch.zeros(x.shape, dtype=torch.int64, device=x.device)
    moving = list[Bool[Tensor, "batch length"]]()
    for (t, s), inside in zip(spans, there, strict=True):
        before, after = clock.own(s), clock.own(t)
        moves = ((after > before) & inside[:, None]).to(x.device)
        x_t = torch.where(moves, process.marginal(x, t).sample(generator), x_t)
        window += 2 * ((after == 1) & ~(after > before) & inside[:, None]).to(x.device) + moves
        moving.append(moves)
    clean = guess(x, x_t, window)
    total = torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for (t, s), moves in zip(spans, moving, strict=True):
        cost = process.cost(x, x_t, clean, t, s, decode)
        total += per_example(torch.where(moves, cost, 0)).double()
    return total
