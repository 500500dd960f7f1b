"""One law for every estimator: what an example gets does not depend on its batch.

A batch of one, and an uneven last batch, give the rows of the whole batch. Each example has its own stream of random
numbers, so this holds draw by draw. States are float64: what is left is rounding (1e-9), or the tolerance of the flow's
solver (1e-4 nats).
"""

import math

import pytest
import torch
from torch import Tensor

from batches import (
    COUNT,
    KINDS,
    NORMAL,
    TIMES,
    every_kind,
    holds,
    numbers,
)
from oracles import correlated, double, seeded
from quasistatic.distribution import Distribution
from quasistatic.evaluation import (
    BoundTerms,
    Score,
    Tolerance,
    bound,
    chances_by_cost,
    dequantised,
    exact,
    fixed_last_step,
    importance,
    log_likelihood,
    mean_and_error,
    noised,
    null,
    with_variance,
)
from quasistatic.evaluation import baselines as simple
from quasistatic.evaluation.baselines.ngram import ngrams
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Reciprocal
from quasistatic.streams import Streams

pytestmark = pytest.mark.usefixtures("double_precision")
TIGHT = Tolerance(1e-6, 1e-6)


def same(clean: Distribution) -> Distribution:
    return clean


# evaluation


@pytest.mark.parametrize("probes", [None, 1, 4])
@pytest.mark.parametrize("way", ["density", "noised", "dequantised"])
def test_flow(way: str, probes: int | None) -> None:
    truth, x = correlated(NORMAL, 0.9), numbers()

    def each(rows: Tensor, streams: Streams) -> Tensor:
        if way == "density":
            found = log_likelihood(NORMAL, truth, x[rows], 0.2, probes, streams, TIGHT)
        elif way == "noised":
            found = noised(NORMAL, truth, same, x[rows], 0.2, probes, streams, TIGHT)
        else:
            found = dequantised(NORMAL, truth, x[rows], 0.25, 0.2, probes, streams, TIGHT)
        return torch.cat([found.log_likelihoods.T, found.latent], 1)

    holds(each, 1e-4, ((4, 1),))


def test_the_flow_of_one_example_with_random_probes_is_an_average() -> None:
    """log N(x; 0, I) in 40 dimensions: the guess √ᾱ x_t has a diagonal Jacobian, so that every probe is exact."""
    process = GaussianProcess(Reciprocal())
    unit = lambda x_t, t: process.forward(x_t, 0 * t, t)  # noqa: E731
    x = torch.randn(2, 40, generator=seeded(5))
    truth = (-0.5 * x**2 - 0.5 * math.log(2 * math.pi)).sum(1)
    for rows in (x[:1], x):
        found = log_likelihood(process, unit, rows, 1e-6, probes=4, generator=seeded(1))
        assert found.log_likelihoods.shape == (4, len(rows))
        torch.testing.assert_close(found.value, truth[: len(rows)], rtol=0, atol=1e-3)


@every_kind
@pytest.mark.parametrize("draws", [None, 1, 3])
@pytest.mark.parametrize("uneven", [False, True])
def test_bound(kind: str, draws: int | None, uneven: bool) -> None:
    process, denoise, data = KINDS[kind]
    x, chances = data(), double(0.4, 0.3, 0.2, 0.05, 0.05) if uneven else None

    def each(rows: Tensor, streams: Streams) -> Tensor:
        found = bound(process, denoise, same, x[rows], TIMES, draws, streams, chances)
        terms = torch.stack([found.prior, found.diffusion, found.reconstruction, found.value], 1)
        return torch.cat([terms, found.times.T, found.step_costs.T], 1)

    holds(each)


@every_kind
def test_importance(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()
    holds(lambda rows, streams: importance(process, denoise, same, x[rows], TIMES, 3, streams).minus_work.T)


@pytest.mark.parametrize("kind", ["bits", "masked"])
def test_enumeration_and_null(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()
    holds(lambda rows, streams: exact(process, denoise, x[rows], TIMES))
    if kind == "bits":  # under a mask for a prior all data have probability 0
        holds(lambda rows, streams: null(process, same, x[rows]))


@pytest.mark.parametrize("variance", ["small", "large"])
def test_other_widths(variance: str) -> None:
    x, denoise = numbers(), with_variance(NORMAL, correlated(NORMAL, 0.9), variance, TIMES[-2].item())
    holds(lambda rows, streams: bound(NORMAL, denoise, same, x[rows], TIMES, 2, streams).diffusion)


def test_a_fixed_last_step() -> None:
    x, denoise = numbers(), fixed_last_step(NORMAL, correlated(NORMAL, 0.9), TIMES[-2].item())
    holds(lambda rows, streams: importance(NORMAL, denoise, same, x[rows], TIMES, 2, streams).value)


def test_simple_models() -> None:
    """Scores of one example, or of several: what a simple model was fitted to is the same."""
    generator = seeded(4)
    counts, asked = (torch.randint(0, 4, (size, 3), generator=generator) for size in (200, COUNT))
    holds(lambda rows, streams: simple.histogram(counts, asked[rows], 4))
    holds(lambda rows, streams: simple.mixture(counts.double(), asked[rows].double(), (1, 2), 0.1))
    holds(lambda rows, streams: ngrams(counts, asked[rows], 4, (1, 3))[3])


def test_a_score_of_one_example() -> None:
    """Its value is the example's own; the standard error over examples is unknown, and says so."""
    assert mean_and_error(double(2.5))[0] == 2.5
    assert math.isnan(mean_and_error(double(2.5))[1])
    x, truth = numbers(), correlated(NORMAL, 0.9)
    terms = [bound(NORMAL, truth, same, x[i : i + 1], TIMES, None, Streams(0, i, 1)) for i in range(COUNT)]
    scores = [Score.of_bound(one, one.prior, 2, 6) for one in terms]
    whole = Score.of_bound(BoundTerms.joined(terms), double(*[0.0] * COUNT), 2, 6)
    assert whole.value == pytest.approx(sum(score.value for score in scores) / COUNT)
    assert all(math.isnan(score.standard_error) for score in scores)
    assert math.isfinite(whole.standard_error)
    assert all(math.isnan(band.standard_error) for band in terms[0].bands(NORMAL.schedule.log_snr))
    assert chances_by_cost(terms[0], TIMES).sum().item() == pytest.approx(1)
