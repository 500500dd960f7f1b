"""Gaps in a sequence that a model draws from left to right: particles that see both sides, weighted by the model's law.

    x ~ q( · | known), element by element in each gap       log w ← log w + Σ log p(x_i | x_1 … x_{i−1}) − Σ log q(x_j)

The sum of log p runs from the gap's first element to the next gap, so that a particle is judged by the text behind the
gap; that of log q over the gap. Any q > 0 is right in the limit of many particles: here the guess of the same network,
which sees what is known on both sides. After a gap, particles are resampled if few of them count.
Source: Doucet et al. 2001, §1.3 (sequential importance resampling); adaptive resampling as in `walk.particle`.
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.inference.observation import Known
from quasistatic.inference.particles.walk import ParticleOptions, Particles, effective, joined_islands, resampled
from quasistatic.inference.reveal import NEARLY
from quasistatic.types import State

InOrder = Callable[[State], Float[Tensor, "batch length"]]
"""x → log p of each element given those before it, for any number of rows that are told the same."""


def filled_gaps(
    denoise: Denoise, in_order: InOrder, seen: Known, hidden: float, particles: int, options: ParticleOptions
) -> Particles:
    """Draw weighted particles of one sequence given its known elements. *Exact in the limit* of many particles.

    Args:
        denoise: (x_t, t) → p(x | x_t), for the states of all particles.
        in_order: x → log p(x_i | x_1 … x_{i−1}), the model's law.
        seen: the known elements of one sequence, (1, length); if all are, the evidence is their probability.
        hidden: state of an element that is not known.
        particles: number of particles, over all islands.
        options: ``islands``, ``resample_below``, ``generator`` and ``watch`` are used.

    Raises:
        ValueError: if islands do not divide the particles.
        ContradictionError: if all weights are zero.

    Warns:
        FewParticles: if the effective number of particles falls below `walk.FEW`.
    """
    known, islands, each = seen.mask[0], options.islands, options.each(particles)
    x = torch.where(seen.mask, seen.values, hidden).to(seen.values.dtype).repeat(particles, 1)
    log_w, sizes, done = torch.zeros(islands, each, dtype=torch.float64, device=x.device), [], 0
    for first, stop, following in gaps_of(known):
        sizes.append(effective(log_w))
        index, log_w = resampled(log_w, options)
        x, log_q = _proposed(denoise, x[index], range(first, stop), options)
        begun = torch.where(known | (torch.arange(len(known), device=x.device) < stop), x, 0)
        states, index = begun.unique(dim=0, return_inverse=True)  # particles that begin alike are weighed once
        log_p = in_order(states)[index]
        log_w = log_w + (log_p[:, done:following].sum(1).double() - log_q).view(islands, each)
        done = following
        if options.watch:
            options.watch(len(x))
    if not sizes:
        log_w = log_w + in_order(x).double().sum(1).view(islands, each)
    sizes.append(effective(log_w))
    return joined_islands(x, log_w, torch.stack(sizes), 1, islands)


def gaps_of(known: Bool[Tensor, " length"]) -> Iterator[tuple[int, int, int]]:
    """Yield the first element of each gap, the one after its last, and where the next gap begins; one if none is."""
    length, place, flags = len(known), 0, known.tolist()
    while place < length:
        first = next((i for i in range(place, length) if not flags[i]), length)
        stop = next((i for i in range(first, length) if flags[i]), length)
        place = next((i for i in range(stop, length) if not flags[i]), length)
        yield first, stop, place


def _proposed(
    denoise: Denoise, x: State, gap: range, options: ParticleOptions
) -> tuple[State, Float[Tensor, " particles"]]:
    """Draw the elements of a gap, one after another, and return log q of them."""
    log_q, t = x.new_zeros(len(x), dtype=torch.float64), torch.full((len(x),), NEARLY, dtype=torch.float64)
    for place in gap:
        guess = denoise(x, t)
        drawn = guess.sample(options.generator).to(x.dtype)
        here = torch.arange(x.shape[1], device=x.device) == place
        x = torch.where(here, drawn, x)
        log_q = log_q + guess.log_prob(torch.where(here, drawn, 0))[:, place].double()
    return x, log_q
