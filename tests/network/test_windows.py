"""One pass over all windows of a sequence gives what a pass for each of them gives."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from oracles import seeded
from quasistatic.network import CausalConfig
from quasistatic.network.transformer.causal import CausalTransformer
from quasistatic.network.transformer.windows import guesses_in_windows

pytestmark = pytest.mark.usefixtures("double_precision")

LENGTH, STATES = 12, 4
CONFIG = CausalConfig(width=16, depth=2, head_width=8, window=3, embedding=8)


def network_of(config: CausalConfig, classes: int = 0) -> CausalTransformer:
    torch.manual_seed(0)
    network = config.build((LENGTH,), outputs=STATES - 1, classes=classes, states=STATES).double().eval()
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=seeded(), dtype=torch.float64)
    network.begin(torch.randint(0, STATES - 1, (20, LENGTH), generator=seeded()))
    return network


def sequences(ends: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Clean states, states of which some are masked, and windows of uneven lengths, other in each example."""
    draw = seeded()
    x = torch.randint(0, STATES - 1, (3, LENGTH), generator=draw)
    if ends:
        x = torch.where(torch.arange(LENGTH) < torch.tensor([[4], [9], [12]]), x % 2, 2)
        x[:, -1] = 2
    x_t = torch.where(torch.rand(x.shape, generator=draw) < 0.5, x, STATES - 1)
    begins = torch.rand(x.shape, generator=draw) < 0.3
    return x, x_t, begins.long().cumsum(1)


CASES = [
    CONFIG,
    replace(CONFIG, context=2, contexts=64),
    replace(CONFIG, context=2, contexts=64, ends=True),
    replace(CONFIG, ends=True),
]


@torch.no_grad()
@pytest.mark.parametrize("config", CASES)
@pytest.mark.parametrize("classes", [0, 2])
def test_all_windows_at_once_are_each_in_turn(config: CausalConfig, classes: int) -> None:
    network, (x, x_t, window) = network_of(config, classes), sequences(config.ends)
    label = torch.tensor([0, 1, 2]) if classes else None
    found = guesses_in_windows(network, x, x_t, window, label)
    for number in range(int(window.max()) + 1):
        states = torch.where(window < number, x, torch.where(window == number, x_t, STATES - 1))
        alone = network(states, torch.full((3,), 0.5, dtype=torch.float64), label)
        asked = ((window == number) & (x_t == STATES - 1))[:, None].expand_as(alone)
        torch.testing.assert_close(found[asked], alone[asked], rtol=1e-9, atol=1e-9)
    assert (x_t == STATES - 1).sum() > 8


@torch.no_grad()
def test_one_window_is_an_ordinary_pass_and_windows_of_one_are_from_left_to_right() -> None:
    network, (x, x_t, _) = network_of(replace(CONFIG, context=2, contexts=64)), sequences(False)
    hidden = torch.full_like(x, STATES - 1)
    each = guesses_in_windows(network, x, hidden, torch.arange(LENGTH).expand(3, -1))
    torch.testing.assert_close(each, network(x, None), rtol=1e-9, atol=1e-9)
    whole = guesses_in_windows(network, x[:1], x_t[:1], torch.zeros_like(x[:1]))
    asked = (x_t[:1] == STATES - 1)[:, None].expand_as(whole)
    alone = network(x_t[:1], torch.full((1,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(whole[asked], alone[asked], rtol=1e-9, atol=1e-9)
    assert guesses_in_windows(network, x[:0], x_t[:0], torch.zeros_like(x[:0])).shape == (0, STATES - 1, LENGTH)
