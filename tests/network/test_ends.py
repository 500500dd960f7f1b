"""Records of different lengths: their probabilities sum to one, and what stands behind an end costs nothing."""

from itertools import product

import pytest
import torch

from oracles import seeded
from quasistatic.denoiser import Denoiser
from quasistatic.denoiser.head import CategoricalHead
from quasistatic.evaluation.likelihood.ordered import ordered
from quasistatic.network import CausalConfig
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Reciprocal

pytestmark = pytest.mark.usefixtures("double_precision")

LENGTH, LETTERS, END = 4, 2, 2
RECORDS = [r + (END,) * (LENGTH - len(r)) for n in range(LENGTH) for r in product(range(LETTERS), repeat=n)]
"""All records of at most three of two letters, with their ends."""


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    """A network with random weights, and counts of some records."""
    torch.manual_seed(0)
    config = CausalConfig(width=16, depth=2, head_width=8, window=2, embedding=8, context=2, contexts=64, ends=True)
    network = config.build((LENGTH,), outputs=LETTERS + 1, states=LETTERS + 2).double().eval()
    for parameter in network.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=seeded(), dtype=torch.float64)
    network.begin(torch.tensor(RECORDS[:9]))
    return Denoiser(CategoricalProcess.absorbing(Reciprocal(), LETTERS + 2), network, CategoricalHead(LETTERS + 1))


@torch.no_grad()
def test_probabilities_of_all_records_sum_to_one_by_one_pass(denoiser: Denoiser) -> None:
    x = torch.tensor(RECORDS)
    log_p = denoiser.left_to_right(x).log_prob(x)
    assert log_p.sum(1).exp().sum().item() == pytest.approx(1, abs=1e-6)
    for record, each in zip(RECORDS, log_p, strict=True):
        length = record.index(END)
        assert (each[length + 1 :] == 0).all()  # what is behind an end is certain
        if length == LENGTH - 1:
            assert each[length] == 0  # and so is the end of the longest record


@torch.no_grad()
@pytest.mark.parametrize("order", ["left", "right", "random:1"])
def test_they_sum_to_one_in_other_orders(denoiser: Denoiser, order: str) -> None:
    given = denoiser.given(None)
    if order.startswith("random"):  # the same order for all records
        values = [ordered(denoiser.process, given, torch.tensor([record]), order, None, 0).value for record in RECORDS]
        total = torch.cat(values).exp().sum()
    else:
        total = ordered(denoiser.process, given, torch.tensor(RECORDS), order).value.exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-6)


@torch.no_grad()
def test_no_end_before_a_known_letter(denoiser: Denoiser) -> None:
    mask = LETTERS + 1
    x = torch.tensor([[mask, mask, 0, mask], [mask, END, mask, mask], [mask, mask, mask, mask]])
    guess = denoiser.given(None)(x, torch.full((3,), 0.5, dtype=torch.float64))
    ends = guess.log_prob(torch.full_like(x, END)).exp()
    assert ends[0, :2].tolist() == [0, 0]
    assert ends[0, 3] == 1  # the last place holds an end
    assert ends[1, 2:].tolist() == [1, 1]
    assert ((ends[2, :3] > 0) & (ends[2, :3] < 1)).all()


def test_counts_leave_out_what_is_behind_an_end(denoiser: Denoiser) -> None:
    from quasistatic.network.transformer.counts import ContextCounts

    x = torch.tensor([[0, END, END, END], [1, 0, END, END]])
    there = torch.tensor([[True, True, False, False], [True, True, True, False]])
    counts = ContextCounts(3, 0, 8)
    counts.fit(x, there)
    assert counts.counts[0].tolist() == [2, 1, 2]
