"""The bound, the null and the score of levels, by quadrature and by sums: a mass is never above 1."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from torch import Tensor

from oracles import (
    GaussianOracle,
    density,
    double,
    seeded,
    within_4_errors,
)
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Levels, Normal, Quantized
from quasistatic.evaluation import bound, mean_and_error, null
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal, uniform_times

# A few levels: every number by enumeration

LEVELS = double(-1.0, 0.0, 1.0)
MASSES = double(0.2, 0.5, 0.3)


def exact_levels(process: GaussianProcess) -> Denoise:
    """Bayes for one element on LEVELS with MASSES."""

    def denoise(x_t: Tensor, t: Tensor) -> Levels:
        kept = process.schedule.alpha_bar(t)[:, None, None]
        return Levels(MASSES.log() - (x_t[..., None] - kept.sqrt() * LEVELS) ** 2 / (2 * (1 - kept)), LEVELS)

    return denoise


def test_one_step_from_pure_noise_is_the_law_itself() -> None:
    """ᾱ(1) = 0: x_1 says nothing, the guess is the law of the data, and the bound is log p(x) of each example."""
    process = GaussianProcess(Reciprocal())
    x = LEVELS[:, None]
    terms = bound(process, exact_levels(process), density, x, uniform_times(1), generator=seeded())
    torch.testing.assert_close(terms.value, MASSES.log(), rtol=1e-12, atol=1e-12)


def test_two_steps_on_levels_by_quadrature() -> None:
    """Both the bound and the model's own log p(x), integrated by scipy over x_½; 40,000 examples per level."""
    process, kept = GaussianProcess(Reciprocal()), 0.5
    first = float(MASSES @ LEVELS)
    spread = float(MASSES @ (LEVELS - first) ** 2)
    # From t = 1 the guess is (first, spread); a = √ᾱ_s, b = 0, v = 1 − ᾱ_s.
    model = scipy.stats.norm(math.sqrt(kept) * first, math.sqrt(1 - kept + kept * spread))
    masses, levels = MASSES.numpy(), LEVELS.numpy()

    def decoded(u: float, i: int) -> float:
        joint = masses * scipy.stats.norm.pdf(u, math.sqrt(kept) * levels, math.sqrt(1 - kept))
        return float(joint[i] / joint.sum())

    total = 0.0
    for i, level in enumerate(levels):
        truth = scipy.stats.norm(math.sqrt(kept) * level, math.sqrt(1 - kept))
        lower = scipy.integrate.quad(
            lambda u, i=i, q=truth: q.pdf(u) * (math.log(decoded(u, i)) + model.logpdf(u) - q.logpdf(u)), -6, 6
        )[0]
        exact = scipy.integrate.quad(lambda u, i=i: model.pdf(u) * decoded(u, i), -6, 6)[0]
        x = torch.full((40_000, 1), level, dtype=torch.float64)
        terms = bound(process, exact_levels(process), density, x, uniform_times(2), generator=seeded(i))
        assert within_4_errors(terms.value, lower)
        assert lower < math.log(exact) < 0
        total += exact
    assert total == pytest.approx(1, abs=1e-7)


def test_quantized_data_score_a_mass() -> None:
    """ᾱ(1) = 0 and one step: the guess is N(m, λ), so each level costs the log of its bin by scipy."""
    process = GaussianProcess(Reciprocal())
    truth = GaussianOracle(process, double(0.2), double(0.3))
    levels = torch.linspace(-1, 1, 17, dtype=torch.float64)
    terms = bound(process, truth, lambda clean: Quantized(clean, levels), levels[:, None], uniform_times(1))
    edges = np.concatenate([[-np.inf], np.arange(-15, 16, 2) / 16, [np.inf]])
    law = scipy.stats.norm(0.2, math.sqrt(0.3))
    expected = torch.from_numpy(np.log(law.cdf(edges[1:]) - law.cdf(edges[:-1])))
    torch.testing.assert_close(terms.value, expected, rtol=1e-10, atol=0)


def test_bound_on_a_mass_is_never_above_zero() -> None:
    """Quantised normal data, 30 steps: on average below −H of the levels, so below 0; close to it, as bins are fine."""
    process = GaussianProcess(Cosine())
    truth = GaussianOracle(process, double(0.1), double(0.09))
    levels = torch.linspace(-1, 1, 65, dtype=torch.float64)
    base = Normal(double(0.1).expand(20_000), double(0.3))
    x = Quantized(base, levels).sample(seeded(1))[:, None]
    masses = torch.stack([Quantized(base, levels).log_prob(level.expand(20_000))[0] for level in levels])
    entropy = -(masses.exp() * masses).sum().item()
    value = bound(
        process, truth, lambda clean: Quantized(clean, levels), x, uniform_times(30), generator=seeded(2)
    ).value
    mean, error = mean_and_error(value)
    assert mean < -entropy + 4 * error < 0
    assert mean > -entropy - 0.05


def test_null_of_levels_is_a_mass() -> None:
    levels = torch.linspace(-1, 1, 5, dtype=torch.float64)
    value = null(GaussianProcess(Cosine()), lambda clean: Quantized(clean, levels), levels[:, None])
    expected = scipy.stats.norm.cdf([-0.75, -0.25, 0.25, 0.75])
    torch.testing.assert_close(value.exp(), torch.from_numpy(np.diff(expected, prepend=0, append=1)))
