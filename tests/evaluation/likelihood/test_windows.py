"""The bound by all windows at once is the bound by one step after another, and its error does not grow."""

import math
from collections.abc import Callable

import pytest
import torch

from oracles import seeded
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Categorical, Distribution
from quasistatic.evaluation import bound, ordered
from quasistatic.evaluation.likelihood.windows import bound_in_windows, stride
from quasistatic.process import CategoricalProcess
from quasistatic.schedule import Reciprocal, Staggered, uniform_times
from quasistatic.types import State, Time

pytestmark = pytest.mark.usefixtures("double_precision")

LENGTH, MASK = 6, 2
WEIGHTS = torch.randn(LENGTH, LENGTH, 3, 2, generator=seeded(), dtype=torch.float64)


def denoise(x_t: State, t: Time) -> Categorical:
    """A guess of each of two states from all other elements, known or masked."""
    total = torch.zeros(len(x_t), LENGTH, 2, dtype=torch.float64)
    for element in range(LENGTH):
        for other in range(LENGTH):
            if other != element:
                total[:, element] += WEIGHTS[element, other, x_t[:, other]]
    guess = torch.cat([total, torch.full((len(x_t), LENGTH, 1), -math.inf, dtype=torch.float64)], -1)
    certain = torch.full_like(guess, -math.inf).scatter(-1, x_t[..., None], 0.0)
    return Categorical(torch.where((x_t == MASK)[..., None], guess, certain))


def in_windows(guess: Denoise) -> Callable[[State, State, torch.Tensor], Distribution]:
    """The same for each window in turn."""

    def windows(x: State, x_t: State, window: torch.Tensor) -> Categorical:
        logits = torch.zeros(*x.shape, 3, dtype=torch.float64)
        for number in range(int(window.max()) + 1):
            states = torch.where(window < number, x, torch.where(window == number, x_t, MASK))
            found = guess(states, torch.full((len(x),), 0.5, dtype=torch.float64))
            assert isinstance(found, Categorical)
            logits = torch.where((window == number)[..., None], found.logits, logits)
        return Categorical(logits)

    return windows


def process_of(overlap: float, block: int = 1) -> CategoricalProcess:
    return CategoricalProcess.absorbing(Staggered(Reciprocal(), (LENGTH,), "left", overlap, block), 3)


def same(clean: Distribution) -> Distribution:
    return clean


@pytest.mark.parametrize(("overlap", "block"), [(0.0, 1), (0.2, 1), (0.5, 1), (1.0, 1), (0.0, 2), (0.3, 3)])
def test_it_is_the_bound(overlap: float, block: int) -> None:
    process, times = process_of(overlap, block), uniform_times(24)
    x = torch.randint(0, 2, (1, LENGTH), generator=seeded()).expand(6000, -1)
    one = bound(process, denoise, same, x, times, generator=seeded(1)).value
    every = bound_in_windows(process, in_windows(denoise), same, x, times, generator=seeded(2))
    some = bound_in_windows(process, in_windows(denoise), same, x, times, 2, seeded(3))
    for found in (every, some):
        error = math.hypot(one.std().item(), found.value.std().item()) / math.sqrt(len(x))
        assert found.value.mean().item() == pytest.approx(one.mean().item(), abs=4 * error + 1e-9)
        assert torch.isfinite(found.value).all()
    assert every.network_evaluations == stride(process.schedule, times) + 1


def test_one_after_another_a_whole_look_is_the_log_likelihood() -> None:
    """With as many steps as elements, each look shows every element masked: the chain rule, without error."""
    process, times = process_of(0.0), uniform_times(LENGTH)
    x = torch.randint(0, 2, (50, LENGTH), generator=seeded())
    assert stride(process.schedule, times) == 1
    found = bound_in_windows(process, in_windows(denoise), same, x, times, 1, seeded())
    exact = ordered(process, denoise, x, "left").value
    torch.testing.assert_close(found.value, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("overlap", [0.0, 0.1])
def test_a_look_at_all_windows_errs_less_than_a_step(overlap: float) -> None:
    process, times = process_of(overlap), uniform_times(24)
    x = torch.randint(0, 2, (1, LENGTH), generator=seeded()).expand(4000, -1)
    step = bound(process, denoise, same, x, times, 2, seeded(1)).value.std()
    look = bound_in_windows(process, in_windows(denoise), same, x, times, 2, seeded(2)).value.std()
    assert look < 0.8 * step


def test_a_batch_of_one_and_none() -> None:
    process, times = process_of(0.3), uniform_times(24)
    x = torch.randint(0, 2, (3, LENGTH), generator=seeded())
    for part in (x[:1], x[:0]):
        found = bound_in_windows(process, in_windows(denoise) if len(part) else never, same, part, times, 2, seeded())
        assert found.value.shape == (len(part),)


def never(x: State, x_t: State, window: torch.Tensor) -> Categorical:
    return Categorical(torch.zeros(*x.shape, 3))


def test_what_is_refused() -> None:
    x = torch.zeros(1, LENGTH, dtype=torch.int64)
    right = CategoricalProcess.absorbing(Staggered(Reciprocal(), (LENGTH,), "right", 0.2), 3)
    for other in (right, CategoricalProcess.absorbing(Reciprocal(), 3)):
        with pytest.raises(TypeError, match="from left to right"):
            bound_in_windows(other, in_windows(denoise), same, x, uniform_times(12))
    with pytest.raises(ValueError, match="draws = 0"):
        bound_in_windows(process_of(0.2), in_windows(denoise), same, x, uniform_times(12), 0)
