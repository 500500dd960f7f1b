"""One law for every estimator: what an example gets does not depend on its batch.

A batch of one, and an uneven last batch, give the rows of the whole batch. Each example has its own stream of random
numbers, so this holds draw by draw. States are float64: what is left is rounding (1e-9), or the tolerance of the flow's
solver (1e-4 nats).
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from oracles import correlated, double, seeded
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.evaluation import (
    BoundTerms,
    Score,
    Tolerance,
    bound,
    chances_by_cost,
    dequantised,
    exact,
    fixed_last_step,
    importance,
    log_likelihood,
    mean_and_error,
    noised,
    null,
    with_variance,
)
from quasistatic.evaluation import baselines as simple
from quasistatic.evaluation.baselines.ngram import ngrams
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
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Process
from quasistatic.sampling import SAMPLERS, ancestral, sample
from quasistatic.schedule import Cosine, Reciprocal, log_snr_times, uniform_times
from quasistatic.streams import Streams

pytestmark = pytest.mark.usefixtures("double_precision")

COUNT = 5
TIGHT = Tolerance(1e-6, 1e-6)
Parted = Callable[[Tensor, Streams], Tensor]
"""(numbers of the examples, a stream for each) → what each gets, examples first."""

NORMAL = GaussianProcess(Cosine())
BITS = BernoulliProcess(Reciprocal(), 0.4)
MASKED = CategoricalProcess.absorbing(Reciprocal(), 3)
TIMES = uniform_times(6)


def same(clean: Distribution) -> Distribution:
    return clean


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

# evaluation


@pytest.mark.parametrize("probes", [None, 1, 4])
@pytest.mark.parametrize("way", ["density", "noised", "dequantised"])
def test_flow(way: str, probes: int | None) -> None:
    truth, x = correlated(NORMAL, 0.9), numbers()

    def each(rows: Tensor, streams: Streams) -> Tensor:
        if way == "density":
            found = log_likelihood(NORMAL, truth, x[rows], 0.2, probes, streams, TIGHT)
        elif way == "noised":
            found = noised(NORMAL, truth, same, x[rows], 0.2, probes, streams, TIGHT)
        else:
            found = dequantised(NORMAL, truth, x[rows], 0.25, 0.2, probes, streams, TIGHT)
        return torch.cat([found.log_likelihoods.T, found.latent], 1)

    holds(each, 1e-4, ((4, 1),))


def test_the_flow_of_one_example_with_random_probes_is_an_average() -> None:
    """log N(x; 0, I) in 40 dimensions: the guess √ᾱ x_t has a diagonal Jacobian, so that every probe is exact."""
    process = GaussianProcess(Reciprocal())
    unit = lambda x_t, t: process.forward(x_t, 0 * t, t)  # noqa: E731
    x = torch.randn(2, 40, generator=seeded(5))
    truth = (-0.5 * x**2 - 0.5 * math.log(2 * math.pi)).sum(1)
    for rows in (x[:1], x):
        found = log_likelihood(process, unit, rows, 1e-6, probes=4, generator=seeded(1))
        assert found.log_likelihoods.shape == (4, len(rows))
        torch.testing.assert_close(found.value, truth[: len(rows)], rtol=0, atol=1e-3)


@every_kind
@pytest.mark.parametrize("draws", [None, 1, 3])
@pytest.mark.parametrize("uneven", [False, True])
def test_bound(kind: str, draws: int | None, uneven: bool) -> None:
    process, denoise, data = KINDS[kind]
    x, chances = data(), double(0.4, 0.3, 0.2, 0.05, 0.05) if uneven else None

    def each(rows: Tensor, streams: Streams) -> Tensor:
        found = bound(process, denoise, same, x[rows], TIMES, draws, streams, chances)
        terms = torch.stack([found.prior, found.diffusion, found.reconstruction, found.value], 1)
        return torch.cat([terms, found.times.T, found.step_costs.T], 1)

    holds(each)


@every_kind
def test_importance(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()
    holds(lambda rows, streams: importance(process, denoise, same, x[rows], TIMES, 3, streams).minus_work.T)


@pytest.mark.parametrize("kind", ["bits", "masked"])
def test_enumeration_and_null(kind: str) -> None:
    process, denoise, data = KINDS[kind]
    x = data()
    holds(lambda rows, streams: exact(process, denoise, x[rows], TIMES))
    if kind == "bits":  # under a mask for a prior all data have probability 0
        holds(lambda rows, streams: null(process, same, x[rows]))


@pytest.mark.parametrize("variance", ["small", "large"])
def test_other_widths(variance: str) -> None:
    x, denoise = numbers(), with_variance(NORMAL, correlated(NORMAL, 0.9), variance, TIMES[-2].item())
    holds(lambda rows, streams: bound(NORMAL, denoise, same, x[rows], TIMES, 2, streams).diffusion)


def test_a_fixed_last_step() -> None:
    x, denoise = numbers(), fixed_last_step(NORMAL, correlated(NORMAL, 0.9), TIMES[-2].item())
    holds(lambda rows, streams: importance(NORMAL, denoise, same, x[rows], TIMES, 2, streams).value)


def test_simple_models() -> None:
    """Scores of one example, or of several: what a simple model was fitted to is the same."""
    generator = seeded(4)
    counts, asked = (torch.randint(0, 4, (size, 3), generator=generator) for size in (200, COUNT))
    holds(lambda rows, streams: simple.histogram(counts, asked[rows], 4))
    holds(lambda rows, streams: simple.mixture(counts.double(), asked[rows].double(), (1, 2), 0.1))
    holds(lambda rows, streams: ngrams(counts, asked[rows], 4, (1, 3))[3])


def test_a_score_of_one_example() -> None:
    """Its value is the example's own; the standard error over examples is unknown, and says so."""
    assert mean_and_error(double(2.5))[0] == 2.5
    assert math.isnan(mean_and_error(double(2.5))[1])
    x, truth = numbers(), correlated(NORMAL, 0.9)
    terms = [bound(NORMAL, truth, same, x[i : i + 1], TIMES, None, Streams(0, i, 1)) for i in range(COUNT)]
    scores = [Score.of_bound(one, one.prior, 2, 6) for one in terms]
    whole = Score.of_bound(BoundTerms.joined(terms), double(*[0.0] * COUNT), 2, 6)
    assert whole.value == pytest.approx(sum(score.value for score in scores) / COUNT)
    assert all(math.isnan(score.standard_error) for score in scores)
    assert math.isfinite(whole.standard_error)
    assert all(math.isnan(band.standard_error) for band in terms[0].bands(NORMAL.schedule.log_snr))
    assert chances_by_cost(terms[0], TIMES).sum().item() == pytest.approx(1)


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
