"""Simple models against what is known of simple data."""

import math

import pytest
import torch
from torch import Tensor

from quasistatic.evaluation import baselines
from quasistatic.evaluation.baselines import Baseline


def coins(n: int, seed: int) -> Tensor:
    """Two fair coins that agree: one bit in two values."""
    first = torch.randint(0, 2, (n, 1), generator=torch.Generator().manual_seed(seed))
    return first.repeat(1, 2)


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_histogram_sees_each_value_alone() -> None:
    found = Baseline.of(baselines.histogram(coins(4000, 0), coins(1000, 1), levels=2), 2)
    assert found.value == pytest.approx(1.0, abs=5e-3)
    assert found.standard_error < 1e-2


def test_the_histogram_counts_each_level_once_more() -> None:
    found = baselines.histogram(torch.tensor([[2, 0], [2, 1]]), torch.tensor([[2, 2]]), levels=3)
    assert found.exp().item() == pytest.approx(3 / 5 * 1 / 5)


def test_the_forest_sees_what_came_before() -> None:
    """Half a bit per value, and what the histogram's twentieth costs on the second: −½ log2(0.95 + 0.05/2)."""
    found = Baseline.of(baselines.forest(coins(4000, 0), coins(1000, 1), levels=2, trees=5), 2)
    assert found.value == pytest.approx(0.5 - 0.5 * math.log2(0.975), abs=2e-3)


def test_the_mixture_of_a_gaussian_is_its_entropy() -> None:
    """Rounded N(50, 8²): log2(8 √(2πe)) bits, within 4 standard errors."""
    data = (50 + 8 * normal(6000, 2)).round().long()
    known, asked = baselines.dequantised_values(data[:4000], 0), baselines.dequantised_values(data[4000:], 1)
    found = Baseline.of(baselines.mixture(known, asked, (1, 2), ridge=0.1), 2)
    assert abs(found.value - math.log2(8 * math.sqrt(2 * math.pi * math.e))) < 4 * found.standard_error + 1e-2


def test_a_mixture_of_one_sees_correlation() -> None:
    """N(0, Σ) with Σ = [[1, 0.8], [0.8, 1]]: entropy log(2πe) + ½ log(1 − 0.64) nats."""
    draw = normal(9000, 2)
    data = torch.stack([draw[:, 0], 0.8 * draw[:, 0] + 0.6 * draw[:, 1]], 1)
    found = baselines.mixture(data[:6000], data[6000:], (1,))
    error = found.std().item() / math.sqrt(3000)
    assert abs(-found.mean().item() - math.log(2 * math.pi * math.e) - 0.5 * math.log(0.36)) < 4 * error


def test_the_size_that_fits_is_taken() -> None:
    """Two far clouds: ln 2 above the entropy of one, where a single Gaussian spans both."""
    data = normal(3000, 1) + 40 * torch.arange(3000).remainder(2)[:, None]
    one, best = (baselines.mixture(data[:2000], data[2000:], sizes) for sizes in ((1,), (1, 2)))
    entropy = 0.5 * math.log(2 * math.pi * math.e) + math.log(2)
    assert abs(-best.mean().item() - entropy) < 4 * best.std().item() / math.sqrt(1000)
    assert -one.mean().item() > entropy + 1


def test_sizes_beyond_the_work_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    data = normal(300, 1) + 40 * torch.arange(300).remainder(2)[:, None]
    monkeypatch.setattr(baselines, "WORK", 0)
    assert torch.equal(baselines.mixture(data, data, (1, 2)), baselines.mixture(data, data, (1,)))


def test_few_examples() -> None:
    """Three make a Gaussian, not ten of them; one makes none."""
    data = normal(3, 2)
    assert torch.equal(baselines.mixture(data, data), baselines.mixture(data, data, (1,)))
    with pytest.raises(ValueError, match="fitted to two examples or more, got 1"):
        baselines.mixture(data[:1], data)


def test_a_score_of_the_whole_has_no_error() -> None:
    found = Baseline.of_whole(-6 * math.log(2), units=6)
    assert found.value == pytest.approx(1.0)
    assert math.isnan(found.to_dict()["standard_error"])
