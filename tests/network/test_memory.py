"""A causal transformer that keeps what it read gives the guesses of one pass."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quasistatic.network import CausalConfig, CausalTransformer
from quasistatic.network.transformer import Memory

LENGTH, STATES = 9, 5
MASK = STATES - 1


def network(classes: int = 0, **changes: int | bool) -> CausalTransformer:
    """A network with weights away from zero."""
    torch.manual_seed(0)
    config = CausalConfig(width=16, depth=2, head_width=8, embedding=4, window=3, contexts=64)
    made = replace(config, **changes).build((LENGTH,), MASK, classes, STATES)
    made.begin(data(50))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return made.eval()


def data(batch: int) -> Tensor:
    return torch.randint(MASK, (batch, LENGTH), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("changes", [{}, {"context": 2}, {"ends": True}, {"context": 3, "ends": True}], ids=str)
def test_one_after_another_equals_one_pass(batch: int, classes: int, changes: dict[str, int | bool]) -> None:
    made, x = network(classes, **changes), data(batch)
    label = torch.arange(batch) % (classes + 1) if classes else None
    with torch.no_grad():
        whole, memory = made(x, None, label), Memory(made, label)
        one_by_one = torch.stack([memory(x[:, :place]) for place in range(LENGTH)], -1)
    torch.testing.assert_close(one_by_one, whole, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("places", [[0, 4, 8], [8], [3, 4, 7]], ids=str)
def test_several_elements_can_be_read_at_once(places: list[int]) -> None:
    made, x = network(context=2), data(4)
    with torch.no_grad():
        whole, memory = made(x, None), Memory(made)
        for place in places:
            torch.testing.assert_close(memory(x[:, :place]), whole[..., place], rtol=1e-5, atol=1e-5)


def test_rows_only_grow() -> None:
    memory, x = Memory(network()), data(2)
    memory(x[:, :3])
    for places in (2, 3, LENGTH):
        with pytest.raises(ValueError, match="grow from 4 up to 8 elements"):
            memory(x[:, :places])
