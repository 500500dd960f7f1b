"""Exact likelihoods of orders: they sum to one, equal the chain rule, and their mean over orders is the bound."""

import math
from itertools import permutations, product

import pytest
import torch

from oracles import seeded
from quasistatic.distribution import Categorical
from quasistatic.distribution.histograms import Histograms
from quasistatic.evaluation import bound
from quasistatic.evaluation.likelihood.ordered import mask_of, ordered, ranked
from quasistatic.process import CategoricalProcess, GaussianProcess, MaskedProcess, Process
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.types import State, Time

pytestmark = pytest.mark.usefixtures("double_precision")

WORDS = CategoricalProcess.absorbing(Reciprocal(), 4)
CELLS = MaskedProcess(Reciprocal(), (3, 3, 3))
WEIGHTS = torch.randn(3, 4, 3, 3, generator=seeded(), dtype=torch.float64)
"""Log-weights of (element's state or mask, element) for the states of each other element: an incoherent guess."""


def logits(seen: State, mask: float) -> torch.Tensor:
    """(batch, elements, states): a guess of each element from all others, as any network gives one."""
    state = torch.where(seen == mask, 3, seen).long()
    total = torch.zeros(len(seen), 3, 3, dtype=torch.float64)
    for other in range(3):
        for element in range(3):
            if other != element:
                total[:, element] += WEIGHTS[other, state[:, other], element]
    return total


def words(x_t: State, t: Time) -> Categorical:
    guess = torch.cat([logits(x_t, 3), torch.full((len(x_t), 3, 1), -math.inf, dtype=torch.float64)], -1)
    certain = torch.full_like(guess, -math.inf).scatter(-1, x_t[..., None], 0.0)
    return Categorical(torch.where((x_t == 3)[..., None], guess, certain))


def cells(x_t: State, t: Time) -> Histograms:
    return Histograms(
        logits(torch.where(x_t.nan_to_num(-1.0) < 0, -1, x_t.nan_to_num(-1.0).floor()), -1).flatten(1), CELLS.bins
    )


EVERY_WORD = torch.tensor(list(product(range(3), repeat=3)))
EVERY_CELL = EVERY_WORD.double() + 0.5
CASES = [(WORDS, words, EVERY_WORD), (CELLS, cells, EVERY_CELL)]


@pytest.mark.parametrize(("process", "denoise", "x"), CASES)
@pytest.mark.parametrize("order", ["left", "right", "confidence", "random:3"])
@pytest.mark.parametrize("blocks", [None, 1, 2])
def test_probabilities_of_all_states_sum_to_one(process: Process, denoise, x, order: str, blocks: int | None) -> None:  # type: ignore[no-untyped-def]
    if order.startswith("random"):  # an order for each example: the same one for all states here
        total = sum(ordered(process, denoise, x[n : n + 1], order, blocks).value.exp().item() for n in range(27))
    else:
        total = ordered(process, denoise, x, order, blocks).value.exp().sum().item()
    assert total == pytest.approx(1, abs=1e-12)


def test_it_is_the_chain_rule() -> None:
    found = ordered(WORDS, words, EVERY_WORD, "left")
    assert found.evaluations == 3
    for x, value in zip(EVERY_WORD, found.value, strict=True):
        x_t, total = torch.full((1, 3), 3), 0.0
        for place in range(3):
            total += words(x_t, torch.ones(1)).log_masses[0, place, x[place]].item()
            x_t[0, place] = x[place]
        assert value.item() == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize(("process", "denoise", "x"), CASES)
def test_the_mean_over_orders_is_the_bound_of_many_steps(process: Process, denoise, x) -> None:  # type: ignore[no-untyped-def]
    """And the log of the mean of p over orders is above it: that is the mixture's likelihood."""
    values = []
    for order in permutations(range(3)):
        total, x_t = torch.zeros(len(x), dtype=torch.float64), torch.full_like(x, mask_of(process))
        for element in order:
            total += denoise(x_t, torch.ones(len(x))).log_prob(x)[:, element]
            x_t[:, element] = x[:, element]
        values.append(total)
    mean, mixture = torch.stack(values).mean(0), torch.stack(values).logsumexp(0) - math.log(6)
    found = bound(process, denoise, lambda guess: guess, x, uniform_times(40), None, seeded())
    many = torch.stack([
        bound(process, denoise, lambda guess: guess, x, uniform_times(40), None, seeded(n)).value for n in range(40)
    ])  # fmt: skip
    assert found.value.shape == mean.shape
    error = many.std(0) / math.sqrt(40)
    assert bool(((many.mean(0) - mean).abs() < 5 * error + 0.05 * mean.abs()).all())
    assert bool((mixture >= mean - 1e-12).all())


def test_missing_cells_cost_nothing_and_stay_unknown() -> None:
    x = EVERY_CELL.clone()
    x[:, 1] = torch.nan
    found = ordered(CELLS, cells, x, "left").value
    kept = [torch.where(torch.tensor([True, False, True]), row, torch.nan) for row in EVERY_CELL]
    for row, value in zip(kept, found, strict=True):
        first = cells(torch.tensor([[-1.0, -1, -1]]), torch.ones(1)).log_prob(row[None])[0, 0]
        seen = torch.tensor([[row[0].item(), -1, -1]])
        assert value.item() == pytest.approx((first + cells(seen, torch.ones(1)).log_prob(row[None])[0, 2]).item())


def test_batches_of_one_and_none() -> None:
    whole = ordered(WORDS, words, EVERY_WORD, "confidence").value
    for n in (0, 13, 26):
        assert ordered(WORDS, words, EVERY_WORD[n : n + 1], "confidence").value.item() == pytest.approx(whole[n].item())
    assert ordered(WORDS, words, EVERY_WORD[:0]).value.shape == (0,)


def test_random_orders_are_orders() -> None:
    found = ranked("random:5", 200, 6)
    assert torch.equal(found.sort(1).values, torch.arange(6).expand(200, -1))
    assert len(found.unique(dim=0)) > 150
    assert torch.equal(found[70:], ranked("random:5", 130, 6, first=70))  # whatever the batch


def test_refusals() -> None:
    with pytest.raises(TypeError, match=r"that ends in a mask, got GaussianProcess.*use bound or importance"):
        ordered(GaussianProcess(Cosine()), words, torch.zeros(1, 3))
    for order in ("up", "random", "random:x"):
        with pytest.raises(ValueError, match="an order is left, right, confidence, random:SEED, got"):
            ordered(WORDS, words, EVERY_WORD, order)
    with pytest.raises(ValueError, match="an order of 3 elements has 1 to 3 blocks, got 4"):
        ordered(WORDS, words, EVERY_WORD, "left", 4)
