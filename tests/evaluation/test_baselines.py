"""Simple models against what is known of simple data."""

import math

import pytest
import torch

from quasistatic.evaluation import baselines


def coins(n: int, seed: int) -> torch.Tensor:
    """Two fair coins that agree: one bit in two values."""
    first = torch.randint(0, 2, (n, 1), generator=torch.Generator().manual_seed(seed))
    return first.repeat(1, 2)


def test_the_histogram_sees_each_value_alone() -> None:
    value, error = baselines.histogram(coins(4000, 0), coins(1000, 1), levels=2)
    assert value == pytest.approx(1.0, abs=5e-3)
    assert error < 1e-2


def test_the_forest_sees_what_came_before() -> None:
    """Half a bit per value, and what the histogram's twentieth costs on the second: −½ log2(0.95 + 0.05/2)."""
    value, _ = baselines.forest(coins(4000, 0), coins(1000, 1), levels=2, trees=5)
    assert value == pytest.approx(0.5 - 0.5 * math.log2(0.975), abs=2e-3)


def test_the_mixture_of_a_gaussian_is_its_entropy() -> None:
    """Rounded N(50, 8²): log2(8 √(2πe)) bits, within 4 standard errors."""
    draw = torch.randn(6000, 2, generator=torch.Generator().manual_seed(0))
    data = (50 + 8 * draw).round().long()
    value, error = baselines.mixture(data[:4000], data[4000:], components=(1, 2))
    assert abs(value - math.log2(8 * math.sqrt(2 * math.pi * math.e))) < 4 * error + 1e-2
