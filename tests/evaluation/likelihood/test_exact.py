"""Enumeration and importance against brute force: theory.md 5.3, and each other."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from oracles import unchecked
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.evaluation import Works, bound, exact, importance
from quasistatic.evaluation.likelihood.exact import all_states, log_law
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Process
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.streams import Streams
from quasistatic.types import error_of_log_mean, per_example

pytestmark = pytest.mark.usefixtures("double_precision")


def phases(length: int, period: int) -> Tensor:
    """The data: a one every ``period`` places."""
    return (torch.arange(length) % period == torch.arange(period)[:, None]).double()


def perfect(process: Process, data: Tensor) -> Denoise:
    """The posterior marginal of each element for data that are evenly one of the rows of ``data``."""

    def denoise(x_t: Tensor, t: Tensor) -> Distribution:
        seen = torch.stack(
            [per_example(process.marginal(row.expand(len(x_t), -1), t).log_prob(x_t)) for row in data], -1
        )
        # A factorised step can reveal what no row holds: then each row is as good as another.
        seen = torch.where((seen == -math.inf).all(-1, keepdim=True), 0, seen).softmax(-1)
        if isinstance(process, BernoulliProcess):
            return Bernoulli(torch.logit(seen @ data))
        masses = torch.nn.functional.one_hot(data, process.states).double()
        return Categorical(torch.einsum("bp,pdk->bdk", seen, masses).log())

    return denoise


@pytest.mark.parametrize(
    ("length", "period", "steps", "p0", "log_p", "mass"),
    [
        (6, 3, 4, 1 / 3, -2.072875184, 0.7130560140),
        (6, 3, 4, 0.5, -2.101450964, 0.6990713119),
        (8, 2, 5, 0.5, -1.079842905, 0.9461606688),
    ],
)
def test_enumeration_is_brute_force(length: int, period: int, steps: int, p0: float, log_p: float, mass: float) -> None:
    """E log₂ p and the mass on the data, theory.md 5.3 to 1e-9; as bits and as two states."""
    bits = phases(length, period)
    two = CategoricalProcess(Reciprocal(), (1 - p0, p0))
    for process, data in ((BernoulliProcess(Reciprocal(), p0), bits), (two, bits.long())):
        found = exact(process, perfect(process, data), data, uniform_times(steps))
        assert found.mean().item() / math.log(2) == pytest.approx(log_p, abs=1e-9)
        assert found.exp().sum().item() == pytest.approx(mass, abs=1e-9)


@pytest.mark.parametrize(
    "process",
    [BernoulliProcess(Reciprocal(), 1 / 3), CategoricalProcess.absorbing(Reciprocal(), 3)],
    ids=["bits", "absorbing"],
)
def test_importance_lies_between_bound_and_truth(process: Process) -> None:
    """Each from 4 standard errors of many paths; e^{value} is free of bias for p(x)."""
    data = phases(4, 2)
    data = data if isinstance(process, BernoulliProcess) else data.long()
    denoise, times = perfect(process, data), uniform_times(4)
    truth = exact(process, denoise, data, times)
    x = data.repeat(2000, 1)
    works = importance(process, denoise, lambda clean: clean, x, times, 8, Streams(0, 0, len(x)))
    weights = (works.minus_work - truth.repeat(2000)).exp().flatten()
    assert abs(weights.mean().item() - 1) < 4 * weights.std().item() / math.sqrt(len(weights))
    terms = bound(process, denoise, lambda clean: clean, x, times, None, torch.Generator().manual_seed(0))
    gap = works.bound - terms.value
    assert abs(gap.mean().item()) < 4 * math.hypot(works.bound.std().item(), terms.value.std().item()) / len(x) ** 0.5
    one, many = works.minus_work[0].mean(), works.value.mean()
    assert one < many < truth.mean() + 4 * works.value.std() / len(x) ** 0.5


def test_the_law_sums_to_one_and_leaves_no_mask() -> None:
    process = CategoricalProcess.absorbing(Reciprocal(), 3)
    data = phases(4, 2).long()
    everything = all_states(process, data)
    law = log_law(process, perfect(process, data), everything, uniform_times(3))
    assert law.exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert (law[(everything == 2).any(1)] == -math.inf).all()


def test_an_exact_chain_does_no_work() -> None:
    """One element: the reverse chain is the true one, so every path gives log p(x), bits or reals."""
    process = CategoricalProcess(Reciprocal(), (0.2, 0.3, 0.5))
    prior = torch.tensor([0.7, 0.1, 0.2])

    def denoise(x_t: Tensor, t: Tensor) -> Categorical:
        return Categorical(process.evidence(x_t, t) + prior.log())

    x = torch.tensor([[0], [1], [2]])
    works = importance(process, denoise, lambda clean: clean, x, uniform_times(5), 3, Streams(0, 0, 3))
    torch.testing.assert_close(works.minus_work, prior.log().expand(3, 3))
    assert (works.error < 1e-9).all()
    torch.testing.assert_close(works.effective, torch.full((3,), 3.0))


@pytest.mark.parametrize("spread", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("paths", [2, 3, 4, 8, 16])
def test_the_error_of_a_log_mean_is_its_spread(spread: float, paths: int) -> None:
    """Over 40,000 repetitions: the root mean square error is within 6 % of the true spread; of two paths, 12 %."""
    log_weights = spread * torch.randn(paths, 40_000, generator=torch.Generator().manual_seed(paths))
    works = Works(log_weights)
    ratio = works.error.square().mean().sqrt() / works.value.std()
    assert 1 - (0.12 if paths == 2 else 0.06) < ratio < 1.06


def test_the_error_where_weights_are_zero() -> None:
    """Of a single path, or if all are impossible, nothing is known; if one alone is possible, the error is infinite."""
    nothing = -math.inf
    found = error_of_log_mean(torch.tensor([[nothing, nothing, 0.0], [nothing, 1.0, 0.0], [nothing, nothing, nothing]]))
    assert found[0].isnan()
    assert found[1] == math.inf
    assert math.isfinite(found[2])
    assert error_of_log_mean(torch.zeros(1, 3)).isnan().all()


def test_every_state_once() -> None:
    found = all_states(CategoricalProcess.uniform(Cosine(), 3), torch.zeros(1, 2, dtype=torch.int64))
    assert found.tolist() == [[a, b] for a in range(3) for b in range(3)]
    assert all(one < two for one, two in pairwise(found.tolist()))


def test_refusals() -> None:
    times = uniform_times(2)
    with pytest.raises(TypeError, match=r"needs a process over finitely many states, got Gaussian.*; use importance"):
        unchecked(exact)(GaussianProcess(Cosine()), None, torch.zeros(1, 2), times)
    with pytest.raises(ValueError, match=r"at most 4096 states, got 2\^20"):
        unchecked(exact)(BernoulliProcess(Reciprocal()), None, torch.zeros(1, 20), times)
    with pytest.raises(ValueError, match="one path or more per example, got draws = 0"):
        unchecked(importance)(BernoulliProcess(Reciprocal()), None, None, torch.zeros(1, 2), times, 0)
