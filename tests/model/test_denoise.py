"""The method `denoise`: noise on every element, from which the reverse chain starts; Normal data in closed form."""

import pytest
import torch
from torch import Tensor

from oracles import within_4_errors
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Normal
from quasistatic.inference import Known, Noisy
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.draw import draw
from quasistatic.model.methods import METHODS, fitting
from quasistatic.model.methods.soft import even_noise
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Linear
from quasistatic.types import State, Time

MEAN, STD = 0.5, 0.7


def bench(process: GaussianProcess, at_once: int = 4096) -> Bench:
    """The exact guess of independent elements N(0.5, 0.7²)."""

    def guess(x_t: State, t: Time) -> Normal:
        log_snr = process.schedule.log_snr(t).view(-1, 1).to(x_t)
        kept, precision = log_snr.sigmoid().sqrt(), 1 / STD**2 + log_snr.exp()
        mean = (MEAN / STD**2 + log_snr.exp() * x_t / kept) / precision
        return Normal(mean, precision.rsqrt().expand(x_t.shape))

    def denoise(count: int) -> Denoise:
        return guess

    return Bench(process, denoise, torch.zeros(1, 2), lambda clean: clean, at_once)


def noisy(y: Tensor, std: float) -> Noisy:
    return Noisy(y, torch.full(y.shape, std), torch.ones(y.shape, dtype=torch.bool))


@pytest.mark.parametrize("schedule", [Cosine(), Linear()])
@pytest.mark.parametrize(("std", "steps", "at_once"), [(0.5, 1, 4096), (0.5, 20, 700), (0.05, 20, 4096), (3.0, 7, 64)])
def test_draws_have_the_posterior(schedule: Cosine | Linear, std: float, steps: int, at_once: int) -> None:
    process, y = GaussianProcess(schedule), torch.tensor([[-1.0, 0.2], [2.0, 0.5], [0.0, 0.0]])
    found = draw(bench(process, at_once), noisy(y, std), 3, "denoise", DrawOptions(1500, steps, seed=3), None)
    precision = 1 / STD**2 + 1 / std**2
    mean = (MEAN / STD**2 + y / std**2) / precision
    for example in range(3):
        for element in range(2):
            own = found.x[example, :, element].double()
            assert within_4_errors(own, mean[example, element].item())
            assert within_4_errors((own - mean[example, element]).square(), 1 / precision)


def test_it_costs_the_part_of_a_sample_that_is_left() -> None:
    process = GaussianProcess(Cosine())
    begin = even_noise(process, noisy(torch.zeros(1, 2), 0.3))
    assert begin is not None
    found = draw(bench(process), noisy(torch.zeros(1, 2), 0.3), 1, "denoise", DrawOptions(5, 100), None)
    assert found.network_evaluations == 5 * -int(-begin * 100 // 1)
    assert 0.1 < begin < 0.3


def test_it_is_chosen_for_even_noise_alone() -> None:
    process, y = GaussianProcess(Cosine()), torch.zeros(2, 3)
    there = torch.ones(2, 3, dtype=torch.bool)
    assert fitting(process, noisy(y, 0.3), False).name == "denoise"
    uneven, partly = torch.tensor([0.3, 0.3, 0.4]).expand(2, 3), there.clone()
    partly[1, 2] = False
    for other in (
        Noisy(y, uneven, there),
        Noisy(y, torch.full((2, 3), 0.3), partly),
        noisy(y, 1e-5),
        noisy(y, 0.3) * Known(there, y),
    ):
        assert fitting(process, other, False).name == "guide"
        with pytest.raises(TypeError, match="denoise needs the same noise on every element"):
            METHODS["denoise"].check(bench(process), other, DrawOptions())
    assert even_noise(GaussianProcess(Linear()), noisy(y, 1e9)) is None  # more than the chain ever has
    assert even_noise(BernoulliProcess(Cosine()), noisy(y, 0.3)) is None
    assert even_noise(process, noisy(y[:0], 0.3)) is None
