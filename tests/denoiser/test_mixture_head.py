"""The mixture head: Bayes in closed form, a start at the marginal law of the values, and entropy as the best bound."""

import math

import pytest
import torch
from torch import Tensor

from oracles import at, seeded
from quasistatic.data import LevelsCodec
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import MixtureHead
from quasistatic.distribution import LevelMixture
from quasistatic.evaluation import bound
from quasistatic.network import Network
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.types import Label, State, Time

NORMAL = GaussianProcess(Cosine())


class Says(Network):
    """The same maps for every element."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Tensor:
        return self.maps.to(x_t).reshape(1, -1, *(1,) * (x_t.ndim - 1)).expand(len(x_t), -1, *x_t.shape[1:])


def values(count: int, levels: int = 256, seed: int = 0) -> Tensor:
    """Level 0 with probability 0.8, else near the middle: a black border and grey strokes."""
    g = seeded(seed)
    grey = (levels / 2 + levels / 8 * torch.randn(count, generator=g)).round().clamp(0, levels - 1)
    index = torch.where(torch.rand(count, generator=g) < 0.8, 0, grey)
    return (index / (levels - 1) * 2 - 1).double()


def test_reads_weights_means_and_widths() -> None:
    head = MixtureHead(256, components=2, gain=2.0)
    output = torch.randn(5, 6, 3, dtype=torch.float64, generator=seeded())
    x_t, t = torch.randn(5, 3, dtype=torch.float64, generator=seeded(1)), at(0.4, 5)
    law = head.read(output, x_t, t, NORMAL)
    assert isinstance(law, LevelMixture)
    torch.testing.assert_close(law.logits, 2 * output[:, :2].movedim(1, 0))
    third = torch.tensor([-1 / 3, 1 / 3], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(law.means, third + output[:, 2:4].movedim(1, 0))
    torch.testing.assert_close(law.stds, (2 * output[:, 4:].movedim(1, 0)).exp() / 2 + 0.15 * 2 / 255)
    torch.testing.assert_close(law.kept[:, 0] ** 2, Cosine().alpha_bar(t))
    torch.testing.assert_close(law.noise[:, 0] ** 2, 1 - Cosine().alpha_bar(t))


@pytest.mark.parametrize("components", [1, 2, 5])
def test_starts_at_the_law_of_the_values(components: int) -> None:
    """At t = 1 nothing is seen, so guesses have the moments of the data: of all values together."""
    x = values(20_000)
    head = MixtureHead(256, components)
    law = Denoiser(NORMAL, Says(head.start(x[:, None])), head)(torch.zeros(1, 1, dtype=torch.float64), at(1.0, 1))
    assert law.mean.item() == pytest.approx(x.mean().item(), abs=0.01)
    assert law.variance.item() == pytest.approx(x.var().item(), rel=0.03)


@pytest.mark.parametrize("held", [[-1.0], [-1.0, 1.0], [-1.0, 0.2, 1.0]])
def test_starts_from_few_different_values(held: list[float]) -> None:
    """Fewer values than components: components share a value and its weight."""
    head, x = MixtureHead(6, 5), torch.tensor(held).repeat(7)
    said = head.start(x[:, None])
    law = Denoiser(NORMAL, Says(said), head)(torch.zeros(1, 1), at(1.0, 1))
    assert said.isfinite().all()
    assert law.mean.item() == pytest.approx(sum(held) / len(held), abs=1e-2)


def test_the_start_scores_independent_values_by_their_entropy() -> None:
    """In a thousand steps; a chain that ends at a noise of 0.8 gaps loses 0.02 bits or less (theory of levels)."""
    x = values(3000)
    head, codec = MixtureHead(256), LevelsCodec(0, 255, 256)
    denoise = Denoiser(NORMAL, Says(head.start(values(30_000, seed=1)[:, None])), head).given(None)
    terms = bound(NORMAL, denoise, codec.decoder, x[:, None], uniform_times(1000), 40, seeded(2))
    share = torch.bincount(((values(10**6, seed=3) + 1) * 127.5).round().long(), minlength=256) / 10**6
    entropy = -(share[share > 0] * share[share > 0].log()).sum().item()
    error = terms.value.std().item() / math.sqrt(3000)
    assert -terms.value.mean().item() == pytest.approx(entropy, abs=4 * error + 0.03)
    assert error < 0.06


def test_needs_a_gaussian_process() -> None:
    with pytest.raises(ValueError, match="MixtureHead reads states of a Gaussian process"):
        MixtureHead().check(BernoulliProcess(Reciprocal(), 0.5))


@pytest.mark.parametrize("change", [{"levels": 1}, {"components": 0}, {"gain": 0.0}])
def test_refuses_what_makes_no_mixture(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        MixtureHead(**change)  # type: ignore[arg-type]
