"""Guesses of states that are alike are made once, and are the same."""

import pytest
import torch
from torch import Tensor

from quasistatic.denoiser import Denoise, distinct
from quasistatic.distribution import Categorical
from quasistatic.types import State, Time


def guesses(asked: list[int]) -> Denoise:
    """A guess that depends on the state and the time; how many rows it is asked for is noted."""

    def guess(x_t: State, t: Time) -> Categorical:
        asked.append(len(x_t))
        shift = x_t.float().cumsum(1) * t.float()[:, None]
        return Categorical(torch.sin(shift[..., None] + torch.arange(4.0)))

    return guess


def compared(x_t: Tensor, t: Tensor) -> list[int]:
    asked, made = list[int](), list[int]()

    def make(count: int) -> Denoise:
        made.append(count)
        return guesses(asked)

    found = distinct(make, len(x_t))(x_t, t)
    assert isinstance(found, Categorical)
    torch.testing.assert_close(found.logits, guesses([])(x_t, t).logits)
    assert made == asked
    return asked


@pytest.mark.parametrize(("rows", "asked"), [([0], 1), ([0, 0, 0], 1), ([1, 0, 1, 2, 0], 3), ([2, 1, 0], 3)], ids=str)
def test_each_state_is_guessed_once(rows: list[int], asked: int) -> None:
    states = torch.tensor([[0, 1, 2], [3, 1, 2], [3, 3, 3]])
    assert compared(states[rows], torch.full((len(rows),), 0.4).double()) == [asked]


def test_no_states_and_different_times() -> None:
    assert compared(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0).double()) == [0]
    x_t = torch.zeros(3, 3, dtype=torch.int64)
    assert compared(x_t, torch.tensor([0.1, 0.2, 0.1]).double()) == [3]
