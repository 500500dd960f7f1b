"""Decides the order of examples from noisy scores: rounds of draws, and the probability that a pair is in order.

    v_i = mean of c_r(i) over the rounds r < R_i                  c_r(i): the score of example i from round r
    P(v_i and v_j are in the right order) = F( |v_i − v_j| / e_ij · τ / √(τ² + e_ij²) )

All examples of a round share its random numbers (times and noise), so c_r(i) and c_r(j) err alike. e_ij, the standard
error of v_i − v_j, is computed from the rounds that both took and from the others of the one that took more. F is the
distribution function of Student's t. τ is the spread of true differences, by medians: pairs that differ by less than
their error are decided by chance, and without τ they would seem decided for three quarters.
Source of common random numbers: Glasserman & Yao 1992, "Some guidelines and guarantees for common random numbers".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import stdtr
from torch import Tensor

FIRST = 4
"""Rounds that every example takes."""

GROWTH = 1.5
"""Factor by which the rounds of undecided examples grow."""

PEERS = 256
"""Maximum number of other examples that an example is compared with; for larger sets, certainty is an estimate."""

MEDIAN_SQUARE = 0.4549
"""Median of the square of a standard normal number."""

Look = Callable[[Int[Tensor, " rows"], range], Float[Tensor, "rounds rows"]]
"""(examples, rounds) → their scores; round r always has the same random numbers, which all examples share."""


@dataclass(frozen=True, eq=False)
class Order:
    """Scores of examples, and how certain their order is.

    Attributes:
        costs: score of each example (column) from each round (row), higher for a later place; float64. What is beyond
            an example's rounds is ignored.
        rounds: number of rounds of each example.
        certainties: mean probability that an example and another are in the right order; NaN for a single example.
    """

    costs: Float[Tensor, "rounds examples"]
    rounds: Int[Tensor, " examples"]
    certainties: Float[Tensor, " examples"]

    @classmethod
    def of(cls, costs: Float[Tensor, "rounds examples"], rounds: Int[Tensor, " examples"]) -> "Order":
        """Compute the certainties of scores from at least two rounds of each example."""
        taken = torch.arange(len(costs))[:, None] < rounds
        return cls(costs, rounds, _certainties(torch.where(taken, costs, 0.0), taken, rounds))

    @property
    def certainty(self) -> float:
        """Mean probability that a pair of examples is in the right order; NaN for a single example."""
        return self.certainties.mean().item()

    @property
    def values(self) -> Float[Tensor, " examples"]:
        """Mean score of each example over its rounds."""
        return _means(self._taken(), self.rounds)

    @property
    def errors(self) -> Float[Tensor, " examples"]:
        """Standard error of each value, from the spread of its rounds."""
        return (_variances(self._taken(), self.rounds) / self.rounds).sqrt()

    @property
    def common_error(self) -> float:
        """Standard error that the rounds, which all examples share, leave in the mean of all values."""
        shared = self.costs[: int(self.rounds.min())].mean(1)
        return shared.std().item() / math.sqrt(len(shared))

    def _taken(self) -> Tensor:
        return torch.where(torch.arange(len(self.costs))[:, None] < self.rounds, self.costs, 0.0)


def decide(look: Look, count: int, target: float, most: int) -> Order:
    """Score ``count`` examples until their order is certain.

    Each example takes `FIRST` rounds. Then those whose own certainty is below ``target`` take more, until the mean
    certainty reaches ``target`` or they have taken ``most`` rounds.

    Args:
        look: returns scores (see `Look`).
        count: number of examples.
        target: certainty to reach, below 1.
        most: maximum number of rounds of an example, at least 2.
    """
    costs, rounds = torch.zeros((0, count), dtype=torch.float64), torch.zeros(count, dtype=torch.int64)
    level, undecided = min(FIRST, most), torch.arange(count)
    while True:
        costs = torch.cat([costs, costs.new_zeros((level - len(costs), count))])
        for start in rounds[undecided].unique().tolist():
            rows = undecided[rounds[undecided] == start]
            costs[start:level, rows] = look(rows, range(start, level))
        rounds[undecided] = level
        order = Order.of(costs, rounds)
        if not order.certainty < target or level == most:
            return order
        undecided = (order.certainties < target).nonzero()[:, 0]
        level = min(most, math.ceil(GROWTH * level))


def _certainties(costs: Tensor, taken: Tensor, rounds: Tensor) -> Float[Tensor, " examples"]:
    """Return each example's mean probability to be in order with its peers: all others, or at most `PEERS` of them."""
    count = len(rounds)
    if count - 1 <= PEERS:
        shifts = torch.arange(1, count)[:, None]
    else:  # other peers for each example
        shifts = torch.randint(1, count, (PEERS, count), generator=torch.Generator().manual_seed(0))
    values = _means(costs, rounds)
    finite = values.isfinite()
    costs = torch.where(finite, costs, 0.0)  # infinite scores need no error; differences of them would be NaN
    alone = _variances(costs, rounds)
    gaps, errors, freedom = [], [], []
    for shift in shifts:
        other = (torch.arange(count) + shift) % count
        few, many = torch.minimum(rounds, rounds[other]), torch.maximum(rounds, rounds[other])
        both = taken & taken[:, other]
        paired = torch.where(both, costs / rounds - costs[:, other] / rounds[other], 0.0)
        rest = torch.where(rounds > rounds[other], alone, alone[other])
        square = few * _variances(paired, few) + (many - few) * rest / many**2
        gap = (values - values[other]).abs().nan_to_num(0.0)
        sure = ~(finite & finite[other])
        gaps.append(torch.where(sure, torch.inf, gap))
        errors.append(torch.where(sure, 0.0, square))
        freedom.append(few - 1)
    if not gaps or bool(values.isnan().any()):
        return torch.full((count,), math.nan, dtype=torch.float64)
    return _in_order(torch.stack(gaps), torch.stack(errors), torch.stack(freedom)).mean(0)


def _in_order(gap: Tensor, square: Tensor, freedom: Tensor) -> Tensor:
    """Return the probability that a pair is in the right order: 1 where the error is 0."""
    spread = max(gap.square().median().item() / MEDIAN_SQUARE - square.median().item(), 0.0)
    # τ²/(τ² + e²) is 1 where most gaps, and so τ, are infinite
    shrunk = torch.where(square > 0, gap / (square * (1 + square / spread)).sqrt(), torch.inf)
    return torch.from_numpy(stdtr(freedom.double().numpy(), shrunk.numpy()))


def _means(costs: Tensor, rounds: Tensor) -> Tensor:
    """Mean of the first ``rounds`` entries of each column; the others are 0."""
    return costs.sum(0) / rounds


def _variances(costs: Tensor, rounds: Tensor) -> Tensor:
    """Variance of the first ``rounds`` entries of each column; the others are 0."""
    mean = costs.sum(0) / rounds
    return ((costs.square().sum(0) - rounds * mean.square()) / (rounds - 1)).clamp(min=0)
