"""The transformer: its contract for every kind of state, places told apart by distance only, what it refuses."""

import pytest
import torch

from quasistatic.network import MLPConfig, TransformerConfig, UNetConfig

SMALL = TransformerConfig(width=16, depth=2, head_width=8, embedding=4)


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights away from zero, so that every part of it counts."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def half(batch: int) -> torch.Tensor:
    return torch.full((batch,), 0.5, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(7,), (2, 4, 6)])
@pytest.mark.parametrize("states", [0, 5])
@pytest.mark.parametrize("classes", [0, 3])
def test_output_maps_start_at_zero(shape: tuple[int, ...], states: int, classes: int) -> None:
    network = SMALL.build(shape, 3, classes, states)
    x_t = torch.randint(states, (2, *shape)) if states else torch.randn(2, *shape)
    label = torch.tensor([0, 3]) if classes else None
    out = network(x_t, half(2), label)
    assert out.shape == (2, 3, *shape)
    assert out.dtype == torch.float32
    assert (out == 0).all()
    assert (stirred(network)(x_t, half(2), label) != 0).any()


@pytest.mark.parametrize("config", [MLPConfig(16, 1), UNetConfig(8, (1,), 1, ())], ids=["mlp", "unet"])
def test_other_networks_take_states(config: MLPConfig | UNetConfig) -> None:
    shape = (6,) if isinstance(config, MLPConfig) else (1, 4, 4)
    network = stirred(config.build(shape, 3, 0, 5))
    x_t = torch.randint(5, (2, *shape))
    out = network(x_t, half(2))
    assert out.shape == (2, 3, *shape)
    assert out.dtype == torch.float32
    moved = (x_t + 1) % 5
    assert not torch.allclose(network(moved, half(2)), out)


def test_attention_sees_distances_only() -> None:
    """Without the ends' padding, a shifted sequence has the shifted output: the same window at two places."""
    network = stirred(SMALL.build((6,), 1, 0, 5))
    x = torch.randint(5, (1, 6), generator=torch.Generator().manual_seed(0))
    before = network(x, half(1))
    network.angles += 40 * network.angles[1]  # every place 40 further on
    torch.testing.assert_close(network(x, half(1)), before, atol=1e-4, rtol=1e-4)


def test_order_counts() -> None:
    network = stirred(SMALL.build((6,), 1, 0, 5))
    x = torch.tensor([[0, 1, 2, 3, 4, 0]])
    assert not torch.allclose(network(x.flip(1), half(1)).flip(2), network(x, half(1)), atol=1e-3)


def test_patches_are_put_back_where_they_were() -> None:
    """With no attention to others (depth cut off) a pixel changes the output of its own patch only."""
    network = stirred(TransformerConfig(width=16, depth=1, head_width=8).build((1, 4, 4), 2))
    network.blocks = torch.nn.ModuleList()
    x = torch.zeros(1, 1, 4, 4)
    moved = x.clone()
    moved[..., 2, 1] = 1
    changed = (network(moved, half(1)) != network(x, half(1))).any(1)[0, 0]
    assert changed.nonzero().tolist() == [[2, 0], [2, 1], [3, 0], [3, 1]]


def test_a_kernel_sees_neighbours_at_once() -> None:
    network = stirred(TransformerConfig(width=16, depth=1, head_width=8, kernel=3).build((6,), 1))
    network.blocks = torch.nn.ModuleList()
    moved = torch.zeros(1, 6)
    moved[0, 2] = 1
    changed = network(moved, half(1)) != network(torch.zeros(1, 6), half(1))
    assert changed[0, 0].tolist() == [False, True, True, True, False, False]


def test_what_does_not_fit_is_refused() -> None:
    for wrong in ({"width": 30}, {"head_width": 6}, {"kernel": 2}, {"depth": 0}, {"patch": 0}):
        with pytest.raises(ValueError, match=f"(a transformer|Transformer).*{min(wrong)}"):
            TransformerConfig(**wrong)
    with pytest.raises(ValueError, match="got states of shape"):
        SMALL.build((3, 4))
    with pytest.raises(ValueError, match=r"patches of 2×2 should tile the images, got 5×4"):
        SMALL.build((1, 5, 4))
    with pytest.raises(ValueError, match="unconditional"):
        SMALL.build((4,))(torch.zeros(1, 4), half(1), torch.tensor([0]))
