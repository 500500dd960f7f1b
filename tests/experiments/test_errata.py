"""Each line of docs/errata.md: what is printed fails, what is stated there holds."""

import itertools
import math
import re
import sys
from pathlib import Path

import pytest
import torch

from oracles import GaussianOracle, at, double, seeded
from quasistatic.data.synthetic.roll import SwissRoll
from quasistatic.distribution import Normal
from quasistatic.evaluation import entropy_bounds
from quasistatic.evaluation import null as l_null
from quasistatic.markov import MarkovChain
from quasistatic.process import BernoulliProcess, GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal, Table, uniform_times

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "experiments" / "paper2015"))

import best_roll  # noqa: E402
import heartbeat  # noqa: E402


def test_every_line_names_a_test_that_exists() -> None:
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs" / "errata.md").read_text("utf-8"))
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) >= 14
    for name in named:
        assert f"def {name}(" in tests, name


def test_heartbeat_null_is_that_of_a_coin_of_a_fifth() -> None:
    """L_null = −14.4386 bits, so that K − L_null = 12.0246 as printed; with a fair coin it would be −20."""
    for bias, bits in ((0.2, -14.4386), (0.5, -20.0)):
        found = l_null(BernoulliProcess(Reciprocal(), bias), lambda clean: clean, heartbeat.PHASES)
        assert found.mean().item() / math.log(2) == pytest.approx(bits, abs=1e-4)
    assert pytest.approx(12.024, abs=1e-3) == -2.414 + 14.4386


def test_the_binomial_product_needs_c_in_its_denominator() -> None:
    """Over x ∈ {0, 1} the product of coins c and d is c d/(c d + (1 − c)(1 − d)); the printed form is none."""
    c, d = 0.9, 0.9
    right = c * d / (c * d + (1 - c) * (1 - d))
    other = (1 - c) * (1 - d) / (c * d + (1 - c) * (1 - d))
    assert right + other == pytest.approx(1)
    assert c * d / (0 * d + (1 - c) * (1 - d)) > 1


def test_the_printed_upper_bound_fails_on_wide_data() -> None:
    """H_q(X_s | X_t) = ½ ln 2πe V, V = (1 − r) S_s/S_t (theory.md 5.1), on N(0, 4) scaled to that to the digit."""
    process, times = GaussianProcess(Cosine()), uniform_times(10)
    x = torch.randn(1000, 1, dtype=torch.float64, generator=seeded())
    x = 2 * x / x.square().mean().sqrt()
    kept = process.schedule.alpha_bar(times)
    spread = 4 * kept + 1 - kept
    width = (1 - kept[:-2] / kept[1:-1]) * spread[1:-1] / spread[:-2]
    truth, found = 0.5 * (2 * math.pi * math.e * width).log(), entropy_bounds(process, x, times)
    assert (found.uncorrected < truth - 1e-3).any()
    assert (found.upper > truth - 1e-9).all()


def product(power: float, steps: int = 2000) -> tuple[float, float]:
    """Mean and variance of the paper's chain for N(0, 1), every step times N(x; 1, ½)^power, in closed form."""
    process, mean, variance = GaussianProcess(Reciprocal()), 0.0, 1.0
    for t, s in zip(uniform_times(steps)[:-2], uniform_times(steps)[1:-1], strict=True):
        kept = (process.schedule.alpha_bar(t) / process.schedule.alpha_bar(s)).item()
        width = 1 / (1 / (1 - kept) + power / 0.5)
        gain = width / (1 - kept) * math.sqrt(kept)
        mean, variance = gain * mean + width * power / 0.5, gain**2 * variance + width
    return mean, variance


def test_constant_r_targets_its_square() -> None:
    """theory.md 2.6b: (.800, .200) for r, the posterior (.667, .333) for r^{1/2}."""
    assert product(1.0) == pytest.approx((0.8, 0.2), abs=2e-3)
    assert product(0.5) == pytest.approx((2 / 3, 1 / 3), abs=2e-3)


def test_clamping_is_biased_even_with_the_exact_kernel() -> None:
    """theory.md 2.6b: q(x_s | x_t) of a pair of correlation 0.9, its first element held at 1, in closed form."""
    correlation, mean, variance, steps = 0.9, 0.0, 1.0, 1000
    kept = Reciprocal().alpha_bar(uniform_times(steps)).tolist()
    for far, near in itertools.pairwise(kept):
        ratio = far / near
        at_far, at_near = (
            torch.tensor([[1, k * correlation], [k * correlation, 1]], dtype=torch.float64) for k in (far, near)
        )
        gain = math.sqrt(ratio) * torch.linalg.solve(at_far, at_near).T
        left = at_near - math.sqrt(ratio) * gain @ at_near
        mean, variance = (gain[1, 0] + gain[1, 1] * mean).item(), (gain[1, 1] ** 2 * variance + left[1, 1]).item()
    assert (mean, variance) == (pytest.approx(0.726, abs=1e-3), pytest.approx(0.311, abs=1e-3))
    assert (correlation, 1 - correlation**2) == (pytest.approx(0.900), pytest.approx(0.190))


@pytest.mark.slow
def test_a_fixed_schedule_is_not_as_good_as_the_best() -> None:
    """theory.md 3.3, T = 40: 1/(T − t + 1) −2.35535, cosine −2.09636, best −2.000; T = 10 best −2.164."""
    roll, k = SwissRoll(0.5), torch.arange(1, 41, dtype=torch.float64) / 40
    fixed = best_roll.bound_of(roll, Reciprocal().log_snr(k).clamp(min=-40).tolist())
    assert fixed == pytest.approx(-2.35535, abs=5e-4)
    assert best_roll.bound_of(roll, Cosine().log_snr(k).tolist()) == pytest.approx(-2.09636, abs=5e-4)
    found = best_roll.best(roll, [10, 40], torch.linspace(9, -3, 97, dtype=torch.float64))
    assert found[40][0] == pytest.approx(-2.0, abs=2e-3)
    assert found[10][0] == pytest.approx(-2.164, abs=2e-3)
    assert found[40][0] - fixed > 0.35


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "best"), [(10, -2.868689), (20, -2.581335)])
def test_the_best_heartbeat_is_the_known_one(steps: int, best: float) -> None:
    """theory.md 3.1, propagated there along counts; here summed over them."""
    assert heartbeat.best(BernoulliProcess(Reciprocal(), 0.2), steps)[0] == pytest.approx(best, abs=1e-6)


@pytest.mark.slow
def test_the_papers_heartbeat_was_short_of_its_own_best() -> None:
    """T = 2000: −2.368335 for the paper's bound and −2.324398 for the standard one, −2.414 printed."""
    standard, paper = heartbeat.best(BernoulliProcess(Reciprocal(), 0.2), 2000)
    assert paper == pytest.approx(-2.368335, abs=2e-6)
    assert standard == pytest.approx(-2.324398, abs=2e-6)
    assert paper - 0.045 > -2.414


def test_the_papers_roll_was_nearly_free_of_noise() -> None:
    """−h ≥ 2.35 bits only for s ≤ 0.0256: of a thin curve, h = E log₂(3π √(1 + u²)) + ½ log₂(2πe s²) − 2 log₂ scale."""
    u = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 100_001, dtype=torch.float64)
    along = (3 * math.pi * (1 + u**2).sqrt()).log2().mean().item()
    h = [
        along + 0.5 * math.log2(2 * math.pi * math.e * s**2) - 2 * math.log2(SwissRoll(s).scale)
        for s in (0.0255, 0.026)
    ]
    assert h[0] < -2.35 < h[1]


def test_the_cifar_number_is_four_point_two() -> None:
    """−5.4/3 + log₂(255 · 0.2516), and a unit normal has −2.0471 bits a value: 3 of them make K − L_null = 11.54."""
    assert -5.4 / 3 + math.log2(255 * 0.2516) == pytest.approx(4.20, abs=0.005)
    assert 5.4 + 3 * 0.5 * math.log2(2 * math.pi * math.e) == pytest.approx(11.54, abs=0.005)


def test_the_mnist_numbers_are_one() -> None:
    """220 ± 1.9 nats are 317 ± 2.7 bits, and 225 ± 2 of the adversarial net 325 ± 2.9."""
    assert round(220 / math.log(2)) == 317
    assert 1.9 / math.log(2) == pytest.approx(2.7, abs=0.05)
    assert round(225 / math.log(2)) == 325


def test_noise_enters_by_the_root_of_beta() -> None:
    """Unit data stay of unit variance; with β ε they would not."""
    law = GaussianProcess(Table((0.3, 0.5))).marginal(torch.zeros(1, 1, dtype=torch.float64), double(0.5))
    assert 0.7 + law.variance.item() == pytest.approx(1)
    assert pytest.approx(1) != 0.7 + 0.3**2


def test_weather_to_all_its_digits() -> None:
    chain = MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])
    assert chain.predict(double(0.8, 0.2), 2)[0].item() == pytest.approx(0.5245, abs=1e-12)
    assert chain.predict("cloudy", 2)[0].item() == pytest.approx(0.3625, abs=1e-12)


def test_larger_beta_is_wider() -> None:
    stds = [
        GaussianProcess(Table((beta, 0.5))).marginal(torch.ones(1, 1, dtype=torch.float64), double(0.5)).variance.item()
        for beta in (0.02, 0.2, 0.98)
    ]
    assert stds == pytest.approx([0.02, 0.2, 0.98])


def test_the_exact_guess_of_a_roll_is_the_mixtures() -> None:
    """Against the general oracle of a Gaussian mixture, on a roll so noisy that few nodes are needed."""
    from oracles import MixtureOracle

    roll, process = SwissRoll(4.0), GaussianProcess(Cosine())
    weights, centres = roll.mixture
    centres = (centres - double(*roll.center)) / roll.scale
    own = (roll.noise / roll.scale) ** 2 * torch.eye(2, dtype=torch.float64)
    oracle = MixtureOracle(process, weights / weights.sum(), centres, own.expand(len(weights), 2, 2))
    x_t = torch.randn(20, 2, dtype=torch.float64, generator=seeded())
    for t in (0.1, 0.6):
        left, right = best_roll.exact_guess(roll, process)(x_t, at(t, 20)), oracle(x_t, at(t, 20))
        assert isinstance(left, Normal)
        torch.testing.assert_close(left.mean, right.mean, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(left.std, right.std, rtol=1e-5, atol=1e-8)


def test_the_quadrature_of_a_level_is_exact_for_a_round_cloud() -> None:
    """With noise that drowns the roll the data are nearly normal: the step costs of theory.md 5.1, ½ ln V/β̃."""
    roll, process = SwissRoll(200.0), GaussianProcess(Cosine())
    near, far = best_roll.level(roll, 1.0), best_roll.level(roll, -1.0)
    oracle = GaussianOracle(process, double(0), double(1))
    kept = torch.tensor([1.0, -1.0], dtype=torch.float64).sigmoid()
    spread = oracle.spread(kept)
    small = (1 - kept[1] / kept[0]) * (1 - kept[0]) / (1 - kept[1])
    truth = ((1 - kept[1] / kept[0]) * spread[0] / spread[1] / small).log().item()
    assert far.costs(double(near.log_snr)).item() == pytest.approx(truth, rel=2e-3)
