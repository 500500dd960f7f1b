"""Samplers on Gaussian data, where each is a linear map: gains and variances against theory.md 5.1.

Two starts under one seed share their noise, so their difference is the gain, exact to rounding; what remains over the
seed's own noise is the variance. Where draws are counted: 4 standard errors, fixed seed.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from oracles import (
    GaussianOracle,
    Linear,
    at,
    ddim_kernel,
    double,
    kept_pairs,
    output_moments,
    seeded,
    small_variance,
    true_kernel,
    two_bumps,
    unchecked,
    within_4_errors,
)
from quasistatic import schedule
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Normal
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.sampling import SAMPLERS, ancestral, ddim, sample
from quasistatic.schedule import Cosine, Reciprocal, Schedule, Table, log_snr_times, uniform_times
from quasistatic.streams import Streams
from quasistatic.types import Step

SCHEDULES: list[Schedule] = [schedule.Linear(), Cosine(), Reciprocal(), Table((0.1, 0.3, 0.5))]
MEAN, EIGENVALUES = double(0.0, 0.7, -1.3), double(0.25, 1.0, 4.0)


def oracle(clock: Schedule) -> GaussianOracle:
    return GaussianOracle(GaussianProcess(clock), MEAN, EIGENVALUES)


def point(truth: GaussianOracle) -> Denoise:
    """The exact mean without a width: the small variance β̃."""
    return lambda x_t, t: Normal(truth(x_t, t).mean, torch.zeros_like(x_t))


def noise(batch: int, seed: int) -> Tensor:
    return torch.randn(batch, 3, generator=seeded(seed), dtype=torch.float64)


def seeded_step(sampler: str, truth: GaussianOracle, seed: int) -> tuple[Step, Linear]:
    """A sampler's step with its noise known, and its closed form."""
    generator, process = seeded(seed), truth.process
    return {
        "ancestral": (ancestral(process, truth, generator), true_kernel(truth)),
        "ancestral small": (ancestral(process, point(truth), generator), small_variance(truth)),
        "ddim": (ddim(process, truth, generator), ddim_kernel(truth)),
        "ddim half": (ddim(process, truth, generator, eta=0.5), ddim_kernel(truth, 0.5)),
        "ddim full": (ddim(process, truth, generator, eta=1.0), ddim_kernel(truth, 1.0)),
    }[sampler]


NAMES = ["ancestral", "ancestral small", "ddim", "ddim half", "ddim full"]


@pytest.mark.parametrize("clock", SCHEDULES, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_its_linear_map(name: str, clock: Schedule) -> None:
    """x_s = √ᾱ_s m + gain (x_t − √ᾱ_t m) + std z with the seed's own z, to 1e-12, at every step of a grid of 8."""
    truth = oracle(clock)
    times = uniform_times(8)
    for (t, s), (kept_t, kept_s) in zip(pairwise(times.tolist()), kept_pairs(truth.process, times), strict=True):
        x_t = 2 * noise(5, 1)
        step, linear = seeded_step(name, truth, 7)
        gain, variance = linear(kept_t, kept_s)
        expected = kept_s.sqrt() * MEAN + gain * (x_t - kept_t.sqrt() * MEAN) + variance.sqrt() * noise(5, 7)
        torch.testing.assert_close(step(x_t, at(t, 5), at(s, 5)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("clock", SCHEDULES, ids=repr)
@pytest.mark.parametrize("steps", [1, 3, 20])
@pytest.mark.parametrize("name", ["ddim", "ancestral", "ddim full"])
def test_a_whole_chain_has_the_product_of_gains(name: str, steps: int, clock: Schedule) -> None:
    """Two starts under one seed differ by the product of the gains, to 1e-10; DDIM's mean is exact with it."""
    truth, times = oracle(clock), uniform_times(steps)
    step, linear = seeded_step(name, truth, 7)
    *_, low = sample(step, torch.zeros(1, 3, dtype=torch.float64), times)
    step, _ = seeded_step(name, truth, 7)
    *_, high = sample(step, torch.ones(1, 3, dtype=torch.float64), times)
    gain = torch.stack([linear(t, s)[0] for t, s in kept_pairs(truth.process, times)]).prod(0)
    torch.testing.assert_close((high - low)[0], gain, rtol=0, atol=1e-10)
    if name == "ddim":
        mean, variance = output_moments(truth, times, linear)
        torch.testing.assert_close(low[0], mean, rtol=0, atol=1e-10)
        torch.testing.assert_close((high - low)[0] ** 2, variance, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_output_moments_of_drawn_samples(name: str) -> None:
    """20,000 samples in 6 steps: mean and variance of the closed recursion, wrong as that is for so few steps."""
    truth, times = oracle(Table((0.1, 0.3, 0.5))), uniform_times(6)
    step, linear = seeded_step(name, truth, 1)
    *_, x = sample(step, noise(20_000, 2), times)
    mean, variance = output_moments(truth, times, linear)
    assert within_4_errors(x, mean)
    assert within_4_errors((x - mean) ** 2, variance)


def test_exact_steps_make_exact_data() -> None:
    """With ᾱ(1) = 0 and the exact guess, ancestral output is the data's own law on any grid, even of one step."""
    truth = oracle(Reciprocal())
    for times in (uniform_times(1), uniform_times(5), log_snr_times(Reciprocal(), 7)):
        mean, variance = output_moments(truth, times, true_kernel(truth))
        torch.testing.assert_close((mean, variance), (MEAN, EIGENVALUES), rtol=1e-12, atol=1e-12)
        *_, x = sample(ancestral(truth.process, truth, seeded(1)), noise(20_000, 2), times)
        assert within_4_errors(x, MEAN)
        assert within_4_errors((x - MEAN) ** 2, EIGENVALUES)


def test_ancestral_samples_have_the_shape_of_a_mixture() -> None:
    """40 steps: quantile by quantile the mixture's own distribution function, 10,000 samples."""
    truth = two_bumps(GaussianProcess(Cosine()))
    x_1 = torch.randn(10_000, 1, generator=seeded(1), dtype=torch.float64)
    *_, x = sample(ancestral(truth.process, truth, seeded(2)), x_1, uniform_times(40))
    std = truth.covariances.sqrt()[:, 0]
    for value in (-1.8, -1.5, -1.2, -0.4, 0.4, 0.8, 1.2):
        below = (truth.weights[:, None] * torch.special.ndtr((value - truth.means) / std)).sum()
        error = math.sqrt(below * (1 - below) / len(x))
        assert abs((x < value).double().mean() - below) < 4 * error + 0.01  # and 1 % for 40 steps being few


# DDIM


@pytest.mark.parametrize("eigenvalue", [0.25, 4.0])
def test_ddim_is_of_first_order(eigenvalue: float) -> None:
    """Its gain nears that of the exact flow, √(S_0/S_T), as 1/N: order 1 ± 0.1, on the clock cos²(πt/2)."""
    truth = GaussianOracle(GaussianProcess(Cosine(offset=0.0)), double(0.0), double(eigenvalue))
    errors = []
    for steps in (32, 64, 128, 256):
        step = ddim(truth.process, truth)
        *_, x = sample(step, torch.ones(1, 1, dtype=torch.float64), uniform_times(steps))
        errors.append(abs(x.item() - math.sqrt(eigenvalue)))
    orders = [math.log2(before / after) for before, after in pairwise(errors)]
    assert orders == pytest.approx([1, 1, 1], abs=0.1)


def test_ddim_draws_nothing() -> None:
    truth, times, x_1 = oracle(Cosine()), uniform_times(5), noise(4, 0)
    one, other = (list(sample(ddim(truth.process, truth, seeded(s)), x_1, times)) for s in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("clock", SCHEDULES, ids=repr)
def test_full_eta_is_ancestral_with_the_small_variance(clock: Schedule) -> None:
    """Song et al. 2021, §4.1: for a guess without width both draw the same, number by number."""
    truth, times, x_1 = oracle(clock), uniform_times(9), noise(4, 0)
    guess = point(truth)
    for ours, theirs in zip(
        sample(ddim(truth.process, guess, seeded(1), eta=1.0), x_1, times),
        sample(ancestral(truth.process, guess, seeded(1)), x_1, times),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_ddim_needs_a_gaussian_process_and_a_share() -> None:
    truth = oracle(Cosine())
    with pytest.raises(TypeError, match=r"ddim needs a Gaussian process .* use ancestral"):
        unchecked(ddim)(BernoulliProcess(Cosine()), truth)
    for eta in (-0.1, 1.1):
        with pytest.raises(ValueError, match="from 0 to 1, got"):
            ddim(truth.process, truth, eta=eta)


# The walk


def test_sample_yields_every_state_but_the_first() -> None:
    seen: list[tuple[float, float]] = []

    def step(x_t: Tensor, t: Tensor, s: Tensor) -> Tensor:
        assert t.shape == s.shape == (2,)
        assert t.dtype == torch.float64
        seen.append((t[0].item(), s[0].item()))
        return x_t + 1

    states = list(sample(step, torch.zeros(2, 3), uniform_times(4)))
    assert [x[0, 0].item() for x in states] == [1, 2, 3, 4]
    assert seen == [(1, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0)]


def test_sampling_stops_when_not_watched() -> None:
    """A state is made when it is asked for."""
    calls: list[int] = []
    walk = sample(lambda x_t, t, s: calls.append(1) or x_t, torch.zeros(2, 3), uniform_times(100))  # type: ignore[func-returns-value]
    next(walk)
    next(walk)
    assert len(calls) == 2


def test_samplers_by_name() -> None:
    assert SAMPLERS["ancestral"] is ancestral
    assert SAMPLERS["ddim"] is ddim


# One seed per sample


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_does_not_depend_on_its_batch(name: str) -> None:
    """Seven samples at once, as 4 + 3, and one by one: the same numbers."""
    truth, times = two_bumps(GaussianProcess(Cosine())), uniform_times(5)

    def made(first: int, count: int, seed: int = 3) -> Tensor:
        streams = Streams(seed, first, count)
        x_1 = truth.process.prior(torch.zeros(count, 1, dtype=torch.float64)).sample(streams)
        *_, x = sample(SAMPLERS[name](truth.process, truth, streams), x_1, times)
        return x

    whole = made(0, 7)
    assert len(torch.cat([whole, made(0, 7, seed=4)]).unique()) == 14
    for parts in ([(0, 4), (4, 3)], [(i, 1) for i in range(7)]):
        torch.testing.assert_close(torch.cat([made(*part) for part in parts]), whole, rtol=1e-12, atol=1e-12)


def test_seeds_share_no_samples() -> None:
    """100 neighbouring seeds of 100 samples each, all with a first number of their own; a seed again is the same."""
    like = torch.zeros(100, 1, dtype=torch.float64)
    first = torch.cat([Streams(seed, 0, 100).normal(like) for seed in range(100)])
    assert len(first.unique()) == 10_000
    assert torch.equal(Streams(7, 0, 100).normal(like), first[700:800])


def test_streams_are_white() -> None:
    """20 numbers of 5,000 samples: mean, variance, tails, neighbours in number, in place and in seed; 4 errors."""
    like = torch.zeros(5_000, 20, dtype=torch.float64)
    z, other = Streams(0, 0, 5_000).normal(like), Streams(1, 0, 5_000).normal(like)
    beyond = 2 * torch.special.ndtr(double(-2.5))
    for draws, truth in ((z, 0), (z**2, 1), (z[1:] * z[:-1], 0), (z[:, 1:] * z[:, :-1], 0), (z * other, 0)):
        assert within_4_errors(draws.reshape(-1), truth)
    assert within_4_errors((z.abs() > 2.5).double().reshape(-1), beyond)
