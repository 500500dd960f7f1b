"""The laws every process obeys: Bayes, semigroup, forgetting. A new process joins PROCESSES and inherits them all."""

import pytest
import torch

from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    GaussianProcess,
    MaskedProcess,
    NearestNeighbourProcess,
    OrdinalProcess,
    Part,
    Process,
    ProductProcess,
    RateProcess,
)
from quasistatic.schedule import Cosine, Linear, Reciprocal, Table
from quasistatic.types import per_example
from states import data, guess

PROCESSES: list[Process] = [
    GaussianProcess(Cosine()),
    GaussianProcess(Linear()),
    GaussianProcess(Linear(steps=200)),
    GaussianProcess(Reciprocal()),
    GaussianProcess(Table((0.1, 0.2, 0.5, 1.0))),
    BernoulliProcess(Cosine()),
    BernoulliProcess(Reciprocal(), 0.2),
    BernoulliProcess(Reciprocal(), 0.0),
    CategoricalProcess.uniform(Cosine(), 5),
    CategoricalProcess.absorbing(Reciprocal(), 5),
    CategoricalProcess(Linear(), (0.5, 0.3, 0.1, 0.05, 0.05)),
    CategoricalProcess(Table((0.1, 0.5, 1.0)), (0.7, 0.3, 0.0)),
    OrdinalProcess(Cosine(), 9, 1.5),
    NearestNeighbourProcess(Reciprocal(), 6),
    RateProcess(Cosine(), ((-1.0, 1.0, 0.0), (0.0, -2.0, 2.0), (0.5, 0.0, -0.5))),
    MaskedProcess(Reciprocal(), (3, 70, 2)),
    MaskedProcess(Table((0.1, 0.5, 1.0)), (1, 4, 9)),
    ProductProcess(
        (
            Part(GaussianProcess(Cosine()), (0, 3)),
            Part(CategoricalProcess.absorbing(Reciprocal(), 3), (4,)),
            Part(CategoricalProcess.uniform(Cosine(), 5), (1,)),
            Part(BernoulliProcess(Reciprocal(), 0.2), (2,)),
        )
    ),
]


pytestmark = pytest.mark.usefixtures("double_precision")


def times(*values: float, batch: int) -> list[torch.Tensor]:
    return [torch.full((batch,), value, dtype=torch.float64) for value in values]


@pytest.fixture(params=PROCESSES, ids=repr)
def process(request: pytest.FixtureRequest) -> Process:
    return request.param


# Near the data a Gaussian log-density divides by 1 − ᾱ of about 1e-5, so rounding of 1e-16 counts 1e-11 and more.
@pytest.mark.parametrize(("s", "t", "tolerance"), [(0.3, 0.7, 1e-12), (0.001, 0.002, 1e-8), (0.1, 1.0, 1e-12)])
def test_reverse_is_bayes(process: Process, s: float, t: float, tolerance: float) -> None:
    x = data(process, 64, 3)
    zero, at_s, at_t = times(0.0, s, t, batch=64)
    x_s = process.forward(x, zero, at_s).sample(torch.Generator().manual_seed(1))
    x_t = process.forward(x_s, at_s, at_t).sample(torch.Generator().manual_seed(2))
    left = process.reverse(x_t, process.point(x), at_t, at_s).log_prob(x_s) + process.marginal(x, at_t).log_prob(x_t)
    right = process.forward(x_s, at_s, at_t).log_prob(x_t) + process.marginal(x, at_s).log_prob(x_s)
    torch.testing.assert_close(left, right, rtol=tolerance, atol=tolerance)


def test_two_steps_are_one(process: Process) -> None:
    """Semigroup: q(x_t | x) by one step and by two agree in mean and variance, and so in law for these families."""
    x = data(process, 200_000, 1)[:1].expand(200_000, -1)
    zero, s, t = times(0.0, 0.4, 0.8, batch=len(x))
    x_s = process.forward(x, zero, s).sample(torch.Generator().manual_seed(1))
    two = process.forward(x_s, s, t)
    one = process.forward(x[:1], zero[:1], t[:1])
    for column in range(x.shape[1]):
        mean, variance = (value.expand(1, x.shape[1])[0, column].item() for value in (one.mean, one.variance))
        assert abs(two.mean[:, column].mean().item() - mean) <= 4 * (variance / len(x)) ** 0.5
        total = two.mean[:, column].var().item() + two.variance[:, column].mean().item()
        assert total == pytest.approx(variance, rel=4 * (2 / len(x)) ** 0.5)


def test_the_end_forgets_the_data(process: Process) -> None:
    x = data(process, 64, 5)
    (one,) = times(1.0, batch=64)
    left_of_data = torch.stack([schedule.alpha_bar(one) for schedule in process.schedules]).amax(0)
    gap = per_example(process.marginal(x, one).kl(process.prior(x)))
    assert (gap <= 20 * left_of_data + 1e-12).all()


def test_the_start_is_the_data(process: Process) -> None:
    """At s = 0 the step back is the guess itself."""
    x = data(process, 8, 3)
    zero, t = times(0.0, 0.5, batch=8)
    x_t = process.marginal(x, t).sample(torch.Generator().manual_seed(1))
    torch.testing.assert_close(process.reverse(x_t, process.point(x), t, zero).sample(), x)


def test_fast_step_kl_equals_the_generic_one(process: Process) -> None:
    x = data(process, 64, 3)
    s, t = times(0.3, 0.7, batch=64)
    x_t = process.marginal(x, t).sample(torch.Generator().manual_seed(1))
    clean = guess(process, x)
    torch.testing.assert_close(process.step_kl(x, x_t, clean, t, s), Process.step_kl(process, x, x_t, clean, t, s))


def test_time_must_move_in_order(process: Process) -> None:
    x = data(process, 2, 3)
    s, t = times(0.3, 0.7, batch=2)
    with pytest.raises(ValueError, match="a step needs s < t"):
        process.forward(x, t, s)
    with pytest.raises(ValueError, match="a step needs s < t"):
        process.reverse(x, process.point(x), s, t)
