"""The mixture's guess: against the conditional law of joint normals, and what a network makes of it."""

import numpy as np
import pytest
import torch
from torch import Tensor

from quasistatic.config import Specification, override
from quasistatic.data import LevelsCodec, load
from quasistatic.denoiser import Denoiser
from quasistatic.model.build import build, check_fit
from quasistatic.network import UNetConfig
from quasistatic.network.laws.mixture import MixtureGuess, principal
from quasistatic.recipes import recipe
from quasistatic.training.beginning import begin_network

SHAPE = (2, 3, 3)


@pytest.fixture(scope="module")
def law() -> MixtureGuess:
    """A law of 18 elements and four centers, one of which is not used, fitted to examples in three clusters."""
    generator = torch.Generator().manual_seed(0)
    middles, loadings = torch.randn(3, 18, generator=generator), torch.randn(18, 4, generator=generator)
    which = torch.randint(3, (400,), generator=generator)
    x = 2 * middles[which] + torch.randn(400, 4, generator=generator) @ loadings.T
    found = MixtureGuess(SHAPE, 4)
    found.fit((x + 0.3 * torch.randn(400, 18, generator=generator)).view(-1, *SHAPE))
    return found


def by_conditioning(law: MixtureGuess, o: Tensor, kept: Tensor) -> Tensor:
    """Return E[x | o] by the textbook's formula for each center, with whole matrices in float64."""
    centers, axes, powers, rest = (one.double() for one in (law.centers, law.axes, law.powers, law.rest))
    covariance = axes @ powers.diag() @ axes.T + rest * torch.eye(len(axes))
    found = []
    for row, own in zip(o.flatten(1).double(), kept.flatten(1).double(), strict=True):
        total = torch.linalg.inv(own.diag() @ covariance @ own.diag() + (1 - own**2).diag())
        gaps = row - own * centers
        share = (law.log_chances.double() - torch.einsum("ke,ef,kf->k", gaps, total, gaps) / 2).softmax(0)
        found.append(share @ (centers + gaps @ total @ own.diag() @ covariance))
    return torch.stack(found).view_as(o)


@pytest.mark.parametrize("rows", [0, 1, 7])
@pytest.mark.parametrize("root", [1e-4, 0.3, 0.99, 1.0])
def test_guesses_are_conditional_means(law: MixtureGuess, rows: int, root: float) -> None:
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, *SHAPE, generator=generator, dtype=torch.float64)
    told = torch.rand(x.shape, generator=generator) < 0.4
    kept = torch.where(told, 1.0, root)
    if rows:
        torch.testing.assert_close(law.known(x, kept), by_conditioning(law, x, kept), rtol=1e-5, atol=1e-5)
        alike = torch.full_like(x, root)
        torch.testing.assert_close(
            law.noised(x, alike.flatten(1)[:, 0]), by_conditioning(law, x, alike), rtol=1e-5, atol=1e-5
        )
    torch.testing.assert_close(law.known(x, kept)[told], x[told])
    torch.testing.assert_close(
        law.noised(x, torch.full((rows,), root)), law.known(x, torch.full_like(x, root)), rtol=1e-5, atol=1e-5
    )


def test_a_row_does_not_depend_on_its_batch(law: MixtureGuess) -> None:
    x, kept = torch.randn(5, *SHAPE, dtype=torch.float64), torch.rand(5)
    alone = torch.cat([law.noised(x[row : row + 1], kept[row : row + 1]) for row in range(5)])
    torch.testing.assert_close(law.noised(x, kept), alone)


def test_the_fit_finds_the_clusters_and_errs_less_than_one_normal_law(law: MixtureGuess) -> None:
    assert law.log_chances[:4].exp().sum() == pytest.approx(1)
    images = load("digits")
    x = images.codec.encode(images.batch(torch.arange(len(images))))
    learned, held = x[::2], x[1::2]
    kept = torch.ones_like(held)
    kept[..., 4:, :] = 0
    errors = {}
    for centers in (1, 32):
        one = MixtureGuess((1, 8, 8), centers)
        one.fit(learned)
        errors[centers] = (one.known(held * kept, kept) - held)[..., 4:, :].square().mean().item()
    least = np.linalg.lstsq(
        *(part.flatten(1).numpy() for part in (learned[..., :4, :], learned[..., 4:, :])), rcond=None
    )
    ridge = float(
        np.square(held[..., :4, :].flatten(1).numpy() @ least[0] - held[..., 4:, :].flatten(1).numpy()).mean()
    )
    assert errors[1] < 1.1 * ridge
    assert errors[32] < 0.8 * errors[1]


@pytest.mark.parametrize("count", [1, 2, 30])
def test_few_or_equal_examples_leave_a_law(count: int) -> None:
    for x in (torch.randn(count, *SHAPE), torch.ones(count, *SHAPE)):
        found = MixtureGuess(SHAPE, 8)
        found.fit(x)
        assert found.noised(torch.randn(3, *SHAPE), torch.tensor([1e-3, 0.5, 1.0])).isfinite().all()


def test_axes_of_many_elements_are_the_principal_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    gaps = torch.randn(60, 3, generator=generator, dtype=torch.float64) * torch.tensor([9.0, 5.0, 3.0])
    gaps = gaps @ torch.randn(3, 1100, generator=generator, dtype=torch.float64)
    axes = principal(gaps - gaps.mean(0), 3)
    torch.testing.assert_close(axes.T @ axes, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close((gaps - gaps.mean(0)) @ axes @ axes.T, gaps - gaps.mean(0), rtol=1e-6, atol=1e-6)


def test_a_network_that_is_shown_nothing_guesses_as_one_that_is_not_asked() -> None:
    data = load("digits", limit=200)
    config = override(
        recipe("demo", data, "digits"), ["training.shown=0.5", "network.channels=48", "network.centers=4"]
    )
    specification = Specification.of(data)
    network = build(config, specification)
    begin_network(network, config, specification, data)
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.1, generator=torch.Generator().manual_seed(len(value)))
    denoiser = Denoiser(config.process, network, config.head)
    x_t, t = torch.randn(3, 1, 8, 8), torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    alone, shown = denoiser(x_t, t), denoiser(x_t, t, None, torch.full_like(x_t, torch.nan))
    torch.testing.assert_close(alone.mean, shown.mean)


def test_a_network_with_centers_takes_its_own_size_and_a_clock() -> None:
    network = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), centers=2).build((1, 8, 8))
    t = torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match="one fixed clock"):
        network(torch.zeros(1, 1, 8, 8), t)
    network.take_clock(lambda t: t)
    with pytest.raises(ValueError, match=r"the law of examples \(1, 8, 8\), got \(1, 4, 4\)"):
        network(torch.zeros(1, 1, 4, 4), t)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_the_guess_goes_straight_to_the_output_as_well(rows: int) -> None:
    """With the weights that pass each guess on, the first map is the guess; before training they are 0."""
    network = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), patch=2, centers=2).build((1, 8, 8), 3)
    network.take_clock(lambda t: t)
    network.begin(torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    x_t, t = torch.randn(rows, 1, 8, 8), torch.linspace(0.1, 0.9, rows, dtype=torch.float64)
    assert (network(x_t, t) == 0).all()
    with torch.no_grad():
        for place in range(4):
            network.passed.weight[3 * place, place] = 1.0
    torch.testing.assert_close(network(x_t, t)[:, 0], network.guess.noised(x_t, t.sqrt()))
    assert (network(x_t, t)[:, 1:] == 0).all()


def test_a_gradient_reaches_what_passes_the_guess_on() -> None:
    network = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), centers=2).build((1, 4, 4))
    network.take_clock(lambda t: t)
    torch.nn.init.normal_(network.passed.weight)
    network(torch.randn(3, 1, 4, 4), torch.full((3,), 0.5, dtype=torch.float64)).square().sum().backward()
    for layer in (network.passed, network.gate):
        assert all(bool(weight.grad.any()) for weight in layer.parameters())


def test_centers_are_for_gaussian_noise() -> None:
    data = load("digits", threshold=8)
    config = override(recipe("bits", data, "digits"), ["network.centers=2"])
    with pytest.raises(ValueError, match="centers guesses from Gaussian noise of one fixed clock, got"):
        check_fit(config, Specification.of(data))


def test_begin_fits_the_training_set() -> None:
    data = load("digits", limit=200)
    config = override(recipe("demo", data, "digits"), ["network.centers=4"])
    specification = Specification.of(data)
    network = build(config, specification)
    begin_network(network, config, specification, data)
    assert isinstance(specification.codec, LevelsCodec)
    x = specification.codec.encode(data.batch(torch.arange(200)))
    assert network.guess.noised(torch.zeros(1, 1, 8, 8), torch.zeros(1)).sub(x.mean(0)).abs().max() < 1e-4
