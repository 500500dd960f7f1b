"""Muon: singular vectors stay, singular values near 1, AdamW for the rest, and a state that goes through a file."""

import pytest
import torch
from torch import Tensor, nn

from quasistatic.config import TrainingConfig
from quasistatic.network import MLPConfig, TransformerConfig, UNetConfig
from quasistatic.training import optimizer
from quasistatic.training.optimizer.muon import hidden, muon, orthogonalised


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> nn.Module:
    torch.manual_seed(0)
    return (
        UNetConfig(channels=16, multipliers=(1,), blocks=1, attention=(0,), groups=4, head_width=8)
        .build((1, 8, 8))
        .eval()
    )


def backward(net: nn.Module, seed: int) -> None:
    x_t, t = torch.randn(2, 1, 8, 8, generator=seeded(seed)), torch.rand(2, dtype=torch.float64, generator=seeded(seed))
    (net(x_t, t) - x_t[:, None]).square().sum().backward()


def stirred(net: nn.Module) -> nn.Module:
    """Weights that are not 0, so that every gradient is not."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=seeded(7)))
    return net


@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 4, 9), (2, 9, 4), (1, 1, 5), (0, 3, 3)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_singular_vectors_stay_and_values_are_near_one(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    u, s, v = torch.linalg.svd(torch.randn(shape, generator=seeded(), dtype=torch.float64), full_matrices=False)
    x = u @ torch.diag_embed(s.clamp(min=0.05 * s.amax() if s.numel() else 0)) @ v
    inside = u.mT @ orthogonalised(x.to(dtype)).double() @ v.mT
    values = inside.diagonal(dim1=1, dim2=2)
    assert ((values > 0.6) & (values < 1.3)).all()
    off = inside - torch.diag_embed(values)
    assert (off.abs() < (1e-9 if dtype == torch.float64 else 1e-3)).all()


def test_a_matrix_of_low_rank_keeps_its_rank() -> None:
    thin = torch.randn(1, 8, 2, generator=seeded(), dtype=torch.float64)
    x = thin @ torch.randn(1, 2, 12, generator=seeded(1), dtype=torch.float64)
    values = torch.linalg.svdvals(orthogonalised(x.float()).double())[0]
    assert ((values[:2] > 0.6) & (values[:2] < 1.3)).all()
    assert (values[2:] < 1e-3).all()


def test_no_gradient_moves_nothing() -> None:
    assert (orthogonalised(torch.zeros(2, 3, 4)) == 0).all()


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_kernel_moves_as_its_matrix(channels_last: bool) -> None:
    """A step of a kernel, whatever its layout in memory, is that of a matrix with a row per output map."""

    class Net(nn.Module):
        def __init__(self, weight: Tensor) -> None:
            super().__init__()
            self.middle = nn.Parameter(weight)

    start = torch.randn(4, 3, 2, 2, generator=seeded())
    gradient = torch.randn(4, 3, 2, 2, generator=seeded(1))
    kernel, matrix = Net(start.clone()), Net(start.permute(0, 2, 3, 1).flatten(1).clone())
    if channels_last:
        kernel = kernel.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    movers = [muon(net, [], 0.1) for net in (kernel, matrix)]
    for n in range(3):
        kernel.middle.grad = (gradient * (n + 1)).clone(memory_format=torch.preserve_format)
        matrix.middle.grad = (gradient * (n + 1)).permute(0, 2, 3, 1).flatten(1).clone()
        for mover in movers:
            optimizer.set_rate(mover, 0.01)
            mover.step()
    torch.testing.assert_close(kernel.middle.detach().permute(0, 2, 3, 1).flatten(1), matrix.middle.detach())
    moved = kernel.middle.detach() - start * (1 - 0.01 * 0.1) ** 3
    # three steps of the same direction, each 0.2 √12 times a matrix of singular values near 1
    values = torch.linalg.svdvals(moved.permute(0, 2, 3, 1).flatten(1)) / (3 * 0.01 * 0.2 * 12**0.5)
    assert ((values > 0.5) & (values < 1.3)).all()


@pytest.mark.parametrize(
    "config",
    [MLPConfig(16, 2), TransformerConfig(16, 1, head_width=8), UNetConfig(16, (1,), attention=(0,), head_width=8)],
)
def test_the_first_and_last_layers_are_not_hidden(config) -> None:  # type: ignore[no-untyped-def]
    net = config.build((5,) if isinstance(config, MLPConfig) else (1, 8, 8), classes=3)
    inner = {id(p) for p in hidden(net)}
    outer = [name for name, p in net.named_parameters() if p.ndim > 1 and id(p) not in inner]
    assert {name.partition(".")[0] for name in outer} == {"condition", "last", "stem"}
    assert inner


def test_the_rest_moves_as_under_adamw() -> None:
    nets = [stirred(network()), stirred(network())]
    movers = [muon(nets[0], [], 0.1), optimizer.adamw(nets[1], [], 0.1)]
    inner = {name for name, p in nets[0].named_parameters() if any(p is one for one in hidden(nets[0]))}
    for net, mover in zip(nets, movers, strict=True):
        backward(net, 1)
        mover.step()
    pairs = zip(nets[0].named_parameters(), nets[1].parameters(), strict=True)
    alike = {name for (name, mine), theirs in pairs if torch.equal(mine, theirs)}
    assert alike == {name for name, _ in nets[0].named_parameters()} - inner


def test_a_state_from_a_file_goes_on() -> None:
    net = stirred(network())
    mover = muon(net, [], 0.1)
    backward(net, 1)
    mover.step()
    mover.zero_grad()
    kept = {name: value.clone(memory_format=torch.contiguous_format) for name, value in optimizer.state(mover).items()}
    other = network()
    other.load_state_dict(net.state_dict())
    again = muon(other, [], 0.1)
    optimizer.load_state(again, kept)
    for one, moves in ((net, mover), (other, again)):
        backward(one, 2)
        moves.step()
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    with pytest.raises(ValueError, match=r"the optimizer.s \S+ has shape|or that of another optimizer"):
        optimizer.load_state(optimizer.adamw(network(), [], 0.1), kept)


def test_an_unknown_optimizer_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"training.optimizer is adamw or muon, got 'lion'"):
        TrainingConfig(optimizer="lion")
