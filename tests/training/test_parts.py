"""Parts of examples that are shown in training: how many, which, and what the network learns by them."""

import pytest
import torch

from oracles import within_4_errors
from quasistatic.config import Config, DataConfig, Specification, TrainingConfig
from quasistatic.data import from_tensor
from quasistatic.denoiser.head import GaussianHead
from quasistatic.inference import Known
from quasistatic.model import complete
from quasistatic.model.bench import DrawOptions
from quasistatic.network import MLPConfig
from quasistatic.objective import Bound
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from quasistatic.training.batch import shown_parts, sides_of_blocks
from quasistatic.training.loop import Training

RHO = 0.8


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 1, 1), (2, 1, 4), (6,)])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_what_is_shown_is_as_it_was(shape: tuple[int, ...], count: int) -> None:
    x = torch.randn(count, *shape)
    shown = shown_parts(x, 0.5).values
    assert shown.shape == x.shape
    seen = ~shown.isnan()
    assert torch.equal(shown[seen], x[seen])
    if len(shape) == 3:
        assert torch.equal(seen, seen[:, :1].expand_as(seen))


def test_a_share_is_shown_something_and_half_of_it() -> None:
    """Of images a third have each kind of part, and each kind shows half of the elements on average."""
    torch.manual_seed(0)
    seen = shown_parts(torch.zeros(20_000, 1, 8, 8), 0.75).known.flatten(1)
    share = seen.double().mean(1)
    assert within_4_errors(share, 0.375)
    assert 0.7 < (share > 0).double().mean() < 0.75
    assert not bool(shown_parts(torch.zeros(50, 1, 8, 8), 0.0).known.any())


def test_all_kinds_of_parts_of_images_occur() -> None:
    torch.manual_seed(1)
    seen = shown_parts(torch.zeros(3000, 1, 6, 6), 1.0).known[:, 0]
    rows, columns = seen.all(2), seen.all(1)
    halves = (rows.sum(1) * 6 == seen.sum((1, 2))) & (rows.sum(1) > 0) & (rows.sum(1) < 6)
    edges = seen.diff(dim=1).sum((1, 2)) + seen.diff(dim=2).sum((1, 2))
    assert 300 < int(halves.sum()) < 900  # cuts between rows, and boxes that are as wide as the image
    assert 600 < int((columns.sum(1) > 0).sum()) < 2000
    assert int((edges > 14).sum()) > 600  # single elements


def test_a_network_that_is_shown_parts_learns_the_conditional_law() -> None:
    """Two unit normals of correlation ρ, the second given the first: N(ρ x, 1 − ρ²), to a seventh of its deviation."""
    torch.manual_seed(2)
    first = torch.randn(4000, 1)
    values = torch.cat([first, RHO * first + (1 - RHO**2) ** 0.5 * torch.randn(4000, 1)], 1)
    data = from_tensor("pairs", values)
    config = Config(
        data=DataConfig("pairs"),
        process=GaussianProcess(Cosine()),
        network=MLPConfig(width=64, depth=2),
        head=GaussianHead("velocity", "learned"),
        objective=Bound(),
        training=TrainingConfig(steps=1500, batch=256, learning_rate=3e-3, shown=0.5, ema=0.99),
    )
    training = Training(config, Specification.of(data))
    for _ in training.run(data):
        pass
    model, x = training.model, torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    seen = data.codec.encode(x)
    mask = torch.tensor([[True, False]]).expand(3, 2)
    given = complete.states(Known(mask, seen), 3)
    assert complete.method_for(model, given) == "condition"
    found = complete.complete(model, given, options=DrawOptions(draws=1000, steps=40))
    draws = found.draws.double()
    torch.testing.assert_close(draws[:, :, 0], x[:, :1].double().expand(3, 1000), rtol=0, atol=1e-4)
    spread = (1 - RHO**2) ** 0.5
    assert bool(((draws[:, :, 1].mean(1) - RHO * x[:, 0]).abs() < 0.15 * spread).all())
    assert bool(((draws[:, :, 1].std(1) / spread - 1).abs() < 0.15).all())


def test_all_kinds_of_parts_of_vectors_occur() -> None:
    torch.manual_seed(5)
    seen = shown_parts(torch.zeros(3000, 9), 1.0).known
    turns = seen.int().diff(dim=1).abs().sum(1)
    assert within_4_errors(seen.double().mean(1), 0.5)
    assert 900 < int((turns == 1).sum()) < 2000  # before or after a cut, and stretches at an end
    assert 500 < int((turns == 2).sum()) < 1300  # stretches
    assert int((turns > 2).sum()) > 400  # single elements
    starts = seen[turns == 1]
    assert bool(starts[:, 0].any())
    assert bool((~starts[:, 0]).any())


@pytest.mark.parametrize("count", [0, 1, 7])
def test_means_are_those_of_blocks_in_whole_levels(count: int) -> None:
    x = torch.randint(5, (count, 3, 12, 18)) / 2 - 1
    shown = shown_parts(x, 1.0, levels=5)
    assert shown.values.shape == shown.share.shape == x.shape
    sides = (shown.share[shown.share > 0] ** -0.5).round().int().unique().tolist()
    assert set(sides) <= {1, *sides_of_blocks(12, 18)} == {1, 2, 3, 6}
    assert shown.sides is not None
    for place, (one, values, factor) in enumerate(zip(x, shown.values, shown.sides.tolist(), strict=True)):
        if factor:
            blocks = one.unflatten(1, (-1, factor)).unflatten(3, (-1, factor)).mean((2, 4))
            wide = blocks.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
            assert bool(((values - wide).abs() <= 0.25 + 1e-6).all())
            assert bool((values * 2 % 1 == 0).all())
            assert not bool(shown.known[place].any())


def test_a_quarter_of_images_of_levels_is_shown_means_and_no_others() -> None:
    torch.manual_seed(3)
    x = torch.zeros(8000, 1, 4, 4)
    share = shown_parts(x, 0.5, levels=3).share.flatten(1).amax(1)
    for factor in (2, 4):
        assert within_4_errors((share == factor**-2).double(), 0.5 / 4 / 2)
    assert bool((shown_parts(x, 0.5).share.flatten(1).amax(1) % 1 == 0).all())
    assert bool((shown_parts(torch.zeros(500, 1, 4, 7), 1.0, levels=3).share % 1 == 0).all())
