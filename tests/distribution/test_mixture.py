"""A mixture on levels: sums over all levels, quadrature of the moments, and what the window leaves out."""

import math

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import LevelMixture, Levels, Normal, Quantized
from quasistatic.streams import Streams

COUNT, SHAPE = 3, (4, 3, 5)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(noise: float = 0.1, count: int = 64, seed: int = 0, width: float = 0.3, rows: int = 4) -> LevelMixture:
    """Components at random, and values noised from levels of [−1, 1]."""
    g = seeded(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    levels = torch.linspace(-1, 1, count, dtype=torch.float64)
    shape = (rows, *SHAPE[1:])
    clean = levels[torch.randint(count, shape, generator=g)]
    kept = math.sqrt(1 - noise**2)
    scale = torch.full((rows, 1, 1), 1.0, dtype=torch.float64)
    return LevelMixture(
        draw(COUNT, *shape),
        0.5 * draw(COUNT, *shape),
        width * (0.5 * draw(COUNT, *shape)).exp(),
        kept * clean + noise * draw(*shape),
        kept * scale,
        noise * scale,
        levels,
    )


def by_quadrature(law: LevelMixture, points: int = 400_001) -> tuple[Tensor, Tensor]:
    """Mean and variance of Σ w_j N(x; m_j, s_j²) N(x_t; κ x, ν²) exp(η x), by the trapezoid rule, of three elements."""
    x = torch.linspace(-12, 12, points, dtype=torch.float64)
    means, variances = [], []
    for place in [(0, 0, 0), (1, 2, 4), (3, 1, 1)]:
        at = (slice(None), *place)
        prior = (law.logits[at].softmax(0) / law.stds[at]) @ (
            -0.5 * ((x - law.means[at][:, None]) / law.stds[at][:, None]) ** 2
        ).exp()
        row = place[0]
        p = prior * (-0.5 * ((law.x_t[place] - law.kept[row, 0, 0] * x) / law.noise[row, 0, 0]) ** 2).exp()
        p = p if law.tilt is None else p * (law.tilt[place] * x).exp()
        p = p / p.sum()
        means.append(p @ x)
        variances.append(p @ (x - p @ x) ** 2)
    return torch.stack(means), torch.stack(variances)


@pytest.mark.parametrize("slope", [0.0, 3.0])
@pytest.mark.parametrize("noise", [0.02, 0.3, 0.9, 1 - 1e-9])
def test_moments_are_those_of_mixture_times_likelihood(noise: float, slope: float) -> None:
    law = mixture(noise)
    if slope:
        law = law.tilted(slope * law.means[0])
    mean, variance = by_quadrature(law)
    rows = torch.tensor([0, 1, 3]), torch.tensor([0, 2, 1]), torch.tensor([0, 4, 1])
    torch.testing.assert_close(law.mean[rows], mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(law.variance[rows], variance, rtol=1e-8, atol=1e-10)


def test_one_component_without_evidence_is_a_quantized_normal() -> None:
    law = mixture(1.0)
    alone = LevelMixture(
        law.logits[:1], law.means[:1], law.stds[:1], law.x_t, torch.zeros_like(law.kept), law.noise, law.levels
    )
    quantized = Quantized(Normal(law.means[0], law.stds[0]), law.levels)
    torch.testing.assert_close(alone.as_levels().log_masses, quantized.as_levels().log_masses)
    torch.testing.assert_close(alone.mean, law.means[0])
    torch.testing.assert_close(alone.variance, law.stds[0] ** 2)


@pytest.mark.parametrize("noise", [0.004, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("width", [0.001, 0.3])
def test_log_prob_sums_near_levels_only(noise: float, width: float) -> None:
    """Against the sum over all levels, for the level that was noised and for others near x_t."""
    law = mixture(noise, count=256, width=width)
    every = law.as_levels()
    torch.testing.assert_close(every.log_masses.logsumexp(-1), torch.zeros(SHAPE, dtype=torch.float64))
    assert (law._window()[1] < 256) == (noise < 0.1)
    near = law.levels[((law.x_t / law.kept.clamp(min=0.1) + 1) * 127.5).round().clamp(0, 255).long()]
    # The bound on what lies outside the window shows only where the components put no mass inside it.
    spread = every.log_prob(near)
    told = torch.where(spread.isfinite(), law.log_prob(near), 0)
    assert (told <= spread + 1e-9).all()
    if width > 0.1:
        torch.testing.assert_close(told, spread, rtol=1e-9, atol=1e-9)


def test_the_mass_is_never_above_the_true_one() -> None:
    """All components far from x_t: the window's own sum would overstate the mass by e^(what lies outside)."""
    law = mixture(0.004, count=256)
    far = LevelMixture(
        law.logits, law.means * 0 + 1, law.stds * 0 + 1e-3, law.x_t * 0 - 0.9, law.kept, law.noise, law.levels
    )
    x = law.levels[13].expand(SHAPE)
    true = far.as_levels().log_prob(x)
    assert (far.log_prob(x) <= true + 1e-9).all()
    assert far.log_prob(x).isfinite().all()


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_rounding_moves_the_moments_little(share: float) -> None:
    """With noise of half a gap or more, of the mixture against the masses, in gaps."""
    gap = 2 / 255
    law = mixture(share * gap, count=256)
    every = law.as_levels()
    inner = (law.x_t.abs() < 0.8).expand(SHAPE)
    assert ((law.mean - every.mean).abs() / gap)[inner].max() < 0.05
    assert ((law.variance - every.variance).abs() / gap**2)[inner].max() < 0.1


def test_a_tilt_multiplies_the_masses() -> None:
    law, slope = mixture(0.3), 2 * torch.randn(SHAPE, generator=seeded(), dtype=torch.float64)
    once = law.tilted(slope)
    wanted = (law.as_levels().log_masses + slope[..., None] * law.levels).log_softmax(-1)
    torch.testing.assert_close(once.as_levels().log_masses, wanted)
    torch.testing.assert_close(once.log_prob(law.levels[9].expand(SHAPE)), wanted[..., 9])
    torch.testing.assert_close(once.tilted(-slope).mean, law.mean)
    torch.testing.assert_close(once.take(torch.tensor([2])).mean, once.mean[2:3])
    torch.testing.assert_close(law.tilted(slope * torch.inf).mean, law.mean)


@pytest.mark.parametrize("width", [0.004, 0.3, 1e6])
def test_slopes_in_float32_are_those_in_float64(width: float) -> None:
    """Also where the outer bins, which are open, are in the window, and for components that are far too wide."""
    found = []
    for dtype in (torch.float64, torch.float32):
        law = mixture(0.004, count=256, width=width)
        x = law.levels[((law.x_t / law.kept + 1) * 127.5).round().clamp(0, 255).long()].to(dtype)
        parts = [part.to(dtype).requires_grad_() for part in (law.logits, law.means, law.stds)]
        rest = (part.to(dtype) for part in (law.x_t, law.kept, law.noise, law.levels))
        LevelMixture(*parts, *rest).log_prob(x).clamp(min=-1e3).sum().backward()
        found.append(torch.stack([part.grad for part in parts if part.grad is not None]).double())
    assert found[1].isfinite().all()
    scale = found[0].abs().amax(dim=(1, 2, 3, 4), keepdim=True)
    assert ((found[1] - found[0]).abs() <= 2e-3 * scale + 1e-4).all()


def test_masses_do_not_depend_on_how_many_components_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    law = mixture(0.02)
    together = law.as_levels().log_masses
    monkeypatch.setattr("quasistatic.distribution.mixture.PIECE", 1)
    torch.testing.assert_close(law.as_levels().log_masses, together)


def test_values_between_levels_have_no_mass() -> None:
    law = mixture()
    assert (law.log_prob(torch.full(SHAPE, 0.123456, dtype=torch.float64)) == -math.inf).all()


def test_draws_follow_the_masses() -> None:
    one = mixture(0.3, count=8, rows=1)
    law = one.take(torch.zeros(4000, dtype=torch.long))
    drawn = law.sample(seeded(1))
    share = (drawn[..., None] == law.levels).double().mean(0)
    p = one.as_levels().log_masses.exp()[0]
    assert ((share - p).abs() <= 4.5 * (p * (1 - p) / 4000).sqrt() + 1e-12).all()


def test_draws_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    law = mixture()
    whole = law.sample(Streams(0, 0, 4))
    monkeypatch.setattr("quasistatic.distribution.mixture.AT_ONCE", 1)
    torch.testing.assert_close(law.sample(Streams(0, 0, 4)), whole, rtol=0, atol=0)
    last = law.take(torch.tensor([3]))
    torch.testing.assert_close(last.sample(Streams(0, 3, 1)), whole[3:], rtol=0, atol=0)
    assert law.take(torch.tensor([], dtype=torch.long)).sample(seeded()).shape == (0, *SHAPE[1:])


@pytest.mark.parametrize("rows", [[2], [3, 1, 1], []])
def test_take(rows: list[int]) -> None:
    law, rows_ = mixture(), torch.tensor(rows, dtype=torch.long)
    part, x = law.take(rows_), law.levels[10].expand(SHAPE)
    torch.testing.assert_close(part.mean, law.mean[rows_])
    torch.testing.assert_close(part.variance, law.variance[rows_])
    torch.testing.assert_close(part.log_prob(x[rows_]), law.log_prob(x)[rows_])


def test_kl_and_entropy_are_those_of_the_masses() -> None:
    law, other = mixture(), mixture(seed=1)
    torch.testing.assert_close(law.kl(other), law.as_levels().kl(other.as_levels()))
    torch.testing.assert_close(law.kl(law), torch.zeros(SHAPE, dtype=torch.float64))
    assert isinstance(law.as_levels(), Levels)
    torch.testing.assert_close(law.entropy, law.as_levels().entropy)


@pytest.mark.parametrize("level", [0, 17, 255])
@pytest.mark.parametrize("width", [1e-4, 0.3, 100.0])
def test_gradients_are_finite(level: int, width: float) -> None:
    """At the outer levels, whose bins are open, and for components far narrower than a bin."""
    law = mixture(0.004, count=256, width=width)
    x = law.levels.float()[level].expand(SHAPE)
    words = [part.float().requires_grad_() for part in (law.logits, law.means, law.stds)]
    near = LevelMixture(*words, x + 0.004, law.kept.float(), law.noise.float(), law.levels.float())
    (near.log_prob(x).sum() + near.mean.sum() + near.variance.sum()).backward()
    assert all(bool(part.grad.isfinite().all()) for part in words if part.grad is not None)
    assert all(part.grad is not None for part in words)
