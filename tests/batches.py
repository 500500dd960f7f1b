"""The law of the batch: what is done to examples together equals what is done to each alone."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from oracles import correlated, seeded
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Process
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.streams import Streams

COUNT = 5
Parted = Callable[[Tensor, Streams], Tensor]
"""(numbers of the examples, a stream for each) → what each gets, examples first."""

NORMAL = GaussianProcess(Cosine())
BITS = BernoulliProcess(Reciprocal(), 0.4)
MASKED = CategoricalProcess.absorbing(Reciprocal(), 3)
TIMES = uniform_times(6)


def holds(each: Parted, tolerance: float = 1e-9, pieces: tuple[tuple[int, ...], ...] = ((4, 1), (1, 2, 2))) -> None:
    """The whole batch against pieces: one example, and an uneven last batch."""
    whole = each(torch.arange(COUNT), Streams(3, 0, COUNT))
    for sizes in pieces:
        first, parts = 0, []
        for size in sizes:
            parts.append(each(torch.arange(first, first + size), Streams(3, first, size)))
            first += size
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=tolerance, equal_nan=True)
    assert len({str(row.tolist()) for row in whole}) > 1  # examples differ, so a mixed-up order would show


def numbers() -> Tensor:
    return torch.randn(COUNT, 2, generator=seeded(1))


def bits() -> Tensor:
    return (torch.rand(COUNT, 3, generator=seeded(2)) < 0.5).double()


def symbols() -> Tensor:
    return torch.randint(0, 2, (COUNT, 3), generator=seeded(8))


def leaning(x_t: Tensor, t: Tensor) -> Distribution:
    """A guess of bits that reads the state and the time."""
    return Bernoulli(x_t.roll(1, 1) - 0.3 - t[:, None])


def choosing(x_t: Tensor, t: Tensor) -> Distribution:
    """A guess of two symbols, never the mask, that reads the state and the time."""
    lean = x_t.roll(1, 1).double() - t[:, None]
    return Categorical(torch.stack([lean, -lean, torch.full_like(lean, -math.inf)], -1))


KINDS: dict[str, tuple[Process, Denoise, Callable[[], Tensor]]] = {
    "normal": (NORMAL, correlated(NORMAL, 0.9), numbers),
    "bits": (BITS, leaning, bits),
    "masked": (MASKED, choosing, symbols),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
