"""Labels: classifier-free guidance against the score of an exact mixture, and the scales that leave a law as it is."""

import math

import pytest
import torch

from oracles import MixtureOracle, at, double, seeded, two_bumps, unchecked
from quasistatic.distribution import LevelMixture, Normal
from quasistatic.inference import classifier_free
from quasistatic.process import GaussianProcess
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Cosine, uniform_times

PROCESS = GaussianProcess(Cosine())
WHOLE = two_bumps(PROCESS)
BUMPS = [MixtureOracle(PROCESS, double(1.0), WHOLE.means[k : k + 1], WHOLE.covariances[k : k + 1]) for k in range(2)]


def exact(x_t: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None = None) -> Normal:
    """The exact guess given a class: of the mixture, or of one of its bumps for every example."""
    return WHOLE(x_t, t) if label is None else BUMPS[int(label[0])](x_t, t)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("t", [0.1, 0.4, 0.8])
def test_the_guided_score_is_that_of_the_sharpened_law(scale: float, t: float) -> None:
    """Tweedie: √ᾱ m = x_t + (1 − ᾱ) ∇ log[ q_t(x_t) q_t(label | x_t)^scale ], by differentiating exact densities."""
    label, x_t = torch.zeros(40, dtype=torch.long), torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
    guided = unchecked(classifier_free)(exact, label, scale)(x_t, at(t, 40))
    kept = PROCESS.schedule.alpha_bar(at(t, 40))
    place = x_t.clone().requires_grad_()
    free, bump = WHOLE.log_density(place, kept), BUMPS[0].log_density(place, kept)
    log_chance = WHOLE.weights[0].log() + bump - free
    (score,) = torch.autograd.grad((free + scale * log_chance).sum(), place)
    wanted = (x_t + (1 - kept[:, None]) * score) / kept[:, None].sqrt()
    torch.testing.assert_close(guided.mean, wanted, rtol=0, atol=1e-9)


def test_more_scale_moves_the_draws_away_from_the_other_class() -> None:
    """1 gives the bump N(−1.5, 0.09); 4 leaves it, away from the bump at 0.8: the law is no posterior, as is said."""
    means = []
    for scale in (1.0, 4.0):
        denoise = unchecked(classifier_free)(exact, torch.zeros(4000, dtype=torch.long), scale)
        start = torch.randn(4000, 1, dtype=torch.float64, generator=seeded())
        *_, draws = sample(ancestral(PROCESS, denoise, seeded(1)), start, uniform_times(100))
        means.append(draws.mean().item())
        if scale == 1:
            assert abs(means[0] + 1.5) < 4 * 0.3 / math.sqrt(4000) + 0.005  # 100 steps cost a little
            assert draws.var().item() == pytest.approx(0.09, rel=0.15)
    assert means[1] < means[0] - 0.05


@pytest.mark.parametrize("scale", [0.5, 2.0, 4.0])
def test_a_mixture_of_one_component_is_guided_as_a_normal(scale: float) -> None:
    """The tilt is exact for normals of one width: the mean is m + scale (m_label − m), the variance stays."""
    shape, levels = (5, 3), torch.linspace(-1, 1, 256, dtype=torch.float64)

    def guess(x_t: torch.Tensor, t: torch.Tensor, label: torch.Tensor | None = None) -> LevelMixture:
        means = 0.1 * torch.randn(1, *shape, generator=seeded(0 if label is None else 1), dtype=torch.float64)
        kept, noise = (torch.full((5, 1), value, dtype=torch.float64) for value in (0.8, 0.6))
        return LevelMixture(torch.zeros_like(means), means, torch.full_like(means, 0.2), x_t, kept, noise, levels)

    x_t, label = torch.randn(shape, generator=seeded(2), dtype=torch.float64), torch.zeros(5, dtype=torch.long)
    guided = unchecked(classifier_free)(guess, label, scale)(x_t, at(0.5, 5))
    free, bound = guess(x_t, at(0.5, 5)), guess(x_t, at(0.5, 5), label)
    torch.testing.assert_close(guided.mean, free.mean + scale * (bound.mean - free.mean))
    torch.testing.assert_close(guided.variance, bound.variance)
