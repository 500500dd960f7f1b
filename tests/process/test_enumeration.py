"""Periodic bits noised and put back by a factorised reverse chain, every path counted: theory.md 5.3 to 1e-9.

The data are the ``period`` phases of a sequence with a one every ``period`` bits. The reverse step draws each bit from
its own marginal of the true reverse q(x_s | x_t), the best that a factorised step can do.
"""

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.process import BernoulliProcess, CategoricalProcess, Process
from quasistatic.schedule import Reciprocal, uniform_times
from quasistatic.types import per_example

ROWS = [
    # length, period, steps, p₀, bound K, E log₂ p, mass on the data
    (6, 3, 4, 1 / 3, -2.629532591, -2.072875184, 0.7130560140),
    (6, 3, 4, 0.5, -2.659669664, -2.101450964, 0.6990713119),
    (8, 2, 5, 0.5, -1.603565271, -1.079842905, 0.9461606688),
]


pytestmark = pytest.mark.usefixtures("double_precision")


class Chain:
    """All 2ⁿ states, the data among them, and matrices of the forward and the reverse chain on a grid of times."""

    def __init__(self, process: Process, length: int, period: int, steps: int) -> None:
        self.process, self.times = process, uniform_times(steps)
        bits = torch.tensor(list(product((0, 1), repeat=length)))
        self.states = bits.double() if isinstance(process, BernoulliProcess) else bits
        phases = torch.stack([(torch.arange(length) % period == phase).long() for phase in range(period)])
        self.data = torch.cat([(bits == phase).all(1).nonzero()[0] for phase in phases])
        noisy = self.times[:-1].tolist()
        self.forward = {t: self._matrix(lambda x, t=t: process.marginal(x, self._at(t))) for t in noisy}
        self.guess = {t: self._exact_guess(t) for t in noisy}
        self.back = {
            (t, s): self._matrix(lambda x, t=t, s=s: process.reverse(x, self.guess[t], self._at(t), self._at(s)))
            for t, s in pairwise(self.times.tolist())
        }

    def _at(self, t: float) -> Tensor:
        return torch.full((len(self.states),), t)

    def _matrix(self, law) -> Tensor:  # type: ignore[no-untyped-def]
        """Probability of each state (columns) under a factorised law for each state (rows)."""
        rows = law(self.states)
        logits = rows.log_masses[:, None].expand(-1, len(self.states), -1, -1)
        chosen = self.states.long().expand(len(self.states), -1, -1)
        return logits.gather(-1, chosen[..., None])[..., 0].sum(-1).exp()

    def _exact_guess(self, t: float) -> Distribution:
        """The posterior marginal of each bit: the answer of a perfect network."""
        seen = self.forward[t][self.data]
        posterior = (seen / seen.sum(0)).T  # (x_t, phase)
        one = posterior @ self.states[self.data].double()
        zero = posterior @ (1 - self.states[self.data].double())
        if isinstance(self.process, BernoulliProcess):
            return Bernoulli(one.log() - zero.log())
        return Categorical(torch.stack([zero, one], -1).log())

    def step_costs(self, x: int) -> list[tuple[float, Tensor, Tensor]]:
        """(t, q(x_t | x), cost of the step from each x_t) for the data state of index ``x``."""
        costs = []
        known = self.states[x].expand_as(self.states)
        for t, s in pairwise(self.times.tolist()):
            if s == 0:
                law = self.process.reverse(self.states, self.guess[t], self._at(t), self._at(s))
                cost = -per_example(law.log_prob(known))
            else:
                cost = per_example(self.process.step_kl(known, self.states, self.guess[t], self._at(t), self._at(s)))
            costs.append((t, self.forward[t][x], cost))
        return costs

    def bound(self) -> float:
        """K in bits, the mean over the data; KL(q(x_1 | x) ‖ π) is 0, since ᾱ(1) = 0."""
        costs = [(weight * cost).sum() for x in self.data.tolist() for _, weight, cost in self.step_costs(x)]
        return -sum(float(cost) for cost in costs) / len(self.data) / math.log(2)

    def probability(self) -> Tensor:
        """p(x) of every state: π times the matrices of all steps back."""
        law = per_example(self.process.prior(self.states).log_prob(self.states)).exp()
        for pair in pairwise(self.times.tolist()):
            law = law @ self.back[pair]
        return law


@pytest.fixture(params=ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{row[3]:.2f}", scope="module")
def row(request: pytest.FixtureRequest) -> tuple[int, int, int, float, float, float, float]:
    return request.param


@pytest.mark.parametrize("kind", ["bits", "two states"])
def test_brute_force(row: tuple[int, int, int, float, float, float, float], kind: str) -> None:
    length, period, steps, p0, bound, exact, mass = row
    process = BernoulliProcess(Reciprocal(), p0) if kind == "bits" else CategoricalProcess(Reciprocal(), (1 - p0, p0))
    chain = Chain(process, length, period, steps)
    p = chain.probability()
    assert p.sum().item() == pytest.approx(1, abs=1e-12)
    assert chain.bound() == pytest.approx(bound, abs=1e-9)
    assert p[chain.data].log2().mean().item() == pytest.approx(exact, abs=1e-9)
    assert p[chain.data].sum().item() == pytest.approx(mass, abs=1e-9)


def test_work_averages_to_the_probability() -> None:
    """E exp(−W) = p(x) and −E W = K over all 4,096 paths (Jarzynski; Sohl-Dickstein et al. 2015, eq. 9)."""
    chain = Chain(BernoulliProcess(Reciprocal(), 1 / 3), length=4, period=2, steps=3)
    late, middle, early = chain.times[:-1].tolist()
    move = lambda s, t: chain._matrix(lambda x: chain.process.forward(x, chain._at(s), chain._at(t)))  # noqa: E731
    prior = per_example(chain.process.prior(chain.states).log_prob(chain.states))
    for x in chain.data.tolist():
        # one axis for each of x_1, x_{2/3}, x_{1/3}
        forward = chain.forward[early][x] * move(early, middle).T * move(middle, late).T[:, :, None]
        back = chain.back[late, middle][:, :, None] * chain.back[middle, early] * chain.back[early, 0.0][:, x]
        minus_work = prior[:, None, None] + back.log() - forward.log()
        assert forward.sum().item() == pytest.approx(1, abs=1e-12)
        assert (forward * minus_work.exp()).sum().item() == pytest.approx(chain.probability()[x].item(), rel=1e-12)
        costs = sum(float((weight * cost).sum()) for _, weight, cost in chain.step_costs(x))
        assert (forward * minus_work).sum().item() == pytest.approx(-costs, rel=1e-12)
        assert -costs < chain.probability()[x].log().item()
