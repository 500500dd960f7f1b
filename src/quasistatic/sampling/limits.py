"""Draws of cells under limits: each with a factor r in [0, 1], all with the model's law times the factors.

    cell 1  ~  p( · | known cells) · r₁,  normalised
    cell i  ~  p( · | all before) · r_i,  normalised; and the row is kept with probability E[r_i | all before]

A row that is kept has the law of all limited cells given the limits, exactly given the guesses: what is not kept is
drawn anew. The probability of all limits is E[r₁] times the share of rows that are kept.

A factor is 0 outside a part of each bin. With noise it is exp(−(raw − y)²/(2 std²)) inside: bins are weighted with its
upper bound, and a draw is kept with the ratio to it.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import draw_index, standard_uniform
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.limits import Limit, Limits
from quasistatic.types import Generator, State

ATTEMPTS = 10_000
"""Times that a row is drawn before it is given up."""

Cells = Float[Tensor, " rows"]


def limited(denoise: Denoise, x: State, limits: Limits, generator: Generator = None) -> tuple[State, float]:
    """Draw the cells of some columns inside their limits.

    Args:
        denoise: a masked process's guess.
        x: rows (batch, columns) with the mask in the limited columns; other cells may be known.
        limits: by column; each has one row, or as many as ``x``.
        generator: of random numbers; with a stream per row, a row depends on its own stream only.

    Returns:
        The rows with these cells drawn, and E of the product of all factors, given what is known in them.

    Raises:
        ValueError: if the limits hold with probability 0, or so seldom that rows were drawn `ATTEMPTS` times.
    """
    if not limits or not len(x):
        return x, 1.0
    out, left, t = x.clone(), torch.ones(len(x), dtype=torch.bool, device=x.device), torch.full((len(x),), 0.5).double()
    drawn, kept, first = 0, 0, torch.ones(len(x))
    for _ in range(ATTEMPTS):
        row, alive = x.clone(), left.clone()
        for place, (column, limit) in enumerate(limits.items()):
            guess = denoise(row, t)
            assert isinstance(guess, Histograms)
            row, chance, ratio = _inside(guess, row, column, limit, generator)
            first = chance if place == 0 else first
            if place > 0 or limit.noise is not None:
                alive &= standard_uniform(chance, generator) < (ratio if place == 0 else chance * ratio)
        if bool((first == 0).any()):
            rows = int((first == 0).sum())
            raise ValueError(
                f"the conditions hold with probability 0 under the model, in {rows} of {len(x)} rows; drop one"
            )
        drawn, kept = drawn + int(left.sum()), kept + int(alive.sum())
        out = torch.where(alive[:, None], row, out)
        left &= ~alive
        if not bool(left.any()):
            return out, first.double().mean().item() * kept / drawn
    raise ValueError(
        f"the conditions hold in {kept} of {drawn} rows drawn: about {drawn / max(kept, 0.5):.3g} draws a row; drop one"
    )


def _inside(guess: Histograms, x: State, column: int, limit: Limit, generator: Generator) -> tuple[State, Cells, Cells]:
    """Draw one column inside its limit; return the rows, the weight of what was drawn from, and r over its bound."""
    parts = limit.parts.to(x)
    width = parts[..., 1] - parts[..., 0]
    weights = guess.log_masses[:, column, : parts.shape[1]] + width.log()
    bounds = torch.zeros_like(weights) if limit.noise is None else limit.noise.bounds.to(x)
    weights = weights + bounds
    bin_ = draw_index(weights, generator).clamp(max=parts.shape[1] - 1)  # where nothing is left, any
    start, size = (values.expand_as(weights).gather(1, bin_[:, None])[:, 0] for values in (parts[..., 0], width))
    place = start + size * standard_uniform(x[:, column].contiguous(), generator)
    row = x.clone()
    row[:, column] = bin_ + place
    chance = weights.logsumexp(-1).exp()
    if limit.noise is None:
        return row, chance, torch.ones_like(chance)
    bound = bounds.gather(1, bin_[:, None])[:, 0]
    return row, chance, (limit.noise.log_r(row[:, column].double()).to(x) - bound).exp()
