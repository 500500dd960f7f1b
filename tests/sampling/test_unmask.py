"""The step of a masked process: as many cells as the chain shows on average, one at a time in enough steps."""

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.masked import MASK
from quasistatic.process import MaskedProcess
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Reciprocal, uniform_times

PAIR = MaskedProcess(Reciprocal(), (2, 2, 2))


def follows(x_t: torch.Tensor, t: torch.Tensor) -> Histograms:
    """Three cells that are equal: each is that of a known one, or a fair coin."""
    known = torch.where(x_t == MASK, torch.nan, x_t.floor()).nanmean(1)
    logits = torch.zeros(len(x_t), 6)
    for cell in range(3):
        for value in range(2):
            logits[:, 2 * cell + value] = torch.where(known.isnan() | (known == value), 0.0, -torch.inf)
    return Histograms(logits, PAIR.bins)


def walked(steps: int, rows: int = 4000) -> list[torch.Tensor]:
    start = PAIR.prior(torch.zeros(rows, 3)).sample()
    return list(sample(ancestral(PAIR, follows, seeded()), start, uniform_times(steps)))


def test_one_cell_at_a_time_is_exact() -> None:
    """As many steps as cells: what each shows is given all others shown, so all three are equal."""
    states = walked(3)
    assert [int((state == MASK).sum(1).unique()) for state in states] == [2, 1, 0]
    assert (states[-1].floor().std(1) == 0).all()
    assert within_4_errors(states[-1].floor(), 0.5)


def test_each_order_is_as_likely() -> None:
    first = (walked(3)[0] != MASK).float()
    assert within_4_errors(first, torch.full((3,), 1 / 3))


def test_fewer_steps_show_several_from_one_guess() -> None:
    states = walked(1)
    assert (states[-1] != MASK).all()
    assert within_4_errors((states[-1].floor().std(1) == 0).float()[:, None], 0.25)  # three coins agree


@pytest.mark.parametrize("steps", [3, 7, 50])
def test_all_are_shown_in_the_end_and_known_ones_stay(steps: int) -> None:
    start = torch.tensor([[1.2, MASK, MASK], [MASK, torch.nan, MASK], [0.3, 1.1, 0.9]])
    states = list(sample(ancestral(PAIR, follows, seeded()), start, uniform_times(steps)))
    assert (states[-1] != MASK).all()
    assert states[-1][0, 0] == start[0, 0]
    assert states[-1][1, 1].isnan()
    assert torch.equal(states[-1][2], start[2])
    shown = [int((state[0] != MASK).sum()) for state in states]
    assert shown == sorted(shown)
