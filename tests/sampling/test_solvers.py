"""Solvers of the flow on Gaussian data, where the exact flow is known: x_s − √ᾱ_s m = √(S_s/S_t) (x_t − √ᾱ_t m)."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from oracles import GaussianOracle, at, double, seeded, two_bumps, unchecked, within_4_errors
from quasistatic.distribution import Normal
from quasistatic.inference import hold
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.sampling import SAMPLERS, ancestral, ddim, dpm_solver, dpm_solver_sde, heun, sample, sampler, unipc
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, karras_times, log_snr_times, uniform_times
from quasistatic.types import Times

FLOW = {"ddim": 1, "dpm++": 2, "heun": 2, "unipc": 3}
"""Samplers that draw nothing, and their orders."""


def oracle(clock: Schedule, mean: float = 0.3, eigenvalue: float = 0.25) -> GaussianOracle:
    return GaussianOracle(GaussianProcess(clock), double(mean), double(eigenvalue))


def flow_end(truth: GaussianOracle, x: Tensor, times: Times) -> Tensor:
    first, last = truth.process.schedule.alpha_bar(times[[0, -1]])
    ratio = (truth.spread(last) / truth.spread(first)).sqrt()
    return last.sqrt() * truth.mean + ratio * (x - first.sqrt() * truth.mean)


@pytest.mark.parametrize("name", FLOW)
def test_orders_of_convergence(name: str) -> None:
    """From log-SNR −6 to 6 in even steps: the error falls as the steps' number to the order, ± 0.1."""
    truth, errors = oracle(Cosine(offset=0.0)), []
    x = torch.ones(1, 1, dtype=torch.float64)
    for steps in (32, 64, 128):
        times = truth.process.schedule.time_of(torch.linspace(-6, 6, steps + 1, dtype=torch.float64))
        *_, end = sample(SAMPLERS[name](truth.process, truth), x, times)
        errors.append((end - flow_end(truth, x, times)).abs().item())
    orders = [math.log2(before / after) for before, after in pairwise(errors)]
    assert orders == pytest.approx([FLOW[name]] * 2, abs=0.1)


@pytest.mark.parametrize("clock", [Cosine(), Reciprocal(), Linear()], ids=repr)
@pytest.mark.parametrize("name", SAMPLERS)
def test_both_ends_are_finite_and_near_the_data(name: str, clock: Schedule) -> None:
    """From ᾱ = 0 or nearly to the data in 60 steps: the mean within 0.01, the spread within 5 % (order 1: 10 %)."""
    truth = oracle(clock, 0.7, 0.5)
    z = torch.randn(4_000, 1, generator=seeded(1), dtype=torch.float64)
    grids = [log_snr_times(clock, 60), karras_times(clock, 60)]
    for times in grids:
        *_, x = sample(SAMPLERS[name](truth.process, truth, seeded(2)), z, times)
        assert x.isfinite().all()
        assert x.mean().item() == pytest.approx(0.7, abs=0.01 + 4 * math.sqrt(0.5 / 4_000))
        assert x.std().item() == pytest.approx(math.sqrt(0.5), rel=0.1 if name == "ddim" else 0.05)


def test_the_noisy_solver_starts_as_the_ancestral_step_and_ends_in_the_law() -> None:
    """Its first step is DDPM's with the small variance; in 100 steps its moments are the data's, within 4 errors."""
    truth = oracle(Reciprocal(), 0.7, 0.25)
    point = lambda x_t, t: Normal(truth(x_t, t).mean, torch.zeros_like(x_t))  # noqa: E731
    x_t = torch.randn(9, 1, generator=seeded(3), dtype=torch.float64)
    ours = dpm_solver_sde(truth.process, truth, seeded(1))(x_t, at(0.8, 9), at(0.6, 9))
    theirs = ancestral(truth.process, point, seeded(1))(x_t, at(0.8, 9), at(0.6, 9))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    z = torch.randn(20_000, 1, generator=seeded(4), dtype=torch.float64)
    *_, x = sample(dpm_solver_sde(truth.process, truth, seeded(5)), z, log_snr_times(Reciprocal(), 100))
    assert within_4_errors(x, 0.7)
    assert within_4_errors((x - 0.7) ** 2, 0.25)


@pytest.mark.slow
def test_churn_keeps_the_law() -> None:
    """Raising the noise by the forward process and solving down again: 100 steps, within 4 errors and 2 %."""
    truth = oracle(Linear(), 0.7, 0.25)
    z = torch.randn(10_000, 1, generator=seeded(4), dtype=torch.float64)
    *_, x = sample(heun(truth.process, truth, seeded(5), churn=0.2), z, karras_times(Linear(), 100))
    assert within_4_errors(x, 0.7)
    assert x.var().item() == pytest.approx(0.25, rel=0.02 + 4 * math.sqrt(2 / 10_000))
    *_, still = sample(heun(truth.process, truth, seeded(1)), z[:3], karras_times(Linear(), 5))
    *_, moved = sample(heun(truth.process, truth, seeded(1), churn=0.3), z[:3], karras_times(Linear(), 5))
    assert not torch.equal(still, moved)


@pytest.mark.parametrize("make", [dpm_solver, unipc, dpm_solver_sde])
def test_a_step_from_elsewhere_starts_afresh(make) -> None:  # type: ignore[no-untyped-def]
    """What a multistep solver remembers is of the step that ended where this one starts, or is not used."""
    truth = oracle(Cosine())
    x_t = torch.randn(4, 1, generator=seeded(3), dtype=torch.float64)
    generator = seeded(7)
    step = make(truth.process, truth, generator)
    step(x_t, at(0.9, 4), at(0.8, 4))
    generator.manual_seed(5)  # the noise that the lone step below will draw
    jumped = step(x_t, at(0.5, 4), at(0.4, 4))
    alone = make(truth.process, truth, seeded(5))(x_t, at(0.5, 4), at(0.4, 4))
    assert torch.equal(jumped, alone)


def test_a_solver_can_be_held() -> None:
    """What is known stays known, whatever the step."""
    truth = two_bumps(GaussianProcess(Cosine()))
    observed, mask = torch.full((5, 1), 0.4, dtype=torch.float64), torch.ones(5, 1, dtype=torch.bool)
    step = hold(truth.process, unipc(truth.process, truth), observed, mask, seeded(1))
    *_, x = sample(step, torch.zeros(5, 1, dtype=torch.float64), uniform_times(6))
    assert torch.equal(x, observed)


def test_few_steps_of_the_third_order_beat_many_of_the_first() -> None:
    """On two bumps, 24 steps against 96, the flow in 300 steps being the truth: median error over 50 starts."""
    truth = two_bumps(GaussianProcess(Cosine()))
    z = torch.randn(50, 1, generator=seeded(1), dtype=torch.float64)
    ends = {}
    for name, steps in (("dpm++", 300), ("unipc", 24), ("ddim", 96)):
        *_, ends[name] = sample(SAMPLERS[name](truth.process, truth), z, log_snr_times(Cosine(), steps))
    error = {name: (end - ends["dpm++"]).abs().median().item() for name, end in ends.items()}
    assert error["unipc"] < 0.5 * error["ddim"]


def test_requests() -> None:
    truth = oracle(Cosine())
    for name in FLOW:
        with pytest.raises(TypeError, match="needs a Gaussian process"):
            unchecked(SAMPLERS[name])(BernoulliProcess(Cosine()), truth)
    with pytest.raises(TypeError, match="needs a Gaussian process"):
        unchecked(dpm_solver_sde)(BernoulliProcess(Cosine()), truth)
    with pytest.raises(ValueError, match="from 0 to √2 − 1"):
        heun(truth.process, truth, churn=0.5)
    with pytest.raises(ValueError, match=r"the sampler is one of ancestral, .*, got 'euler'"):
        sampler("euler")
    assert sampler("dpmpp_2m") is dpm_solver
    assert sampler("ddim") is ddim
