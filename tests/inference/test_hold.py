"""Holding what is known: exact where it claims to be, and biased by as much as it must be (theory.md 2.6b ii).

Two unit normals of correlation 0.9, x_1 = 1 observed: the truth is x_2 ~ N(0.900, 0.190). The held chain is linear, so
its bias is a recursion (`oracles.held_moments`); draws are held to it within 4 standard errors, fixed seed.
"""

import pytest
import torch
from torch import Tensor

from oracles import at, correlated, double, held_moments, seeded, unchecked, within_4_errors
from quasistatic.inference import hold, resampled_times
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.sampling import ancestral, ddim, sample
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, uniform_times

RHO, OBSERVED = 0.9, 1.0
TRUTH = (RHO * OBSERVED, 1 - RHO**2)


def held_samples(process: GaussianProcess, count: int, times: Tensor) -> Tensor:
    """Draws of (x_1, x_2) with x_1 held at 1, by the exact denoiser."""
    truth, generator = correlated(process, RHO), seeded(1)
    mask = torch.tensor([True, False]).expand(count, 2)
    observed = double(OBSERVED, torch.nan).expand(count, 2)
    step = hold(process, ancestral(process, truth, generator), observed, mask, generator)
    x_1 = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    *_, x = sample(step, x_1, times)
    return x


# The bias


@pytest.mark.parametrize("schedule", [Reciprocal(), Cosine(), Linear()], ids=repr)
def test_the_known_bias(schedule: Schedule) -> None:
    """theory.md 2.6b: N(0.626, 0.312) in place of N(0.900, 0.190) at T = 1000; the clock hardly matters."""
    mean, variance = held_moments(GaussianProcess(schedule), RHO, OBSERVED, uniform_times(1000))
    assert mean == pytest.approx(0.626, abs=1e-3)
    assert variance == pytest.approx(0.312, abs=1e-3)


def test_more_steps_do_not_cure_it() -> None:
    """It is no error of discretisation."""
    process = GaussianProcess(Reciprocal())
    gap = [TRUTH[0] - held_moments(process, RHO, OBSERVED, uniform_times(n))[0] for n in (100, 1000, 4000)]
    assert gap == pytest.approx([gap[-1]] * 3, abs=0.01)
    assert gap[-1] > 0.27


def test_resampling_lessens_it() -> None:
    """Mean 0.626, 0.765, 0.855, 0.880 for U = 1, 2, 5, 10: nearer, and still not there."""
    moments = [
        held_moments(GaussianProcess(Reciprocal()), RHO, OBSERVED, resampled_times(uniform_times(1000), times))
        for times in (1, 2, 5, 10)
    ]
    assert [mean for mean, _ in moments] == pytest.approx([0.626, 0.765, 0.855, 0.880], abs=1e-3)
    assert [variance for _, variance in moments] == pytest.approx([0.311, 0.243, 0.208, 0.199], abs=1e-3)


@pytest.mark.parametrize("schedule", [Reciprocal(), Cosine(), Linear()], ids=repr)
@pytest.mark.parametrize(("resamplings", "steps", "count"), [(1, 60, 10_000), (5, 20, 5_000)])
def test_hold_has_the_known_bias(schedule: Schedule, resamplings: int, steps: int, count: int) -> None:
    """Draws against the recursion of the same grid; far from the truth."""
    process, times = GaussianProcess(schedule), resampled_times(uniform_times(steps), resamplings)
    mean, variance = held_moments(process, RHO, OBSERVED, times)
    x_2 = held_samples(process, count, times)[:, 1]
    assert within_4_errors(x_2, mean)
    assert within_4_errors((x_2 - mean) ** 2, variance)
    assert not within_4_errors(x_2, TRUTH[0])


@pytest.mark.slow
def test_hold_has_the_published_bias() -> None:
    """T = 1000, 5,000 chains."""
    x_2 = held_samples(GaussianProcess(Reciprocal()), 5_000, uniform_times(1000))[:, 1]
    assert within_4_errors(x_2, 0.6261)
    assert within_4_errors((x_2 - 0.6261) ** 2, 0.3115)


def test_it_says_that_it_is_biased() -> None:
    module = __import__("quasistatic.inference.hold", fromlist=["__doc__"]).__doc__
    for text in (module, hold.__doc__):
        assert text is not None
        assert "euristic" in text
        assert "biased" in text


# What it does exactly


def test_what_is_independent_is_not_disturbed() -> None:
    """ρ = 0: what is held tells nothing, and x_2 keeps its own law N(0, 1)."""
    process = GaussianProcess(Reciprocal())
    assert held_moments(process, 0.0, OBSERVED, uniform_times(50)) == pytest.approx((0, 1), abs=1e-12)


@pytest.mark.parametrize("sampler", [ancestral, ddim])
@pytest.mark.parametrize("resamplings", [1, 3])
def test_what_is_known_comes_back(sampler, resamplings: int) -> None:  # type: ignore[no-untyped-def]
    """To the bit, each example with its own mask; what lies outside the mask is not read (NaN there is no harm)."""
    process = GaussianProcess(Cosine())
    mask = torch.rand(16, 2, generator=seeded(0)) < 0.5
    data = torch.randn(16, 2, generator=seeded(1), dtype=torch.float64)
    observed = torch.where(mask, data, torch.nan)
    step = hold(process, sampler(process, correlated(process, RHO), seeded(2)), observed, mask, seeded(3))
    *_, x = sample(step, torch.randn_like(data), resampled_times(uniform_times(20), resamplings))
    assert torch.equal(x[mask], data[mask])
    assert x.isfinite().all()
    assert not torch.equal(x[~mask], data[~mask])


def test_nothing_known_is_the_sampler_itself() -> None:
    process = GaussianProcess(Cosine())
    x_1, mask = torch.randn(8, 2, generator=seeded(), dtype=torch.float64), torch.zeros(8, 2, dtype=torch.bool)
    plain = ancestral(process, correlated(process, RHO), seeded(1))
    held = hold(process, ancestral(process, correlated(process, RHO), seeded(1)), x_1, mask, seeded(2))
    for ours, theirs in zip(sample(held, x_1, uniform_times(6)), sample(plain, x_1, uniform_times(6)), strict=True):
        assert torch.equal(ours, theirs)


def test_a_held_element_follows_the_forward_process() -> None:
    """At time s it is a draw of q(x_s | observed); walking up it goes on by q(x_t | x_s). 20,000 chains."""
    process, count = GaussianProcess(Linear()), 20_000
    x = torch.full((count, 2), 2.0, dtype=torch.float64)
    mask = torch.ones(count, 2, dtype=torch.bool)
    step = hold(process, ancestral(process, correlated(process, RHO), seeded(1)), x, mask, seeded(2))
    low = step(torch.zeros_like(x), at(0.6, count), at(0.3, count))
    high = step(low, at(0.3, count), at(0.6, count))
    for state, t in ((low, 0.3), (high, 0.6)):
        kept = process.schedule.alpha_bar(double(t))
        assert within_4_errors(state, 2 * kept.sqrt())
        assert within_4_errors((state - 2 * kept.sqrt()) ** 2, 1 - kept)


def test_walking_up_is_the_forward_process_and_keeps_the_rest() -> None:
    """Up from s to t the unknown part moves by √r x_s + noise of 1 − r, with the seed's own noise."""
    process, x_s = GaussianProcess(Cosine()), torch.randn(5, 2, generator=seeded(), dtype=torch.float64)
    mask = torch.tensor([True, False]).expand(5, 2)
    step = hold(process, ancestral(process, correlated(process, RHO)), x_s, mask, seeded(3))
    kept = process.schedule.alpha_bar(double(0.5)) / process.schedule.alpha_bar(double(0.2))
    z = torch.randn(5, 2, generator=seeded(3), dtype=torch.float64)
    torch.testing.assert_close(step(x_s, at(0.2, 5), at(0.5, 5)), kept.sqrt() * x_s + (1 - kept).sqrt() * z)


def test_bits_can_be_held_too() -> None:
    """Any process: held bits come back, the others are bits."""
    process = BernoulliProcess(Reciprocal())
    bits = torch.randint(2, (16, 6), generator=seeded()).float()
    mask = torch.rand(16, 6, generator=seeded(1)) < 0.5
    step = hold(process, ancestral(process, lambda x_t, t: process.prior(x_t), seeded(2)), bits, mask, seeded(3))
    *_, x = sample(step, process.prior(bits).sample(seeded(4)), uniform_times(8))
    assert torch.equal(x[mask], bits[mask])
    assert ((x == 0) | (x == 1)).all()


def test_a_mask_must_cover_the_states() -> None:
    process, x = GaussianProcess(Cosine()), torch.zeros(4, 2)
    with pytest.raises(ValueError, match=r"states of shape \(4, 2\), got one of shape \(4, 3\)"):
        unchecked(hold)(process, ancestral(process, lambda x_t, t: process.point(x_t)), x, torch.ones(4, 3).bool())


# The grid that walks back up


@pytest.mark.parametrize("steps", [1, 7, 10, 20, 25])
@pytest.mark.parametrize("resamplings", [1, 2, 5])
@pytest.mark.parametrize("jump", [1, 4, 10])
def test_resampled_grid(steps: int, resamplings: int, jump: int) -> None:
    """Every step is walked down ``resamplings`` times; up-walks span at most ``jump`` steps; the ends are 1 and 0."""
    times = uniform_times(steps)
    grid = resampled_times(times, resamplings, jump)
    assert grid[0] == 1
    assert grid[-1] == 0
    place = torch.searchsorted(-times, -grid)  # 0 at t = 1 … steps at t = 0
    assert torch.equal(times[place], grid)
    moves = place.diff()
    down = moves[moves > 0]
    assert (down == 1).all()
    assert torch.equal(torch.bincount(place[:-1][moves > 0], minlength=steps), torch.full((steps,), resamplings))
    up = -moves[moves < 0]
    stretches = -(-steps // jump)
    assert len(up) == (resamplings - 1) * stretches
    assert len(up) == 0 or (up.max() <= jump and up.sum() == (resamplings - 1) * steps)


def test_one_pass_is_the_grid_itself() -> None:
    assert torch.equal(resampled_times(uniform_times(25), 1), uniform_times(25))


@pytest.mark.parametrize(("resamplings", "jump"), [(0, 10), (1, 0), (-1, 3)])
def test_resampling_counts_from_one(resamplings: int, jump: int) -> None:
    with pytest.raises(ValueError, match=f"count from 1, got {resamplings} and {jump}"):
        resampled_times(uniform_times(5), resamplings, jump)
