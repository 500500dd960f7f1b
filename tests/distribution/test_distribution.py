"""Normal, Quantized and Levels against torch, scipy and mpmath, far into the tails; draws against what is scored."""

import math
from collections.abc import Callable

import mpmath
import pytest
import scipy.stats
import torch
from torch import Tensor

from oracles import double, normal_nodes, seeded, within_4_errors
from quasistatic.distribution import (
    Distribution,
    Levels,
    Normal,
    Quantized,
    log_mass_between,
    log_ndtr,
    standard_normal,
)
from quasistatic.streams import Streams

INF = math.inf
LEVELS = torch.linspace(-1, 1, 9, dtype=torch.float64)
UNEVEN = double(-1.0, -0.2, 0.1, 1.0)
BYTES = torch.linspace(-1, 1, 256, dtype=torch.float64)


def normals(*shape: int, seed: int = 0) -> Normal:
    generator = seeded(seed)
    mean = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return Normal(mean, torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.1)


def each_level(mean: float, std: float, levels: Tensor) -> Quantized:
    """One element per level, so that `log_prob(levels)` lists all masses."""
    return Quantized(Normal(torch.full_like(levels, mean), torch.full_like(levels, std)), levels)


# Normal


def test_normal_is_torchs() -> None:
    ours, other, x = normals(50), normals(50, seed=1), normals(50, seed=2).mean
    theirs = torch.distributions.Normal(ours.mean, ours.std)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(ours.variance, theirs.variance)
    expected = torch.distributions.kl_divergence(theirs, torch.distributions.Normal(other.mean, other.std))
    torch.testing.assert_close(ours.kl(other), expected, rtol=1e-12, atol=1e-13)


def test_normal_far_out_is_scipys() -> None:
    x = double(-1e6, -40.0, 40.0, 1e6)
    expected = torch.from_numpy(scipy.stats.norm(0.5, 0.2).logpdf(x.numpy()))
    torch.testing.assert_close(Normal(torch.full_like(x, 0.5), double(0.2)).log_prob(x), expected, rtol=1e-14, atol=0)


def test_std_zero_is_a_point_mass() -> None:
    point = Normal(double(0.3, 0.3, 0.3), double(0.0))
    assert point.log_prob(double(0.3, 0.300001, -5.0)).tolist() == [INF, -INF, -INF]
    assert point.sample(seeded()).tolist() == [0.3] * 3
    assert point.variance.item() == 0
    assert Normal(double(0.3), double(0.0)).kl(normals(1)).item() == INF


def test_one_std_serves_all_elements() -> None:
    wide, full = Normal(LEVELS, double(0.5)), Normal(LEVELS, torch.full_like(LEVELS, 0.5))
    other = normals(9)
    for method in (lambda p: p.log_prob(other.mean), lambda p: p.kl(other), other.kl, lambda p: p.sample(seeded())):
        assert torch.equal(method(wide), method(full))


# Φ in both tails


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_ndtr_and_its_gradient(dtype: torch.dtype) -> None:
    """Against 40 digits; torch's own gradient is 4 % off at −1,000 in float32 and 0 at −1e6."""
    z = torch.tensor([-1e6, -1e3, -100, -10, -1, -0.1, -1e-6, 1e-6, 0.1, 1, 3, 8], dtype=dtype, requires_grad=True)
    value = log_ndtr(z)
    value.sum().backward()
    assert z.grad is not None
    tolerance = 2e-6 if dtype == torch.float32 else 2e-14
    with mpmath.workdps(40):
        for at, ours, slope in zip(z.tolist(), value.tolist(), z.grad.tolist(), strict=True):
            phi = mpmath.erfc(-mpmath.mpf(at) / mpmath.sqrt(2)) / 2
            assert ours == pytest.approx(float(mpmath.log(phi)), rel=tolerance)
            assert slope == pytest.approx(float(mpmath.npdf(at) / phi), rel=tolerance)


@pytest.mark.parametrize(
    ("low", "high"), [(-31, -30), (30, 31), (-9, -8.9), (8.9, 9), (-0.5, 0.5), (-1, 40), (1, 1.01)]
)
def test_mass_between_keeps_both_tails(low: float, high: float) -> None:
    """Against 400 digits: near +30 the plain difference of two Φ is 0."""
    with mpmath.workdps(400):
        a, b = mpmath.mpf(low), mpmath.mpf(high)
        expected = float(mpmath.log((mpmath.erfc(-b / mpmath.sqrt(2)) - mpmath.erfc(-a / mpmath.sqrt(2))) / 2))
    assert log_mass_between(double(low), double(high)).item() == pytest.approx(expected, rel=1e-13)


# Quantized


@pytest.mark.parametrize("levels", [LEVELS, UNEVEN, BYTES], ids=len)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 0.5), (0.3, 1e-3), (-4.0, 0.1), (0.1, 30.0), (0.99, 0.02)])
def test_quantized_masses_are_differences_of_scipys_cdf(levels: Tensor, mean: float, std: float) -> None:
    """Every bin, the outer two open; the sum over levels is 1."""
    log_mass = each_level(mean, std, levels).log_prob(levels)
    edges = torch.cat([double(-INF), (levels[1:] + levels[:-1]) / 2, double(INF)]).numpy()
    law = scipy.stats.norm(mean, std)
    plain = torch.from_numpy(law.cdf(edges[1:]) - law.cdf(edges[:-1]))
    torch.testing.assert_close(log_mass.exp(), plain, rtol=0, atol=1e-15)
    assert log_mass.exp().sum().item() == pytest.approx(1, abs=1e-13)
    assert log_mass[0].item() == pytest.approx(law.logcdf(edges[1]), rel=1e-13)
    assert log_mass[-1].item() == pytest.approx(law.logsf(edges[-2]), rel=1e-13)


def test_quantized_tails_are_not_clamped() -> None:
    """A guess far to one side: masses of e^−10⁴ and less, for outer and inner bins, against 60 digits."""
    law = each_level(5.0, 0.02, BYTES)
    edge = lambda i: (mpmath.mpf(BYTES[i].item()) + mpmath.mpf(BYTES[i + 1].item())) / 2  # noqa: E731
    with mpmath.workdps(60):
        phi = lambda x: mpmath.erfc((5 - x) / mpmath.mpf(0.02) / mpmath.sqrt(2)) / 2  # noqa: E731
        first, middle = mpmath.log(phi(edge(0))), mpmath.log(phi(edge(128)) - phi(edge(127)))
    log_mass = law.log_prob(BYTES)
    assert log_mass[0].item() == pytest.approx(float(first), rel=1e-12)
    assert log_mass[128].item() == pytest.approx(float(middle), rel=1e-12)
    assert log_mass[0].item() < -4e4


def test_the_bounded_approximation_of_phi_is_another_law() -> None:
    """theory.md trap 11: tanh in place of erf, and a floor of 1e-12, as the published code has it."""

    def published(mean: float, std: float) -> Tensor:
        cdf = lambda z: 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))  # noqa: E731
        high = cdf((BYTES - mean + 1 / 255) / std)
        low = cdf((BYTES - mean - 1 / 255) / std)
        return torch.where(BYTES == 1, 1 - low, torch.where(BYTES == -1, high, high - low)).clamp(min=1e-12).log()

    exact = each_level(0.1, 0.05, BYTES).log_prob(BYTES)
    approximate = published(0.1, 0.05)
    near = (BYTES - 0.1).abs() < 0.05
    assert 1e-4 < (exact - approximate)[near].abs().max() < 1e-2
    assert (approximate - exact).max() > 100


def test_what_is_no_level_has_no_mass() -> None:
    x = double(-1.0, -0.6, 0.1, 0.100001, 0.11, 2.0)
    base = Normal(torch.zeros(6, dtype=torch.float64), double(1.0))
    for law in (Quantized(base, UNEVEN), Levels(torch.zeros(6, 4, dtype=torch.float64), UNEVEN)):
        assert law.log_prob(x).isfinite().tolist() == [True, False, True, True, False, False]
        assert (law.log_prob(x)[[1, 4, 5]] == -INF).all()


def test_a_quantized_point_mass_is_its_nearest_level() -> None:
    law = each_level(0.6, 0.0, LEVELS)
    assert law.log_prob(LEVELS).tolist() == [0 if level == 0.5 else -INF for level in LEVELS.tolist()]
    assert (law.mean == 0.5).all()
    assert (law.variance == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("mean", "std"), [(0.0, 1e-4), (5.0, 1e-3), (1e4, 1.0), (1e4, 1e-4), (0.0, 1e3), (-1.0, 0.004)]
)
def test_quantized_gradients_are_finite(mean: float, std: float, dtype: torch.dtype) -> None:
    levels = BYTES.to(dtype)
    base = Normal(torch.full_like(levels, mean).requires_grad_(), torch.full_like(levels, std).requires_grad_())
    log_mass = Quantized(base, levels).log_prob(levels)
    log_mass.sum().backward()
    assert log_mass.isfinite().all()
    assert base.mean.grad is not None
    assert base.std.grad is not None
    assert base.mean.grad.isfinite().all()
    assert base.std.grad.isfinite().all()
    if mean > 1:  # every level calls the mean down, the further off the harder
        assert (base.mean.grad[:-1] < 0).all()


def test_quantized_gradient_is_the_slope() -> None:
    mean = torch.full_like(LEVELS, 0.2).requires_grad_()
    std = torch.full_like(LEVELS, 0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, w: Quantized(Normal(m, w), LEVELS).log_prob(LEVELS), (mean, std))


def test_a_fine_quantized_is_a_density_times_its_bin() -> None:
    levels = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    log_mass = each_level(0.2, 1.0, levels).log_prob(levels)[1:-1]
    density = torch.distributions.Normal(0.2, 1.0).log_prob(levels)[1:-1]
    torch.testing.assert_close(log_mass, density + math.log(12 / 4000), rtol=0, atol=2e-5)


# Levels


def test_levels_is_torchs_categorical() -> None:
    logits = 3 * torch.randn(20, 4, generator=seeded(), dtype=torch.float64)
    ours, theirs = Levels(logits, UNEVEN), torch.distributions.Categorical(logits=logits)
    k = torch.randint(4, (20,), generator=seeded(1))
    torch.testing.assert_close(ours.log_prob(UNEVEN[k]), theirs.log_prob(k))
    torch.testing.assert_close(ours.mean, (theirs.probs * UNEVEN).sum(-1))
    torch.testing.assert_close(ours.variance, (theirs.probs * UNEVEN**2).sum(-1) - ours.mean**2)
    torch.testing.assert_close(ours.log_masses.exp().sum(-1), torch.ones(20, dtype=torch.float64))


# Laws of all three

FAMILIES: dict[str, Callable[[int, int], Distribution]] = {
    "normal": lambda seed, count: Normal(*(v.expand(count) for v in (normals(1, seed=seed).mean, double(0.4 + seed)))),
    "quantized": lambda seed, count: Quantized(FAMILIES["normal"](seed, count), UNEVEN),  # type: ignore[arg-type]
    "levels": lambda seed, count: Levels(
        torch.randn(1, 4, generator=seeded(seed), dtype=torch.float64).expand(count, 4), UNEVEN
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_law_is_the_scored_law(family: str) -> None:
    """Moments, and frequencies of the levels, within 4 standard errors of 100,000 draws."""
    law = FAMILIES[family](1, 100_000)
    x = law.sample(seeded())
    assert within_4_errors(x, law.mean[0])
    assert within_4_errors((x - law.mean[0]) ** 2, law.variance[0])
    if family != "normal":
        mass = torch.stack([law.log_prob(level.expand(len(x)))[0] for level in UNEVEN]).exp()
        seen = torch.stack([(x == level).double().mean() for level in UNEVEN])
        assert seen.sum() == 1
        assert ((seen - mass).abs() <= 4 * (mass * (1 - mass) / len(x)).sqrt()).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_kl_is_the_mean_log_ratio(family: str) -> None:
    """E_p[log p − log q], within 4 standard errors of 100,000 draws; 0 of itself; never below 0."""
    p, q = FAMILIES[family](1, 100_000), FAMILIES[family](0, 100_000)
    x = p.sample(seeded())
    assert within_4_errors(p.log_prob(x) - q.log_prob(x), p.kl(q)[0])
    assert p.kl(p)[0].abs() < 1e-15
    pairs = [FAMILIES[family](a, 1).kl(FAMILIES[family](b, 1)).item() for a in range(9) for b in range(9) if a != b]
    assert min(pairs) > 0


def test_quantizing_loses_distinction() -> None:
    """KL falls under any map of both (data processing), and bins that grow fine lose nothing."""
    p, q = normals(30), normals(30, seed=1)
    coarse = Quantized(p, UNEVEN).kl(Quantized(q, UNEVEN))
    assert (coarse <= p.kl(q)).all()
    fine = torch.linspace(-9, 9, 3001, dtype=torch.float64)
    torch.testing.assert_close(Quantized(p, fine).kl(Quantized(q, fine)), p.kl(q), rtol=2e-3, atol=1e-5)


def test_normal_moments_by_quadrature() -> None:
    """The density integrates to 1 and to its own moments: Gauss–Hermite with another normal as the measure."""
    z, weight = normal_nodes(60)
    law = Normal(double(0.3), double(0.7))
    ratio = (law.log_prob(z) + z**2 / 2 + 0.5 * math.log(2 * math.pi)).exp() * weight
    assert ratio.sum().item() == pytest.approx(1, rel=1e-9)
    assert (ratio * z).sum().item() == pytest.approx(0.3, rel=1e-9)
    assert (ratio * (z - 0.3) ** 2).sum().item() == pytest.approx(0.49, rel=1e-9)


@pytest.mark.parametrize("shape", [(4, 9), (4, 2, 3)])
def test_an_example_draws_from_its_own_stream(shape: tuple[int, ...]) -> None:
    base = normals(*shape)
    for law, alone in (
        (base, Normal(base.mean[2:3], base.std[2:3])),
        (Quantized(base, BYTES), Quantized(Normal(base.mean[2:3], base.std[2:3]), BYTES)),
    ):
        whole = law.sample(Streams(0, 0, 4))
        assert torch.equal(whole[2:3], alone.sample(Streams(0, 2, 1)))
    noise = standard_normal(base.mean, Streams(0, 0, 4))
    assert not torch.equal(noise[0], noise[1])


def test_a_stream_for_each_example_or_a_generator_for_all() -> None:
    with pytest.raises(ValueError, match="4 examples came with 3 streams"):
        normals(4, 2).sample(Streams(0, 0, 3))


def test_families_do_not_mix() -> None:
    normal = normals(3)
    quantized, levels = Quantized(normal, UNEVEN), Levels(torch.zeros(3, 4, dtype=torch.float64), UNEVEN)
    with pytest.raises(TypeError, match="compared with a Normal, got Quantized"):
        normal.kl(quantized)
    for other in (normal, levels, Quantized(normal, 2 * UNEVEN)):
        with pytest.raises(TypeError, match=f"over the same levels, got {type(other).__name__}"):
            quantized.kl(other)
    for other in (normal, quantized, Levels(levels.logits, 2 * UNEVEN)):
        with pytest.raises(TypeError, match=f"over the same levels, got {type(other).__name__}"):
            levels.kl(other)
