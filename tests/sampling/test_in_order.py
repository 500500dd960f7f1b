"""Sampling from left to right: draws have the law that the guesses define."""

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import Categorical
from quasistatic.sampling import in_order
from quasistatic.streams import Streams

START = torch.tensor([0.5, 0.3, 0.2])
NEXT = torch.tensor([[0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
LENGTH = 3


def chain(x: Tensor) -> Categorical:
    """The law of the next state of a Markov chain."""
    law = NEXT[x[:, -1]] if x.shape[1] else START.expand(len(x), -1)
    return Categorical(law.log()[:, None])


def drawn(count: int, first: int = 0, known: Tensor | None = None, x: Tensor | None = None, begin: int = 0) -> Tensor:
    x = torch.zeros(count, LENGTH, dtype=torch.int64) if x is None else x
    return list(in_order(chain, x, first, known, Streams(3, begin, count)))[-1]


def test_draws_are_of_the_chain() -> None:
    x, n = drawn(20_000), 20_000
    p = START[:, None, None] * NEXT[:, :, None] * NEXT[None]
    count = torch.zeros(3, 3, 3).index_put((x[:, 0], x[:, 1], x[:, 2]), torch.ones(()), accumulate=True)
    chi_squared = ((count - n * p) ** 2 / (n * p)).sum()
    assert chi_squared < 55  # 26 degrees of freedom: probability 0.001


def test_known_beginnings_stay_and_the_rest_follows_them() -> None:
    n = 20_000
    x = torch.tensor([[2, 1, 7], [0, 7, 7]]).repeat_interleave(n, 0)
    known = torch.tensor([2, 1]).repeat_interleave(n)
    found = drawn(2 * n, 1, known, x)
    assert torch.equal(found[:n, :2], x[:n, :2])
    assert torch.equal(found[n:, 0], x[n:, 0])
    for row, own in ((found[:n, 2], NEXT[1]), (found[n:, 1], NEXT[0]), (found[n:, 2], NEXT[0] @ NEXT)):
        share = row.bincount(minlength=3) / n
        torch.testing.assert_close(share, own, rtol=0, atol=4 * 0.5 / n**0.5)
    assert bool((x == torch.tensor([[2, 1, 7], [0, 7, 7]]).repeat_interleave(n, 0)).all())  # not written to


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_draw_is_the_same_in_any_batch(count: int) -> None:
    assert torch.equal(drawn(5), torch.cat([drawn(count), drawn(5 - count, begin=count)]))


def test_states_come_one_for_each_place() -> None:
    states = list(in_order(chain, torch.zeros(2, LENGTH, dtype=torch.int64), 1))
    assert len(states) == LENGTH - 1
