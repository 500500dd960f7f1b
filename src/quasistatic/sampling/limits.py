"""Draws of cells under limits: each inside what is left of its bins, all with the model's law given the limits.

    cell 1  ~  p( · | known cells) cut to its limit A₁
    cell i  ~  p( · | all before)  cut to A_i, and the row is kept with probability p(A_i | all before)

A row that is kept has the law of all limited cells given that all limits hold, exactly given the guesses: what is not
kept is drawn anew. The probability of all limits is p(A₁) times the share of rows that are kept.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser import Denoise
from quasistatic.distribution import draw_index, standard_uniform
from quasistatic.distribution.histograms import Histograms
from quasistatic.types import Generator, State

ATTEMPTS = 10_000
"""Times that a row is drawn before it is given up."""


def limited(
    denoise: Denoise, x: State, limits: Mapping[int, Float[Tensor, "bins 2"]], generator: Generator = None
) -> tuple[State, float]:
    """Draw the cells of some columns inside their limits.

    Args:
        denoise: a masked process's guess.
        x: rows (batch, columns) with the mask in the limited columns; other cells may be known.
        limits: by column, the part of each bin that is left, from … to.
        generator: of random numbers; with a stream per row, a row depends on its own stream only.

    Returns:
        The rows with these cells drawn, and the probability that the limits hold, given what is known in them.

    Raises:
        ValueError: if the limits hold with probability 0, or so seldom that rows were drawn `ATTEMPTS` times.
    """
    if not limits or not len(x):
        return x, 1.0
    out, left, t = x.clone(), torch.ones(len(x), dtype=torch.bool, device=x.device), torch.full((len(x),), 0.5).double()
    drawn, kept, first = 0, 0, torch.ones(len(x))
    for _ in range(ATTEMPTS):
        row, alive = x.clone(), left.clone()
        for place, (column, parts) in enumerate(limits.items()):
            guess = denoise(row, t)
            assert isinstance(guess, Histograms)
            row, chance = _inside(guess, row, column, parts, generator)
            if place == 0:
                first = chance
            else:
                alive &= standard_uniform(chance, generator) < chance
        if bool((first == 0).all()):
            raise ValueError("the conditions hold with probability 0 under the model; drop one")
        drawn, kept = drawn + int(left.sum()), kept + int(alive.sum())
        out = torch.where(alive[:, None], row, out)
        left &= ~alive
        if not bool(left.any()):
            return out, first.double().mean().item() * kept / drawn
    raise ValueError(
        f"the conditions hold in {kept} of {drawn} rows drawn: about {drawn / max(kept, 0.5):.3g} draws a row; drop one"
    )


def _inside(
    guess: Histograms, x: State, column: int, parts: Float[Tensor, "bins 2"], generator: Generator
) -> tuple[State, Float[Tensor, " batch"]]:
    """Draw one column inside its limit; return the rows with it, and the probability of the limit."""
    width = (parts[:, 1] - parts[:, 0]).to(x)
    weights = guess.log_masses[:, column, : len(parts)] + width.log()
    bin_ = draw_index(weights, generator).clamp(max=len(parts) - 1)  # where nothing is left, any
    place = parts[:, 0].to(x)[bin_] + width[bin_] * standard_uniform(x[:, column].contiguous(), generator)
    row = x.clone()
    row[:, column] = bin_ + place
    return row, weights.logsumexp(-1).exp()
