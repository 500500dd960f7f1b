"""Looking more often where steps cost more changes the spread of the estimate, never its mean."""

from dataclasses import replace

import torch

from oracles import GaussianOracle
from quasistatic.distribution import Distribution
from quasistatic.evaluation import bound, chances_by_cost
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, uniform_times


def same(clean: Distribution) -> Distribution:
    return clean


def setting() -> tuple[GaussianOracle, torch.Tensor, torch.Tensor]:
    process = GaussianProcess(Cosine())
    truth = GaussianOracle(process, torch.zeros(2).double(), torch.tensor([0.01, 1.0]).double())
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return truth, x * torch.tensor([0.1, 1.0]).double(), uniform_times(200)


def test_chances_follow_the_costs_and_sum_to_one() -> None:
    truth, x, times = setting()
    pilot = bound(truth.process, truth, same, x[:500], times, 20, torch.Generator().manual_seed(1))
    chances = chances_by_cost(pilot, times)
    assert chances.shape == (199,)
    torch.testing.assert_close(chances.sum(), torch.ones((), dtype=torch.float64))
    assert chances.min() >= 0.2 / 199
    every = bound(truth.process, truth, same, x[:200], times, None, torch.Generator().manual_seed(2))
    dearest = (every.step_costs**2).mean(1).argmax()
    assert chances[dearest] > 2 / 199


def test_chances_do_not_move_the_mean_and_narrow_the_spread() -> None:
    """Against all 199 steps, within 4 standard errors of the paired difference."""
    truth, x, times = setting()
    pilot = bound(truth.process, truth, same, x[:500], times, 20, torch.Generator().manual_seed(1))
    chances = chances_by_cost(pilot, times)
    every = bound(truth.process, truth, same, x, times, None, torch.Generator().manual_seed(2)).diffusion
    even = bound(truth.process, truth, same, x, times, 8, torch.Generator().manual_seed(3)).diffusion
    chosen = bound(truth.process, truth, same, x, times, 8, torch.Generator().manual_seed(3), chances).diffusion
    gap = chosen - every
    assert abs(gap.mean()) < 4 * gap.std() / len(x) ** 0.5
    assert gap.std() < (even - every).std()


def test_a_grid_without_a_choice() -> None:
    truth, x, _ = setting()
    for steps in (1, 2):
        times = uniform_times(steps)
        pilot = bound(truth.process, truth, same, x[:10], times, 4, torch.Generator().manual_seed(1))
        chances = chances_by_cost(pilot, times)
        assert chances.tolist() == [1.0] * (steps - 1)
        again = bound(truth.process, truth, same, x[:10], times, 4, torch.Generator().manual_seed(1), chances)
        assert torch.equal(again.value, pilot.value)


def test_an_infinite_cost_says_nothing_of_the_finite_ones() -> None:
    truth, x, times = setting()
    pilot = bound(truth.process, truth, same, x[:500], times, 20, torch.Generator().manual_seed(1))
    costs = pilot.step_costs.clone()
    costs[3, :7] = torch.inf
    chances = chances_by_cost(replace(pilot, step_costs=costs), times)
    torch.testing.assert_close(chances, chances_by_cost(pilot, times), rtol=0.5, atol=0)
    torch.testing.assert_close(chances.sum(), torch.ones((), dtype=torch.float64))
