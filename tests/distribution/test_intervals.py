"""The normal mass of neighbouring intervals: value and slopes in both tails and both precisions, and what is empty."""

import math

import mpmath
import pytest
import torch
from torch import Tensor

from quasistatic.distribution import log_masses_between

PLACES = [
    (-1000.0, -999.9),
    (-31.0, -30.0),
    (-2.0, -1.99),
    (-0.5, 0.5),
    (-0.001, 40.0),
    (1.0, 1.01),
    (1.0, 1.00001),
    (0.0, 3.0),
    (-1e-9, 1e-9),
    (-0.001, 0.002),
    (-0.008, 0.009),
    (8.9, 9.0),
    (999.0, 1001.0),
]


def sloped(edges: Tensor) -> tuple[Tensor, Tensor]:
    edges = edges.clone().requires_grad_()
    value = log_masses_between(edges)
    value.sum().backward()
    assert edges.grad is not None
    return value.detach(), edges.grad


@pytest.mark.parametrize(("low", "high"), PLACES)
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-9), (torch.float32, 3e-5)])
def test_value_and_slopes_against_400_digits(low: float, high: float, dtype: torch.dtype, error: float) -> None:
    edges = torch.tensor([low, high], dtype=dtype)
    value, slope = sloped(edges)
    with mpmath.workdps(400):
        a, b = (mpmath.mpf(edge) for edge in edges.tolist())  # as rounded to the dtype
        near, far = (-b, -a) if b < 0 else (a, b)
        mass = (mpmath.erfc(near / mpmath.sqrt(2)) - mpmath.erfc(far / mpmath.sqrt(2))) / 2
        wanted = float(mpmath.log(mass))
        slopes = [float(-mpmath.npdf(a) / mass), float(mpmath.npdf(b) / mass)]
    assert value.item() == pytest.approx(wanted, rel=error, abs=error)
    assert slope.tolist() == pytest.approx(slopes, rel=error, abs=error**3)


def test_masses_of_all_intervals_sum_to_one() -> None:
    inner = torch.linspace(-9, 9, 41, dtype=torch.float64)
    edges = torch.cat([torch.tensor([-math.inf]), inner, torch.tensor([math.inf])])
    value, slope = sloped(edges)
    assert value.exp().sum().item() == pytest.approx(1, abs=1e-14)
    assert slope[[0, -1]].abs().max() < 1e-150
    assert torch.autograd.gradcheck(log_masses_between, inner[5:-5].clone().requires_grad_())


def test_an_interval_at_infinity_is_empty() -> None:
    for end in (-math.inf, math.inf):
        value, slope = sloped(torch.tensor([end, end]))
        assert value.item() == -math.inf
        assert slope.tolist() == [0, 0]
    assert log_masses_between(torch.zeros(3, 0)).shape == (2, 0)
