"""Jump processes: a finite Markov chain with any rates G, run for the time τ = −log ᾱ.

    q(x_t | x_s) = Q_{s→t}(x_s, x_t),     Q_{s→t} = exp( G log(ᾱ_s/ᾱ_t) )

    reverse:  p(x_s) = Σ_k c(k) Q_{0→s}(k, x_s) Q_{s→t}(x_s, x_t) / Q_{0→t}(k, x_t)

For ordered states, such as grey levels: a state moves to near states first. Each element costs a K × K product; if
redraws do not depend on the old state, `CategoricalProcess` gives the same in O(K).
Source: Austin et al. 2021, App. A.2 (arXiv:2107.03006), in continuous time.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.distribution import Categorical, Distribution
from quasistatic.markov import RateMatrix
from quasistatic.process.base import moved
from quasistatic.process.finite import FiniteProcess, check_end, guessed
from quasistatic.runtime.fields import Range
from quasistatic.schedule import Elementwise, Schedule
from quasistatic.types import State, Time

UNSEEN = 1e-290
"""If Q(k, x_t) is below this, state k is treated as not leading to x_t, because the inverse would overflow."""


class JumpProcess(FiniteProcess):
    """A process whose transition matrices come from a `RateMatrix`, which caches those of recent times.

    Matrices and the reverse step are float64, because factors may be as small as 1e-290 while their product is not.
    """

    @property
    @abstractmethod
    def rates(self) -> RateMatrix:
        """G; the subclass keeps it, and with it the matrices computed so far."""

    @property
    def states(self) -> int:
        return len(self.rates.rates)

    @cached_property
    def stationary(self) -> Float[Tensor, " states"]:
        return self.rates.stationary()[0]

    def forward(self, x_s: State, s: Time, t: Time) -> Categorical:
        span = self.schedule.between(s, t)
        law = Categorical(self._transitions(span.kept).rows(x_s).log().to(torch.get_default_dtype()))
        return moved(law, span, x_s)

    def evidence(self, x_t: State, t: Time) -> Float[Tensor, "batch *shape states"]:
        return self._transitions(self.schedule.alpha_bar(t)).columns(x_t).log().to(torch.get_default_dtype())

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Categorical:
        span = self.schedule.between(s, t)
        masses = guessed(clean, self.states)
        to_t, to_s, step = (self._transitions(kept) for kept in (span.alpha_t, span.alpha_s, span.kept))
        back = []
        for part in torch.arange(len(x_t)).split(self._at_once(x_t)):
            seen = to_t.columns(x_t, part)
            odds = masses[part].double().exp() * torch.where(seen > UNSEEN, 1 / seen, 0)
            p = to_s.product(odds, part) * step.columns(x_t, part)
            back.append(torch.where(p > 0, torch.where(p > 0, p, 1).log(), -math.inf).to(masses))
        return moved(Categorical(torch.cat(back)), span, x_t)

    def _transitions(self, kept: Elementwise) -> "_Transitions":
        distinct, which = (-kept.log()).unique(return_inverse=True)
        return _Transitions(self.rates.transition(distinct), which)

    def _at_once(self, x: State) -> int:
        # float64 copies of a whole batch of images would not fit in memory; use 32 MiB at a time
        return max(1, 2**22 // (self.states * max(self.states, x[:1].numel())))


@dataclass(frozen=True, eq=False)
class _Transitions:
    """Transition matrices of a batch's distinct times, and the index of each example's matrix."""

    matrices: Float[Tensor, "distinct states states"]
    which: Int[Tensor, " batch *elements"]

    def rows(self, x: State) -> Float[Tensor, "batch *shape states"]:
        """P(x, ·) for each element."""
        return self.matrices.to(x.device)[_beside(self.which, x), x]

    def columns(self, x: State, part: Tensor | slice = slice(None)) -> Float[Tensor, "part *shape states"]:
        """P(·, x) for each element of the examples ``part``."""
        return self.matrices.transpose(1, 2).to(x.device)[_beside(self.which[part], x), x[part]]

    def product(self, weights: Float[Tensor, "part *shape states"], part: Tensor) -> Tensor:
        """Σ_k weights(k) P(k, ·) for each element of the examples ``part``."""
        which = self.which[part]
        if which.ndim > 1:  # clocks of elements
            return torch.einsum("...k,...kj->...j", weights, self.matrices[which].to(weights.device))
        matrices = self.matrices[which[:1] if bool((which == which[0]).all()) else which].to(weights.device)
        return (weights.reshape(len(weights), -1, weights.shape[-1]) @ matrices).reshape(weights.shape)


def _beside(which: Tensor, x: Tensor) -> Tensor:
    return which.reshape(*which.shape, *(1,) * (x.ndim - which.ndim)).to(x.device)


@dataclass(frozen=True)
class OrdinalProcess(JumpProcess):
    """Ordered levels that jump to near levels first: rates ∝ exp(−(x − y)²/(2 width²)); π is uniform.

    Attributes:
        schedule: the clock ᾱ; the slowest mode decays as ᾱ.
        levels: K, the number of states, in order.
        width: standard deviation of a jump, in levels.

    Raises:
        ValueError: if there are no levels, or ``width`` is not positive.
    """

    schedule: Schedule
    levels: Annotated[int, Range(at_most=4096)]
    width: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_end(self.schedule, self.stationary)

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix.ordinal(self.levels, self.width)


@dataclass(frozen=True)
class NearestNeighbourProcess(JumpProcess):
    """Ordered levels that move one up or down at a time, reflected at the ends; π is uniform.

    Attributes:
        schedule: the clock ᾱ; the slowest mode decays as ᾱ.
        levels: K, the number of states, in order.

    Raises:
        ValueError: if there are no levels.
    """

    schedule: Schedule
    levels: Annotated[int, Range(at_most=4096)]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_end(self.schedule, self.stationary)

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix.nearest_neighbour(self.levels)


@dataclass(frozen=True)
class RateProcess(JumpProcess):
    """Any rates with a single stationary law.

    Attributes:
        schedule: the clock ᾱ.
        table: G, K rows of K rates; rows sum to zero.

    Raises:
        ValueError: if ``table`` is not a rate matrix (see `RateMatrix`), has several stationary laws, or has transient
            states while ᾱ(1) > 0.
    """

    schedule: Schedule
    table: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        laws = self.rates.stationary()
        if len(laws) > 1:
            raise ValueError(
                f"a forward process forgets the data, and these rates have {len(laws)} stationary laws: "
                "where a state ends tells where it began; join their closed classes"
            )
        check_end(self.schedule, laws[0])

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix(self.table)
