"""The head of a masked process: a histogram of each cell, given the cells that are known."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.denoiser.head.base import Head, View
from quasistatic.denoiser.shown import Shown
from quasistatic.distribution import Distribution
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.masked import MASK
from quasistatic.process import MaskedProcess, Process
from quasistatic.types import State, Time


@dataclass(frozen=True)
class CellsHead(Head):
    """Reads the log-weights of all columns' bins, one after the other; the process says how many each column has.

    To the network a masked cell and a missing one are the same: neither is known.
    """

    @property
    def outputs(self) -> int:
        """1: the network has as many outputs as the columns have bins, whatever this says."""
        return 1

    def check(self, process: Process) -> None:
        if not isinstance(process, MaskedProcess):
            raise ValueError(f"CellsHead reads rows of a masked process, got {process!r}; use another head")

    def read(self, output: Float[Tensor, "batch total"], x_t: State, t: Time, process: Process) -> Histograms:
        self.check(process)
        return Histograms(output, process.bins)  # type: ignore[attr-defined]

    def view(self, x_t: State, t: Time, process: Process) -> View:
        """Return the known cells, and the mask elsewhere."""
        return torch.where(x_t.isnan(), MASK, x_t)

    def view_given(self, x_t: State, t: Time, process: Process, shown: Shown) -> View:
        return torch.where(shown.known, shown.values, self.view(x_t, t, process))

    def simple_cost(self, clean: Distribution, x: State, alpha_bar: Time) -> Float[Tensor, " batch *shape"]:
        return -clean.log_prob(x)
