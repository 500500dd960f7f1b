"""What every network promises: its shape, a start at 0, its use of time and label, a gradient for every weight."""

import dataclasses
import json

import pytest
import torch
from torch import Tensor

from quasistatic.network import MLPConfig, Network, NetworkConfig, UNetConfig
from quasistatic.network.blocks import Upsample

UNET = UNetConfig(channels=8, multipliers=(1, 2, 2), blocks=1, attention=(1,), fourier=(1, 2))
MLP = MLPConfig(width=16, depth=2, dropout=0.2, fourier=(0,))
FOLDED = dataclasses.replace(UNET, patch=2, coordinates=True, slim=True)
IMAGES = [(UNET, (2, 8, 12)), (UNET, (1, 7, 5)), (UNET, (3, 1, 1))]
SIGNALS = [(UNET, (2, 12)), (UNET, (1, 7)), (FOLDED, (2, 21)), (UNET, (1, 4, 3, 6)), (FOLDED, (2, 5, 4, 8))]
CASES = [*IMAGES, *SIGNALS, (MLP, (5,)), (MLP, (1,))]


def awake(config: NetworkConfig, shape: tuple[int, ...], outputs: int = 2, classes: int = 0) -> Network:
    """A network with every weight random, those that start at 0 too."""
    network = config.build(shape, outputs, classes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def states(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Random states and times."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, *shape, generator=generator), torch.rand(3, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(
    ("config", "shape"),
    CASES,
    ids=lambda value: type(value).__name__ if isinstance(value, NetworkConfig) else str(value),
)
class TestEveryNetwork:
    def test_starts_at_exactly_0(self, config, shape):
        network = config.build(shape, outputs=3)
        output = network(*states(shape))
        assert output.shape == (3, 3, *shape)
        assert (output == 0).all()

    def test_starts_at_given_maps(self, config, shape):
        network, maps = config.build(shape, outputs=3), torch.tensor([0.5, -1.0, 2.0])
        network.start(maps)
        output = network(*states(shape))
        wanted = maps.reshape(1, 3, *(1,) * len(shape)).expand_as(output)
        assert torch.equal(output, wanted)

    def test_gradient_reaches_every_weight(self, config, shape):
        network = awake(config, shape, classes=4)
        network(*states(shape), torch.tensor([0, 1, 4])).square().sum().backward()
        silent = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
        assert silent == []

    def test_time_matters(self, config, shape):
        network, (x_t, t) = awake(config, shape), states(shape)
        assert (network(x_t, t) != network(x_t, t / 2)).any()

    def test_each_example_stands_alone(self, config, shape):
        """An output does not depend on the rest of the batch."""
        network, (x_t, t) = awake(config, shape), states(shape)
        alone = torch.cat([network(x_t[n : n + 1], t[n : n + 1]) for n in range(3)])
        torch.testing.assert_close(network(x_t, t), alone, rtol=1e-5, atol=1e-5 * alone.abs().max().item())

    def test_labels_matter_and_none_is_a_label(self, config, shape):
        network, (x_t, t) = awake(config, shape, classes=2), states(shape)
        zero, one, none = (network(x_t, t, torch.full((3,), k)) for k in (0, 1, 2))
        assert (zero != one).any()
        assert (zero != none).any()
        torch.testing.assert_close(network(x_t, t), none)

    def test_an_unconditional_network_refuses_labels(self, config, shape):
        network = config.build(shape)
        with pytest.raises(ValueError, match="unconditional, got labels; build it with `classes`"):
            network(*states(shape), torch.zeros(3, dtype=torch.int64))

    def test_dropout_is_for_training(self, config, shape):
        network, (x_t, t) = awake(config, shape), states(shape)
        assert torch.equal(network(x_t, t), network(x_t, t))
        network.train()
        assert not torch.equal(network(x_t, t), network(x_t, t))

    def test_bfloat16_weights_keep_the_state_and_come_close(self, config, shape):
        network, (x_t, t) = awake(config, shape), states(shape)
        exact = network(x_t, t)
        rounded = network.to(torch.bfloat16)(x_t, t)
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.1 * exact.norm()  # bfloat16 keeps 8 bits: 0.4 % per product

    def test_autocast_comes_close(self, config, shape):
        network, (x_t, t) = awake(config, shape), states(shape)
        exact = network(x_t, t)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(x_t, t)
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.1 * exact.norm()

    def test_channels_last_weights_give_the_same(self, config, shape):
        network, (x_t, t) = awake(config, shape), states(shape)
        plain = network(x_t, t)
        volumes = len(shape) == 4
        output = network.to(memory_format=torch.channels_last_3d if volumes else torch.channels_last)(x_t, t)
        torch.testing.assert_close(output, plain, rtol=1e-5, atol=1e-5 * plain.abs().max().item())


@pytest.mark.parametrize("config", [UNET, MLP], ids=lambda config: type(config).__name__)
def test_a_configuration_is_plain_numbers(config):
    stored = json.loads(json.dumps(dataclasses.asdict(config)))
    loaded = type(config)(**{name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()})
    assert loaded == config


def test_the_published_cifar_network_has_its_parameters():
    """35.7 M (Ho et al. 2020, App. B), 35,746,307 to the unit."""
    with torch.device("meta"):
        network = UNetConfig().build((3, 32, 32))
    assert sum(parameter.numel() for parameter in network.parameters()) == 35_746_307


def test_an_odd_size_is_the_corner_of_a_padded_image():
    network = awake(dataclasses.replace(UNET, fourier=()), (1, 7, 5))
    x_t, t = states((1, 7, 5))
    padded = network(torch.nn.functional.pad(x_t, (0, 3, 0, 1)), t)
    torch.testing.assert_close(network(x_t, t), padded[..., :7, :5])


@pytest.mark.parametrize("outputs", [3, 2])
@pytest.mark.parametrize("sizes", [(6,), (4, 5), (2, 3, 4)])
def test_upsampling_is_repetition_then_convolution(outputs: int, sizes: tuple[int, ...]):
    """The one transposed convolution is the two steps of its definition."""
    upsample, h = Upsample(3, outputs, len(sizes)).double(), torch.randn(2, 3, *sizes, dtype=torch.float64)
    repeated = h
    for axis in range(len(sizes)):
        repeated = repeated.repeat_interleave(2, dim=2 + axis)
    torch.testing.assert_close(upsample(h), upsample.conv(repeated))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_what_is_folded_is_unfolded_in_its_place(axes: int):
    """Patches go into channels and come back: maps of one channel are the input again."""
    network = FOLDED.build((1, *(4,) * axes), 1)
    x = torch.randn(2, 1, *(4,) * axes)
    folded = network._padded(x)  # type: ignore[operator]
    assert folded.shape[1] == 2**axes
    back = network._unfolded(folded)  # type: ignore[operator]
    torch.testing.assert_close(back[(..., *(slice(4),) * axes)], x)


def test_a_signal_is_an_image_of_one_row_for_weights_of_the_middle_row():
    """Convolutions in one dimension are those in two whose other rows are 0."""
    line, plane = (awake(dataclasses.replace(UNET, multipliers=(1,), attention=(0,)), s) for s in ((2, 9), (2, 1, 9)))
    with torch.no_grad():
        for name, weight in plane.named_parameters():
            own = line.get_parameter(name)
            if weight.ndim == 4 and weight.shape[-1] == 3:
                weight.zero_()[:, :, 1] = own
            else:
                weight.copy_(own.reshape(weight.shape))
    x_t, t = states((2, 9))
    torch.testing.assert_close(line(x_t, t), plane(x_t[:, :, None], t)[..., 0, :], rtol=1e-4, atol=1e-4)


def test_narrow_maps_have_groups_of_eight_channels():
    assert [UNetConfig().norm(channels).num_groups for channels in (128, 256, 384, 32, 64, 36, 6)] == [
        32,
        32,
        32,
        4,
        8,
        4,
        1,
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 2}, "channels must be at least 4 .* got 2"),
        ({"multipliers": ()}, "1 to 12 levels with a multiplier each, got 0"),
        ({"multipliers": (1, 0)}, r"multipliers\.1 must be at least 1"),
        ({"blocks": 0}, "blocks must be at least 1 .* got 0"),
        ({"attention": (4,)}, r"levels 0 to 3, got \[4\]"),
        ({"head_width": 100}, "head_width must divide"),
    ],
)
def test_an_impossible_unet_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        UNetConfig(**change)


def test_an_impossible_mlp_is_refused():
    with pytest.raises(ValueError, match=r"width must be at least 4 .* got 2"):
        MLPConfig(width=2)


def test_states_of_the_wrong_rank_are_refused():
    with pytest.raises(ValueError, match=r"takes images .* got states of shape \(5,\)"):
        UNetConfig().build((5,))
    with pytest.raises(ValueError, match=r"takes vectors .* got states of shape \(1, 8, 8\)"):
        MLPConfig().build((1, 8, 8))
