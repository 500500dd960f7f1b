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
from quasistatic.training.batch import shown_parts
from quasistatic.training.loop import Training

RHO = 0.8


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 1, 1), (2, 1, 4), (6,)])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_what_is_shown_is_as_it_was(shape: tuple[int, ...], count: int) -> None:
    x = torch.randn(count, *shape)
    shown = shown_parts(x, 0.5)
    assert shown.shape == x.shape
    seen = ~shown.isnan()
    assert torch.equal(shown[seen], x[seen])
    if len(shape) == 3:
        assert torch.equal(seen, seen[:, :1].expand_as(seen))


def test_a_share_is_shown_something_and_half_of_it() -> None:
    """Of images a third have each kind of part, and each kind shows half of the elements on average."""
    torch.manual_seed(0)
    seen = ~shown_parts(torch.zeros(20_000, 1, 8, 8), 0.75).isnan().flatten(1)
    share = seen.double().mean(1)
    assert within_4_errors(share, 0.375)
    assert 0.7 < (share > 0).double().mean() < 0.75
    assert not bool((~shown_parts(torch.zeros(50, 1, 8, 8), 0.0).isnan()).any())


def test_all_kinds_of_parts_of_images_occur() -> None:
    torch.manual_seed(1)
    seen = ~shown_parts(torch.zeros(3000, 1, 6, 6), 1.0).isnan()[:, 0]
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
        training=TrainingConfig(steps=1000, batch=256, learning_rate=3e-3, shown=0.5, ema=0.99),
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
