"""Masked process: an element is kept as it is, or replaced by a mask, whatever kind of value it holds.

    q(x_t | x_s) = r δ(x_s) + (1 − r) δ(mask),    r = ᾱ_t/ᾱ_s

    reverse, for a guess c of the data:
        p(x_s | x_t) = δ(x_t)                                    where x_t is not the mask
                     = h δ(mask) + (1 − h) c,                    h = (1 − ᾱ_s)/(1 − ᾱ_t), else

The process needs nothing of a state but whether it is the mask, so one process moves categories, numbers and
numbers with repeated values alike. For states from a finite set it is the absorbing `CategoricalProcess`.
An element that is NaN has no value: it stays NaN, costs nothing, and is integrated out.
Source: Austin et al. 2021, §3.1 (arXiv:2107.03006); Sahoo et al. 2024, eq. 6–8 (arXiv:2406.07524).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Distribution
from quasistatic.distribution.masked import MASK, Masked
from quasistatic.process.base import Process, moved, unmoved
from quasistatic.runtime.fields import Range
from quasistatic.schedule import Schedule, Span
from quasistatic.types import State, Time, like


@dataclass(frozen=True)
class MaskedProcess(Process):
    """Rows of cells, held as floats of at least 0, each kept or masked (`MASK`).

    Attributes:
        schedule: the clock ᾱ.
        bins: number of bins of each column; its values lie in [0, bins).

    Raises:
        ValueError: if there are no columns, or ᾱ(1) > 0: some cells would never be masked.
    """

    schedule: Schedule
    bins: tuple[Annotated[int, Range(at_least=1, at_most=2**20)], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        left = self.schedule.alpha_bar(torch.ones(1, dtype=torch.float64)).amax().item()
        if left > 0:
            raise ValueError(
                f"a masked process needs ᾱ(1) = 0 exactly, got {left:.3g} from {self.schedule!r}; use Reciprocal()"
            )
        if not self.bins:
            raise ValueError("a masked process moves one column or more, got none")

    @property
    def most_steps(self) -> int:
        """One for each cell: a sampler's step then shows one cell at a time (`sampling.unmask`)."""
        return len(self.bins)

    def point(self, x: State) -> Masked:
        return Masked(x, torch.zeros_like(x))

    def prior(self, x: State) -> Masked:
        return Masked(torch.where(x.isnan(), x, MASK), torch.ones_like(x))

    def forward(self, x_s: State, s: Time, t: Time) -> Masked:
        span = self.schedule.between(s, t)
        return moved(Masked(x_s, torch.where(x_s == MASK, 1, like(1 - span.kept, x_s))), span, x_s)

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Masked:
        span = self.schedule.between(s, t)
        return moved(Masked(x_t, torch.where(x_t == MASK, self._hidden(x_t, span), 0), clean), span, x_t)

    def step_kl(self, x: State, x_t: State, clean: Distribution, t: Time, s: Time) -> Float[Tensor, " batch *shape"]:
        """(1 − h) · (−log clean(x)) where ``x_t`` is the mask, else 0, in nats."""
        span = self.schedule.between(s, t)
        shown = 1 - self._hidden(x_t, span)
        return unmoved(torch.where(x_t == MASK, -shown * clean.log_prob(x), 0), span)

    def _hidden(self, x_t: State, span: Span) -> Tensor:
        """Return h, the probability that a masked element is still masked at s."""
        return like((1 - span.alpha_s) / (1 - span.alpha_t), x_t)
