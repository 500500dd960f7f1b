"""The bound against known truths: exact denoisers of Gaussian data, mixtures, and laws on a few levels.

    E[−bound] = h(N(m, C)) + KL( N(√ᾱ_T m, S_T) ‖ N(0, I) ),  at every grid and schedule   theory.md 5.1

Costs of Gaussian data are quadratic in (x, ε): three Gauss–Hermite nodes of each give their mean exactly.
Where draws are random: 4 standard errors, fixed seed.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from oracles import (
    GaussianOracle,
    at,
    correlated,
    density,
    double,
    kept_pairs,
    normal_nodes,
    seeded,
    small_variance,
    true_kernel,
    two_bumps,
    within_4_errors,
)
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Normal
from quasistatic.evaluation import BoundTerms, Score, bound, mean_and_error, null
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, Table, log_snr_times, uniform_times

SCHEDULES: list[Schedule] = [
    Linear(),
    Linear(steps=50),
    Cosine(),
    Reciprocal(),
    Table((0.1, 0.3, 0.5)),
    Table((0.02, 0.2, 1.0)),
]
MEAN, EIGENVALUES = double(0.0, 0.7, -1.3), double(0.25, 1.0, 4.0)


def oracle(schedule: Schedule) -> GaussianOracle:
    return GaussianOracle(GaussianProcess(schedule), MEAN, EIGENVALUES)


def exact_cost(
    process: GaussianProcess, denoise: Denoise, x: Tensor, noise: Tensor, weight: Tensor, times: Tensor
) -> Tensor:
    """E[−bound] of each element, nats: the three terms of ``process`` at quadrature nodes (x, ε)."""
    batch = len(x)
    cost = process.marginal(x, at(1.0, batch)).kl(process.prior(x))
    for t, s in pairwise(times.tolist()):
        seen = process.marginal(x, at(t, batch))
        x_t = seen.mean + seen.std * noise
        clean = denoise(x_t, at(t, batch))
        if s > 0:
            cost = cost + process.step_kl(x, x_t, clean, at(t, batch), at(s, batch))
        else:
            cost = cost - process.reverse(x_t, clean, at(t, batch), at(s, batch)).log_prob(x)
    return weight @ cost


# Gaussian data: nothing is lost but what the prior misses


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_bound_is_entropy_and_end(schedule: Schedule, steps: int) -> None:
    """To 1e-10 at λ = ¼, 1, 4 and m ≠ 0."""
    truth = oracle(schedule)
    z, w = normal_nodes(3)
    z_x, z_noise = torch.cartesian_prod(z, z).T
    x = truth.mean + truth.eigenvalues.sqrt() * z_x[:, None]
    weight = torch.outer(w, w).flatten()
    grids = [uniform_times(steps)] + ([log_snr_times(schedule, steps, first=0.01)] if 1 < steps < 100 else [])
    for times in grids:
        cost = exact_cost(truth.process, truth, x, z_noise[:, None].expand_as(x), weight, times)
        torch.testing.assert_close(cost, truth.entropy + truth.end_kl, rtol=0, atol=1e-10)


@pytest.mark.parametrize("draws", [None, 1, 3, 18, 99])
def test_bound_is_free_of_bias(draws: int | None) -> None:
    """The estimate itself, 20,000 examples, all steps or some of them; grid of 20 steps, a table's ᾱ(1) = 0.32."""
    truth = oracle(Table((0.1, 0.3, 0.5)))
    x = truth.sample(20_000, seeded(1))
    terms = bound(truth.process, truth, density, x, uniform_times(20), draws, seeded(2))
    assert within_4_errors(-terms.value, (truth.entropy + truth.end_kl).sum())
    assert terms.step_costs.shape == terms.times.shape == (19 if draws is None else min(draws, 19), 20_000)
    assert terms.network_evaluations == len(terms.times) + 1


def test_each_term_is_its_closed_form() -> None:
    """Prior per example (theory.md 4.3); step k costs ½ ln V/β̃ on average (5.1); the last step h(x | x_t)."""
    truth, times = oracle(Linear()), uniform_times(10)
    x = truth.sample(20_000, seeded(1))
    terms = bound(truth.process, truth, density, x, times, generator=seeded(2))
    end = truth.process.schedule.alpha_bar(double(1.0))
    torch.testing.assert_close(terms.prior, 0.5 * (end * x**2 - end - torch.log1p(-end)).sum(1), rtol=1e-9, atol=1e-12)
    for row, (kept_t, kept_s) in zip(terms.step_costs, list(kept_pairs(truth.process, times))[:-1], strict=True):
        wide, small = true_kernel(truth)(kept_t, kept_s)[1], small_variance(truth)(kept_t, kept_s)[1]
        assert within_4_errors(row, 0.5 * (wide / small).log().sum())
    kept = truth.process.schedule.alpha_bar(times[-2:-1])
    left = truth.eigenvalues * (1 - kept) / truth.spread(kept)
    assert within_4_errors(terms.reconstruction, 0.5 * (2 * math.pi * math.e * left).log().sum())


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_what_a_factorised_step_loses(rho: float) -> None:
    """Correlated data: each step loses ½(Σ ln V_ii − ln det V), V = (1 − r) S_s S_t⁻¹; over many steps, nothing."""
    process = GaussianProcess(Reciprocal())
    truth = correlated(process, rho)
    z, w = normal_nodes(3)
    grid, weight = torch.cartesian_prod(z, z, z, z), torch.stack(torch.meshgrid(w, w, w, w, indexing="ij")).prod(0)
    x = grid[:, :2] @ torch.linalg.cholesky(truth.covariances[0]).T
    entropy = math.log(2 * math.pi * math.e) + 0.5 * math.log(1 - rho**2)
    gaps = []
    for steps in (1, 4, 16, 64):
        times = uniform_times(steps)
        cost = exact_cost(process, truth, x, grid[:, 2:], weight.flatten(), times).sum().item()
        lost = 0.0
        for kept_t, kept_s in kept_pairs(process, times):
            spread_t, spread_s = (k * truth.covariances[0] + (1 - k) * torch.eye(2) for k in (kept_t, kept_s))
            kernel = (1 - kept_t / kept_s) * spread_s @ torch.linalg.inv(spread_t)
            lost += 0.5 * (kernel.diagonal().log().sum() - torch.linalg.slogdet(kernel)[1]).item()
        assert cost - entropy == pytest.approx(lost, abs=1e-10)
        gaps.append(lost)
    assert gaps[0] == pytest.approx(-0.5 * math.log(1 - rho**2))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.1 * gaps[0]


@pytest.mark.parametrize("variance_factor", [0.5, 3.0])
@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_a_wrong_guess_costs_what_it_must(variance_factor: float, shift: float) -> None:
    """theory.md 5.1: ½[V/σ² − 1 − ln(V/σ²)] + δ²/2σ², at every step, δ in the mean of the step."""
    truth, times = oracle(Cosine()), uniform_times(4)

    def wrong(x_t: Tensor, t: Tensor) -> Normal:
        clean = truth(x_t, t)
        return Normal(clean.mean + shift, clean.std * math.sqrt(variance_factor))

    z, w = normal_nodes(3)
    z_x, z_noise = torch.cartesian_prod(z, z).T
    x = truth.mean + truth.eigenvalues.sqrt() * z_x[:, None]
    cost = exact_cost(truth.process, wrong, x, z_noise[:, None].expand_as(x), torch.outer(w, w).flatten(), times)
    extra = torch.zeros(3, dtype=torch.float64)
    for kept_t, kept_s in kept_pairs(truth.process, times):
        kernel, point = true_kernel(truth)(kept_t, kept_s)[1], small_variance(truth)(kept_t, kept_s)[1]
        used = point + variance_factor * (kernel - point)
        # dx_s/dx̂ by theory.md 4.1: √ᾱ_s β/(1 − ᾱ_t).
        delta = shift * kept_s.sqrt() * (1 - kept_t / kept_s) / (1 - kept_t)
        extra += 0.5 * (kernel / used - 1 - (kernel / used).log()) + delta**2 / (2 * used)
    torch.testing.assert_close(cost, truth.entropy + truth.end_kl + extra, rtol=0, atol=1e-10)


# Strata


def test_draws_lie_one_in_each_stratum() -> None:
    """20 steps: 19 with a KL in 4 strata of 4¾; over the examples every step is met, as often as every other."""
    truth = oracle(Cosine())
    x = truth.sample(20_000, seeded(1))
    times = uniform_times(20)
    terms = bound(truth.process, truth, density, x, times, 4, seeded(2))
    k = torch.round(20 * (1 - terms.times)).long()  # 0 at t = 1
    assert torch.equal(times[k], terms.times)
    for i, row in enumerate(k):
        assert row.min() == math.floor(i * 4.75)
        assert row.max() == math.ceil((i + 1) * 4.75) - 1
    seen = torch.bincount(k.flatten(), minlength=19) / 20_000
    assert ((seen - 4 / 19).abs() < 4 * math.sqrt(4 / 19 * (1 - 4 / 19) / 20_000)).all()


def test_a_seed_gives_the_same_bound() -> None:
    truth = oracle(Cosine())
    x = truth.sample(8, seeded(1))
    one, same, other = (bound(truth.process, truth, density, x, uniform_times(9), 3, seeded(s)) for s in (2, 2, 3))
    assert torch.equal(one.value, same.value)
    assert torch.equal(one.times, same.times)
    assert not torch.equal(one.value, other.value)


def test_all_draws_are_all_steps() -> None:
    """As many strata as steps look at each step once: the same numbers as without strata."""
    truth = oracle(Cosine())
    x = truth.sample(8, seeded(1))
    full = bound(truth.process, truth, density, x, uniform_times(9), None, seeded(2))
    assert torch.equal(bound(truth.process, truth, density, x, uniform_times(9), 8, seeded(2)).value, full.value)
    assert torch.equal(full.times, uniform_times(9)[:-2, None].expand(8, 8))


def test_bound_refuses_no_draws() -> None:
    truth = oracle(Cosine())
    with pytest.raises(ValueError, match="one step or more per example, got draws = 0"):
        bound(truth.process, truth, density, truth.sample(2, seeded()), uniform_times(4), 0)


def test_batches_join() -> None:
    truth = oracle(Cosine())
    parts = [bound(truth.process, truth, density, truth.sample(n, seeded(n)), uniform_times(4)) for n in (3, 5)]
    whole = BoundTerms.joined(parts)
    assert torch.equal(whole.value, torch.cat([part.value for part in parts]))
    assert whole.step_costs.shape == (3, 8)


# A mixture: below the exact likelihood, and nearer with more steps


def test_mixture_oracle_obeys_tweedie() -> None:
    """E[x | x_t] = (x_t + (1 − ᾱ)∇log q_t)/√ᾱ, and its slope is √ᾱ/(1 − ᾱ) Var[x | x_t] (theory.md 4.2, 5.2)."""
    truth = two_bumps(GaussianProcess(Cosine()))
    x_t = torch.linspace(-3, 3, 41, dtype=torch.float64)[:, None].requires_grad_()
    for t in (0.05, 0.4, 0.9):
        kept = truth.process.schedule.alpha_bar(at(t, 41))
        (score,) = torch.autograd.grad(truth.log_density(x_t, kept).sum(), x_t)
        clean = truth(x_t, at(t, 41))
        k = kept[0].item()
        torch.testing.assert_close(clean.mean, (x_t + (1 - k) * score) / math.sqrt(k), rtol=1e-9, atol=1e-9)
        (slope,) = torch.autograd.grad(clean.mean.sum(), x_t)
        torch.testing.assert_close(slope, math.sqrt(k) / (1 - k) * clean.variance, rtol=1e-8, atol=1e-10)


def test_bound_of_a_mixture_lies_below_its_likelihood() -> None:
    """A Normal step cannot be the mixture's own; with small steps it nearly is. 40 × 40 nodes per bump, then draws."""
    process = GaussianProcess(Cosine())
    truth = two_bumps(process)
    z, w = normal_nodes(40)
    z_x, z_noise = torch.cartesian_prod(z, z).T
    weight = torch.outer(truth.weights, torch.outer(w, w).flatten()).flatten()
    x = (truth.means + truth.covariances[..., 0].sqrt() * z_x).reshape(-1, 1)
    exact = weight @ truth.log_density(x, at(1.0, len(x)))
    gaps = [
        (exact + exact_cost(process, truth, x, z_noise.repeat(2)[:, None], weight, uniform_times(steps))).item()
        for steps in (1, 4, 16, 64)
    ]
    assert gaps[-1] > 0
    assert all(after < before / 3 for before, after in pairwise(gaps))
    drawn = truth.sample(10_000, seeded(1))
    terms = bound(process, truth, density, drawn, uniform_times(4), generator=seeded(2))
    assert within_4_errors(truth.log_density(drawn, at(1.0, 10_000)) - terms.value, gaps[1])


# L_null


def test_null_is_the_data_under_noise() -> None:
    """Unit-variance data: −2.0471 bits/dim (−½ log₂ 2πe); else −h − ½[V − 1 − ln V] − m²/2. Two nodes are exact."""
    process = GaussianProcess(Cosine())
    z, w = normal_nodes(2)
    assert (w @ null(process, density, z[:, None])).item() / math.log(2) == pytest.approx(-2.0471, abs=5e-5)
    for mean, variance in ((0.0, 0.25), (0.4, 1.0), (-1.0, 4.0)):
        x = mean + math.sqrt(variance) * z
        entropy = 0.5 * math.log(2 * math.pi * math.e * variance)
        lost = 0.5 * (variance - 1 - math.log(variance)) + mean**2 / 2
        assert (w @ null(process, density, x[:, None])).item() == pytest.approx(-entropy - lost, abs=1e-13)


def test_score_is_in_bits_per_dimension() -> None:
    """Against plain arithmetic: three examples of two values."""
    one = double(0.0, 0.0, 0.0)
    terms = BoundTerms(one + 1, double(1, 2, 6), one + 2, torch.zeros(4, 3).double(), torch.zeros(4, 3).double())
    score = Score.of_bound(terms, double(-10, -10, -16), 2, 5)
    bits = 2 * math.log(2)
    assert score.value == pytest.approx(6 / bits)
    assert score.standard_error == pytest.approx(math.sqrt(7) / math.sqrt(3) / bits)
    assert score.terms == pytest.approx({"prior": 1 / bits, "diffusion": 3 / bits, "reconstruction": 2 / bits})
    assert score.null["value"] == pytest.approx(12 / bits)
    assert (score.nats_per_example, score.network_evaluations) == (pytest.approx(-6), 15)
    assert math.isnan(mean_and_error(double(1.0))[1])
