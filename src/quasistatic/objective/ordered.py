"""The log-likelihood one element after another, for causal networks; some examples are masked anywhere.

    OneByOne    −Σ_i log p(x_i | x_1 … x_{i−1})                           by one pass of the network
                or, for a share of the examples, the bound with one clock for all elements

The first term is minus the bound at overlap 0 (`schedule.Staggered`). The second teaches guesses that have known
elements on both sides, as gaps need.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Int
from torch import Tensor, nn

from quasistatic.denoiser import Denoiser, Shown
from quasistatic.network.operations import dropping
from quasistatic.objective.base import Guess, Objective
from quasistatic.objective.bound import Bound
from quasistatic.process import CategoricalProcess, Decode
from quasistatic.runtime.fields import Range, Steps
from quasistatic.streams import Streams
from quasistatic.types import Generator, Label, Nats, State, Time, per_example


@dataclass(frozen=True)
class OneByOne(Objective):
    """Minus the log-likelihood from left to right, in nats; needs a causal network and a process that ends in a mask.

    Attributes:
        steps: number of steps T; times up to ``masked`` are those of masked examples.
        masked: share of examples that are masked anywhere.
    """

    steps: Steps = 1000
    masked: Annotated[float, Range(at_least=0, at_most=1)] = 0.25

    def of(
        self,
        denoiser: Denoiser,
        decode: Decode,
        x: State,
        t: Time,
        label: Label | None = None,
        observed: State | Shown | None = None,
        generator: Generator = None,
    ) -> Nats:
        steps = round(self.masked * self.steps)
        anywhere = t * self.steps < steps + 0.5
        rows, others = ((which.nonzero()[:, 0]).to(x.device) for which in (anywhere, ~anywhere))
        costs = x.new_zeros(len(x), dtype=torch.get_default_dtype())
        # Both are asked for even if there are no such examples: processes that share weights call the network together.
        with _drawing(denoiser, generator, others) as draws:
            clean = denoiser.left_to_right(x[others], None if label is None else label[others], draws)
        costs = costs.index_copy(0, others, -per_example(clean.log_prob(x[others])).to(costs))
        if steps:
            told, times = None if label is None else label[rows], t[anywhere] * self.steps / steps
            with _drawing(denoiser, generator, rows) as draws:
                cost = Bound(steps).of(_at_once(denoiser, x[rows]), decode, x[rows], times, told, generator=draws)
            costs = costs.index_copy(0, rows, cost.to(costs))
        return costs

    def cost(self, guess: Guess) -> Nats:
        return Bound(self.steps).cost(guess)


@contextmanager
def _drawing(denoiser: Denoiser, generator: Generator, rows: Int[Tensor, " rows"]) -> Iterator[Generator]:
    """Yield the generator of some rows; where it has a stream of each, dropout draws from those of the rows, too."""
    if not isinstance(generator, Streams):
        yield generator
        return
    streams = generator.at(rows)
    with dropping(denoiser.network, streams) if isinstance(denoiser.network, nn.Module) else nullcontext():
        yield streams


def _at_once(denoiser: Denoiser, x: State) -> Denoiser:
    """Return the same guesses for a process with one clock for all elements, in training on ``x``."""
    process = denoiser.process
    assert isinstance(process, CategoricalProcess)
    return Denoiser(process.together, partial(denoiser.network, truth=x), denoiser.head, denoiser.precision)
