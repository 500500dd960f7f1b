"""Scores of single cells of a table: the bits of each given all others of its row, and which are strange."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data import Dataset, TableCodec
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.masked import MASK
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import examples
from quasistatic.types import Watch

STRANGE = 1e-3
"""Probability of a cell's bin and all less probable ones, below which the cell is strange."""


@dataclass(frozen=True, eq=False)
class CellScores:
    """What the model says of each cell, given all other cells of its row; NaN where a cell is empty.

    Attributes:
        bits: −log₂ p(cell | others) in raw units; of a number without a bin of its own, of its density.
        chances: probability of a bin that is at most as probable as the cell's: a p-value.
        names: of the columns.
    """

    bits: Float[Tensor, "rows columns"]
    chances: Float[Tensor, "rows columns"]
    names: tuple[str, ...]

    @property
    def strange(self) -> list[str]:
        """For each row, the names of its strange cells, the strangest first, separated by spaces and semicolons."""
        found = []
        for row in self.chances:
            order = [place for place in row.nan_to_num(1.0).argsort().tolist() if row[place] < STRANGE]
            found.append("; ".join(self.names[place] for place in order))
        return found


@torch.inference_mode()
def cell_scores(model: Bundle, dataset: Dataset, watch: Watch | None = None) -> CellScores:
    """Score every cell of a table; takes as many network evaluations per row as there are columns.

    Raises:
        ValueError: if the model is not of a table, or the data do not fit it.
    """
    codec = model.specification.codec
    if not isinstance(codec, TableCodec):
        raise ValueError(f"cells are scored in a table, got a model of {codec}")
    bits, chances = [], []
    for x, denoise, _ in examples(model, dataset, watch=watch):
        t, scored, rare = torch.full((len(x),), 0.5).double(), torch.empty_like(x), torch.empty_like(x)
        for column in range(x.shape[1]):
            hidden = x.clone()
            hidden[:, column] = torch.where(x[:, column].isnan(), torch.nan, MASK)
            guess = denoise(hidden, t)
            assert isinstance(guess, Histograms)
            scored[:, column] = -guess.log_prob(x)[:, column]
            rare[:, column] = _at_most(guess, x, column)
        empty = x.isnan()
        scored = (scored - codec.log_jacobian(x)).masked_fill(empty, math.nan) / math.log(2)
        bits.append(scored.cpu())
        chances.append(rare.masked_fill(empty, math.nan).cpu())
    return CellScores(torch.cat(bits), torch.cat(chances), codec.names)


def _at_most(guess: Histograms, x: Float[Tensor, "rows columns"], column: int) -> Float[Tensor, " rows"]:
    """Return the probability of bins that are at most as probable as that of ``x``."""
    masses = guess.log_masses[:, column].exp()
    own = masses.gather(1, x[:, column].nan_to_num(0.0).long().clamp(0, guess.bins[column] - 1)[:, None])
    return torch.where(masses <= own * (1 + 1e-6), masses, 0).sum(1)
