"""Step costs against closed forms, and the planner against trying every path."""

import math
from itertools import combinations, pairwise

import pytest
import torch

from oracles import GaussianOracle, double, seeded, small_variance, true_kernel, two_bumps
from quasistatic.distribution import Normal
from quasistatic.evaluation import bound, squared_errors, step_costs, with_variance
from quasistatic.evaluation.steps.variance import widening
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal, uniform_times


def same(clean):  # type: ignore[no-untyped-def]
    return clean


CANDIDATES = double(1.0, 0.8, 0.6, 0.45, 0.3, 0.15, 0.05)


def test_costs_of_gaussian_data() -> None:
    """F(t → s) = ½ Σ ln V/β̃ within 0.03 nats, R(t) = h(x | x_t) within 4 errors of 40,000 examples (theory.md 5.1)."""
    truth = GaussianOracle(GaussianProcess(Cosine()), double(0.3, -0.5), double(0.25, 4.0))
    x = truth.sample(40_000, seeded(1))
    costs = step_costs(truth.process, truth, same, x, CANDIDATES, seeded(2))
    kept = truth.process.schedule.alpha_bar(CANDIDATES)
    for i, j in combinations(range(len(CANDIDATES)), 2):
        wide, small = (kernel(truth)(kept[i], kept[j])[1] for kernel in (true_kernel, small_variance))
        assert costs.steps[i, j].item() == pytest.approx(0.5 * (wide / small).log().sum().item(), abs=0.03)
        assert costs.steps[j, i] == math.inf
    left = truth.eigenvalues * (1 - kept[:, None]) / truth.spread(kept[:, None])
    entropy = 0.5 * (2 * math.pi * math.e * left).log().sum(1)
    torch.testing.assert_close(costs.last, entropy, rtol=0, atol=4 / 40_000**0.5)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7])
def test_the_best_path_is_the_best_of_all(steps: int) -> None:
    truth = two_bumps(GaussianProcess(Reciprocal()))
    costs = step_costs(truth.process, truth, same, truth.sample(500, seeded(1)), CANDIDATES, seeded(2))
    grid, cost = costs.best(steps)
    tried = {}
    for inner in combinations(range(1, len(CANDIDATES)), steps - 1):
        path = (0, *inner)
        tried[path] = (
            costs.prior + costs.last[path[-1]].item() + sum(costs.steps[a, b].item() for a, b in pairwise(path))
        )
    best = min(tried, key=lambda path: tried[path])
    assert grid.tolist() == [*CANDIDATES[list(best)].tolist(), 0.0]
    assert cost == pytest.approx(tried[best], abs=1e-12)


def test_a_planned_path_beats_an_even_one_by_the_bound_itself() -> None:
    """Two bumps in 4 steps, 20,000 fresh examples: what was promised within 4 errors, and less than the even grid's."""
    truth = two_bumps(GaussianProcess(Cosine()))
    candidates = torch.linspace(1, 0.02, 50, dtype=torch.float64)
    costs = step_costs(truth.process, truth, same, truth.sample(5_000, seeded(1)), candidates, seeded(2))
    grid, promised = costs.best(4)
    x = truth.sample(20_000, seeded(3))
    planned = -bound(truth.process, truth, same, x, grid, generator=seeded(4)).value
    even = -bound(truth.process, truth, same, x, uniform_times(4), generator=seeded(4)).value
    assert abs(planned.mean() - promised) < 4 * planned.std() / len(x) ** 0.5 * (1 + 20_000 / 5_000) ** 0.5
    assert (even - planned).mean() > 4 * (even - planned).std() / len(x) ** 0.5


def test_squared_errors_of_gaussian_data_are_the_posterior_variance() -> None:
    """λ (1 − ᾱ)/S at each measured time, within 4 errors; between two times it is on a line."""
    truth = GaussianOracle(GaussianProcess(Reciprocal()), double(0.3, -0.5), double(0.25, 4.0))
    errors = squared_errors(truth.process, truth, truth.sample(40_000, seeded(1)), CANDIDATES, seeded(2))
    kept = truth.process.schedule.alpha_bar(CANDIDATES)[:, None]
    expected = truth.eigenvalues * (1 - kept) / truth.spread(kept)
    torch.testing.assert_close(errors.values, expected, rtol=4 * (2 / 40_000) ** 0.5, atol=0)
    assert errors.log_snr[0] == -40  # ᾱ(1) = 0 is −∞
    torch.testing.assert_close(errors.at(errors.log_snr), errors.values)
    middle = errors.log_snr[2:4].mean()[None]
    torch.testing.assert_close(errors.at(middle)[0], errors.values[2:4].mean(0))
    torch.testing.assert_close(errors.at(double(100.0))[0], errors.values[-1])


def test_variances_by_name() -> None:
    """Bounds in 3 steps on wide Gaussian data: analytic is exact; small and large cost ½ [V/σ² − 1 − ln V/σ²] more."""
    truth = GaussianOracle(GaussianProcess(Reciprocal()), double(0.0), double(4.0))
    process, times = truth.process, uniform_times(3)
    x = truth.sample(20_000, seeded(1))
    errors = squared_errors(process, truth, truth.sample(40_000, seeded(5)), times[:-1], seeded(2))
    first = times[-2].item()
    cost = {}
    for name in ("own", "small", "large", "analytic"):
        denoise = with_variance(process, truth, name, first, errors)
        cost[name] = -bound(process, denoise, same, x, times, generator=seeded(4)).value
    assert abs((cost["analytic"] - cost["own"]).mean()) < 0.01
    kept = process.schedule.alpha_bar(times)
    for name, ratio in (("small", 1.0), ("large", None)):
        more = 0.0
        for kept_t, kept_s in list(pairwise(kept))[:-1]:
            wide, small = (kernel(truth)(kept_t, kept_s)[1] for kernel in (true_kernel, small_variance))
            used = small if ratio else (1 - kept_t / kept_s).expand_as(small)
            more += 0.5 * (wide / used - 1 - (wide / used).log()).item()
        gap = cost[name] - cost["own"]
        assert abs(gap.mean() - more) < 4 * gap.std() / len(gap) ** 0.5
    guess = with_variance(process, truth, "small", first)(x[:2], times[-2].expand(2))
    assert isinstance(guess, Normal)
    assert (guess.std > 0).all()  # the last step keeps the model's own law


def test_the_last_step_of_a_guess_without_width_takes_the_chosen_one() -> None:
    """√(1 − ᾱ) = ½ at t = ¼: a Normal about the guess, where a point would rule all other data out."""
    process, first = GaussianProcess(Reciprocal()), double(0.25)
    pointed = lambda x_t, t: process.point(0.5 * x_t)  # noqa: E731
    guess = with_variance(process, pointed, "large", 0.25)(double(2.0, -4.0)[:, None], first.expand(2))
    assert guess.mean[:, 0].tolist() == [1.0, -2.0]
    torch.testing.assert_close(guess.std, double(0.5, 0.5)[:, None])
    x = double(0.0, 1.0)[:, None]
    wide = widening(process, "large")
    costs = step_costs(process, pointed, same, x, double(1.0, 0.5, 0.25), seeded(), wide)
    assert bool(costs.last.isfinite().all())
    assert bool(step_costs(process, pointed, same, x, double(1.0, 0.5, 0.25), seeded()).last.isinf().all())


def test_requests() -> None:
    truth = two_bumps(GaussianProcess(Cosine()))
    x = truth.sample(4, seeded())
    costs = step_costs(truth.process, truth, same, x, CANDIDATES, seeded())
    for steps in (0, 8):
        with pytest.raises(ValueError, match=f"has 1 to 7 steps, got {steps}"):
            costs.best(steps)
    for times in (double(0.9, 0.5), double(1.0, 1.0), double(1.0, 0.0)):
        with pytest.raises(ValueError, match="fall from 1 and stay above 0"):
            step_costs(truth.process, truth, same, x, times)
    with pytest.raises(ValueError, match="two or more times"):
        squared_errors(truth.process, truth, x, double(1.0))
    with pytest.raises(ValueError, match=r"the variance is one of own, small, .*, got 'tiny'"):
        with_variance(truth.process, truth, "tiny", 0.1)
    with pytest.raises(ValueError, match="quasistatic plan"):
        with_variance(truth.process, truth, "analytic", 0.1)


def test_a_guess_that_is_not_finite_stops_the_plan() -> None:
    truth = two_bumps(GaussianProcess(Cosine()))
    broken = lambda x_t, t: Normal(x_t * math.nan, torch.ones_like(x_t))  # noqa: E731
    with pytest.raises(FloatingPointError, match="not a number"):
        step_costs(truth.process, broken, same, truth.sample(4, seeded()), CANDIDATES, seeded())
