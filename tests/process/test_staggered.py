"""Clocks of elements: the laws hold for each element, and the dial goes from all at once to one after another."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from chains import FiniteChain, arbitrary, template
from oracles import at, correlated, density, seeded
from quasistatic.distribution import Normal
from quasistatic.evaluation import bound
from quasistatic.evaluation.likelihood.exact import log_law
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    GaussianProcess,
    MaskedProcess,
    OrdinalProcess,
    Part,
    Process,
    ProductProcess,
)
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Cosine, Reciprocal, Staggered, uniform_times
from quasistatic.types import per_example
from states import data, guess

pytestmark = pytest.mark.usefixtures("double_precision")

SHAPE = (3,)
OVERLAPS = (0.0, 0.3, 1.0)


def processes(overlap: float) -> list[Process]:
    """One of each kind, of three elements."""
    cosine, reciprocal = (Staggered(base, SHAPE, "right", overlap) for base in (Cosine(), Reciprocal()))
    both = Staggered(Cosine(), (2,), "left", overlap)
    return [
        GaussianProcess(cosine),
        BernoulliProcess(reciprocal, 0.2),
        CategoricalProcess.uniform(cosine, 5),
        CategoricalProcess.absorbing(reciprocal, 5),
        OrdinalProcess(cosine, 9, 1.5),
        MaskedProcess(reciprocal, (3, 70, 2)),
        ProductProcess((Part(GaussianProcess(both), (0, 2)), Part(CategoricalProcess.uniform(Cosine(), 4), (1,)))),
    ]


CASES = [process for overlap in OVERLAPS for process in processes(overlap)]
STEPS = [(0.3, 0.7), (0.05, 0.2), (0.4, 0.5), (0.1, 1.0)]


@pytest.mark.parametrize(("s", "t"), STEPS)
@pytest.mark.parametrize("process", CASES, ids=repr)
def test_reverse_is_bayes(process: Process, s: float, t: float) -> None:
    """q(x_s | x_t, x) q(x_t | x) = q(x_t | x_s) q(x_s | x), element by element where both sides are probabilities."""
    x = data(process, 64, 3)
    x_s = process.marginal(x, at(s, 64)).sample(seeded(1))
    x_t = process.forward(x_s, at(s, 64), at(t, 64)).sample(seeded(2))
    left = process.reverse(x_t, process.point(x), at(t, 64), at(s, 64)).log_prob(x_s)
    left = left + process.marginal(x, at(t, 64)).log_prob(x_t)
    right = process.forward(x_s, at(s, 64), at(t, 64)).log_prob(x_t) + process.marginal(x, at(s, 64)).log_prob(x_s)
    told = left.isfinite() & right.isfinite()  # densities of elements that do not move are points
    if not isinstance(process, GaussianProcess | ProductProcess):
        assert torch.equal(left.isfinite(), right.isfinite())
    torch.testing.assert_close(left[told], right[told], rtol=1e-12, atol=1e-12)
    assert told.any()


@pytest.mark.parametrize("process", CASES, ids=repr)
def test_elements_outside_their_windows_do_not_move(process: Process) -> None:
    """With overlap 0, of three elements one moves in each third of the time."""
    schedule = next(one for one in process.schedules if isinstance(one, Staggered))
    x = data(process, 32, 3)
    for s, t in pairwise((0.02, 0.3, 0.34, 0.64, 0.7, 0.98)):
        span = schedule.between(at(s, 32), at(t, 32))
        x_s = process.marginal(x, at(s, 32)).sample(seeded(1))
        x_t = process.forward(x_s, at(s, 32), at(t, 32)).sample(seeded(2))
        back = process.reverse(x_t, guess(process, x), at(t, 32), at(s, 32)).sample(seeded(3))
        assert span.still is not None
        if isinstance(process, ProductProcess):
            columns = list(process.parts[0].columns)
            x_s, x_t, back = x_s[:, columns], x_t[:, columns], back[:, columns]
        assert torch.equal(x_s[span.still], x_t[span.still])
        assert torch.equal(x_t[span.still], back[span.still])
        kl = process.step_kl(
            x, process.marginal(x, at(t, 32)).sample(seeded(4)), guess(process, x), at(t, 32), at(s, 32)
        )
        assert kl.isfinite().all()
        if schedule.overlap == 0 and schedule.shape == SHAPE:
            assert span.still.double().mean() >= 1 / 3


@pytest.mark.parametrize("process", processes(1.0), ids=repr)
def test_overlap_one_is_the_process_as_it_was(process: Process) -> None:
    """The same laws as those of the base clock."""
    schedule = next(one for one in process.schedules if isinstance(one, Staggered))
    if isinstance(process, ProductProcess):
        plain: Process = ProductProcess((Part(GaussianProcess(Cosine()), (0, 2)), process.parts[1]))
    else:
        plain = replace(process, schedule=schedule.base)  # type: ignore[call-arg]
    x, clean = data(process, 16, 3), guess(process, data(process, 16, 3))
    x_t = plain.marginal(x, at(0.7, 16)).sample(seeded(1))
    for one, other in (
        (process.forward(x_t, at(0.2, 16), at(0.7, 16)), plain.forward(x_t, at(0.2, 16), at(0.7, 16))),
        (process.reverse(x_t, clean, at(0.7, 16), at(0.2, 16)), plain.reverse(x_t, clean, at(0.7, 16), at(0.2, 16))),
    ):
        torch.testing.assert_close(one.mean, other.mean)
        torch.testing.assert_close(one.variance, other.variance)
    kl = [p.step_kl(x, x_t, clean, at(0.7, 16), at(0.2, 16)) for p in (process, plain)]
    torch.testing.assert_close(*kl)


# The bound


def expected_bound(process: Process, denoise, x: Tensor, times: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    """Minus the bound of each example, without noise: every state of the chain, by enumeration."""
    chain = FiniteChain(process, x.shape[1], times)
    total = torch.zeros(len(x))
    for t, s in pairwise(times):
        for x_t in chain.states:
            state = x_t.expand(len(x), -1)
            chance = per_example(process.marginal(x, t.expand(len(x))).log_prob(state)).exp()
            cost = process.cost(
                x, state, denoise(state, t.expand(len(x))), t.expand(len(x)), s.expand(len(x)), lambda c: c
            )
            total = total + torch.where(chance > 0, chance * per_example(cost), 0)
    return total


def chain_rule(process: CategoricalProcess, denoise, x: Tensor, order: list[int]) -> Tensor:  # type: ignore[no-untyped-def]
    """log p(x) by drawing elements in an order, each given those before."""
    mask, total = process.states - 1, torch.zeros(len(x))
    x_t = torch.full_like(x, mask)
    for place in order:
        total = total + denoise(x_t, at(0.5, len(x))).log_prob(x)[:, place]
        x_t = x_t.clone()
        x_t[:, place] = x[:, place]
    return total


@pytest.mark.parametrize("steps", [3, 6, 15])
@pytest.mark.parametrize("order", ["left", "right", "random:5", "coarse"])
def test_one_after_another_the_bound_is_the_likelihood(order: str, steps: int) -> None:
    """For a process that ends in a mask, at overlap 0: the chain rule to 1e-9, for a guess that no data have."""
    clock = Staggered(Reciprocal(), SHAPE, order, 0.0)
    process = CategoricalProcess.absorbing(clock, 4)
    denoise = timeless(process)
    x = torch.cartesian_prod(*[torch.arange(3)] * 3)
    truth = chain_rule(process, denoise, x, clock.ranks.argsort().tolist())
    found = expected_bound(process, denoise, x, uniform_times(steps))
    torch.testing.assert_close(found, -truth, rtol=0, atol=1e-9)
    assert truth.exp().sum().item() == pytest.approx(1, abs=1e-9)


def timeless(process: CategoricalProcess):  # type: ignore[no-untyped-def]
    """A guess from the states alone."""
    own = CategoricalProcess.absorbing(Reciprocal(), process.states)
    inner = arbitrary(own)
    return lambda x_t, t: inner(x_t, torch.full_like(t, 0.5))


@pytest.mark.parametrize("overlap", [0.25, 0.5, 1.0])
def test_in_between_the_bound_lies_below(overlap: float) -> None:
    """With windows that overlap, the bound lies below the likelihood of its chain."""
    process = CategoricalProcess.absorbing(Staggered(Reciprocal(), SHAPE, "left", overlap), 3)
    denoise, x = timeless(process), torch.cartesian_prod(*[torch.arange(2)] * 3)
    chain = FiniteChain(process, 3, uniform_times(6))
    found = -expected_bound(process, denoise, x, chain.times)
    law = log_law(process, denoise, chain.states, chain.times)
    truth = torch.stack([law[(chain.states == row).all(1)][0] for row in x])
    assert (found <= truth + 1e-9).all()
    assert (truth - found).max() > 1e-3


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_draws_follow_the_chain_that_the_bound_scores(overlap: float) -> None:
    """Shares of every state among many draws, for two elements of three states."""
    process = CategoricalProcess.uniform(Staggered(Cosine(), (2,), "right", overlap), 3)
    times = uniform_times(6)
    chain = FiniteChain(process, 2, times)
    law = log_law(process, chain.denoise, chain.states, times).exp()
    start = process.prior(template(process, 40_000, 2)).sample(seeded())
    draws = list(sample(ancestral(process, chain.denoise, seeded(1)), start, times))[-1]
    shares = (draws[:, None] == chain.states).all(-1).double().mean(0)
    error = (law * (1 - law) / len(draws)).sqrt()
    assert ((shares - law).abs() <= 4 * error + 1e-12).all()


@pytest.mark.parametrize("overlap", OVERLAPS)
def test_an_exact_guess_makes_the_bound_of_normals_the_likelihood(overlap: float) -> None:
    """Two normals of correlation 0.9: the bound tends to log p with the steps, for every overlap."""
    clock = Staggered(Cosine(), (2,), "left", overlap)
    process = GaussianProcess(clock)
    truth = correlated(process, 0.9)

    def denoise(x_t: Tensor, t: Tensor) -> Normal:
        """p(x | x_t) of each element: x_t is x scaled and noised by each clock."""
        kept = clock.alpha_bar(t)
        root, covariance = kept.sqrt(), truth.covariances[0]
        noised = root[:, :, None] * covariance * root[:, None, :] + torch.diag_embed(1 - kept)
        pull = torch.linalg.solve(noised, root[:, :, None] * covariance).mT
        left = covariance - pull @ (root[:, :, None] * covariance)
        done = clock.own(t) == 0
        return Normal(
            (pull @ x_t[..., None])[..., 0], left.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt().masked_fill(done, 1)
        )

    x = truth.sample(4000, seeded(3))
    exact = truth.log_density(x, torch.ones(len(x)))
    gaps = []
    for steps in (8, 64):
        terms = bound(process, denoise, density, x, uniform_times(steps), generator=seeded(4))
        gaps.append((exact + terms.prior + terms.diffusion + terms.reconstruction).mean().item())
    assert abs(gaps[1]) < 0.1
    assert abs(gaps[1]) < abs(gaps[0])


def test_what_clocks_refuse() -> None:
    with pytest.raises(ValueError, match="an order of clocks is left, right, coarse, random:SEED, got 'up'"):
        Staggered(Cosine(), (3,), "up")
    with pytest.raises(ValueError, match="overlap"):
        Staggered(Cosine(), (3,), "left", 1.5)
    with pytest.raises(ValueError, match="the shape of an example, got an empty one"):
        Staggered(Cosine(), ())
    with pytest.raises(ValueError, match="the same for all elements"):
        Staggered(Staggered(Cosine(), (3,)), (3,))
    with pytest.raises(TypeError, match="one clock for all elements"):
        Staggered(Cosine(), (3,)).log_snr(torch.tensor([0.5]))


def test_orders_of_an_image() -> None:
    """Channels of a pixel move together; a coarse lattice comes first."""
    ranks = Staggered(Cosine(), (2, 4, 4), "coarse").ranks
    assert torch.equal(ranks[0], ranks[1])
    assert ranks[0, ::2, ::2].max() < ranks[0, 1::2].min()
    assert sorted(ranks[0].flatten().tolist()) == list(range(16))
    blocks = Staggered(Cosine(), (6,), "left", block=2)
    assert blocks.ranks.tolist() == [0, 0, 1, 1, 2, 2]
    assert blocks.width == pytest.approx(1 / 3)
