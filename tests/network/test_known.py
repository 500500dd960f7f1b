"""Networks that are told which elements are known."""

import pytest
import torch

from quasistatic.network import MLPConfig, NetworkConfig, TransformerConfig, UNetConfig

SMALL = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), dropout=0.0, patch=2, coordinates=True)
NETWORKS = [(SMALL, (2, 4, 4)), (MLPConfig(width=8, depth=1, fourier=(0,)), (5,))]


@pytest.mark.parametrize(("config", "shape"), NETWORKS)
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_known_has_no_effect_at_first_and_then_some(
    config: NetworkConfig, shape: tuple[int, ...], count: int
) -> None:
    network = config.build(shape)
    network.learn_known()
    torch.nn.init.normal_(network.last.weight)  # type: ignore[union-attr, arg-type]
    x, t = torch.randn(count, *shape), torch.full((count,), 0.3, dtype=torch.float64)
    known = torch.cat([x, torch.ones_like(x)], 1)
    assert torch.equal(network(x, t), network(known, t))
    torch.nn.init.normal_(network.known.weight)  # type: ignore[union-attr, arg-type]
    assert network(known, t).shape == network(x, t).shape == (count, 1, *shape)
    assert torch.equal(network(x, t), network(torch.cat([x, torch.zeros_like(x)], 1), t))
    assert not torch.equal(network(x, t), network(known, t))


@pytest.mark.parametrize(("config", "shape"), NETWORKS)
def test_a_network_without_that_input_refuses_it(config: NetworkConfig, shape: tuple[int, ...]) -> None:
    x, t = torch.randn(2, 2 * shape[0], *shape[1:]), torch.full((2,), 0.3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"not trained to be shown what is known; train it with training.shown=0.5"):
        config.build(shape)(x, t)


def test_a_network_that_cannot_have_it_says_so() -> None:
    network = TransformerConfig(width=32, depth=1).build((6,), 4, states=4)
    with pytest.raises(ValueError, match=r"a U-Net or an MLP, got Transformer; set training.shown=0"):
        network.learn_known()
