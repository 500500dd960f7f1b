"""The optimizer's groups and rate, and a state that goes through a file."""

import pytest
import torch
from torch import nn

from quasistatic.config import TrainingConfig
from quasistatic.network import UNetConfig
from quasistatic.training import optimizer


def network() -> nn.Module:
    torch.manual_seed(0)
    return UNetConfig(channels=16, multipliers=(1,), blocks=1, attention=(), groups=4, head_width=8).build((1, 8, 8))


def step(net: nn.Module, adamw: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_t, t = torch.randn(2, 1, 8, 8, generator=generator), torch.rand(2, dtype=torch.float64, generator=generator)
    (net(x_t, t) - x_t[:, None]).square().sum().backward()
    adamw.step()
    adamw.zero_grad()


def test_the_rate_warms_up_and_falls() -> None:
    settings = TrainingConfig(warmup=100, learning_rate=1.0, final_rate=0.1)
    rates = [optimizer.learning_rate(settings, step, lambda n: n / 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(1.0, abs=0.03)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert rates[100:] == sorted(rates[100:], reverse=True)


def test_only_matrices_and_kernels_decay() -> None:
    net, rates = network(), [nn.Parameter(torch.zeros(5, 2))]
    groups = optimizer.adamw(net, rates, 0.3).param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])
    assert groups[2]["params"] == rates
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters())) + 1
    assert len(optimizer.adamw(net, [], 0.3).param_groups) == 2


def test_a_state_from_a_file_is_laid_out_as_its_parameters_are() -> None:
    """A file holds rows, kernels are channels_last, and the fused step reads memory straight through."""
    net = network().eval()
    adamw = optimizer.adamw(net, [], 0.1)
    kernels = [p for p in net.parameters() if p.ndim == 4 and p.shape[-1] > 1 and p.shape[1] > 1]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    step(net, adamw, 1)
    kept = {name: value.contiguous().clone() for name, value in optimizer.state(adamw).items()}
    weights = {name: value.contiguous().clone() for name, value in net.state_dict().items()}
    step(net, adamw, 2)

    resumed = network().eval()
    resumed.load_state_dict(weights)
    again = optimizer.adamw(resumed, [], 0.1)
    optimizer.load_state(again, kept)
    step(resumed, again, 2)
    for one, other in zip(net.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_of_other_parameters_is_refused() -> None:
    adamw = optimizer.adamw(nn.Linear(2, 2), [], 0.0)
    with pytest.raises(ValueError, match="has 2 parameters, got the state of number 2"):
        optimizer.load_state(adamw, {"2.step": torch.zeros(())})


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("alike", [True, False], ids=["gradients lie alike", "gradients lie by rows"])
def test_a_step_over_kernels_that_lie_otherwise_is_that_of_adamw(fused: bool, alike: bool) -> None:
    """The fused step goes through memory; it is handed what lies by rows."""
    ours, theirs = network().eval(), network().eval().to(memory_format=torch.contiguous_format)
    steps = (
        optimizer.StraightAdamW(ours.parameters(), lr=0.1, weight_decay=0.1, fused=fused),
        torch.optim.AdamW(theirs.parameters(), lr=0.1, weight_decay=0.1, foreach=False),
    )
    assert any(not p.is_contiguous() for p in ours.parameters())
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            slope = torch.randn(one.shape, generator=generator)
            one.grad, other.grad = torch.empty_like(one).copy_(slope) if alike else slope.clone(), slope
        for each in steps:
            each.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def copies(adamw: torch.optim.Optimizer, net: nn.Module) -> list[str]:
    step(net, adamw, 1)
    net(torch.ones(1, 1, 8, 8), torch.ones(1, dtype=torch.float64)).sum().backward()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        adamw.step()
    return [event.key for event in profile.key_averages() if event.key == "aten::clone"]


def test_the_fused_step_copies_no_gradient() -> None:
    net = network().eval()
    assert copies(optimizer.adamw(net, [], 0.1), net) == []


def test_torch_still_needs_the_override() -> None:
    net = network().eval()
    assert copies(torch.optim.AdamW(net.parameters(), fused=True), net), (
        f"torch {torch.__version__} copies no gradients: set STRAIGHT_BELOW to it, and drop StraightAdamW in time"
    )


def test_a_newer_torch_gets_its_own_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(optimizer.adamw(network(), [], 0.1)) is optimizer.StraightAdamW
    monkeypatch.setattr("quasistatic.training.optimizer.base.STRAIGHT_BELOW", "2.0")
    assert type(optimizer.adamw(network(), [], 0.1)) is torch.optim.AdamW


def test_the_override_leaves_other_devices_alone() -> None:
    kernel = nn.Parameter(torch.zeros(4, 3, 2, 2, device="meta").to(memory_format=torch.channels_last))
    kernel.grad = torch.zeros_like(kernel)
    adamw = optimizer.StraightAdamW([kernel], fused=False, foreach=False, capturable=False)
    lists: list[list[torch.Tensor]] = [[] for _ in range(6)]
    adamw._init_group(adamw.param_groups[0], *lists)
    assert lists[0][0] is kernel
    assert lists[1][0].stride() == kernel.stride()
