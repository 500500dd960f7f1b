"""Operations against torch's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from quasistatic.network.operations import FEW_PLACES, Dropout, GroupNorm, attend


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def maps(*shape: int, dtype: torch.dtype) -> Tensor:
    """Random maps, held channels_last."""
    return noise(*shape).to(dtype, memory_format=torch.channels_last)


@pytest.mark.parametrize("places", [1, 9, FEW_PLACES, FEW_PLACES + 1])
@pytest.mark.parametrize("width", [4, 96])
def test_attention_is_torchs(places: int, width: int) -> None:
    parts = [noise(2, 3, places, width, seed=seed).requires_grad_() for seed in range(3)]
    slope = noise(2, 3, places, width, seed=4)
    ours, theirs = attend(*parts), F.scaled_dot_product_attention(*parts)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(
        torch.autograd.grad(ours, parts, slope), torch.autograd.grad(theirs, parts, slope), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


class TestGroupNorm:
    def norm(self, groups: int, channels: int) -> GroupNorm:
        norm = GroupNorm(groups, channels)
        with torch.no_grad():
            norm.weight.copy_(1 + noise(channels) / 4)
            norm.bias.copy_(noise(channels, seed=1) / 4)
        return norm

    def slopes(self, norm: nn.GroupNorm, h: Tensor, slope: Tensor, plain: bool) -> list[Tensor]:
        """The output, and the gradients of the maps, the weight and the bias; ``plain``: by torch's own."""
        h = h.detach().requires_grad_()
        output = nn.GroupNorm.forward(norm, h) if plain else norm(h)
        return [output, *torch.autograd.grad(output, [h, norm.weight, norm.bias], slope.to(output.dtype))]

    def test_float32_is_torchs(self) -> None:
        norm, h, slope = self.norm(3, 12), maps(2, 12, 6, 5, dtype=torch.float32), noise(2, 12, 6, 5, seed=3)
        for one, other in zip(self.slopes(norm, h, slope, False), self.slopes(norm, h, slope, True), strict=True):
            assert torch.equal(one, other)

    @pytest.mark.parametrize("half", [True, False], ids=["weights in bfloat16", "autocast"])
    @pytest.mark.parametrize("rows", [True, False], ids=["by rows", "channels_last"])
    @pytest.mark.parametrize(("groups", "channels"), [(3, 12), (2, 64)])
    @pytest.mark.parametrize("side", [16, 32])
    def test_bfloat16_is_near_float32_and_no_farther_than_torchs(
        self, half: bool, rows: bool, groups: int, channels: int, side: int
    ) -> None:
        h = maps(4, channels, side, side, dtype=torch.bfloat16)
        h, slope = h.contiguous() if rows else h, noise(*h.shape, seed=3).bfloat16().float()
        norm = self.norm(groups, channels).bfloat16()
        exact = self.slopes(self.norm(groups, channels).bfloat16().float(), h.float(), slope, True)
        norm = norm if half else norm.float()
        with torch.autocast("cpu", torch.bfloat16, enabled=not half):
            ours, theirs = self.slopes(norm, h, slope, False), self.slopes(norm, h, slope, True)
        assert ours[0].dtype == theirs[0].dtype == torch.bfloat16
        for own, other, truth in zip(ours, theirs, exact, strict=True):
            size = truth.square().mean().sqrt()
            off, off_theirs = ((each.float() - truth).square().mean().sqrt() / size for each in (own, other))
            assert off < 2**-8
            assert off <= 1.1 * off_theirs

    def test_the_output_lies_as_the_maps_do(self) -> None:
        h = maps(2, 12, 6, 5, dtype=torch.bfloat16).requires_grad_()
        assert self.norm(3, 12)(h).is_contiguous(memory_format=torch.channels_last)


class TestDropout:
    def dropped(self, p: float, like: Tensor) -> Tensor:
        torch.manual_seed(0)
        return Dropout(p)(like)

    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_drops_its_share_and_keeps_the_mean(self, p: float, dtype: torch.dtype) -> None:
        out = self.dropped(p, torch.ones(100_003, dtype=dtype)).double()
        error = (p * (1 - p) / len(out)) ** 0.5
        assert (out == 0).double().mean().item() == pytest.approx(p, abs=4 * error)
        assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4 if dtype == torch.float32 else 2**-8)

    def test_neighbours_are_independent(self) -> None:
        kept = (self.dropped(0.5, torch.ones(400_000)) != 0).double() - 0.5
        for lag in (1, 2, 3, 4, 5):
            correlation = 4 * (kept[lag:] * kept[:-lag]).mean().item()
            assert abs(correlation) < 4 / len(kept) ** 0.5

    def test_the_gradient_is_that_of_the_kept(self) -> None:
        h = maps(2, 3, 5, 4, dtype=torch.float32).requires_grad_()
        out = self.dropped(0.4, h)
        out.sum().backward()
        assert out.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(h.grad, torch.where(out == 0, 0.0, 1 / 0.6), rtol=1e-4, atol=0)

    def test_layout_does_not_matter_to_the_share_and_seed_decides(self) -> None:
        h = torch.ones(3, 8, 5, 4)
        assert torch.equal(self.dropped(0.3, h), self.dropped(0.3, h))
        assert (self.dropped(0.3, h.contiguous(memory_format=torch.channels_last)) != self.dropped(0.3, h)).any()

    def test_nothing_happens_outside_of_training_or_at_0(self) -> None:
        h = torch.ones(5)
        assert Dropout(0.5).eval()(h) is h
        assert Dropout(0.0)(h) is h

    @pytest.mark.parametrize("p", [-0.1, 1.0])
    def test_a_share_that_is_none_is_refused(self, p: float) -> None:
        with pytest.raises(ValueError, match="at least 0 and below 1"):
            Dropout(p)
