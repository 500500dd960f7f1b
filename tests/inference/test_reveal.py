"""Completion of masked data with perfect guesses: the true law of the unknown part given the known one."""

import math

import pytest
import torch
from torch import Tensor

from oracles import unchecked
from quasistatic.distribution import Categorical
from quasistatic.inference import Known, Noisy, is_absorbing, reveal
from quasistatic.model.methods import fitting, method_called
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Process
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.streams import Streams

MASKED = CategoricalProcess.absorbing(Reciprocal(), 3)
ROWS = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1]])
LAW = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25])


def perfect(x_t: Tensor, t: Tensor) -> Categorical:
    """Marginals of each element given those that are not masked; two revealed in one step may fit no row."""
    fits = ((x_t[:, None] == ROWS) | (x_t[:, None] == 2)).all(-1)
    share = torch.where(fits.any(1, keepdim=True), fits, True) * LAW
    share = share / share.sum(1, keepdim=True)
    return Categorical(torch.einsum("br,rdk->bdk", share, torch.nn.functional.one_hot(ROWS, 3).float()).log())


def test_the_unknown_part_has_its_law() -> None:
    """Given x_0 = 1: (x_1, x_2) ∈ {10: .3, 01: .15, 11: .25}/.7; one element at a time, so 200 steps err little."""
    count = 2000
    observed = torch.tensor([[1, 0, 0]]).repeat(count, 1)
    mask = torch.tensor([[True, False, False]]).repeat(count, 1)
    streams = Streams(0, 0, count)
    step = reveal(MASKED, ancestral(MASKED, perfect, streams), observed, mask, streams)
    *_, x = sample(step, MASKED.prior(observed).sample(streams), uniform_times(200))
    assert (x[:, 0] == 1).all()
    for pair, p in (((1, 0), 0.3), ((0, 1), 0.15), ((1, 1), 0.25)):
        share = (x[:, 1:] == torch.tensor(pair)).all(1).double().mean().item()
        assert abs(share - p / 0.7) < 4 * math.sqrt(0.25 / count) + 1 / 200


def test_the_way_up_keeps_what_is_known() -> None:
    observed, mask = torch.tensor([[1, 0, 0]]), torch.tensor([[True, False, False]])
    step = reveal(MASKED, lambda x, t, s: x, observed, mask, torch.Generator().manual_seed(0))
    low, high = torch.tensor([0.2], dtype=torch.float64), torch.tensor([1.0], dtype=torch.float64)
    assert step(torch.tensor([[1, 0, 1]]), low, high).tolist() == [[1, 2, 2]]


@pytest.mark.parametrize(
    ("process", "name"),
    [(MASKED, "reveal"), (CategoricalProcess.uniform(Cosine(), 3), "hold"), (GaussianProcess(Cosine()), "hold")],
    ids=repr,
)
def test_the_most_exact_method_is_chosen(process: Process, name: str) -> None:
    assert is_absorbing(process) == (name == "reveal")
    values, mask = torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)
    assert fitting(process, Known(mask, values), shown=False).name == name
    assert fitting(process, Known(mask, values), shown=True).name == name.replace("hold", "condition")
    uneven = Noisy(values, torch.tensor([[1.0, 2.0]]), mask)
    assert fitting(process, uneven, shown=True).name == "guide"


def test_refusals() -> None:
    with pytest.raises(TypeError, match=r"reveal needs an absorbing process .* got BernoulliProcess.*; use hold"):
        reveal(BernoulliProcess(Cosine()), lambda x, t, s: x, torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"a mask covers states of shape \(1, 3\), got one of shape \(1, 2\)"):
        unchecked(reveal)(MASKED, None, torch.zeros(1, 3), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(
        ValueError, match="the method of inference is hold, reveal, condition, denoise, guide, particle, got 'magic'"
    ):
        method_called("magic")
