"""Guidance: exact where it claims to be, and biased by as much as theory.md 2.6b says elsewhere."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from oracles import GaussianOracle, at, correlated, double, seeded, unchecked, within_4_errors
from quasistatic.distribution import Bernoulli, Categorical, Distribution, Levels, Normal
from quasistatic.inference import Function, Known, Noisy, Weights, by_matrix, clamp, guided, super_resolution
from quasistatic.inference.guide import (
    _check,
    classifier_free,
    perturbed,
    perturbed_whole,
    posterior,
    pseudo_inverse,
    solved,
    tilted_guess,
)
from quasistatic.inference.particles.proposals import FARTHEST, Guided
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Cosine, Linear, Reciprocal, uniform_times


def walked(step, count: int, size: int, steps: int) -> Tensor:  # type: ignore[no-untyped-def]
    *_, x = sample(step, torch.randn(count, size, generator=seeded(9), dtype=torch.float64), uniform_times(steps))
    return x


def standard(process: GaussianProcess) -> GaussianOracle:
    return GaussianOracle(process, double(0.0), double(1.0))


# eq. 61 and its half power: x ~ N(0, 1), r = N(1; x, 0.5)


def log_r(x: Tensor) -> Tensor:
    return -((1 - x[:, 0]) ** 2)


def perturbed_moments(process: GaussianProcess, power: float, times: Tensor) -> tuple[float, float]:
    """The chain is linear: mean and variance by recursion, with the true kernel of N(0, 1), N(√r x_t, 1 − r)."""
    mean, variance = 0.0, 1.0
    grid = process.schedule.alpha_bar(times).tolist()
    for kept_t, kept_s in pairwise(grid):
        kept = kept_t / kept_s
        width = 1 - kept
        gain = kept**0.5 * (1 - 2 * power * width)
        mean, variance = gain * mean + 2 * power * width, gain**2 * variance + width
    return mean, variance


@pytest.mark.parametrize("schedule", [Reciprocal(), Linear()], ids=repr)
def test_half_power_is_right_and_whole_power_targets_r_squared(schedule) -> None:  # type: ignore[no-untyped-def]
    """theory.md 2.6b (i): (.6665, .3337) and (.800, .200), where the truth is (.6667, .3333). T = 10,000."""
    process, times = GaussianProcess(schedule), uniform_times(10_000)
    assert perturbed_moments(process, 0.5, times) == pytest.approx((2 / 3, 1 / 3), abs=1e-3)
    assert perturbed_moments(process, 1.0, times) == pytest.approx((0.8, 0.2), abs=1e-3)


@pytest.mark.parametrize(("step", "power"), [(perturbed, 0.5), (perturbed_whole, 1.0)])
def test_perturbed_steps_follow_their_recursion(step, power: float) -> None:  # type: ignore[no-untyped-def]
    process = GaussianProcess(Linear())
    x = walked(step(process, standard(process), log_r, seeded(1)), 4000, 1, 60)
    mean, variance = perturbed_moments(process, power, uniform_times(60))
    assert within_4_errors(x[:, 0], mean)
    assert within_4_errors((x[:, 0] - mean) ** 2, variance)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "truth"), [(perturbed, (2 / 3, 1 / 3)), (perturbed_whole, (0.8, 0.2))])
def test_perturbed_steps_reach_their_limits(step, truth: tuple[float, float]) -> None:  # type: ignore[no-untyped-def]
    process = GaussianProcess(Linear())
    x = walked(step(process, standard(process), log_r, seeded(1)), 4000, 1, 1000)
    assert within_4_errors(x[:, 0], truth[0])
    assert within_4_errors((x[:, 0] - truth[0]) ** 2, truth[1])


# Two normals of correlation 0.9, x_1 = 1 known


def clamped_moments(process: GaussianProcess, rho: float, observed: float, times: Tensor) -> tuple[float, float]:
    """x_2 of the chain with x_1 put to ``observed`` at every step, by the exact kernel's gain and its own variance."""
    mean, variance = 0.0, 1.0
    kept = process.schedule.alpha_bar(times)
    eye, covariance = torch.eye(2, dtype=torch.float64), double(1, rho, rho, 1).reshape(2, 2)
    spread = kept[:, None, None] * covariance + (1 - kept[:, None, None]) * eye
    for i in range(len(times) - 1):
        down = (kept[i] / kept[i + 1]).item()
        cross, own = (down**0.5 * spread[i + 1] @ torch.linalg.inv(spread[i]))[1].tolist()
        full = spread[i + 1] - down * spread[i + 1] @ torch.linalg.inv(spread[i]) @ spread[i + 1]
        mean, variance = cross * observed + own * mean, own**2 * variance + full[1, 1].item()
    return mean, variance


def test_clamping_has_its_known_bias() -> None:
    """theory.md 2.6b (ii): N(.726, .311) in place of N(.900, .190) at T = 1000; draws follow the recursion."""
    process = GaussianProcess(Reciprocal())
    assert clamped_moments(process, 0.9, 1.0, uniform_times(1000)) == pytest.approx((0.726, 0.311), abs=1e-3)
    mean, variance = clamped_moments(process, 0.9, 1.0, uniform_times(60))
    values, mask = torch.ones(4000, 2, dtype=torch.float64), torch.tensor([True, False]).expand(4000, 2)
    x = walked(clamp(ancestral(process, correlated(process, 0.9), seeded(1)), values, mask), 4000, 2, 60)
    assert (x[:, 0] == 1).all()
    assert within_4_errors(x[:, 1], mean)
    assert within_4_errors((x[:, 1] - mean) ** 2, variance)


def test_guiding_is_nearer_to_the_truth_than_holding() -> None:
    """The mean goes at least 0.95 of the way from 0 to 0.9, where holding goes 0.70; the variance is too large."""
    process = GaussianProcess(Cosine())
    values, mask = torch.ones(4000, 2, dtype=torch.float64), torch.tensor([True, False]).expand(4000, 2)
    x = walked(guided(process, correlated(process, 0.9), Known(mask, values), seeded(1)), 4000, 2, 60)
    assert (x[:, 0] == 1).all()
    assert 0.855 < x[:, 1].mean().item() < 0.945
    assert abs(x[:, 1].var().item() - 0.19) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("name", ["guided", "pseudo_inverse"])
def test_one_normal_with_a_noisy_value_is_exact_in_small_steps(name: str) -> None:
    """x ~ N(0, 1), y = 1 with variance 0.5: guess and r are then what both methods take them for: N(2/3, 1/3)."""
    process = GaussianProcess(Linear())
    seen = by_matrix(double(1.0)[None], torch.ones(4000, 1, dtype=torch.float64), 0.5**0.5, (1,))
    step = {"guided": guided, "pseudo_inverse": pseudo_inverse}[name](process, standard(process), seen, seeded(1))
    x = walked(step, 4000, 1, 1000)
    assert within_4_errors(x[:, 0], 2 / 3)
    assert within_4_errors((x[:, 0] - 2 / 3) ** 2, 1 / 3)


def test_the_pseudo_inverse_of_unit_data_is_the_guess_itself() -> None:
    """For N(0, I) the guess's variance is 1 − ᾱ: ΠGDM and `guided` take the same step, for any linear map."""
    process, image = GaussianProcess(Cosine()), torch.randn(3, 1, 4, 4, generator=seeded(1), dtype=torch.float64)
    unit = lambda x_t, t: Normal(  # noqa: E731
        process.schedule.alpha_bar(t).sqrt().reshape(-1, 1, 1, 1) * x_t,
        (1 - process.schedule.alpha_bar(t)).sqrt().reshape(-1, 1, 1, 1).expand_as(x_t),
    )
    seen = super_resolution(torch.randn(3, 1, 2, 2, generator=seeded(2), dtype=torch.float64), 2, 0.3)
    moves = [
        f(process, unit, seen, generator=seeded(3))(image, at(0.6, 3), at(0.5, 3)) for f in (pseudo_inverse, guided)
    ]
    torch.testing.assert_close(*moves)


def test_the_posterior_gradient_of_a_point_guess() -> None:
    """log r(m) for N(0, 1) has slope √ᾱ (y − m)/std² in x_t: the step is moved by Σ times that."""
    process = GaussianProcess(Reciprocal())
    seen = by_matrix(double(1.0)[None], double(1.0)[None], 0.5, (1,))
    x_t, t, s = double(0.4)[None], at(0.6, 1), at(0.3, 1)
    plain, pulled = (posterior(process, standard(process), seen, scale, seeded(1))(x_t, t, s) for scale in (0.0, 2.0))
    kept = 0.4 / 0.7
    slope = 0.4**0.5 * (1 - 0.4**0.5 * 0.4) / 0.25
    assert (pulled - plain).item() == pytest.approx(2 * (1 - kept) * slope)


def test_conjugate_gradients_solve() -> None:
    root = torch.randn(4, 5, 5, generator=seeded(1), dtype=torch.float64)
    matrix = root @ root.mT + torch.eye(5, dtype=torch.float64)
    right = torch.randn(4, 5, generator=seeded(2), dtype=torch.float64)
    right[2] = 0
    found = solved(lambda u: (matrix @ u[..., None])[..., 0], right, tolerance=1e-12)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, right))


# Discrete data, and labels


def test_tilting_a_guess_is_exact_per_element() -> None:
    """Guess (.2, .3, .5) and r = (1, 2, 0): (.25, .75, 0); a known element is certain."""
    guess = lambda x_t, t: Categorical(torch.tensor([0.2, 0.3, 0.5]).log().expand(*x_t.shape, 3))  # noqa: E731
    log_r = torch.tensor([1.0, 2.0, 0.0]).log().expand(1, 2, 3)
    known = Known(torch.tensor([[True, False]]), torch.tensor([[0, 0]]))
    x_t, t = torch.zeros(1, 2, dtype=torch.long), at(0.5, 1)
    masses = tilted_guess(guess, known * Weights(log_r))(x_t, t).log_masses.exp()
    torch.testing.assert_close(masses, torch.tensor([[[1, 0, 0], [0.25, 0.75, 0]]]))
    with pytest.raises(TypeError, match=r"each element by itself, got Function; use particle"):
        tilted_guess(guess, Function(lambda x: x.sum(1)))


def test_tilted_bits_reach_what_is_known_and_others_learn_of_it() -> None:
    """Two bits that always agree, the first known to be 1: the second is 1 more often than not, if not always."""
    process = BernoulliProcess(Reciprocal())

    def agree(x_t: Tensor, t: Tensor) -> Bernoulli:
        odds = torch.stack([process.marginal(torch.full_like(x_t, b), t).log_prob(x_t).sum(1) for b in (0, 1)], 1)
        return Bernoulli((odds[:, 1] - odds[:, 0])[:, None].expand_as(x_t))

    known = Known(torch.tensor([True, False]).expand(2000, 2), torch.ones(2000, 2))
    step = ancestral(process, tilted_guess(agree, known), seeded(1))
    *_, x = sample(step, process.prior(torch.zeros(2000, 2)).sample(seeded(2)), uniform_times(60))
    assert (x[:, 0] == 1).all()
    assert 0.75 < x[:, 1].mean().item() < 1


class Fixed:
    """A denoiser that knows one label."""

    def __init__(self, free: Distribution, bound: Distribution) -> None:
        self.free, self.bound = free, bound

    def __call__(self, x_t: Tensor, t: Tensor, label: Tensor | None = None) -> Distribution:
        return self.free if label is None else self.bound


def test_classifier_free_guidance_moves_along_the_label() -> None:
    """Scale 1 is the model's own, 0 the unconditional; a Normal moves by its mean, masses by their logarithms."""
    label, x, t = torch.tensor([1]), torch.zeros(1, 1), at(0.5, 1)
    free_p, bound_p = torch.tensor([[[0.5, 0.5, 0.0]]]), torch.tensor([[[0.2, 0.8, 0.0]]])
    pairs: list[tuple[Distribution, Distribution]] = [
        (Normal(torch.zeros(1, 1), torch.ones(1, 1)), Normal(torch.ones(1, 1), torch.full((1, 1), 0.5))),
        (Categorical(free_p.log()), Categorical(bound_p.log())),
        (Levels(free_p.log(), torch.arange(3.0)), Levels(bound_p.log(), torch.arange(3.0))),
        (Bernoulli(torch.zeros(1, 1)), Bernoulli(torch.full((1, 1), 2.0))),
    ]
    for free, bound in pairs:
        denoise = lambda scale: unchecked(classifier_free)(Fixed(free, bound), label, scale)(x, t)  # noqa: B023, E731
        torch.testing.assert_close(denoise(1.0).mean, bound.mean)
        torch.testing.assert_close(denoise(0.0).mean, free.mean)
    normal, masses = (unchecked(classifier_free)(Fixed(*pair), label, 3.0)(x, t) for pair in pairs[:2])
    assert (normal.mean.item(), normal.std.item()) == (3.0, 0.5)
    sharpened = torch.tensor([0.5 * 0.4**3, 0.5 * 1.6**3, 0])
    torch.testing.assert_close(masses.log_masses.exp()[0, 0], sharpened / sharpened.sum())


def test_refusals() -> None:
    process, bits = GaussianProcess(Cosine()), BernoulliProcess(Cosine())
    guess = lambda x_t, t: process.point(x_t)  # noqa: E731
    seen = Noisy(torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"a gradient needs a Gaussian process .* got BernoulliProcess.*; use tilted"):
        unchecked(_check)(bits)
    with pytest.raises(TypeError, match="ΠGDM needs a linear observation, got Noisy; use `guided`"):
        unchecked(pseudo_inverse)(process, guess, seen)
    with pytest.raises(ValueError, match="a finite scale, got nan"):
        unchecked(classifier_free)(
            Fixed(process.point(torch.zeros(1)), process.point(torch.zeros(1))), None, float("nan")
        )
    mixed = Fixed(Bernoulli(torch.zeros(1, 1)), Normal(torch.zeros(1, 1), torch.ones(1, 1)))
    denoise = unchecked(classifier_free)(mixed, torch.tensor([0]), 2.0)
    with pytest.raises(TypeError, match="guidance knows no"):
        denoise(torch.zeros(1, 1), at(0.5, 1))


def test_a_guess_that_is_nearly_certain_does_not_throw_a_state_away() -> None:
    """Where a guess of std 1e-4 misses what is known, the gradient is 1e8; a step is shifted by five of its std."""
    process = GaussianProcess(Cosine())
    t, s = torch.tensor([0.5]).double(), torch.tensor([0.4]).double()
    x_t = torch.zeros(1, 2, dtype=torch.float64)

    def certain(at: torch.Tensor, time: torch.Tensor) -> Normal:
        return Normal(at.sum(1, keepdim=True).expand(1, 2), torch.full_like(at, 1e-4))

    seen = Known(torch.tensor([[True, False]]), torch.ones(1, 2, dtype=torch.float64))
    move = Guided(process)
    sight = move.look(certain, lambda at, time, clean: seen.expected(clean), x_t, t)
    assert sight.slope is not None
    assert sight.slope.abs().max() > 1e6
    law, plain = move.law(x_t, sight, t, s, seen), process.reverse(x_t, seen.tilt(sight.clean)[0], t, s)
    torch.testing.assert_close((law.mean - plain.mean)[0, 1], FARTHEST * law.std[0, 1])
    assert torch.equal(law.mean[0, 0], plain.mean[0, 0])
