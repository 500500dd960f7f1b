"""Rates: a finite Markov chain in continuous time, x → y at rate G(x, y).

    G(x, y) ≥ 0 for x ≠ y,   Σ_y G(x, y) = 0,   P(τ) = exp(G τ),   P(τ + σ) = P(τ) P(σ)

This is the discrete half of diffusion: a forward process is a rate matrix run for the time τ = −log ᾱ. The families
below are scaled so that the slowest mode decays as e^{−τ} = ᾱ. They are those of Sohl-Dickstein et al. 2015
(arXiv:1503.03585) and Austin et al. 2021 (arXiv:2107.03006), in continuous time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from quasistatic.markov import structure
from quasistatic.markov.stochastic import (
    TOLERANCE,
    Law,
    Matrix,
    Number,
    as_law,
    as_names,
    as_square,
    normalised,
    row_name,
)

TERMS = 41
"""Jumps that one piece of time is allowed; a piece expects at most four, so the 41st has probability 1e-25."""

REMEMBERED = 2**24
"""Maximum numbers in the cache of transition matrices: 128 MiB."""


@dataclass(frozen=True, init=False, eq=False)
class RateMatrix:
    """The rates of a continuous-time Markov chain, and its transition matrices for any time.

    Attributes:
        rates: float64, shape (states, states), per unit of time; rows sum to zero.

    >>> weather = RateMatrix([[-0.3, 0.3], [0.2, -0.2]])
    >>> weather.stationary()
    tensor([[0.4000, 0.6000]], dtype=torch.float64)
    >>> weather.transition(0.0)
    tensor([[1., 0.],
            [0., 1.]], dtype=torch.float64)
    """

    rates: Float[Tensor, "states states"]

    def __init__(self, rates: Matrix) -> None:
        """Check the rates.

        Args:
            rates: shape (states, states); the rate of x → y at (x, y), minus the row's sum on the diagonal.

        Raises:
            ValueError: not square, a negative rate off the diagonal, or a row that does not sum to zero within 1e-9 of
                its largest rate (or of one, if that is more); the row is named.
        """
        matrix = as_square(rates, what="a rate matrix")
        for i, row in enumerate(matrix):
            others = torch.cat([row[:i], row[i + 1 :]])
            if (others < 0).any():
                raise ValueError(
                    f"a rate is not negative off the diagonal, {row_name(i, None)} has {others.min().item():.12g}"
                )
            if row.sum().abs() > TOLERANCE * max(1.0, row.abs().max().item()):
                raise ValueError(
                    f"rates sum to zero, {row_name(i, None)} sums to {row.sum().item():.12g}; "
                    "its diagonal entry is minus the sum of the others"
                )
        object.__setattr__(self, "rates", matrix)

    @classmethod
    def redraw(cls, law: Law) -> "RateMatrix":
        """Redraw from π at rate one: G = 1π − I, so P(τ) = e^{−τ} I + (1 − e^{−τ}) 1π.

        Args:
            law: π, shape (states,).

        Raises:
            ValueError: if ``law`` is not a probability distribution.
        """
        pi = as_law(law, as_names(None, len(law)), "the law of a redraw")
        return cls(pi.expand(len(pi), -1) - pi.sum() * torch.eye(len(pi), dtype=pi.dtype))

    @classmethod
    def uniform(cls, states: int) -> "RateMatrix":
        """Redraw from the uniform distribution over ``states`` (multinomial diffusion).

        Raises:
            ValueError: if there is no state.
        """
        return cls.redraw(torch.full((_count(states),), 1 / states, dtype=torch.float64))

    @classmethod
    def absorbing(cls, states: int, state: int = -1) -> "RateMatrix":
        """Move to one absorbing ``state`` (an index, the last by default) at rate one (masking).

        Raises:
            ValueError: if there is no such state.
        """
        if not -_count(states) <= state < states:
            raise ValueError(f"the absorbing state is an index from 0 to {states - 1}, got {state}")
        return cls.redraw(torch.eye(states, dtype=torch.float64)[state])

    @classmethod
    def nearest_neighbour(cls, states: int) -> "RateMatrix":
        """Step to either neighbour at the same rate, reflected at both ends; the stationary law is uniform.

        The rate is 1/(4 sin²(π/(2 states))), so that the slowest mode cos(π(x + ½)/states) decays as e^{−τ}.

        Raises:
            ValueError: if there is no state.
        """
        rate = 0.25 / math.sin(math.pi / (2 * _count(states))) ** 2
        off = torch.diag(torch.full((states - 1,), rate, dtype=torch.float64), 1)
        return cls(off + off.T - torch.diag((off + off.T).sum(1)))

    @classmethod
    def ordinal(cls, states: int, width: Number) -> "RateMatrix":
        """Jump from x to y at a rate ∝ exp(−(x − y)²/(2 width²)); the stationary law is uniform.

        Near levels mix before far ones, as with noise on a grey level (a discretised Gaussian). The slowest mode decays
        as e^{−τ}.

        Args:
            states: number of levels, in order.
            width: standard deviation of a jump, in levels, > 0.

        Raises:
            ValueError: if there is no state, or ``width`` is not positive or so small that neighbours never meet.
        """
        x = torch.arange(_count(states), dtype=torch.float64)
        if not (width > 0 and (states == 1 or math.exp(-0.5 / float(width) ** 2) > 0)):
            raise ValueError(f"the width of a jump is a positive number of levels, at least 0.03, got {width}")
        weights = torch.exp(-0.5 * ((x[:, None] - x) / float(width)) ** 2).fill_diagonal_(0)
        rates = weights - torch.diag(weights.sum(1))
        slowest = -torch.linalg.eigvalsh(rates)[-2] if states > 1 else 1.0
        return cls(rates / slowest)

    def transition(self, tau: Number | Float[Tensor, "*times"]) -> Float[Tensor, "*times states states"]:
        """Return P(τ) = exp(Gτ) for one time or for each of a tensor of times; τ = ∞ gives the limit.

        Every entry is a sum of products of non-negative numbers (uniformisation with scaling and squaring). Small
        probabilities keep their digits, none is negative, and impossible moves have probability exactly 0. Results for
        recent times are cached.

        Args:
            tau: times, ≥ 0, in the unit of the rates.

        Returns:
            float64, shape (*times, states, states).

        Raises:
            ValueError: if a time is negative or not a number.
        """
        times = torch.as_tensor(tau, dtype=torch.float64).cpu()
        if not (times >= 0).all():
            raise ValueError(f"a chain is run for a time τ ≥ 0, got {times.flatten().min().item()}")
        distinct, where = times.flatten().unique(return_inverse=True)
        found = {time: self._cache.get(time) for time in distinct.tolist()}
        missing = [time for time, matrix in found.items() if matrix is None]
        if missing:
            found |= dict(zip(missing, self._compute(torch.tensor(missing, dtype=torch.float64)), strict=True))
            self._remember({time: found[time] for time in missing})  # type: ignore[misc]
        matrices = torch.stack([found[time] for time in distinct.tolist()])  # type: ignore[misc]
        return matrices[where].reshape(*times.shape, *self.rates.shape)

    def stationary(self) -> Float[Tensor, "closed states"]:
        """Return every extreme stationary law, πG = 0: one row for each closed communicating class."""
        return structure.stationary(self.rates)

    @cached_property
    def _cache(self) -> dict[float, Tensor]:
        return {}

    def _remember(self, fresh: dict[float, Tensor]) -> None:
        room = max(1, REMEMBERED // self.rates.numel())
        self._cache.update(list(fresh.items())[-room:])
        for oldest in list(self._cache)[: max(0, len(self._cache) - room)]:
            del self._cache[oldest]

    @cached_property
    def _fastest(self) -> float:
        return -self.rates.diagonal().min().item() or 1.0

    @cached_property
    def _jumps(self) -> Float[Tensor, "terms states states"]:
        """Return the transition matrices of 0, 1, … jumps of the uniformised chain I + G/q, q the largest exit rate."""
        step = self.rates / self._fastest
        staying = step.clone().fill_diagonal_(0).sum(1)  # rows of the given matrix may sum to 1e-9
        step = normalised(step.diagonal_scatter((1 - staying).clamp(min=0)))
        powers = [torch.eye(len(step), dtype=step.dtype)]
        for _ in range(TERMS - 1):
            powers.append(normalised(powers[-1] @ step))
        return torch.stack(powers)

    def _compute(self, tau: Float[Tensor, " times"]) -> Float[Tensor, "times states states"]:
        forever = tau == math.inf
        jumps = self._fastest * torch.where(forever, 0, tau)
        # halve until at most 4 jumps are expected, and until 41 jumps a piece give exact odds of crossing all states
        pieces = (jumps / 4).clamp(min=max(1.0, len(self.rates) / 8)).log2().ceil()
        expected = jumps / 2**pieces
        k = torch.arange(TERMS, dtype=torch.float64)
        poisson = torch.exp(torch.xlogy(k, expected[:, None]) - expected[:, None] - torch.lgamma(k + 1))
        matrices = normalised(torch.tensordot(poisson, self._jumps, 1))
        for n in range(int(pieces.max())):
            more = pieces > n
            matrices[more] = normalised(matrices[more] @ matrices[more])
        if forever.any():
            matrices[forever] = structure.limit(self.rates)
        return matrices


def principal_logarithm(
    transition: Float[Tensor, "states states"], values: Complex[Tensor, " states"], states: Sequence[str]
) -> RateMatrix:
    """Return rates G with P = exp(G), by the principal logarithm of P.

    Args:
        transition: P, rows of probabilities.
        values: eigenvalues of P, complex.
        states: names, for the message.

    Raises:
        ValueError: if P is singular, the logarithm is not real, or a rate is negative; the message says which.
    """
    import scipy.linalg  # half a second that processes, which need rates only, do without

    smallest = values[values.abs().argmin()].item()
    if abs(smallest) < 1e-14 * len(values):
        raise ValueError(
            "this chain has no generator: an eigenvalue is zero and exp(G) has none; "
            "a chain that forgets at once takes infinite time"
        )
    negative = values.real[(values.imag.abs() <= TOLERANCE) & (values.real < 0)]
    if len(negative):
        raise ValueError(
            f"this chain has no generator: its eigenvalue {negative.min().item():.6g} is negative, "
            "and the principal logarithm is not real"
        )
    rates = torch.from_numpy(scipy.linalg.logm(transition.numpy()).real.astype("float64"))
    rates.fill_diagonal_(0)
    lowest = int(rates.argmin())
    x, y = divmod(lowest, len(rates))
    if rates[x, y] < -TOLERANCE * max(1.0, rates.abs().max().item()):
        raise ValueError(
            f"this chain has no generator: its logarithm has the rate {rates[x, y].item():.6g} "
            f"from {states[x]!r} to {states[y]!r}, and rates are not negative"
        )
    rates = rates.clamp(min=0)  # what is left below zero is the rounding of the logarithm
    return RateMatrix(rates - torch.diag(rates.sum(1)))


def _count(states: int) -> int:
    if states < 1:
        raise ValueError(f"a chain needs at least one state, got {states}")
    return states
