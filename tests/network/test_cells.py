"""The network over cells: it starts at the frequencies, sees known cells only, and learns a dependence."""

import pytest
import torch

from oracles import at, seeded
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import CellsHead
from quasistatic.network import CellsConfig
from quasistatic.network.cells import Cells, cosines
from quasistatic.process import GaussianProcess, MaskedProcess
from quasistatic.schedule import Cosine, Reciprocal

BINS = (6, 3)
CONFIG = CellsConfig(width=16, depth=1, dropout=0.0, ranges=(4, 0), between=((1.5, 2.5), ()))
PROCESS = MaskedProcess(Reciprocal(), BINS)


def built() -> Cells:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CONFIG.build((2,), states=BINS).eval()


def rows(count: int) -> torch.Tensor:
    """A number in four ranges and two repeated values, and a category that follows it."""
    first = torch.rand(count, generator=seeded()) * 6
    return torch.stack([first, (first / 2).floor() + 0.5], 1)


def test_it_starts_at_the_frequencies_of_the_bins() -> None:
    """Without a joint law: whatever is known."""
    network, x = built(), rows(5000)
    network.begin(x)
    network.joint.law.fitted.fill_(False)
    for known in (torch.tensor([[-1.0, -1.0]]), torch.tensor([[2.3, -1.0]]), torch.tensor([[-1.0, 1.5]])):
        masses = Denoiser(PROCESS, network, CellsHead())(known, at(0.5, 1)).log_masses.exp()[0]  # type: ignore[attr-defined]
        for column, bins in enumerate(BINS):
            counts = x[:, column].long().bincount(minlength=bins) + 0.5
            torch.testing.assert_close(masses[column, :bins], (counts / counts.sum()).float(), rtol=1e-4, atol=1e-6)


def test_with_a_joint_law_it_starts_at_what_the_others_say() -> None:
    network, x = built(), rows(1000)
    network.begin(x)
    assert network.joint.law.fitted
    guess = Denoiser(PROCESS, network, CellsHead())
    low, high = (guess(torch.tensor([[value, -1.0]]), at(0.5, 1)).log_masses[0, 1].exp() for value in (0.2, 3.8))  # type: ignore[attr-defined]
    assert low[0] > 2 * low[2]
    assert high[0] < low[0]


def test_unknown_cells_do_not_matter_and_known_ones_do() -> None:
    network = built()
    network.begin(rows(1000))
    torch.nn.init.normal_(network.last.weight, generator=seeded())
    base, t = torch.tensor([[2.3, -1.0]]), at(0.5, 1)
    torch.testing.assert_close(network(base, t), network(torch.tensor([[2.3, -7.0]]), at(0.9, 1)))
    for other in (2.9, 4.5, 5.5):
        assert (network(base, t) - network(torch.tensor([[other, -1.0]]), t)).abs().max() > 1e-3
    # A repeated value has no place in its bin.
    torch.testing.assert_close(network(torch.tensor([[4.2, -1.0]]), t), network(torch.tensor([[4.7, -1.0]]), t))
    # Float32 may round a state up to the end of its column.
    torch.testing.assert_close(network(torch.tensor([[6.0, -1.0]]), t), network(torch.tensor([[5.9, -1.0]]), t))


def test_a_batch_gives_each_row_what_it_gets_alone() -> None:
    network = built()
    network.begin(rows(1000))
    torch.nn.init.normal_(network.last.weight, generator=seeded())
    x = torch.tensor([[2.3, -1.0], [-1.0, 1.5], [5.5, 0.5], [-1.0, -1.0]])
    together = network(x, at(0.5, 4))
    for place in range(4):
        torch.testing.assert_close(together[place], network(x[place : place + 1], at(0.5, 1))[0], rtol=1e-4, atol=1e-4)
    assert network(x[:0], at(0.5, 0)).shape == (0, 9)


def test_every_log_weight_can_be_learned() -> None:
    """The cosines of ordered bins are a basis: any law of the bins is within reach of the last layer."""
    for size in (4, 9, 64):
        waves = cosines(size)
        assert torch.linalg.matrix_rank(waves) == size
        assert waves.square().sum(1).diff().max() < 0  # the slow ones come first, with the larger amplitudes


def test_a_network_that_has_sampled_can_be_trained() -> None:
    """Tables that are kept between calls are no inference tensors."""
    cosines.cache_clear()
    network = built().train()
    with torch.inference_mode():
        network(torch.tensor([[2.3, -1.0]]), at(0.5, 1))
    network(torch.tensor([[2.3, -1.0]]), at(0.5, 1)).sum().backward()
    assert network.last.weight.grad is not None
    assert bool((network.last.weight.grad != 0).any())


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"takes rows of 2 columns with bins for each, got states of shape \(3,\)"):
        CONFIG.build((3,), states=(1, 2, 3))
    with pytest.raises(ValueError, match="takes no labels; a label is a column of the table"):
        CONFIG.build((2,), classes=3, states=BINS)
    with pytest.raises(ValueError, match="takes no labels"):
        built()(torch.zeros(1, 2), at(0.5, 1), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="reads rows of a masked process, got"):
        CellsHead().check(GaussianProcess(Cosine()))
