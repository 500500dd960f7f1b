"""The flow's log-likelihood against closed forms (theory.md 5.1, 5.2): Gaussian data, mixtures, levels."""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from oracles import GaussianOracle, MixtureOracle, correlated, double, seeded, two_bumps, unchecked, within_4_errors
from quasistatic.distribution import Levels, Normal
from quasistatic.evaluation import Tolerance, dequantised, from_latent, latent, log_likelihood, noised
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal

TIGHT = Tolerance(1e-8, 1e-8)
MEAN, EIGENVALUES = double(0.3, -1.0), double(0.25, 4.0)


def same(clean):  # type: ignore[no-untyped-def]
    return clean


def normal_log_density(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (-0.5 * ((x - mean) ** 2 / variance + (2 * math.pi * variance).log())).sum(1)


@pytest.mark.parametrize("first", [1e-3, 0.2])
def test_gaussian_data_by_the_exact_flow(first: float) -> None:
    """z = √ᾱ_1 m + √(S_1/S) (x − √ᾱ m) and log N(z; 0, I) + ½ Σ ln(S_1/S), to 1e-6 nats, on a clock that ends early."""
    truth = GaussianOracle(GaussianProcess(Linear()), MEAN, EIGENVALUES)
    kept, end = truth.process.schedule.alpha_bar(double(first, 1.0))
    x = kept.sqrt() * truth.sample(6, seeded()) + (1 - kept).sqrt() * 0.3
    z = end.sqrt() * MEAN + (truth.spread(end) / truth.spread(kept)).sqrt() * (x - kept.sqrt() * MEAN)
    expected = normal_log_density(z, torch.zeros(2), torch.ones(2))
    expected = expected + 0.5 * (truth.spread(end) / truth.spread(kept)).log().sum()
    found = log_likelihood(truth.process, truth, x, first, tolerance=TIGHT)
    torch.testing.assert_close(found.value, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.latent, z, rtol=0, atol=1e-6)
    assert found.error.isnan().all()  # one exact row has no spread


@pytest.mark.parametrize("name", ["correlated", "two bumps"])
def test_data_of_a_mixture_to_a_millionth(name: str) -> None:
    """From ᾱ = 1 − 1e-9 to ᾱ = 0: the exact log-density of the data, to 1e-6 nats."""
    process = GaussianProcess(Reciprocal())
    truth = correlated(process, 0.9) if name == "correlated" else two_bumps(process)
    x = truth.sample(5, seeded(3))
    found = log_likelihood(process, truth, x, 1e-9, tolerance=TIGHT)
    torch.testing.assert_close(found.value, truth.log_density(x, torch.ones(5).double()), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_the_swiss_roll_through_its_quadrature_nodes() -> None:
    """theory.md 3.2: a roll of noise 0.5 in units of variance one, as a mixture of 768 nodes; to 1e-6 nats."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(8)
    panels = np.linspace(1.5 * np.pi, 4.5 * np.pi, 97)
    half = np.diff(panels)[:, None] / 2
    turn = torch.from_numpy((panels[:-1, None] + half * (nodes + 1)).ravel())
    weight = torch.from_numpy((half * weights / (3 * np.pi)).ravel())
    centre = torch.stack([turn * turn.cos(), turn * turn.sin()], 1)
    mean = weight @ centre
    scale = ((weight @ (centre - mean) ** 2).mean() + 0.25).sqrt()
    spread = (0.5 / scale) ** 2 * torch.eye(2, dtype=torch.float64).expand(len(turn), 2, 2)
    process = GaussianProcess(Cosine())
    truth = MixtureOracle(process, weight, (centre - mean) / scale, spread)
    x = truth.sample(4, seeded(1))
    found = log_likelihood(process, truth, x, 1e-8, tolerance=TIGHT)
    torch.testing.assert_close(found.value, truth.log_density(x, torch.ones(4).double()), rtol=0, atol=1e-6)


def test_hutchinson_is_unbiased() -> None:
    """200 paths from one point, a probe each: the mean within 4 errors of the exact value; K probes give K rows."""
    process = GaussianProcess(Cosine())
    truth = correlated(process, 0.9)
    x = double(0.4, 1.1).expand(200, 2)
    exact = log_likelihood(process, truth, x[:1], 0.01).value
    found = log_likelihood(process, truth, x, 0.01, probes=1, generator=seeded(1))
    assert found.value.std() > 0.01
    assert within_4_errors(found.value, exact)
    several = log_likelihood(process, truth, x[:3], 0.01, probes=5, generator=seeded(2))
    assert several.log_likelihoods.shape == (5, 3)
    torch.testing.assert_close(several.error, several.log_likelihoods.std(0) / 5**0.5)


def test_there_and_back() -> None:
    process = GaussianProcess(Cosine())
    truth = correlated(process, 0.9)
    x = truth.sample(7, seeded(1))
    z = latent(process, truth, x, 1e-3, TIGHT)
    torch.testing.assert_close(from_latent(process, truth, z, 1e-3, TIGHT), x, rtol=0, atol=1e-6)
    assert (z - x).abs().max() > 0.1


def test_an_example_keeps_its_tolerance_in_any_company() -> None:
    """A hard example among a hundred easy ones: as exact as alone, where a mean over the batch would hide its error."""
    process = GaussianProcess(Reciprocal())
    truth = two_bumps(process)
    hard = double(-0.35)[:, None]  # between the bumps
    easy = torch.full((100, 1), 0.8, dtype=torch.float64)
    exact = truth.log_density(hard, torch.ones(1).double())
    found = log_likelihood(process, truth, torch.cat([easy, hard]), 1e-6, tolerance=Tolerance(1e-6, 1e-6))
    assert found.value[-1].item() == pytest.approx(exact.item(), abs=1e-4)


def test_noised_data_lose_nothing_where_the_guess_is_exact() -> None:
    """log p(x_ε) + log p(x | x_ε) − log q(x_ε | x) = log p(x) for every draw, for a density and for a mass."""
    process = GaussianProcess(Reciprocal())
    truth = GaussianOracle(process, MEAN, EIGENVALUES)
    x = truth.sample(6, seeded(1))
    found = noised(process, truth, same, x, 0.3, generator=seeded(2), tolerance=TIGHT)
    torch.testing.assert_close(found.value, normal_log_density(x, MEAN, EIGENVALUES), rtol=0, atol=1e-6)

    levels, mass = torch.linspace(-1, 1, 4, dtype=torch.float64), double(0.1, 0.5, 0.15, 0.25)

    def exact(x_t: Tensor, t: Tensor) -> Levels:
        kept = process.schedule.alpha_bar(t)[:, None, None]
        return Levels(mass.log() - 0.5 * (x_t[..., None] - kept.sqrt() * levels) ** 2 / (1 - kept), levels)

    found = noised(process, exact, same, levels[:, None], 0.05, generator=seeded(2), tolerance=TIGHT)
    torch.testing.assert_close(found.value, mass.log(), rtol=0, atol=1e-6)


def test_uniform_noise_bounds_the_mass_from_below() -> None:
    """A Normal on 9 levels: below the log of each bin's mass by Jensen's gap, within 4 errors of the integral."""
    process = GaussianProcess(Reciprocal())
    truth = GaussianOracle(process, double(0.2), double(0.09))
    level, gap = 0.25, 0.25
    x = torch.full((400, 1), level, dtype=torch.float64)
    found = dequantised(process, truth, x, gap, 1e-6, generator=seeded(1)).value
    law = scipy.stats.norm(0.2, 0.3)
    mass = math.log(law.cdf(level + gap / 2) - law.cdf(level - gap / 2))
    u = torch.linspace(-0.5, 0.5, 2001, dtype=torch.float64) * gap + level
    average = torch.trapezoid(normal_log_density(u[:, None], double(0.2), double(0.09)), u).item() / gap + math.log(gap)
    assert average < mass
    assert within_4_errors(found, average)


def test_requests() -> None:
    process = GaussianProcess(Cosine())
    truth = correlated(process, 0.5)
    x = torch.zeros(2, 2, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"needs a Gaussian process .* use bound, or importance"):
        unchecked(log_likelihood)(BernoulliProcess(Cosine()), truth, x, 0.1)
    for first in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"a time inside \(0, 1\)"):
            latent(process, truth, x, first)
    with pytest.raises(ValueError, match="one probe or more, got 0"):
        log_likelihood(process, truth, x, 0.1, probes=0)


def test_guesses_that_no_solver_follows_are_a_failure() -> None:
    def wild(x_t: Tensor, t: Tensor) -> Normal:
        return Normal(1e30 * x_t, torch.zeros_like(x_t))

    with pytest.raises(FloatingPointError, match=r"cannot be solved to this tolerance \(underflow in dt"):
        log_likelihood(GaussianProcess(Cosine()), wild, torch.ones(2, 2, dtype=torch.float64), 0.1)
