"""The 2015 paper's last step: what it costs, for data of any variance and any share of ones."""

import math

import pytest
import torch
from torch import Tensor

from oracles import GaussianOracle, double, seeded
from quasistatic.config import Specification
from quasistatic.data import load
from quasistatic.evaluation import bound, fixed_last_step, importance
from quasistatic.model import Model
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, RateProcess
from quasistatic.recipes import heartbeat
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.streams import Streams


def normal_edge(x: Tensor, beta: float) -> Tensor:
    """H_q(X_1 | X) + CE_0 − CE_1 = ½ D ln 2πeβ + ½ β (‖x‖² − D) (theory.md 2.4), per example, nats."""
    size = x.shape[1]
    return 0.5 * size * math.log(2 * math.pi * math.e * beta) + 0.5 * beta * (x.square().sum(1) - size)


def bits_edge(x: Tensor, beta: float, p0: float) -> Tensor:
    """H₂(q) − x ln p₀ − (1 − x) ln(1 − p₀) + q ln p₀ + (1 − q) ln(1 − p₀), q = (1 − β) x + β p₀."""
    q = (1 - beta) * x + beta * p0
    entropy = -(q * q.log() + (1 - q) * (1 - q).log())
    return (entropy + (q - x) * (math.log(p0) - math.log(1 - p0))).sum(1)


@pytest.mark.parametrize("scale", [1.0, 0.5, 3.0])
def test_the_last_step_costs_its_closed_form_whatever_the_variance(scale: float) -> None:
    process, steps, x = (
        GaussianProcess(Cosine()),
        8,
        scale * torch.randn(4000, 2, dtype=torch.float64, generator=seeded()),
    )
    oracle = GaussianOracle(process, double(0, 0), double(scale**2, scale**2))
    beta = 1 - process.schedule.alpha_bar(double(1 / steps)).item()
    guess = fixed_last_step(process, oracle, 1 / steps)
    found = bound(process, guess, lambda clean: clean, x, uniform_times(steps), 1, seeded(1)).reconstruction
    gap = found - normal_edge(x, beta)
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap))
    assert gap.std() > 0


@pytest.mark.parametrize(("p0", "ones"), [(0.2, 0.2), (0.2, 0.7), (0.5, 0.1)])
def test_the_last_step_costs_its_closed_form_whatever_the_share_of_ones(p0: float, ones: float) -> None:
    process, steps = BernoulliProcess(Reciprocal(), p0), 5
    x = (torch.rand(4000, 6, dtype=torch.float64, generator=seeded()) < ones).double()
    guess = fixed_last_step(process, lambda x_t, t: process.prior(x_t), 1 / steps)
    found = bound(process, guess, lambda clean: clean, x, uniform_times(steps), 1, seeded(1)).reconstruction
    gap = found - bits_edge(x, 1 / steps, p0)
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap))


def test_the_papers_form_is_off_unless_the_variance_is_1() -> None:
    """Its H_q(X_1 | X) alone leaves out ½ β_1 (E‖x‖² − D): a trap of eq. 14 (theory.md, trap 9)."""
    x, beta = 3 * torch.randn(4000, 2, dtype=torch.float64, generator=seeded()), 0.1
    left_out = (normal_edge(x, beta) - 0.5 * 2 * math.log(2 * math.pi * math.e * beta)).mean().item()
    assert left_out == pytest.approx(0.5 * beta * (2 * 9 - 2), rel=0.05)


@pytest.mark.parametrize(
    "process",
    [GaussianProcess(Cosine()), BernoulliProcess(Reciprocal(), 0.3), CategoricalProcess(Reciprocal(), (0.2, 0.5, 0.3))],
    ids=repr,
)
def test_the_last_step_is_bayes_rule_with_the_prior(process) -> None:  # type: ignore[no-untyped-def]
    """p(x | x_1) = q(x_1 | x) π(x)/π(x_1) (eq. 44)."""
    like = torch.zeros(64, 3, dtype=torch.float64 if not isinstance(process, CategoricalProcess) else torch.int64)
    x, x_1 = (process.prior(like).sample(seeded(n)) for n in (0, 1))
    t = torch.full((64,), 0.25, dtype=torch.float64)
    guess = fixed_last_step(process, lambda x_t, t: process.prior(x_t), 0.25)
    right = process.marginal(x, t).log_prob(x_1) + process.prior(x).log_prob(x) - process.prior(x).log_prob(x_1)
    torch.testing.assert_close(guess(x_1, t).log_prob(x), right.to(guess(x_1, t).log_prob(x)), rtol=1e-5, atol=1e-6)


def test_other_steps_are_left_alone_and_works_agree() -> None:
    """With prior data every step is the forward one, so a single path gives log p(x) = log π(x) exactly."""
    process, x = GaussianProcess(Cosine()), torch.randn(8, 2, dtype=torch.float64, generator=seeded())
    oracle = GaussianOracle(process, double(0, 0), double(1, 1))
    works = importance(
        process, fixed_last_step(process, oracle, 0.25), lambda clean: clean, x, uniform_times(4), 1, Streams(0, 0, 8)
    )
    torch.testing.assert_close(works.value, process.prior(x).log_prob(x).sum(1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("first", [0.0, -0.1, 1.5])
def test_a_time_outside_is_refused(first: float) -> None:
    process = GaussianProcess(Cosine())
    with pytest.raises(ValueError, match=r"the time next to the data lies in \(0, 1\]"):
        fixed_last_step(process, lambda x_t, t: process.prior(x_t), first)


def test_rates_that_need_not_be_reversible_are_refused() -> None:
    process = RateProcess(Cosine(), ((-1.0, 1.0, 0.0), (0.0, -2.0, 2.0), (0.5, 0.0, -0.5)))
    with pytest.raises(TypeError, match="needs a process in detailed balance with its prior, got RateProcess"):
        fixed_last_step(process, lambda x_t, t: process.prior(x_t), 0.5)


def test_a_model_scores_with_the_papers_last_step() -> None:
    """Whatever its network says; 0.19 bits/dim is the spread over noised examples."""
    data = load("heartbeat", limit=2000)
    model, steps = Model.fresh(heartbeat(), Specification.of(data)), 5
    score = model.evaluate(data, steps=steps, draws=1, last_step="fixed")
    truth = bits_edge(data.batch(torch.arange(5)).double(), 1 / steps, 0.2).mean().item() / (20 * math.log(2))
    assert score.terms is not None
    assert score.terms["reconstruction"] == pytest.approx(truth, abs=4 * 0.19 / math.sqrt(2000))
    assert model.evaluate(data, steps=steps, draws=1).terms != score.terms


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"last_step": "sideways"}, "the last step is own .* or fixed"),
        ({"last_step": "fixed", "method": "flow"}, "a fixed last step is for bound and importance, got method flow"),
    ],
)
def test_a_last_step_that_is_not_is_refused(options: dict[str, str], why: str) -> None:
    data = load("heartbeat", limit=20)
    with pytest.raises(ValueError, match=why):
        Model.fresh(heartbeat(), Specification.of(data)).evaluate(data, **options)  # type: ignore[arg-type]
