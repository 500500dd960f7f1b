"""The U-Net against an independent one: diffusers' UNet2DModel, configured as google/ddpm-cifar10-32."""

import pytest
import torch
from torch import Tensor, nn

from quasistatic.model.formats import diffusers as pipelines
from quasistatic.network import UNet, UNetConfig

diffusers = pytest.importorskip("diffusers")


def their_network(channels: tuple[int, ...], groups: int, head_width: int | None = None) -> nn.Module:
    """UNet2DModel with attention at the second level, and every weight random, those that start at zero too."""
    depth = len(channels)
    down = ["DownBlock2D"] * depth
    up = ["UpBlock2D"] * depth
    down[1], up[depth - 2] = "AttnDownBlock2D", "AttnUpBlock2D"
    network = diffusers.UNet2DModel(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        layers_per_block=2,
        block_out_channels=channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        attention_head_dim=head_width,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        norm_num_groups=groups,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(0.1 * noise + ("norm" in name and name.endswith("weight")))
    return network.eval()


def pair(config: UNetConfig, head_width: int | None = None) -> tuple[UNet, nn.Module]:
    """Our network and theirs, with the same weights."""
    channels = tuple(config.channels * m for m in config.multipliers)
    theirs = their_network(channels, config.groups, head_width)
    ours = config.build((3, 32, 32), outputs=1).eval()
    ours.load_state_dict(pipelines.our_weights(theirs.state_dict(), config))
    return ours, theirs


def outputs(ours: UNet, theirs: nn.Module, size: int, steps: list[int]) -> tuple[Tensor, Tensor]:
    """Both outputs for random images at the published steps 0 … 999, ours at times (step + 1)/1000."""
    x_t = torch.randn(len(steps), 3, size, size, generator=torch.Generator().manual_seed(1))
    index = torch.tensor(steps)
    with torch.no_grad():
        return ours(x_t, (index + 1).double() / 1000)[:, 0], theirs(x_t, index).sample


@pytest.mark.parametrize("head_width", [None, 8])
def test_a_small_network_gives_their_output(head_width):
    config = UNetConfig(channels=32, multipliers=(1, 2, 2), groups=8, head_width=head_width)
    ours, theirs = outputs(*pair(config, head_width), size=16, steps=[0, 3, 999])
    assert theirs.std() > 0.3  # else the comparison says little
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_published_cifar_network_gives_their_output():
    ours, theirs = outputs(*pair(UNetConfig()), size=32, steps=[0, 500, 999])
    assert theirs.std() > 0.3
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
