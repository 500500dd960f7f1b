"""Objectives against the bound and closed forms, and the density that times are drawn with.

A network of no weights says the exact answer for data N(m, diag λ); Monte Carlo: 4 standard errors, fixed seed.
"""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from oracles import GaussianOracle, at, double, normal_nodes, seeded, within_4_errors
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import GaussianHead, LevelsHead
from quasistatic.denoiser.head.gaussian import LEAST
from quasistatic.distribution import Distribution, Levels, Normal, Quantized
from quasistatic.evaluation import bound
from quasistatic.network import Network
from quasistatic.objective import OBJECTIVES, Bound, Guess, Hybrid, Objective, Simple, TimeDensity, WeightedBound
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule
from quasistatic.types import Label, State, Time, per_example

MEAN, EIGENVALUES = double(0.3, -1.0, 0.0), double(0.04, 0.25, 0.64)


def density(clean: Distribution) -> Distribution:
    return clean


class Exact(Network):
    """ε*, E[x | x_t] or v* of Gaussian data, and the logit of λ/S, whose width is the exact one (theory.md 5.1)."""

    def __init__(self, oracle: GaussianOracle, prediction: str) -> None:
        super().__init__()
        self.oracle, self.prediction = oracle, prediction

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Tensor:
        oracle = self.oracle
        kept = oracle.process.schedule.alpha_bar(t)[:, None]
        spread = oracle.spread(kept)
        gap = x_t - kept.sqrt() * oracle.mean
        noise, data = (1 - kept).sqrt() / spread * gap, oracle.mean + kept.sqrt() * oracle.eigenvalues / spread * gap
        said = {"noise": noise, "data": data, "velocity": kept.sqrt() * noise - (1 - kept).sqrt() * data}
        return torch.stack([said[self.prediction], torch.logit(oracle.eigenvalues / spread)], 1)


class Weights(Network):
    """Output maps that are weights themselves."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = torch.nn.Parameter(output)

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Tensor:
        return self.output


def exact(schedule: Schedule, prediction: str = "velocity") -> tuple[GaussianOracle, Denoiser]:
    oracle = GaussianOracle(GaussianProcess(schedule), MEAN, EIGENVALUES)
    return oracle, Denoiser(oracle.process, Exact(oracle, prediction), GaussianHead(prediction, "learned"))


# The bound


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Reciprocal()], ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_mean_bound_cost_and_prior_are_the_bound(schedule: Schedule, steps: int) -> None:
    """Over all steps alike: E cost + E prior = h(data) + KL(end), and so minus the mean of `evaluation.bound`."""
    oracle, denoiser = exact(schedule)
    x = oracle.sample(20_000, seeded(1))
    k = torch.arange(20_000) % steps + 1
    cost = Bound(steps).cost(Guess.of(denoiser, density, x, k / double(steps), generator=seeded(2)))
    prior = per_example(oracle.process.marginal(x, at(1.0, 20_000)).kl(oracle.process.prior(x)))
    assert within_4_errors(cost + prior, (oracle.entropy + oracle.end_kl).sum())
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    value = bound(oracle.process, denoiser.given(None), density, x[:4000], times, generator=seeded(3)).value
    assert within_4_errors(value, -(oracle.entropy + oracle.end_kl).sum())


def test_the_last_step_is_scored_by_mass() -> None:
    """One step from pure noise with the guess N(0.2, 0.3): a level costs the log of its bin, by scipy."""
    share = (0.3 - LEAST) / (1 - LEAST)  # a learned width keeps so much more
    output = double(0.2, math.log(share / (1 - share)))[None, :, None]
    denoiser = Denoiser(
        GaussianProcess(Reciprocal()), Weights(output.expand(3, 2, 1).clone()), GaussianHead("data", "learned")
    )
    levels = double(-1, 0, 1)
    guess = Guess.of(denoiser, lambda clean: Quantized(clean, levels), levels[:, None], at(1.0, 3), generator=seeded())
    low, high = scipy.stats.norm(0.2, math.sqrt(0.3)).cdf([-0.5, 0.5])
    expected = -double(low, high - low, 1 - high).log()
    torch.testing.assert_close(Bound(1).cost(guess), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("head", [GaussianHead(), GaussianHead("data"), LevelsHead(9)], ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 1000])
def test_bound_gradients_are_finite_at_every_step(head: GaussianHead | LevelsHead, steps: int) -> None:
    """float32, a fine grid, the first output of a new network (0), last steps and others in one batch."""
    levels = torch.linspace(-1, 1, 9)
    k = torch.linspace(1, steps, 64).round()
    network = Weights(torch.zeros(64, head.outputs, 3))
    denoiser = Denoiser(GaussianProcess(Cosine()), network, head)
    decode = lambda clean: clean if isinstance(clean, Levels) else Quantized(clean, levels)  # noqa: E731
    x = levels[torch.randint(9, (64, 3), generator=seeded())]
    cost = Bound(steps).cost(Guess.of(denoiser, decode, x, k.double() / steps, generator=seeded(1)))
    cost.sum().backward()
    assert cost.isfinite().all()
    assert (cost >= 0).all()
    assert network.output.grad is not None
    assert network.output.grad.isfinite().all()


# The simple loss


@pytest.mark.parametrize("prediction", ["noise", "data", "velocity"])
def test_simple_is_the_squared_error_of_the_target(prediction: str) -> None:
    """‖target − output‖² with the target made from x and ε by theory.md 4.2: L_simple for the noise."""
    process, t = GaussianProcess(Linear()), double(0.001, 0.3, 0.6, 1.0)
    x, noise, output = torch.randn(3, 4, 5, generator=seeded(), dtype=torch.float64)
    kept = process.schedule.alpha_bar(t)[:, None]
    x_t = kept.sqrt() * x + (1 - kept).sqrt() * noise
    denoiser = Denoiser(process, Weights(output[:, None].clone()), GaussianHead(prediction, "small"))
    target = {"noise": noise, "data": x, "velocity": kept.sqrt() * noise - (1 - kept).sqrt() * x}[prediction]
    cost = Simple().cost(Guess(denoiser, density, x, x_t, t, denoiser(x_t, t)))
    torch.testing.assert_close(cost, ((target - output) ** 2).sum(1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prediction", ["noise", "velocity"])
@pytest.mark.parametrize("t", [0.05, 0.5, 1.0])
def test_least_simple_loss_of_gaussian_data(prediction: str, t: float) -> None:
    """theory.md 5.1: min L_simple = Σ ᾱλ/S of the noise; of the velocity Σ λ/S. Draws, and nodes to 1e-10."""
    oracle, denoiser = exact(Linear(), prediction)
    kept = oracle.process.schedule.alpha_bar(double(t))
    least = (oracle.eigenvalues / oracle.spread(kept) * (kept if prediction == "noise" else 1)).sum()
    x = oracle.sample(20_000, seeded(1))
    drawn = Simple().cost(Guess.of(denoiser, density, x, at(t, 20_000), generator=seeded(2)))
    assert within_4_errors(drawn, least)
    z, w = normal_nodes(3)
    z_x, z_noise = torch.cartesian_prod(z, z).T[..., None]
    x = oracle.mean + oracle.eigenvalues.sqrt() * z_x
    x_t = kept.sqrt() * x + (1 - kept).sqrt() * z_noise
    cost = Simple().cost(Guess(denoiser, density, x, x_t, at(t, 9), denoiser(x_t, at(t, 9))))
    assert (torch.outer(w, w).flatten() @ cost).item() == pytest.approx(least.item(), abs=1e-10)


def test_the_exact_guess_is_the_best() -> None:
    """Any shift or scale of the exact guess costs more, in every objective; 20,000 examples, shared noise."""
    oracle, denoiser = exact(Cosine())
    x, t = oracle.sample(20_000, seeded(1)), torch.arange(1, 20_001).double() % 20 / 20 + 0.05
    right = Guess.of(denoiser, density, x, t, generator=seeded(2))
    for objective in (Bound(20), WeightedBound(20), Simple(20), Hybrid(20)):
        for mean, std in ((right.clean.mean + 0.1, 1.0), (right.clean.mean * 1.1, 1.0), (right.clean.mean, 1.3)):
            if isinstance(objective, Simple) and std != 1:
                continue
            wrong = Guess(denoiser, density, x, right.x_t, t, Normal(mean, right.clean.variance.sqrt() * std))
            more = objective.cost(wrong) - objective.cost(right)
            assert more.mean() > 4 * more.std() / len(more) ** 0.5


# Weighted


def test_more_weight_on_noisier_times() -> None:
    """1 at the data's end, 1 + extra at the noise's, half of it at the given log-SNR; never less for more noise."""
    oracle, denoiser = exact(Cosine())
    times = torch.cat([torch.arange(1, 41).double() / 40, Cosine().time_of(double(1.5))])
    guess = Guess.of(denoiser, density, oracle.sample(41, seeded(1)), times, generator=seeded(2))
    weight = WeightedBound(40, extra=6.0, log_snr=1.5).cost(guess) / Bound(40).cost(guess)
    assert weight[:40].diff().min() > 0
    torch.testing.assert_close(weight[[0, 39, 40]], double(1.0, 7.0, 4.0), rtol=0.07, atol=0)
    torch.testing.assert_close(WeightedBound(40, extra=0.0).cost(guess), Bound(40).cost(guess))


# Hybrid


def gradient(objective: Objective, output: Tensor) -> Tensor:
    network = Weights(output.clone())
    denoiser = Denoiser(GaussianProcess(Cosine()), network, GaussianHead("velocity", "learned"))
    x = torch.randn(6, 3, generator=seeded(), dtype=torch.float64)
    objective.cost(
        Guess.of(denoiser, density, x, torch.arange(1, 7) / double(8.0), generator=seeded(1))
    ).sum().backward()
    assert network.output.grad is not None
    return network.output.grad


def test_hybrid_learns_the_mean_by_simple_and_the_width_by_the_bound() -> None:
    output = torch.randn(6, 2, 3, generator=seeded(2), dtype=torch.float64)
    hybrid = gradient(Hybrid(8, weight=0.01), output)
    simple, whole = gradient(Simple(8), output), gradient(Bound(8), output)
    assert torch.equal(hybrid[:, 0], simple[:, 0])
    torch.testing.assert_close(hybrid[:, 1], 0.01 * whole[:, 1])
    assert (simple[:, 1] == 0).all()
    assert (whole[:, 0] != 0).all()
    assert (whole[:, 1] != 0).all()


def test_hybrid_needs_a_width() -> None:
    denoiser = Denoiser(GaussianProcess(Cosine()), Weights(torch.zeros(2, 4, 1)), LevelsHead(4))
    guess = Guess.of(denoiser, density, torch.ones(2, 1), at(0.5, 2))
    with pytest.raises(TypeError, match="needs a Gaussian head, got a guess of Levels"):
        Hybrid().cost(guess)


def test_objectives_by_name() -> None:
    assert list(OBJECTIVES) == ["bound", "weighted", "whole", "simple", "hybrid", "one-by-one"]
    assert all(kind(steps=7).steps == 7 for kind in OBJECTIVES.values())


# Times


def learned(steps: int, cost: Tensor, **options: float) -> TimeDensity:
    """A density that has seen each step's cost."""
    times = TimeDensity(steps, **options)  # type: ignore[arg-type]
    times.update(torch.arange(1, steps + 1), cost)
    return times


COST = 5 / torch.arange(1, 51, dtype=torch.float64)


@pytest.mark.parametrize("times", [TimeDensity(50), learned(50, COST), learned(50, COST, bands=7)])
def test_weights_make_draws_free_of_bias(times: TimeDensity) -> None:
    """E[weight · cost(k)] is the mean over steps: exactly under the probabilities, and in 500 batches of 16."""
    p = times.probabilities()
    assert p.sum().item() == pytest.approx(1, abs=1e-14)
    generator, batches = seeded(), []
    for _ in range(500):
        k, weight = times.draw(16, generator)
        torch.testing.assert_close(weight * p[k - 1], torch.full_like(weight, 1 / 50))
        batches.append((weight * COST[k - 1]).mean())
    assert within_4_errors(torch.stack(batches), COST.mean())


@pytest.mark.parametrize("count", [1, 7, 50, 128])
@pytest.mark.parametrize("times", [TimeDensity(50), learned(50, COST)])
def test_draws_follow_the_probabilities_to_within_one(times: TimeDensity, count: int) -> None:
    """Low discrepancy: among n draws, those up to any step number n · P(k ≤ step) ± 1; plain draws err by √n."""
    below = times.probabilities().cumsum(0) * count
    for seed in range(20):
        k, _ = times.draw(count, seeded(seed))
        assert k.min() >= 1
        assert k.max() <= 50
        assert ((torch.bincount(k - 1, minlength=50).cumsum(0) - below).abs() < 1 + 1e-4).all()


def test_draws_come_in_random_order() -> None:
    """A step's place in the batch says nothing about it, so examples and times stay independent; 400 batches."""
    drawn = torch.stack([TimeDensity(50).draw(32, seeded(seed))[0] for seed in range(400)]).double()
    assert within_4_errors(drawn, 25.5)
    assert within_4_errors(drawn.diff().sign().mean(1), 0.0)  # rises and falls alike


def test_density_follows_the_costs() -> None:
    """A tenth even, the rest by root mean square; then weighted costs vary less than with even draws."""
    p = learned(50, COST).probabilities()
    torch.testing.assert_close(p, 0.1 / 50 + 0.9 * COST / COST.sum())
    assert (p >= 0.1 / 50).all()
    even = ((COST - COST.mean()) ** 2).mean()
    drawn = (p * (COST / (50 * p) - COST.mean()) ** 2).sum()
    assert drawn < 0.1 * even


def test_density_is_even_until_all_bands_are_seen() -> None:
    times = TimeDensity(50, bands=7)
    times.update(torch.arange(1, 44), 100 * COST[:43])  # the last band, steps 44 … 50, not yet
    assert torch.equal(times.probabilities(), torch.full((50,), 0.02, dtype=torch.float64))
    times.update(torch.tensor([47]), double(1.0))
    assert times.probabilities()[0] > 0.1


def test_the_last_step_is_a_band_of_its_own() -> None:
    """It costs a log-probability, however many steps share a band."""
    cost = torch.ones(50, dtype=torch.float64)
    cost[0] = 1000
    p = learned(50, cost, bands=2).probabilities()
    assert p[0] > 0.8
    assert (p[1:] == p[1]).all()


def test_density_forgets() -> None:
    """Ten looks at a new cost leave 0.9¹⁰ of the old mean square; a band that is not looked at keeps its own."""
    times = learned(3, double(2, 2, 2))
    for _ in range(10):
        times.update(torch.tensor([2, 2]), double(3.0, 5.0))
    expected = double(4, 0.9**10 * 4 + (1 - 0.9**10) * 17, 4).sqrt()
    torch.testing.assert_close(times.probabilities(), 0.1 / 3 + 0.9 * expected / expected.sum())


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_few_steps_have_a_density_too(steps: int) -> None:
    times = learned(steps, torch.ones(steps))
    torch.testing.assert_close(times.probabilities(), torch.full((steps,), 1 / steps, dtype=torch.float64))
    k, weight = times.draw(6, seeded())
    assert sorted(k.tolist()) == sorted(list(range(1, steps + 1)) * (6 // steps))
    torch.testing.assert_close(weight, torch.ones(6, dtype=torch.float64))
