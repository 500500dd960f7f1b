"""Networks that are told which elements are known."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from quasistatic.denoiser import Shown
from quasistatic.denoiser.head import BernoulliHead, GaussianHead
from quasistatic.network import MLPConfig, NetworkConfig, TransformerConfig, UNetConfig
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine

SMALL = UNetConfig(channels=8, multipliers=(1,), blocks=1, attention=(), dropout=0.0, patch=2, coordinates=True)
NETWORKS = [(SMALL, (2, 4, 4)), (MLPConfig(width=8, depth=1, fourier=(0,)), (5,))]


@pytest.mark.parametrize(("config", "shape"), NETWORKS)
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_known_has_an_effect_and_nothing_has_none(
    config: NetworkConfig, shape: tuple[int, ...], count: int
) -> None:
    network = config.build(shape)
    network.learn_known()
    torch.nn.init.normal_(network.last.weight)  # type: ignore[union-attr, arg-type]
    x, t = torch.randn(count, *shape), torch.full((count,), 0.3, dtype=torch.float64)
    known = torch.cat([x, torch.randn_like(x), torch.ones_like(x)], 1)
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
    states, values, known = head.view_given(x_t, t, process, Shown(observed)).split(1, 1)
    seen = ~observed.isnan()
    assert torch.equal(known, seen.float())
    assert torch.equal(values, observed.nan_to_num(0.0))
    assert torch.equal(states[~seen], x_t[~seen])
    kept = process.schedule.alpha_bar(t)[0].sqrt().item()
    torch.testing.assert_close(states[seen], kept * observed[seen])
    bits = torch.tensor([[1.0, torch.nan]])
    flips = BernoulliProcess(Cosine())
    found = BernoulliHead().view_given(torch.zeros(1, 2), t[:1], flips, Shown(bits))
    assert torch.equal(found[:, :2], BernoulliHead().view(torch.tensor([[1.0, 0.0]]), t[:1], flips))
    assert found[:, 2:].tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_means_take_the_place_of_the_means_of_states(count: int) -> None:
    """What is left of a state are the differences inside its blocks, as they were."""
    process, head = GaussianProcess(Cosine()), GaussianHead("velocity", "learned")
    x_t, t = torch.randn(count, 3, 4, 8), torch.full((count,), 0.4, dtype=torch.float64)
    y = (torch.randn(count, 3, 2, 4).clamp(-1, 1) * 4).round() / 4
    wide = Shown.means(y, 2, 9).values
    sides = torch.tensor([2, 0, 2, 0, 2])[:count]
    values = torch.where(sides.view(-1, 1, 1, 1) > 0, wide, torch.nan)
    values[sides == 0, :, 0] = 0.5
    states, shown, share = head.view_given(x_t, t, process, Shown(values, sides)).split(3, 1)
    kept = process.schedule.alpha_bar(t[:1]).sqrt().item() if count else 1.0
    assert torch.equal(shown, values.nan_to_num(0.0))
    for place in range(count):
        if sides[place]:
            torch.testing.assert_close(avg_pool2d(states[place], 2), kept * y[place])
            apart = x_t[place] - x_t[place].unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4)).repeat_interleave(
                2, 1
            ).repeat_interleave(2, 2)
            torch.testing.assert_close(states[place] - kept * wide[place], apart)
            assert bool((share[place] == 0.25).all())
        else:
            torch.testing.assert_close(states[place, :, 0], torch.full((3, 8), 0.5 * kept))
            assert torch.equal(states[place, :, 1:], x_t[place, :, 1:])
            assert torch.equal(share[place], (~values[place].isnan()).float())
