"""A finite Markov chain: the next state depends on the present one only.

    P(x, y) = P(X_{n+1} = y | X_n = x),   rows sum to one
    law after n steps: μPⁿ                stationary: πP = π

Source: Norris, Markov Chains (1997), chapters 1 and 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic.markov import structure
from quasistatic.markov.rates import RateMatrix, principal_logarithm
from quasistatic.markov.stochastic import (
    TOLERANCE,
    Matrix,
    Number,
    Start,
    as_index,
    as_law,
    as_names,
    as_steps,
    as_stochastic,
    normalised,
    walk,
)
from quasistatic.types import Generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class CommunicatingClass:
    """A set of states that can reach one another.

    Attributes:
        states: names of the states.
        closed: True if no move leaves the class, which then has a stationary law; otherwise the class is transient.
        period: gcd of the possible return times; 0 if there is no return.
    """

    states: tuple[str, ...]
    closed: bool
    period: int


@dataclass(frozen=True, init=False, eq=False, repr=False)
class MarkovChain:
    """A time-homogeneous Markov chain on finitely many named states.

    Attributes:
        transition: P, float64, shape (states, states); row x is the law of the state after x.
        states: one name per state.

    The weather is sunny with probability 0.8 today; what about the day after tomorrow, and in the long run?

    >>> weather = MarkovChain([[0.70, 0.30], [0.25, 0.75]], states=["sunny", "cloudy"])
    >>> weather.power(2)
    tensor([[0.5650, 0.4350],
            [0.3625, 0.6375]], dtype=torch.float64)
    >>> weather.predict([0.8, 0.2], steps=2)
    tensor([0.5245, 0.4755], dtype=torch.float64)
    >>> weather.stationary()  # 5/11 and 6/11
    tensor([[0.4545, 0.5455]], dtype=torch.float64)
    >>> round(weather.second_eigenvalue(), 12), weather.mixing_time()
    (0.45, 1)
    """

    transition: Float[Tensor, "states states"]
    states: tuple[str, ...]

    def __init__(self, transition: Matrix, states: Sequence[str] | None = None) -> None:
        """Check the matrix and the names.

        Args:
            transition: P, shape (states, states), rows of probabilities.
            states: names; the default is "0", "1", …

        Raises:
            ValueError: not square, an entry negative or not finite, a row that does not sum to one within 1e-9, or a
                wrong number of names, an empty or a repeated one; the row or the state is named.
        """
        matrix = as_stochastic(transition, states)
        object.__setattr__(self, "transition", matrix)
        object.__setattr__(self, "states", as_names(states, len(matrix)))

    @classmethod
    def from_generator(cls, rates: RateMatrix, tau: Number = 1.0, states: Sequence[str] | None = None) -> "MarkovChain":
        """Return the chain obtained by observing a continuous-time chain every ``tau``: P = exp(G τ).

        Raises:
            ValueError: if ``tau`` is negative, or the names do not fit.
        """
        return cls(rates.transition(tau), states)

    def __repr__(self) -> str:
        shown = self.transition.tolist() if len(self.states) <= 8 else f"<{len(self.states)} rows>"
        return f"MarkovChain({shown}, states={list(self.states)})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MarkovChain)
            and self.states == other.states
            and torch.equal(self.transition, other.transition)
        )

    def __hash__(self) -> int:
        return hash((self.states, tuple(self.transition.flatten().tolist())))

    # Forecasts

    def power(self, steps: int) -> Float[Tensor, "states states"]:
        """Return Pⁿ, the transition matrix of ``steps`` steps, by repeated squaring.

        Rows are normalised after each product; otherwise rounding errors would grow with n.

        Raises:
            ValueError: if ``steps`` is negative.
        """
        result, square, left = torch.eye(len(self.states), dtype=torch.float64), self.transition, as_steps(steps)
        while left:
            if left % 2:
                result = normalised(result @ square)
            left //= 2
            square = normalised(square @ square) if left else square
        return result

    def predict(self, start: Start, steps: int = 1) -> Float[Tensor, " states"]:
        """Return the law of the state after ``steps`` steps, μPⁿ.

        Args:
            start: the name of a state, its index from 0, or a law μ over the states.
            steps: n ≥ 0.

        Raises:
            ValueError: if there is no such state, the numbers are not a law, or there are negative ``steps``.
        """
        return as_law(start, self.states) @ self.power(steps)

    def simulate(
        self, steps: int, start: Start | None = None, chains: int = 1, generator: Generator = None
    ) -> Int[Tensor, "chains times"]:
        """Draw paths.

        Args:
            steps: n ≥ 0.
            start: a name, an index or a law; by default the stationary law.
            chains: number of independent paths.
            generator: source of random numbers, for the lot or one per chain.

        Returns:
            Indices of states, shape (chains, steps + 1); the first column is the start.

        Raises:
            ValueError: for negative ``steps``, no chain, a bad start, or none where there are several stationary laws.
        """
        law = self._only_stationary("a start is needed") if start is None else as_law(start, self.states)
        return walk(law, repeat(self.transition, as_steps(steps)), chains, generator)

    # Structure

    def classes(self) -> tuple[CommunicatingClass, ...]:
        """Return the communicating classes, in the order of their first states."""
        return tuple(
            CommunicatingClass(tuple(self.states[x] for x in states), closed, structure.period(self.transition, states))
            for states, closed in structure.classes(self.transition)
        )

    @property
    def irreducible(self) -> bool:
        """Whether every state can be reached from every other."""
        return len(structure.classes(self.transition)) == 1

    def period(self) -> int:
        """Return the period: the smallest d ≥ 1 such that P^{dn} converges as n → ∞.

        For an irreducible chain, the gcd of the times of return. With several closed classes, the least common multiple
        of their periods (the gcd would call a chain with cycles of lengths 2 and 3 aperiodic, and it never settles).
        """
        return math.lcm(*(part.period for part in self.classes() if part.closed))

    @property
    def aperiodic(self) -> bool:
        """Whether Pⁿ converges: every closed class has period 1."""
        return self.period() == 1

    @property
    def reversible(self) -> bool:
        """Whether the stationary chain is reversible: π(x) P(x, y) = π(y) P(y, x), to nine digits.

        With several closed classes, each one's law must satisfy this: Kolmogorov's criterion (both ways around a loop
        are equally likely) within each closed class. Transient states have π = 0 and do not matter.
        """
        return all(
            torch.allclose(flow, flow.T, rtol=TOLERANCE, atol=0)
            for flow in (law[:, None] * self.transition for law in self.stationary())
        )

    # The long run

    def stationary(self) -> Float[Tensor, "closed states"]:
        """Return every extreme solution of πP = π, one row for each closed class in the order of `classes`.

        One row means that the stationary law is unique; otherwise all mixtures of the rows are stationary too.
        """
        return structure.stationary(self.transition)

    def second_eigenvalue(self) -> float | complex:
        """Return the eigenvalue of second largest modulus: the influence of the start shrinks by it per step.

        It is a float if real, otherwise a complex number with positive imaginary part. Among equal moduli, the largest
        real part is chosen. It is 1 if there are several closed classes, and 0 for a single state.

        Rounding moves the value of a defective chain (an eigenvalue of multiplicity m with fewer eigenvectors) by about
        1e-16^(1/m): 0 becomes 2e-3 where m = 6. The start is then forgotten as n^(m−1) |λ₂|ⁿ, more slowly than
        |λ₂|ⁿ; `mixing_time` does not use eigenvalues and stays exact. Reversible chains are never defective.
        """
        values = self._eigenvalues()
        values = values[(values - 1).abs().argsort()][1:]
        if not len(values):
            return 0.0
        largest = values[values.abs() >= values.abs().max() - TOLERANCE]
        value = complex(max(largest.tolist(), key=lambda v: (round(v.real, 9), v.imag)))
        return value.real if abs(value.imag) <= TOLERANCE else value

    def relaxation_time(self) -> float:
        """Return 1/(1 − |λ₂|) steps; ∞ if the chain does not converge to one law."""
        gap = 1 - abs(self.second_eigenvalue())
        return 1 / gap if gap > 0 and self._settles() else math.inf

    def mixing_time(self, tolerance: Number = 0.25) -> int | None:
        """Return the smallest n with max_x ½ Σ_y |Pⁿ(x, y) − π(y)| ≤ ``tolerance``.

        It is None if the chain does not converge to one law (several closed classes, or a periodic one). The distance
        never increases with n, so n is found by doubling and bisection, with about 2 log₂ n products.

        Raises:
            ValueError: if ``tolerance`` is not between 1e-9 and 1; below, rounding would decide.
        """
        if not TOLERANCE <= tolerance <= 1:
            raise ValueError(f"the tolerance is a distance between laws, from {TOLERANCE:g} to 1, got {tolerance}")
        if not self._settles():
            return None
        return structure.steps_to_mix(self.transition, self.stationary()[0], tolerance)

    def entropy_rate(self) -> float:
        """Return the entropy of the next state given the present one, −Σ π(x) P(x, y) log P(x, y), in nats per step.

        Raises:
            ValueError: if there are several stationary laws, hence several rates.
        """
        return float(self._only_stationary("the entropy rate needs one") @ torch.special.entr(self.transition).sum(1))

    # Continuous time

    def generator(self) -> RateMatrix:
        """Return rates G with P = exp(G): the chain as one unit of continuous time.

        G is the principal logarithm of P. Where the eigenvalues of P are positive and distinct no other real logarithm
        exists; otherwise another branch might, and is not looked for.

        Raises:
            ValueError: if P is singular, the logarithm is not real, or a rate is negative; the message says which.
        """
        return principal_logarithm(self.transition, self._eigenvalues(), self.states)

    def embed(self, tau: Number) -> "MarkovChain":
        """Return the chain of ``tau`` steps, a fraction allowed: exp(G τ) with G the `generator`.

        Raises:
            ValueError: if there is no generator, or ``tau`` is negative.
        """
        return MarkovChain.from_generator(self.generator(), tau, self.states)

    # Reports

    def summary(self, start: str | int | None = None, steps: int = 1, tolerance: Number = 0.25) -> dict[str, Any]:
        """Return a summary of the chain as plain values, for JSON.

        Args:
            start: name or index of the start state of the forecast; by default the first.
            steps: number of steps to forecast.
            tolerance: see `mixing_time`.

        Returns:
            ``prediction`` {state: probability}; ``stationary`` a list of the same, one per closed class; ``classes`` a
            list of {states, closed, period}; ``period``; ``second_eigenvalue`` a number, or [real, imaginary];
            ``mixing_time`` steps, or None for never.

        Raises:
            ValueError: for no such state, negative ``steps``, or a bad ``tolerance``.
        """
        named = lambda law: dict(zip(self.states, law.tolist(), strict=True))  # noqa: E731
        value = self.second_eigenvalue()
        return {
            "prediction": named(self.predict(as_index(0 if start is None else start, self.states), steps)),
            "stationary": [named(law) for law in self.stationary()],
            "classes": [
                {"states": list(part.states), "closed": part.closed, "period": part.period} for part in self.classes()
            ],
            "period": self.period(),
            "second_eigenvalue": [value.real, value.imag] if isinstance(value, complex) else value,
            "mixing_time": self.mixing_time(tolerance),
        }

    def diagram(self, path: str | PathLike[str] | None = None) -> "Figure":
        """Draw the chain: states as nodes, moves as arrows with widths by probability; see `markov.diagram`.

        Args:
            path: where to save the picture; the suffix decides the format (``.png``, ``.svg``, ``.pdf``).

        Returns:
            The matplotlib figure.
        """
        from quasistatic.markov.diagram import draw_diagram  # matplotlib is slow to import and rarely needed

        return draw_diagram(self.transition, self.states, path)

    def _eigenvalues(self) -> Tensor:
        if self.irreducible and self.reversible:  # then √π(x) P(x, y) /√π(y) = √(P(x, y) P(y, x)) is symmetric
            return torch.linalg.eigvalsh((self.transition * self.transition.T).sqrt()).to(torch.complex128)
        return torch.linalg.eigvals(self.transition)

    def _settles(self) -> bool:
        return len(self.stationary()) == 1 and self.aperiodic

    def _only_stationary(self, need: str) -> Tensor:
        laws = self.stationary()
        if len(laws) > 1:
            raise ValueError(f"{need}: this chain has {len(laws)} closed classes, and a stationary law for each")
        return laws[0]
