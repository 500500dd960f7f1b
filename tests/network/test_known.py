"""Networks that are told which elements are known."""

import pytest
import torch

from quasistatic.denoiser.head import BernoulliHead, GaussianHead
from quasistatic.network import MLPConfig, NetworkConfig, TransformerConfig, UNetConfig
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine

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
    known = torch.cat([x, torch.randn_like(x), torch.ones_like(x)], 1)
    assert torch.equal(network(x, t), network(known, t))
    torch.nn.init.normal_(network.known.weight)  # type: ignore[union-attr, arg-type]
    assert network(known, t).shape == network(x, t).shape == (count, 1, *shape)
    assert torch.equal(network(x, t), network(torch.cat([x, torch.zeros_like(x), torch.zeros_like(x)], 1), t))
    assert not torch.equal(network(x, t), network(known, t))


@pytest.mark.parametrize(("config", "shape"), NETWORKS)
def test_a_network_without_that_input_refuses_it(config: NetworkConfig, shape: tuple[int, ...]) -> None:
    x, t = torch.randn(2, 3 * shape[0], *shape[1:]), torch.full((2,), 0.3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"not trained to be shown what is known; train it with training.shown=0.5"):
        config.build(shape)(x, t)


def test_a_network_that_cannot_have_it_says_so() -> None:
    network = TransformerConfig(width=32, depth=1).build((6,), 4, states=4)
    with pytest.raises(ValueError, match=r"a U-Net or an MLP, got Transformer; set training.shown=0"):
        network.learn_known()


@pytest.mark.parametrize("time", [0.1, 0.9])
def test_known_elements_look_like_states_of_their_time_and_stand_beside(time: float) -> None:
    process, head = GaussianProcess(Cosine()), GaussianHead("velocity", "learned")
    x_t, t = torch.randn(3, 1, 2, 2), torch.full((3,), time, dtype=torch.float64)
    observed = torch.full((3, 1, 2, 2), torch.nan)
    observed[0, 0, 0], observed[1, 0, 1, 1] = 0.5, -1.0
    states, values, known = head.view_given(x_t, t, process, observed).split(1, 1)
    seen = ~observed.isnan()
    assert torch.equal(known, seen.float())
    assert torch.equal(values, observed.nan_to_num(0.0))
    assert torch.equal(states[~seen], x_t[~seen])
    kept = process.schedule.alpha_bar(t)[0].sqrt().item()
    torch.testing.assert_close(states[seen], kept * observed[seen])
    bits = torch.tensor([[1.0, torch.nan]])
    flips = BernoulliProcess(Cosine())
    found = BernoulliHead().view_given(torch.zeros(1, 2), t[:1], flips, bits)
    assert torch.equal(found[:, :2], BernoulliHead().view(torch.tensor([[1.0, 0.0]]), t[:1], flips))
    assert found[:, 2:].tolist() == [[1, 0, 1, 0]]
