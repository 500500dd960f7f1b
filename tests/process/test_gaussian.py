"""The Gaussian process against the published formulas and torch's own distributions."""

import torch

from quasistatic.distribution import Normal
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear


def at(value: float, batch: int) -> torch.Tensor:
    return torch.full((batch,), value, dtype=torch.float64)


def test_one_pixel_after_one_step() -> None:
    """theory.md row 17: at β = 0.02 the pixel (1, −1, −1) becomes N((.99, −.99, −.99), .02)."""
    from quasistatic.schedule import Table

    process = GaussianProcess(Table((0.02,)))
    pixel = torch.tensor([[1.0, -1.0, -1.0]], dtype=torch.float64)
    seen = process.marginal(pixel, at(1.0, 1))
    torch.testing.assert_close(seen.mean, pixel * 0.98995, rtol=1e-5, atol=0)
    torch.testing.assert_close(seen.std**2, torch.full_like(pixel, 0.02))


def test_variance_of_data_not_of_unit_variance() -> None:
    """theory.md row 12: Var x_t − 1 = ᾱ_t (Var x − 1)."""
    process, x = (
        GaussianProcess(Cosine()),
        3 * torch.randn(400_000, 1, generator=torch.Generator().manual_seed(0)).double(),
    )
    t = at(0.4, len(x))
    x_t = process.marginal(x, t).sample(torch.Generator().manual_seed(1))
    expected = 1 + process.schedule.alpha_bar(t)[0].item() * (9 - 1)
    assert abs(x_t.var().item() / expected - 1) < 4 * (2 / len(x)) ** 0.5


def test_guess_widths_give_the_two_published_variances() -> None:
    """w = 0 gives β̃, w² = 1 − ᾱ_t gives β (Ho et al. 2020, §3.2)."""
    process = GaussianProcess(Linear())
    x = torch.zeros(999, 1, dtype=torch.float64)
    t = torch.arange(2, 1001, dtype=torch.float64) / 1000
    s = t - 1e-3
    alpha_t, alpha_s = process.schedule.alpha_bar(t), process.schedule.alpha_bar(s)
    beta = 1 - alpha_t / alpha_s
    small = process.reverse(x, Normal(x, torch.zeros_like(x)), t, s).std ** 2
    large = process.reverse(x, Normal(x, (1 - alpha_t).sqrt()[:, None]), t, s).std ** 2
    torch.testing.assert_close(small[:, 0], beta * (1 - alpha_s) / (1 - alpha_t), rtol=1e-9, atol=0)
    torch.testing.assert_close(large[:, 0], beta, rtol=1e-9, atol=0)


def test_float32_states_keep_float64_coefficients() -> None:
    """On a fine grid near the data the small steps survive: 1 − ᾱ_t/ᾱ_s is cast after it is computed."""
    process = GaussianProcess(Cosine())
    t, s = at(2e-5, 1), at(1e-5, 1)
    lost = 1 - process.schedule.alpha_bar(t) / process.schedule.alpha_bar(s)
    single = process.forward(torch.ones(1, 1), s, t).std.item() ** 2
    assert abs(single / lost.item() - 1) < 1e-6


def test_step_kl_in_float32_is_close_to_float64() -> None:
    """The fast form loses no digits where the generic one subtracts nearly equal means."""
    process = GaussianProcess(Cosine())
    t, s = at(0.002, 8), at(0.001, 8)
    x = torch.linspace(-1, 1, 8, dtype=torch.float64)[:, None]
    x_t = process.marginal(x, t).sample(torch.Generator().manual_seed(0))
    clean = Normal(x + 1e-3, torch.full_like(x, 1e-3))
    exact = process.step_kl(x, x_t, clean, t, s)
    single = process.step_kl(x.float(), x_t.float(), Normal(clean.mean.float(), clean.std.float()), t, s)
    torch.testing.assert_close(single.double(), exact, rtol=2e-3, atol=0)
