"""Structure of a finite chain: reachable states, communicating classes, periods and stationary laws.

    x → y         y can be reached from x
    class         states that reach one another; closed when nothing leads out of it
    period        gcd of the lengths of the closed walks in a class; 0 where there is none
    stationary    π P = π, or π G = 0: one law for each closed class, all others are mixtures of these

The functions take rates: a matrix whose off-diagonal entries are probabilities P(x, y) or rates G(x, y); the diagonal
is not read, except by `period`, where a state that may stay has period 1.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from quasistatic.markov.stochastic import Number, normalised


def reach(rates: Float[Tensor, "states states"]) -> Bool[Tensor, "states states"]:
    """Return a matrix that is True at (x, y) if y can be reached from x in zero or more steps."""
    known = ((rates > 0) | torch.eye(len(rates), dtype=torch.bool)).double()
    for _ in range(max(1, math.ceil(math.log2(len(rates))))):  # paths of length 1, 2, 4, …
        known = (known @ known > 0).double()
    return known > 0


def classes(rates: Float[Tensor, "states states"]) -> list[tuple[list[int], bool]]:
    """Return the communicating classes by their first state: (states, whether the class is closed)."""
    reached = reach(rates)
    together = reached & reached.T
    found, seen = [], set[int]()
    for x in range(len(rates)):
        if x not in seen:
            states = together[x].nonzero().flatten().tolist()
            seen.update(states)
            found.append((states, bool((reached[x] == together[x]).all())))
    return found


def period(transition: Float[Tensor, "states states"], states: list[int]) -> int:
    """Return the period of one communicating class: gcd of the lengths of its closed walks, 0 if it has none.

    Every edge x → y of the class gives depth(x) + 1 − depth(y), with depths counted from any one state; their gcd is
    the period (Denardo 1977).
    """
    edges = transition[states][:, states] > 0
    depth = torch.full((len(states),), -1)
    frontier, n = torch.zeros(len(states), dtype=torch.bool), 0
    frontier[0] = True
    while frontier.any():
        depth[frontier] = n
        frontier, n = edges[frontier].any(0) & (depth < 0), n + 1
    gaps = (depth[:, None] + 1 - depth[None, :])[edges]
    return math.gcd(*gaps.unique().tolist())


def stationary(rates: Float[Tensor, "states states"]) -> Float[Tensor, "closed states"]:
    """Return every extreme stationary law, one row for each closed class in the order of `classes`.

    States are removed one by one, each passing its traffic on, without a single subtraction: every entry is correct
    to nearly all its digits, however small (Grassmann, Taksar, Heyman 1985).
    """
    laws = []
    for states, closed in classes(rates):
        if closed:
            law = torch.zeros(len(rates), dtype=rates.dtype)
            law[states] = _irreducible(rates[states][:, states])
            laws.append(law)
    return torch.stack(laws)


def limit(rates: Float[Tensor, "states states"]) -> Float[Tensor, "states states"]:
    """Return lim exp(Gτ) as τ → ∞: stationary laws, weighted by the probability of ending in their class."""
    laws, parts = stationary(rates), classes(rates)
    ends = torch.zeros(len(rates), len(laws), dtype=rates.dtype)
    for column, states in enumerate(states for states, closed in parts if closed):
        ends[states, column] = 1
    passing = [x for states, closed in parts if not closed for x in states]
    if passing:
        off = rates.clone().fill_diagonal_(0)
        leaving = torch.diag(off.sum(1)) - off
        arriving = off[passing] @ ends
        chance = torch.linalg.solve(leaving[passing][:, passing], arriving)
        possible = (reach(rates)[passing].double() @ ends) > 0
        ends[passing] = torch.where(possible, chance, 0)  # where there is no way, rounding must not make one
    return ends @ laws


def _irreducible(rates: Tensor) -> Tensor:
    flow = rates.clone()
    for n in range(len(flow) - 1, 0, -1):
        flow[:n, n] /= flow[n, :n].sum()
        flow[:n, :n] += torch.outer(flow[:n, n], flow[n, :n])
    law = torch.ones(1, dtype=flow.dtype)
    for n in range(1, len(flow)):
        law = torch.cat([law, (law @ flow[:n, n])[None]])
        law = law / law.sum()
    return law


def steps_to_mix(transition: Float[Tensor, "states states"], pi: Float[Tensor, " states"], tolerance: Number) -> int:
    """Return the smallest n with max_x ½ Σ_y |Pⁿ(x, y) − π(y)| ≤ ``tolerance``, if the limit is ``pi``."""

    def mixed(matrix: Tensor) -> bool:
        return bool(0.5 * (matrix - pi).abs().sum(1).max() <= tolerance)

    reached = torch.eye(len(transition), dtype=torch.float64)
    if mixed(reached):
        return 0
    squares = [transition]
    while not mixed(squares[-1]):
        squares.append(normalised(squares[-1] @ squares[-1]))
    steps = 0  # the largest n that has not mixed yet, found from its highest binary digit down
    for digit in reversed(range(len(squares) - 1)):
        further = normalised(reached @ squares[digit])
        if not mixed(further):
            reached, steps = further, steps + 2**digit
    return steps + 1
