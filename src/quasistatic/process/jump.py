"""Jump processes: a finite Markov chain with any rates G, run for the time τ = −log ᾱ.

    q(x_t | x_s) = Q_{s→t}(x_s, x_t),     Q_{s→t} = exp( G log(ᾱ_s/ᾱ_t) )

    reverse:  p(x_s) = Σ_k c(k) Q_{0→s}(k, x_s) Q_{s→t}(x_s, x_t) / Q_{0→t}(k, x_t)

For states that have an order, such as grey levels: a state moves to near ones first. A K × K product per element; where all
rates lead to one law whatever the state, `CategoricalProcess` does the same in O(K).
Source: Austin et al. 2021, App. A.2 (arXiv:2107.03006), in continuous time.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.distribution import Categorical, Distribution
from quasistatic.markov import RateMatrix
from quasistatic.process.base import check_order
from quasistatic.process.finite import FiniteProcess, check_end, guessed
from quasistatic.schedule import Schedule
from quasistatic.types import State, Time

UNSEEN = 1e-290
"""A state k with Q(k, x_t) below this is taken not to lead to x_t: its inverse would overflow."""


class JumpProcess(FiniteProcess):
    """A process whose transition matrices come from a `RateMatrix`, which remembers those of recent times.

    Matrices are float64, and so is the step back, whose factors may be as small as 1e-290 while their product is not.
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
        check_order(s, t)
        rows = [matrix[x] for matrix, x in zip(self._transition(s, t, x_s.device), x_s, strict=True)]
        return Categorical(torch.stack(rows).log().to(torch.get_default_dtype()))

    def evidence(self, x_t: State, t: Time) -> Float[Tensor, "batch *shape states"]:
        matrices = self._transition(torch.zeros_like(t), t, x_t.device)
        columns = [matrix.T[x] for matrix, x in zip(matrices, x_t, strict=True)]
        return torch.stack(columns).log().to(torch.get_default_dtype())

    def reverse(self, x_t: State, clean: Distribution, t: Time, s: Time) -> Categorical:
        check_order(s, t)
        masses, zero = guessed(clean, self.states), torch.zeros_like(t)
        to_t, to_s, step = (self._transition(*pair, x_t.device) for pair in ((zero, t), (zero, s), (s, t)))
        # One example at a time: float64 copies of a whole batch of images would not fit.
        back = [_step_back(*one) for one in zip(masses, x_t, to_t, to_s, step, strict=True)]
        return Categorical(torch.stack(back))

    def _transition(self, s: Time, t: Time, device: torch.device) -> Float[Tensor, "batch states states"]:
        alpha_s, alpha_t = self.schedule.alpha_bar(s), self.schedule.alpha_bar(t)
        return self.rates.transition(-(alpha_t / alpha_s).log()).to(device)


def _step_back(masses: Tensor, x_t: Tensor, to_t: Tensor, to_s: Tensor, step: Tensor) -> Tensor:
    seen = to_t.T[x_t]
    odds = masses.double().exp() * torch.where(seen > UNSEEN, 1 / seen, 0)
    p = (odds @ to_s) * step.T[x_t]
    return torch.where(p > 0, torch.where(p > 0, p, 1).log(), -math.inf).to(masses)


@dataclass(frozen=True)
class OrdinalProcess(JumpProcess):
    """Levels that jump to near ones first: rates ∝ exp(−(x − y)²/(2 width²)), uniform in the end.

    Attributes:
        schedule: the clock ᾱ; the slowest mode fades as ᾱ.
        levels: K, the number of states, in order.
        width: standard deviation of a jump, in levels.

    Raises:
        ValueError: there is no level, or ``width`` is not positive.
    """

    schedule: Schedule
    levels: int
    width: float = 2.0

    def __post_init__(self) -> None:
        check_end(self.schedule, self.stationary)

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix.ordinal(self.levels, self.width)


@dataclass(frozen=True)
class NearestNeighbourProcess(JumpProcess):
    """Levels that move one up or down at a time, reflected at the ends, uniform in the end.

    Attributes:
        schedule: the clock ᾱ; the slowest mode fades as ᾱ.
        levels: K, the number of states, in order.

    Raises:
        ValueError: there is no level.
    """

    schedule: Schedule
    levels: int

    def __post_init__(self) -> None:
        check_end(self.schedule, self.stationary)

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix.nearest_neighbour(self.levels)


@dataclass(frozen=True)
class RateProcess(JumpProcess):
    """Any rates that forget the start.

    Attributes:
        schedule: the clock ᾱ.
        table: G, K rows of K rates; rows sum to zero.

    Raises:
        ValueError: ``table`` holds no rates (see `RateMatrix`), has several stationary laws, or leaves some state for good
            while ᾱ(1) > 0.
    """

    schedule: Schedule
    table: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        laws = self.rates.stationary()
        if len(laws) > 1:
            raise ValueError(
                f"a forward process forgets the data, and these rates have {len(laws)} stationary laws, so where a state "
                "ends tells where it began; join their closed classes"
            )
        check_end(self.schedule, laws[0])

    @cached_property
    def rates(self) -> RateMatrix:
        return RateMatrix(self.table)
