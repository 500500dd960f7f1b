"""Completion by a guess that is given what is known: exact where the guess is."""

import pytest
import torch

from oracles import seeded, unchecked, within_4_errors
from quasistatic.distribution import Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.inference import condition
from quasistatic.process import GaussianProcess, Part, ProductProcess
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Cosine, uniform_times

RHO, KNOWN = 0.9, 1.0
PAIR = ProductProcess((Part(GaussianProcess(Cosine()), (0, 1)),))


def exact(x_t: torch.Tensor, t: torch.Tensor) -> ProductDistribution:
    """p(x | x_t, x_1 = 1) of two unit normals of correlation ρ: the second is N(ρ, 1 − ρ²) before it was noised."""
    kept = PAIR.schedule.alpha_bar(t)[:, None]
    spread = kept * (1 - RHO**2) + 1 - kept
    mean = RHO * KNOWN + kept.sqrt() * (1 - RHO**2) / spread * (x_t.double() - kept.sqrt() * RHO * KNOWN)
    std = ((1 - RHO**2) * (1 - kept) / spread).sqrt().expand_as(mean)
    return ProductDistribution((((0, 1), Normal(mean, std)),), x_t.isnan())


def completed(rows: int, times: torch.Tensor) -> torch.Tensor:
    observed = torch.tensor([[KNOWN, 0.0]], dtype=torch.float64).expand(rows, 2)
    mask = torch.tensor([[True, False]]).expand(rows, 2)
    step = condition(PAIR, ancestral(PAIR, exact, seeded()), observed, mask, seeded(1))
    start = torch.randn(rows, 2, dtype=torch.float64, generator=seeded(2))
    return list(sample(step, start, times))[-1]


def test_draws_are_those_of_the_posterior() -> None:
    """Mean 0.900 and variance 0.190, where `hold` gives 0.626 and 0.312 (theory.md 2.6b)."""
    draws = completed(40_000, uniform_times(50))
    assert bool((draws[:, 0] == KNOWN).all())
    assert within_4_errors(draws[:, 1], RHO)
    assert within_4_errors((draws[:, 1] - RHO) ** 2, 1 - RHO**2)


def test_a_walk_may_go_back_up() -> None:
    """Noising the unknown part again leaves its law as it was."""
    down = uniform_times(20)
    times = torch.cat([down[:-5], down[10:]])  # up from t = 0.25 to 0.5, and down once more
    assert bool((times.diff() > 0).any())
    draws = completed(40_000, times)
    assert within_4_errors(draws[:, 1], RHO)
    assert within_4_errors((draws[:, 1] - RHO) ** 2, 1 - RHO**2)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a mask covers states of shape \(1, 3\), got one of shape \(1, 2\)"):
        unchecked(condition)(PAIR, None, torch.zeros(1, 3), torch.ones(1, 2, dtype=torch.bool))
