"""What small images add to the U-Net: squares of pixels worked on as one, a cheap readout, coordinates."""

import pytest
import torch

from quasistatic.network import NetworkConfig, TransformerConfig, UNet, UNetConfig
from quasistatic.network.blocks import Upsample

T = torch.full((2,), 0.5, dtype=torch.float64)


def built(outputs: int = 5, channels: int = 3, **options: object) -> UNet:
    config = UNetConfig(channels=8, multipliers=(1, 2), blocks=1, attention=(), dropout=0.0, **options)  # type: ignore[arg-type]
    return config.build((channels, 9, 14), outputs).eval()


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_each_pixel_of_a_patch_has_its_own_maps(patch: int) -> None:
    """With the last weights at 0 the output is the last biases, laid out: map m of channel c repeats every patch."""
    network = built(patch=patch, readout=1)
    torch.nn.init.zeros_(network.last.weight)
    with torch.no_grad():
        network.last.bias.copy_(torch.arange(len(network.last.bias)))
        out = network(torch.zeros(2, 3, 9, 14), T)
    assert out.shape == (2, 5, 3, 9, 14)
    assert out[0].unique().tolist() == list(range(5 * 3 * patch**2))
    assert torch.equal(out[..., patch:, :], out[..., :-patch, :])
    assert torch.equal(out[..., patch:], out[..., :-patch])


@pytest.mark.parametrize("patch", [1, 2])
def test_a_patch_sees_its_own_pixels(patch: int) -> None:
    """A pixel that changes moves the maps of its own place: nothing is shuffled on the way."""
    network = built(outputs=1, channels=1, patch=patch, readout=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        x = torch.randn(2, 1, 9, 14, generator=generator)
        moved = x.clone()
        moved[:, :, 0, 0] += 5
        change = (network(moved, T) - network(x, T)).abs()[0, 0, 0]
    assert change[:4, :4].mean() > change[5:, 9:].mean()


def test_coordinates_tell_pixels_apart() -> None:
    """On a constant image, far from the border, only coordinates make two pixels differ."""
    differences = []
    for coordinates in (False, True):
        torch.manual_seed(0)
        network = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), coordinates=coordinates).build(
            (1, 40, 40), 1
        )
        with torch.no_grad():
            for weight in network.parameters():
                weight.normal_(0, 0.3)
            out = network.eval()(torch.zeros(2, 1, 40, 40), T)[0, 0, 0]
        differences.append((out[18, 18] - out[18, 22]).abs().item())
    assert differences[0] < 1e-4 < differences[1]


def test_a_slim_network_narrows_its_maps_before_it_enlarges_them() -> None:
    narrow, wide = built(slim=True), built()
    assert [step.conv.weight.shape[:2] for step in narrow.up if isinstance(step, Upsample)] == [(8, 16)]
    assert [step.conv.weight.shape[:2] for step in wide.up if isinstance(step, Upsample)] == [(16, 16)]
    x_t = torch.randn(2, 3, 9, 14)
    assert narrow(x_t, T).shape == wide(x_t, T).shape == (2, 5, 3, 9, 14)


@pytest.mark.parametrize(
    "config",
    [
        UNetConfig(channels=8, multipliers=(1,), patch=2, attention=()),
        TransformerConfig(width=16, depth=1, head_width=8),
    ],
)
def test_starts_at_given_maps(config: NetworkConfig) -> None:
    """Every pixel of every patch and channel has the same maps."""
    network, maps = config.build((3, 4, 4), outputs=5), torch.arange(5.0)
    network.start(maps)
    output = network(torch.zeros(2, 3, 4, 4), torch.ones(2, dtype=torch.float64))
    assert torch.equal(output, maps[:, None, None, None].expand_as(output))
