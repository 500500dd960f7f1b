"""Sets made to order, against the laws they are drawn from."""

import builtins
import itertools
import math

import numpy as np
import pytest
import torch

from quasistatic.data import load
from quasistatic.data.synthetic.leaves import DeadLeaves
from quasistatic.data.synthetic.roll import SwissRoll

ROLLS = [(0.5, 7.483209854029), (1.0, 8.495341485763)]


@pytest.mark.parametrize(("noise", "bits"), ROLLS)
def test_the_entropy_of_a_roll_is_the_known_one(noise: float, bits: float) -> None:
    """theory.md 3.2, there by another quadrature on a finer grid."""
    assert SwissRoll(noise).entropy() == pytest.approx(bits, abs=2e-7)


@pytest.mark.slow
def test_the_draws_have_the_density() -> None:
    """E −log p over draws is the entropy, within 4 standard errors; the density integrates to 1 on a grid."""
    roll = SwissRoll(0.5)
    cost = -roll.log_density(roll.sample(20_000, seed=3)) / math.log(2)
    assert abs(cost.mean().item() - ROLLS[0][1]) < 4 * cost.std().item() / math.sqrt(len(cost))
    axis = torch.arange(-20, 20, 0.25, dtype=torch.float64)
    assert roll.log_density(torch.cartesian_prod(axis, axis)).exp().sum().item() / 16 == pytest.approx(1, abs=1e-9)


def test_the_mixture_of_the_nodes_is_the_integral() -> None:
    """Against scipy's adaptive quadrature of ∫ N(x; c(u), s² I) du/3π."""
    from scipy.integrate import quad

    roll = SwissRoll(0.5)
    for x, z in ((5.0, -3.0), (0.3, 9.2), (-12.0, 1.0)):

        def kernel(u: float, x: float = x, z: float = z) -> float:
            gap = (x - u * math.cos(u)) ** 2 + (z - u * math.sin(u)) ** 2
            return math.exp(-gap / 0.5) / (2 * math.pi * 0.25) / (3 * math.pi)

        cuts = np.linspace(1.5 * math.pi, 4.5 * math.pi, 60)
        truth = sum(quad(kernel, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(cuts))
        point = torch.tensor([[x, z]], dtype=torch.float64)
        assert roll.log_density(point).exp().item() == pytest.approx(truth, rel=1e-8)


def test_a_roll_is_centred_with_one_scale() -> None:
    data = load("swiss-roll:1")
    x = data.codec.encode(data.batch(torch.arange(len(data)))).double()
    error = x.std(0) / math.sqrt(len(x))
    assert (x.mean(0).abs() < 4 * error).all()
    square = x.square().mean(1)
    assert abs(square.mean().item() - 1) < 4 * square.std().item() / math.sqrt(len(x))
    assert data.codec.scale[0] == data.codec.scale[1]  # type: ignore[attr-defined]
    assert load("swiss-roll:1", limit=10).shape == (2,)


@pytest.mark.slow
def test_two_pixels_share_a_leaf_as_often_as_geometry_says() -> None:
    """P(same leaf at d) = γ(d)/(2γ(0) − γ(d)), which is also the correlation of the greys; theory.md 3.4."""
    leaves, distances = DeadLeaves(32), (1, 2, 4, 8, 16)
    known = (0.7646, 0.5829, 0.3357, 0.1399, 0.0316)
    grey, leaf = leaves.sample(400)
    assert (leaf >= 0).all()
    for distance, truth in zip(distances, known, strict=True):
        assert leaves.same_leaf(float(distance)) == pytest.approx(truth, abs=6e-5)
        across = (leaf[:, :, distance:] == leaf[:, :, :-distance]).double().mean((1, 2))
        down = (leaf[:, distance:] == leaf[:, :-distance]).double().mean((1, 2))
        for seen in (across, down):
            assert abs(seen.mean().item() - truth) < 4 * seen.std().item() / math.sqrt(len(seen))
        products = ((grey[:, distance:] - 0.5) * (grey[:, :-distance] - 0.5)).double().mean((1, 2)) * 12
        assert abs(products.mean().item() - truth) < 4 * products.std().item() / math.sqrt(len(products))


def test_leaves_are_the_same_at_the_edge_and_inside() -> None:
    """Centres lie around the image too: without that, borders would show larger leaves."""
    _, leaf = DeadLeaves(32).sample(400, seed=1)
    same = (leaf[:, :, 1:] == leaf[:, :, :-1]).double()
    gap = same[:, :, :2].mean((1, 2)) - same[:, :, 14:16].mean((1, 2))
    assert abs(gap.mean().item()) < 4 * gap.std().item() / math.sqrt(len(gap))


def test_a_made_set_has_as_many_images_as_are_asked_for() -> None:
    assert len(load("dead-leaves:6:0.1")) == 4000
    assert len(load("dead-leaves:6:0.1", limit=4100)) == 4100


def test_the_set_has_its_stated_noise() -> None:
    """Within a leaf, neighbours differ by N(0, 2 · NOISE²)."""
    data = load("dead-leaves:16:0.1", limit=500)
    assert data.shape == (1, 16, 16)
    _, leaf = DeadLeaves(16, 0.1).sample(500)
    values = data.batch(torch.arange(500))[:, 0].double()
    same = leaf[:, :, 1:] == leaf[:, :, :-1]
    square = (values[:, :, 1:] - values[:, :, :-1])[same].square() / 2
    assert abs(square.mean().item() - 0.01) < 4 * square.std().item() / math.sqrt(len(square))


def test_a_texture_is_pieces_of_its_photograph() -> None:
    pytest.importorskip("skimage", reason="textures need scikit-image (the extra `textures`)")
    data = load("texture:brick:64")
    assert data.shape == (1, 64, 64)
    assert len(data) == 15**2
    assert torch.equal(data.batch(torch.tensor([0]))[..., 32:], data.batch(torch.tensor([1]))[..., :32])
    assert data.split(0.2, 0)[1].ids == [str(n) for n in range(180, 225)]


def test_a_texture_without_scikit_image_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: object, **more: object) -> object:
        if name == "skimage":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ValueError, match="install quasistatic with the extra `textures`"):
        load("texture:grass")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("swiss-roll:0", "needs noise above 0, or it has no density"),
        ("swiss-roll:wide", "written swiss-roll:NOISE"),
        ("swiss-roll:1:2", "written swiss-roll:NOISE"),
        ("dead-leaves:4", "a side of 6 pixels or more"),
        ("dead-leaves:32:0", "without it they have no density"),
        ("dead-leaves:big", "written dead-leaves:SIDE:NOISE"),
        ("dead-leaves:32:0.1:5", "written dead-leaves:SIDE:NOISE"),
        ("texture:bark", "one of grass, gravel, brick"),
        ("texture", "written texture:NAME:SIDE"),
        ("texture:grass:2", "pieces of 4 to 256 pixels"),
    ],
)
def test_names_that_are_wrong_say_how_they_are_written(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        load(name)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("heartbeat:1000000:5", "LENGTH ≤ 4096, got"),
        ("dead-leaves:100000", "at most 268435456 pixels in all, got 4000"),
    ],
)
def test_a_set_that_fills_the_memory_is_refused(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(name)
