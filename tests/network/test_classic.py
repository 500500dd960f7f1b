"""The networks of 2015, against their formulas and what every network promises."""

import dataclasses
import json

import pytest
import torch
from torch.nn import functional as F

from quasistatic.config import from_json, to_json
from quasistatic.network import MultiScaleConfig, NetworkConfig, RBFConfig, SigmoidMLPConfig
from quasistatic.network.classic import RBF, MultiScaleConvolution, SigmoidMLP, bumps
from quasistatic.types import Time

IMAGES = MultiScaleConfig(features=6, layers=2, scales=2, upper=5, depth=1, bumps=4)
CASES = [
    (RBFConfig(units=5, steps=4), (3,)),
    (SigmoidMLPConfig(width=6, depth=2, steps=4), (3,)),
    (IMAGES, (2, 8, 7)),
    (dataclasses.replace(IMAGES, dense=9), (1, 4, 4)),
    (dataclasses.replace(IMAGES, features=0, dense=9), (1, 4, 4)),
]
NAMES = ["rbf", "sigmoid-mlp", "multi-scale", "with-dense", "dense"]


def states(shape: tuple[int, ...]) -> tuple[torch.Tensor, Time]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, *shape, generator=generator), torch.tensor([0.25, 0.5, 1.0], dtype=torch.float64)


def awake(config: NetworkConfig, shape: tuple[int, ...]):  # type: ignore[no-untyped-def]
    """A network with every weight random, those that start at 0 too."""
    network, generator = config.build(shape, 2), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize(("config", "shape"), CASES, ids=NAMES)
class TestEachNetwork:
    def test_starts_at_exactly_0(self, config, shape):  # type: ignore[no-untyped-def]
        output = config.build(shape, outputs=3)(*states(shape))
        assert output.shape == (3, 3, *shape)
        assert (output == 0).all()

    def test_gradient_reaches_every_weight(self, config, shape):  # type: ignore[no-untyped-def]
        network = awake(config, shape)
        network(*states(shape)).square().sum().backward()
        assert [
            name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()
        ] == []

    def test_each_example_stands_alone_and_time_matters(self, config, shape):  # type: ignore[no-untyped-def]
        network, (x_t, t) = awake(config, shape), states(shape)
        alone = torch.cat([network(x_t[n : n + 1], t[n : n + 1]) for n in range(3)])
        torch.testing.assert_close(network(x_t, t), alone)
        assert (network(x_t, t) != network(x_t, t.flip(0))).any()

    def test_is_plain_numbers(self, config, shape):  # type: ignore[no-untyped-def]
        assert from_json(NetworkConfig, json.loads(json.dumps(to_json(config)))) == config

    def test_refuses_labels_and_other_shapes(self, config, shape):  # type: ignore[no-untyped-def]
        wrong = (3, 4, 4) if len(shape) == 1 else (3,)
        with pytest.raises(ValueError, match="of numbers without labels, got shape"):
            config.build(wrong)
        with pytest.raises(ValueError, match="and 4 classes"):
            config.build(shape, classes=4)
        with pytest.raises(ValueError, match="are unconditional, got labels"):
            config.build(shape)(*states(shape), torch.zeros(3, dtype=torch.int64))


def test_basis_functions_share_out_the_plane() -> None:
    """With every readout 1, the normalised functions add up to 1 anywhere (App. D.1.1)."""
    network, (x_t, t) = RBFConfig(5, 4).build((3,), 1), states((3,))
    assert isinstance(network, RBF)
    torch.nn.init.ones_(network.readout.weight)
    torch.testing.assert_close(network(x_t, t), torch.ones(3, 1, 3))


def test_a_far_point_belongs_to_the_nearest_centre() -> None:
    network = RBFConfig(2, 1).build((1,), 1)
    assert isinstance(network, RBF)
    with torch.no_grad():
        network.centres.copy_(torch.tensor([[-10.0], [10.0]]))
        network.readout.weight.copy_(torch.tensor([[3.0, 7.0]]))
    answer = network(torch.tensor([[-9.0], [0.0], [12.0]]), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(answer.flatten(), torch.tensor([3.0, 5.0, 7.0]))


def test_a_step_reads_its_own_weights_only() -> None:
    network = SigmoidMLPConfig(width=4, depth=1, steps=10).build((2,), 1)
    assert isinstance(network, SigmoidMLP)
    with torch.no_grad():
        network.readout.bias[6] = 1.0  # of step 7
    t = torch.arange(1, 11, dtype=torch.float64) / 10
    said = network(torch.zeros(10, 2), t)[:, 0, 0]
    assert said.tolist() == [0.0] * 6 + [1.0] + [0.0] * 3


def test_bumps_sum_to_one_and_peak_in_turn() -> None:
    """Eq. 63: normalised Gaussians; between two neighbouring centres both weigh the same."""
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    g = bumps(t, 5)
    torch.testing.assert_close(g.sum(1), torch.ones(101, dtype=torch.float64))
    assert (g.argmax(1).diff() >= 0).all()
    assert g.argmax(1).unique().tolist() == [0, 1, 2, 3, 4]
    between = bumps(torch.tensor([0.2, 0.4], dtype=torch.float64), 5)
    torch.testing.assert_close(between[0, 0], between[0, 1])
    torch.testing.assert_close(between[1, 1] / between[1, 0], torch.tensor(2.718281828**1).double(), rtol=1e-6, atol=0)


def test_one_scale_is_a_plain_convolution() -> None:
    layer, h = MultiScaleConvolution(2, 3, 1, 3), torch.randn(1, 2, 6, 5)
    torch.testing.assert_close(layer(h), F.softplus(layer.scales[0](h)))


def test_scales_see_averages_of_their_squares() -> None:
    """A map that is constant on squares of two is its own average: the coarse path is the fine one, repeated."""
    layer, coarse = MultiScaleConvolution(1, 2, 2, 1), torch.randn(1, 1, 3, 3)
    fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    both = layer.scales[0](fine) + layer.scales[1](fine)
    torch.testing.assert_close(layer(fine), F.softplus(both))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: RBFConfig(units=0), "units must be at least 1"),
        (lambda: SigmoidMLPConfig(depth=0), "depth must be at least 1"),
        (lambda: MultiScaleConfig(bumps=1), "bumps must be at least 2"),
        (lambda: MultiScaleConfig(kernel=4), "needs an odd kernel"),
        (lambda: MultiScaleConfig(features=0), "features or dense above 0"),
        (lambda: MultiScaleConfig(scales=4).build((1, 4, 4)), "4 scales need images of 8 pixels or more"),
    ],
)
def test_impossible_networks_are_refused(make, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=why):
        make()
