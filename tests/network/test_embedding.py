"""Embeddings against the closed values of their formulas."""

import math

import pytest
import torch

from quasistatic.network.embedding import Conditioning, fourier, sinusoidal

TIMES = torch.tensor([0.001, 0.002, 0.5, 1.0], dtype=torch.float64)


def test_the_first_step_is_all_sines_0_and_cosines_1():
    """t = 0.001 is the published step 0."""
    first = sinusoidal(TIMES, 8)[0]
    torch.testing.assert_close(first, torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1], dtype=torch.float64), rtol=0, atol=1e-12)


def test_frequencies_run_from_1_to_one_ten_thousandth():
    """One step on, the angles are the frequencies: 1, 10000^(−1/3), 10000^(−2/3), 10000^(−1) for eight features."""
    angles = sinusoidal(TIMES, 8)[1, :4].asin()
    torch.testing.assert_close(angles, torch.tensor([1.0, 10 ** (-4 / 3), 10 ** (-8 / 3), 1e-4], dtype=torch.float64))


def test_each_sine_has_its_cosine():
    features = sinusoidal(TIMES, 128)
    torch.testing.assert_close(features[:, :64] ** 2 + features[:, 64:] ** 2, torch.ones(4, 64, dtype=torch.float64))


def test_angles_are_exact_at_the_last_step():
    """sin(999) and cos(999), which float32 times would miss by 1e-5."""
    features = sinusoidal(TIMES, 4)[3]
    expected = torch.tensor([math.sin(999), math.sin(0.0999), math.cos(999), math.cos(0.0999)], dtype=torch.float64)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-12)


def test_an_odd_width_ends_in_0():
    features = sinusoidal(TIMES, 9)
    assert features.shape == (4, 9)
    assert (features[:, 8] == 0).all()


def test_a_width_below_4_is_refused():
    with pytest.raises(ValueError, match="at least 4, got 3"):
        sinusoidal(TIMES, 3)


def test_fourier_features_have_their_closed_values():
    """At x = ½: sin(π/2) = 1, cos(π/2) = 0; one octave up, sin(π) = 0, cos(π) = −1."""
    features = fourier(torch.full((1, 1, 2, 2), 0.5), (0, 1))
    expected = torch.tensor([0.5, 1, 0, 0, -1]).reshape(1, 5, 1, 1).expand(1, 5, 2, 2)
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-6)


def test_fourier_features_of_no_power_are_the_state():
    x = torch.randn(2, 3)
    assert fourier(x, ()) is x


def test_no_label_is_a_row_of_its_own():
    condition = Conditioning(8, 16, classes=3)
    none = condition(TIMES, torch.full((4,), 3))
    torch.testing.assert_close(condition(TIMES), none)
    assert all((condition(TIMES, torch.full((4,), k)) != none).any() for k in range(3))
