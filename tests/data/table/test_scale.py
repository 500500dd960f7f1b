"""Scales: exact inverses, slopes against differences, and the normal law that quantiles give to any column."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from quasistatic.data.table.scale import MOST_KNOTS, Line, Scale, Standard, power, quantile, scale_of

SKEWED = np.random.default_rng(0).lognormal(3, 1, 2000)
SCALES = [Standard(5.0, 2.0), quantile(SKEWED), Line((0.0, 1.0, 10.0), (-1.0, 0.5, 1.0)), power(SKEWED)]


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: type(scale).__name__)
def test_raw_values_return(scale: Scale) -> None:
    x = torch.tensor([[-40.0, -1.0, 0.3], [0.999, 3.0, torch.nan]], dtype=torch.float64)
    torch.testing.assert_close(scale.to_states(scale.to_raw(x)), x, equal_nan=True, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: type(scale).__name__)
def test_slopes_are_those_of_the_line(scale: Scale) -> None:
    x = torch.linspace(-3, 3, 50, dtype=torch.float64) + 0.0123
    raw = scale.to_raw(x)
    measured = (scale.to_states(raw + 1e-6) - scale.to_states(raw - 1e-6)) / 2e-6
    torch.testing.assert_close(scale.log_slope(x).exp(), measured, rtol=1e-5, atol=0)


def test_quantiles_make_a_skewed_column_normal() -> None:
    """The states pass a test of normality that the standardised column fails by far."""
    states, plain = (scale.to_states(torch.from_numpy(SKEWED)).numpy() for scale in (SCALES[1], Standard.of(SKEWED)))
    assert stats.kstest(states, "norm").pvalue > 0.5
    assert stats.kstest(plain, "norm").pvalue < 1e-9


def test_powers_of_a_column_stay_on_a_line() -> None:
    """A radius and its area: by their powers they are nearly one number, as they are not by mean and deviation."""
    radius = np.random.default_rng(1).lognormal(2.6, 0.25, 400)
    area = np.pi * radius**2
    raw = torch.from_numpy(np.stack([radius, area]))

    def left(make: Callable[[np.ndarray], Scale]) -> float:
        states = torch.stack([make(column.numpy()).to_states(column) for column in raw])
        return 1 - torch.corrcoef(states)[0, 1].item() ** 2

    assert left(power) < 1e-3 < 0.01 < left(Standard.of)
    states = power(SKEWED).to_states(torch.from_numpy(SKEWED)).numpy()
    assert abs(stats.skew(states)) < 0.5 < 3 < stats.skew(SKEWED)
    assert (states.mean(), states.std()) == pytest.approx((0, 1), abs=0.01)


def test_equal_values_share_a_knot() -> None:
    """Half zeros: their state is Φ⁻¹ of the middle of their ranks, and there is no other knot there."""
    raw = np.concatenate([np.zeros(500), np.arange(1.0, 501)])
    scale = quantile(raw)
    assert isinstance(scale, Line)
    assert scale.knots[0] == 0
    assert len(scale.knots) <= MOST_KNOTS
    assert scale.to_states(torch.zeros(1, dtype=torch.float64)).item() == pytest.approx(stats.norm.ppf(0.25), abs=1e-3)


def test_one_value_is_constant() -> None:
    for name in ("standard", "quantile", "power"):
        scale = scale_of(name, np.full(7, 3.25))
        assert scale.constant
        assert scale.to_raw(scale.to_states(torch.tensor([3.25]))).item() == 3.25


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"scaled by one of power, quantile, standard, got data\.scale = 'log'"):
        scale_of("log", SKEWED)
    with pytest.raises(ValueError, match="two knots or more that rise with their states"):
        Line((0.0, 0.0), (0.0, 1.0))
    with pytest.raises(ValueError, match="two knots or more that rise with their states"):
        Line((0.0,), (0.0,))
