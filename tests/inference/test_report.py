"""The report's closed forms against the general oracle, and the biases it tells against those known from theory."""

import warnings

import pytest
import torch

from oracles import MixtureOracle, at, double, held_moments, seeded
from quasistatic.distribution import Normal
from quasistatic.inference.report import Bias, Field
from quasistatic.model.bench import DrawOptions
from quasistatic.model.draw import bias
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal, uniform_times


def as_mixture(field: Field) -> MixtureOracle:
    """The same law with a covariance counted out, element by element."""
    places = torch.cartesian_prod(*(torch.arange(side) for side in field.shape)).reshape(-1, len(field.shape))
    covariance = double(field.rho) ** (places[:, None] - places).abs().sum(-1)
    means = torch.full((2, len(places)), field.offset, dtype=torch.float64) * double(-1, 1)[:, None]
    return MixtureOracle(field.process, double(0.5, 0.5), means, covariance.expand(2, -1, -1))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 2, 2)])
def test_the_guess_is_the_mixtures_own(shape: tuple[int, ...]) -> None:
    field = Field(GaussianProcess(Cosine()), shape, 0.8, 0.6)
    x_t = torch.randn(7, *shape, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(field.covariance, as_mixture(field).covariances[0])
    for t in (0.05, 0.5, 0.97):
        ours, theirs = field(x_t, at(t, 7)), as_mixture(field)(x_t.flatten(1), at(t, 7))
        torch.testing.assert_close(ours.mean.flatten(1), theirs.mean)
        torch.testing.assert_close(ours.variance.flatten(1), theirs.variance)


def test_the_posterior_is_that_of_rejection() -> None:
    """Of 400,000 draws, those whose two known elements are near what was observed: mean and std within 4 errors."""
    field, mask = Field(GaussianProcess(Cosine()), (1, 3), 0.7, 0.8), torch.tensor([[True, False, True]])
    draws, seen = field.sample(400_000, seeded(1)), double(0.6, 0.0, -0.4)[None]
    near = draws[((draws - seen)[:, mask].abs() < 0.06).all(1)][:, 0, 1]
    truth = field.posterior(seen[None], mask)
    assert abs(near.mean() - truth.mean[0, 0]) < 4 * near.std() / len(near) ** 0.5 + 0.01
    assert abs(near.std() - truth.std[0, 0]) < 4 * near.std() / (2 * len(near)) ** 0.5 + 0.01


def test_perfect_draws_have_no_bias_and_shifted_ones_have_theirs() -> None:
    truth = Normal(torch.randn(16, 6, generator=seeded(1), dtype=torch.float64), torch.full((16, 6), 0.5).double())
    noise = torch.randn(16, 4, 200, 6, generator=seeded(4), dtype=torch.float64)
    right = Bias.of(truth.mean[:, None, None] + truth.std[:, None, None] * noise, truth)
    for (value, error), wanted in ((right.way, 1), (right.spread, 1)):
        assert abs(value - wanted) < 4 * error
    assert right.off[0] < 4 * right.off[1]
    wrong = Bias.of(0.7 * truth.mean[:, None, None] + 2 * truth.std[:, None, None] * noise, truth)
    assert abs(wrong.way[0] - 0.7) < 4 * wrong.way[1]
    assert abs(wrong.spread[0] - 2) < 4 * wrong.spread[1]
    assert wrong.off[0] == pytest.approx(0.3 * (truth.mean**2).mean().sqrt().item() / 0.5, abs=0.1)
    assert "of the way from prior to posterior mean" in str(wrong)


def test_holding_has_its_known_bias() -> None:
    """Two elements, ρ = 0.9: the way is the linear chain's (0.7 and less), the spread its square root of 0.31/0.19."""
    process, mask = GaussianProcess(Reciprocal()), torch.tensor([True, False])
    mean, variance = held_moments(process, 0.9, 1.0, uniform_times(60))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Field, "__init__", _one_normal(Field.__init__))
        found = bias(process, mask, "hold", DrawOptions(draws=100, steps=60), cases=8)
    assert abs(found.way[0] - mean / 0.9) < 4 * found.way[1] + 1e-3
    assert abs(found.spread[0] - (variance / 0.19) ** 0.5) < 4 * found.spread[1] + 1e-3


def _one_normal(init):  # type: ignore[no-untyped-def]
    return lambda self, process, shape: init(self, process, shape, 0.9, 0.0)


@pytest.mark.slow
def test_methods_rank_as_they_should() -> None:
    """Eight elements, the last half hidden: particle errs least, holding most."""
    process, mask = GaussianProcess(Cosine()), torch.arange(8) < 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {m: DrawOptions(draws=64, steps=100) for m in ("hold", "guide")}
        options["particle"] = DrawOptions(draws=64, steps=100, particles=256)
        found = {m: bias(process, mask, m, chosen) for m, chosen in options.items()}
    assert found["hold"].off[0] > found["guide"].off[0] > found["particle"].off[0]
    assert abs(found["particle"].way[0] - 1) < 4 * found["particle"].way[1] + 0.02


def test_refusals() -> None:
    mask = torch.tensor([True, False])
    with pytest.raises(TypeError, match="closed forms for a Gaussian process, got BernoulliProcess"):
        bias(BernoulliProcess(Cosine()), mask, "hold", DrawOptions(draws=2, steps=2))
    with pytest.raises(ValueError, match="some elements known and some not"):
        bias(GaussianProcess(Cosine()), torch.ones(2, dtype=torch.bool), "hold", DrawOptions(draws=2, steps=2))
    with pytest.raises(ValueError, match=r"two cases, groups and draws or more, got \(1, 4, 2\)"):
        bias(GaussianProcess(Cosine()), mask, "hold", DrawOptions(draws=2, steps=2), cases=1)
