"""A draw is the same in every batch: sampling and inference, each example with its own stream."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from batches import (
    COUNT,
    KINDS,
    MASKED,
    NORMAL,
    TIMES,
    choosing,
    every_kind,
    holds,
    numbers,
    symbols,
)
from oracles import correlated, double, seeded
from quasistatic.inference import (
    Function,
    Known,
    Noisy,
    Observation,
    blurred,
    by_matrix,
    condition,
    guided,
    hold,
    particle,
    resampled_times,
    reveal,
    super_resolution,
    tilted_guess,
)
from quasistatic.inference.guide import perturbed, posterior, pseudo_inverse
from quasistatic.inference.linear import LinearObservation
from quasistatic.process import Process
from quasistatic.sampling import SAMPLERS, ancestral, sample
from quasistatic.schedule import log_snr_times
from quasistatic.streams import Streams

pytestmark = pytest.mark.usefixtures("double_precision")


# sampling and inference


def walked(step, process: Process, like: Tensor, streams: Streams, times: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    *_, x = sample(step, process.prior(like).sample(streams), times)
    return x.double()


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampling(name: str) -> None:
    x, grid = numbers(), log_snr_times(NORMAL.schedule, 6)
    holds(
        lambda rows, streams: walked(
            SAMPLERS[name](NORMAL, correlated(NORMAL, 0.9), streams), NORMAL, x[rows], streams, grid
        )
    )


@pytest.mark.parametrize("kind", ["bits", "masked"])
def test_sampling_of_discrete_data(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()
    holds(lambda rows, streams: walked(ancestral(process, denoise, streams), process, x[rows], streams, TIMES))


def part_known(x: Tensor) -> Known:
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, 0] = True
    mask[1] = torch.arange(x.shape[1]) != 0  # another pattern for one of them
    return Known(mask, x)


@every_kind
def test_hold(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x, times = data(), resampled_times(TIMES, 2, 3)

    def each(rows: Tensor, streams: Streams) -> Tensor:
        seen = part_known(x).take(rows)
        step = hold(process, ancestral(process, denoise, streams), seen.values, seen.mask, streams)
        return walked(step, process, x[rows], streams, times)

    holds(each)


def test_reveal() -> None:
    x = symbols()

    def each(rows: Tensor, streams: Streams) -> Tensor:
        seen = part_known(x).take(rows)
        step = reveal(MASKED, ancestral(MASKED, choosing, streams), seen.values, seen.mask, streams)
        return walked(step, MASKED, x[rows], streams, TIMES)

    holds(each)


def test_condition() -> None:
    """A guess that is shown what is known: here the other element of two correlated ones."""
    x, truth = numbers(), correlated(NORMAL, 0.9)

    def each(rows: Tensor, streams: Streams) -> Tensor:
        seen = part_known(x).take(rows)
        filled = lambda x_t, t: truth(torch.where(x_t.isnan(), seen.values, x_t), t)  # noqa: E731
        step = condition(NORMAL, ancestral(NORMAL, filled, streams), seen.values, seen.mask, streams)
        return walked(step, NORMAL, x[rows], streams, TIMES)

    holds(each)


OBSERVED: dict[str, Callable[[Tensor], Observation]] = {
    "known": part_known,
    "noisy": lambda x: Noisy(x, torch.full_like(x, 0.3), torch.ones_like(x, dtype=torch.bool)),
    "linear": lambda x: by_matrix(double(1, -1).reshape(1, 2), x[:, :1], 0.2, (2,)),
    "product": lambda x: part_known(x) * by_matrix(double(1, 1).reshape(1, 2), x[:, 1:], 0.5, (2,)),
}


@pytest.mark.parametrize("seen", OBSERVED)
def test_guide(seen: str) -> None:
    x, truth = numbers(), correlated(NORMAL, 0.9)
    observed = OBSERVED[seen](x)
    holds(
        lambda rows, streams: walked(
            guided(NORMAL, truth, observed.take(rows), streams), NORMAL, x[rows], streams, TIMES
        )
    )


@pytest.mark.parametrize("way", [posterior, pseudo_inverse])
def test_guide_by_the_mean(way) -> None:  # type: ignore[no-untyped-def]
    x, truth = numbers(), correlated(NORMAL, 0.9)
    observed = by_matrix(double(1, -1).reshape(1, 2), x[:, :1], 0.2, (2,))
    holds(
        lambda rows, streams: walked(
            way(NORMAL, truth, observed.take(rows), generator=streams), NORMAL, x[rows], streams, TIMES
        )
    )


@pytest.mark.parametrize("kind", ["coarse", "blurred"])
def test_guide_of_images(kind: str) -> None:
    """ΠGDM solves a system for each example: one that is solved early waits for the others unchanged."""
    y = torch.randn(COUNT, 1, 4, 4, generator=seeded(6)) * 10.0 ** torch.arange(COUNT).view(-1, 1, 1, 1)
    observed: LinearObservation = (
        super_resolution(y[..., :2, :2], 2, 0.1) if kind == "coarse" else blurred(y, torch.full((3, 3), 1 / 9), 0.1)
    )
    half = lambda x_t, t: NORMAL.point(0.5 * x_t.tanh() + 0.3 * x_t.roll(1, -1))  # noqa: E731
    holds(
        lambda rows, streams: walked(
            pseudo_inverse(NORMAL, half, observed.take(rows), streams), NORMAL, y[rows], streams, TIMES
        ),
        1e-6,
    )


def test_perturbed() -> None:
    x, truth = numbers(), correlated(NORMAL, 0.9)
    log_r = lambda x: -((1 - x[:, 0]) ** 2)  # noqa: E731
    holds(lambda rows, streams: walked(perturbed(NORMAL, truth, log_r, streams), NORMAL, x[rows], streams, TIMES))


@pytest.mark.parametrize("kind", ["bits", "masked"])
def test_tilt(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()

    def each(rows: Tensor, streams: Streams) -> Tensor:
        guess = tilted_guess(denoise, part_known(x).take(rows))
        return walked(ancestral(process, guess, streams), process, x[rows], streams, TIMES)

    holds(each)


@pytest.mark.parametrize("seen", [*OBSERVED, "function"])
@pytest.mark.parametrize("islands", [1, 2])
def test_particle(seen: str, islands: int) -> None:
    x, truth, each_has = numbers(), correlated(NORMAL, 0.9), 12
    observed = Function(lambda x: -(x**2).sum(1)) if seen == "function" else OBSERVED[seen](x)

    def each(rows: Tensor, streams: Streams) -> Tensor:
        first = int(rows[0])
        own = Streams(3, first * each_has, len(rows) * each_has)
        found = particle(NORMAL, truth, observed.take(rows), x[rows], TIMES, each_has, islands=islands, generator=own)
        drawn = found.draw(2, streams)
        return torch.cat(
            [found.log_evidence[:, None], found.error[:, None], found.lowest[:, None], drawn.flatten(1)], 1
        )

    with pytest.warns(UserWarning, match="particles are too few"):
        holds(each)
