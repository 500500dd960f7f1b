"""Rates that are learned: the clock they make, what may not move, and that learning finds better ones."""

import math
from dataclasses import replace

import pytest
import torch

from oracles import GaussianOracle, double, seeded
from quasistatic.config import Config, DataConfig, Specification, TrainingConfig, from_json, override, to_json
from quasistatic.data import Dataset, from_tensor
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import GaussianHead
from quasistatic.model import Model
from quasistatic.network import MLPConfig
from quasistatic.objective import Bound, Guess, Whole
from quasistatic.process import GaussianProcess, Process
from quasistatic.schedule import Clock, Cosine, Learned, Reciprocal, Table
from quasistatic.training import checkpoint
from quasistatic.training.loop import Training

GRID = torch.arange(1, 11, dtype=torch.float64) / 10


def test_a_clock_starts_from_its_schedule_and_gives_it_back() -> None:
    for schedule in (Learned((0.01, 0.3, 0.02, 0.9)), Learned.from_schedule(Cosine(), 10)):
        clock, t = Clock(schedule), torch.linspace(0, 1, 101, dtype=torch.float64)
        torch.testing.assert_close(clock.alpha_bar(t), schedule.alpha_bar(t), rtol=1e-10, atol=0)
        torch.testing.assert_close(double(*clock.learned().beta), double(*schedule.beta), rtol=1e-9, atol=0)


def test_a_learned_schedule_is_its_table_and_its_configuration() -> None:
    schedule = Learned.from_schedule(Cosine(), 10, first=1e-3)
    assert torch.equal(schedule.alpha_bar(GRID), Table(schedule.beta).alpha_bar(GRID))
    assert schedule.beta[0] == pytest.approx(1e-3)
    process = GaussianProcess(schedule)
    stored = to_json(process)
    assert stored["schedule"]["type"] == "learned"
    assert from_json(Process, stored) == process


def test_the_first_rate_stays_and_the_clock_falls_wherever_the_others_go() -> None:
    clock = Clock(Learned.from_schedule(Cosine(), 10))
    with torch.no_grad():
        clock.shares.copy_(torch.randn(9, dtype=torch.float64, generator=seeded()) * 3)
        clock.span.fill_(2.5)
    kept = clock.alpha_bar(torch.cat([GRID.new_zeros(1), GRID]))
    assert kept[0] == 1
    assert (kept.diff() < 0).all()
    assert clock.learned().beta[0] == Learned.from_schedule(Cosine(), 10).beta[0]


def test_the_gradient_is_that_of_the_bound_with_its_noise_held() -> None:
    """Against finite differences of the closed form: data N(0, λ), the exact guess held, and the KL's expectation."""
    schedule, steps = Learned.from_schedule(Cosine(), 4), 4
    clock = Clock(schedule).double()
    x, noise = (
        0.5 * torch.randn(64, 3, dtype=torch.float64, generator=seeded()),
        torch.randn(64, 3, generator=seeded(1)),
    )

    def loss() -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float64)
        process = GaussianProcess(clock)
        for k in range(2, steps + 1):
            t = torch.full((64,), k / steps, dtype=torch.float64)
            kept = clock.alpha_bar(t)[:, None]
            x_t = kept.sqrt() * x + (1 - kept).sqrt() * noise.double()
            clean = GaussianOracle(process, double(0, 0, 0), double(0.25, 0.25, 0.25))(x_t, t)
            total = total + process.step_kl(x, x_t, clean, t, t - 1 / steps).sum(1).mean()
        return total

    loss().backward()
    for parameter in (clock.shares, clock.span):
        flat, gradient = parameter.data.view(-1), parameter.grad
        assert gradient is not None
        for place in range(len(flat)):
            ends = []
            for sign in (1, -1):
                flat[place] += sign * 1e-5
                ends.append(loss().item())
                flat[place] -= sign * 1e-5
            assert gradient.view(-1)[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_the_whole_objective_is_the_bound_and_its_prior_term() -> None:
    """With the prior term of theory.md 4.3 (L_T), which is 0 on a clock that ends in noise and large on a short one."""
    x, t = torch.randn(5, 2, generator=seeded()), torch.full((5,), 2 / 3, dtype=torch.float64)
    for schedule in (Reciprocal(), Table((0.1, 0.2, 0.3))):
        process, head = GaussianProcess(schedule), GaussianHead("velocity", "learned")
        guess = Guess.of(Denoiser(process, MLPConfig(8, 1).build((2,), 2), head), lambda clean: clean, x, t)
        kept = schedule.alpha_bar(double(1.0))
        prior = 0.5 * (kept * x**2 - kept - torch.log1p(-kept)).sum(1)
        torch.testing.assert_close((Whole(3).cost(guess) - Bound(3).cost(guess)).double(), prior, rtol=1e-4, atol=1e-5)


def narrow() -> tuple[Config, Dataset]:
    """Points on a line with a little noise, and a run that learns four rates for them."""
    u = torch.randn(4000, 1, generator=seeded())
    data = from_tensor("line", torch.cat([u, u + 0.05 * torch.randn(4000, 1, generator=seeded(1))], 1))
    config = Config(
        data=DataConfig("line", held_out=500),
        process=GaussianProcess(Learned.from_schedule(Reciprocal(), 6, first=0.002)),
        network=MLPConfig(width=32, depth=2),
        head=GaussianHead("velocity", "learned"),
        objective=Whole(6),
        training=TrainingConfig(steps=6, batch=64, held_out_every=1e9, learning_rate=3e-3),
    )
    return config, data


def test_2n_steps_are_n_and_n_resumed_with_their_rates(tmp_path) -> None:  # type: ignore[no-untyped-def]
    config, data = narrow()
    whole = Training(config, Specification.of(data))
    for progress in whole.run(data, every=0.0):
        if progress.step == 3:
            place = checkpoint.save(whole, tmp_path)
    resumed = Training(Model.from_pretrained(tmp_path, "cpu").config, Specification.of(data))
    checkpoint.load(resumed, place)
    for _ in resumed.run(data):
        pass
    assert whole.model.config == resumed.model.config
    assert whole.model.config.process != config.process
    left, right = whole.state()[0], resumed.state()[0]
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name].nan_to_num(), right[name].nan_to_num()) for name in left)


@pytest.mark.slow
def test_learning_finds_better_rates() -> None:
    """The same network and steps with the rates held score worse, by more than 4 standard errors of the difference."""
    config, data = narrow()
    config = override(config, ["training.steps=1500", "training.batch=256"])
    held = replace(config, process=GaussianProcess(config.process.schedule.table))  # type: ignore[attr-defined]
    scores = []
    for each in (config, held):
        training = Training(each, Specification.of(data))
        for _ in training.run(data):
            pass
        scores.append(training.model.evaluate(data, steps=6, draws=None).log_likelihoods)
    gain = scores[0] - scores[1]
    assert gain.mean() > 4 * gain.std() / math.sqrt(len(gain))
    assert gain.mean() > 0.1


@pytest.mark.parametrize("objective", [Bound(6), Whole(7)])
def test_rates_are_learned_on_the_whole_bound_only(objective) -> None:  # type: ignore[no-untyped-def]
    config, data = narrow()
    with pytest.raises(ValueError, match="rates are learned on the whole bound over as many steps, 6, got"):
        Training(replace(config, objective=objective), Specification.of(data))


@pytest.mark.parametrize("beta", [(), (0.1, 0.2), (0.1, 0.2, 1.0), (0.0, 0.1, 0.2)])
def test_learned_names_bad_rates(beta: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="learned rates start from three β or more"):
        Learned(beta)
    with pytest.raises(ValueError, match="learned rates start from three β or more"):
        Learned.from_schedule(Cosine(), 2)
