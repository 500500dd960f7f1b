"""Comparing two sets of examples: laws and closed forms, within 4 of the errors that are given with each number."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import norm, ortho_group
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from quasistatic.evaluation.fidelity.classifier import area, two_sample
from quasistatic.evaluation.fidelity.distance import frechet, gaussian_distance, kernel
from quasistatic.evaluation.fidelity.estimate import GROUPS, Estimate, grouped, jackknife, unbiased
from quasistatic.evaluation.fidelity.neighbours import neighbours

Sets = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def sets(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Sets:
    draws = np.random.default_rng(seed)
    return x, y, grouped(len(x), draws), grouped(len(y), draws)


def normals(n: int, d: int, repeats: int, shift: float = 0.0, scale: float = 1.0) -> Iterator[Sets]:
    draws = np.random.default_rng(7)
    for seed in range(repeats):
        yield sets(draws.normal(size=(n, d)), shift + scale * draws.normal(size=(n, d)), seed)


def holds(estimate: Estimate, truth: float) -> bool:
    return abs(estimate.value - truth) < 4 * estimate.standard_error


def mean_holds(values: list[float], truth: float) -> bool:
    return bool(abs(np.mean(values) - truth) < 4 * np.std(values, ddof=1) / len(values) ** 0.5)


# ---- errors


def test_the_jackknife_of_a_mean_and_of_a_variance() -> None:
    """With one example a group: s/√n for the mean; the plug-in variance loses its bias and becomes that over n − 1."""
    x = np.random.default_rng(0).normal(size=GROUPS)
    left = [np.delete(x, i) for i in range(GROUPS)]
    found = jackknife(x.mean(), np.array([part.mean() for part in left]))
    assert found.standard_error == pytest.approx(x.std(ddof=1) / GROUPS**0.5)
    assert unbiased(x.var(), np.array([part.var() for part in left])).value == pytest.approx(x.var(ddof=1))


def test_the_errors_of_two_sets_add_in_squares() -> None:
    one, two = np.arange(20.0), 3 * np.arange(20.0)
    errors = [jackknife(0.0, *parts).standard_error for parts in ((one,), (two,), (one, two))]
    assert errors[2] == pytest.approx(np.hypot(*errors[:2]))


def test_a_group_left_out_is_a_group_never_given() -> None:
    """What the measures say without a group, found quickly, equals what they say of the set without it."""
    draws = np.random.default_rng(1)
    x, y = draws.normal(size=(101, 3)), 0.8 * draws.normal(size=(95, 3)) + 0.3
    _, _, a, b = sets(x, y)

    def everything(x: np.ndarray, y: np.ndarray) -> dict[str, Estimate]:
        given = sets(x, y)
        return {"plain": frechet(*given)[1], "kernel": kernel(*given), **neighbours(*given, 3)}

    whole = {"plain": frechet(x, y, a, b)[1], "kernel": kernel(x, y, a, b), **neighbours(x, y, a, b, 3)}
    without = [everything(x[a != g], y) for g in range(GROUPS)], [everything(x, y[b != g]) for g in range(GROUPS)]
    for name, found in whole.items():
        again = jackknife(found.value, *(np.array([one[name].value for one in side]) for side in without))
        assert found.standard_error == pytest.approx(again.standard_error, rel=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_errors_are_no_less_than_the_spread(shift: float) -> None:
    """Over 100 repeats, whose spread is known to 7 %: within 4 of those, the spread is at most 1.28 of the error."""
    found: dict[str, list[Estimate]] = {}
    for seed, given in enumerate(normals(100, 3, 100, shift)):
        told = two_sample(*given[:2], LogisticRegression(), seed)
        each = {"frechet": frechet(*given)[0], "kernel": kernel(*given), **neighbours(*given, 5), **told}
        for name, estimate in each.items():
            found.setdefault(name, []).append(estimate)
    for name, estimates in found.items():
        spread = np.std([one.value for one in estimates], ddof=1)
        error = np.mean([one.standard_error**2 for one in estimates]) ** 0.5
        assert 0.3 * error < spread < 1.28 * error, name


# ---- the Fréchet distance


def test_the_distance_of_gaussians_that_commute() -> None:
    """|μ − μ'|² + Σ (σ − σ')² in any common basis, one of them flat in a direction."""
    turn = ortho_group.rvs(4, random_state=0)
    one, two = np.array([1.0, 2.0, 0.5, 0.0]), np.array([1.5, 1.0, 0.5, 2.0])
    gap = np.array([1.0, -2.0, 0.0, 0.5])
    covariances = [(turn * std**2) @ turn.T for std in (one, two)]
    found = gaussian_distance(gap, covariances[0], 0 * gap, covariances[1])
    assert found == pytest.approx((gap**2).sum() + ((one - two) ** 2).sum(), abs=1e-6)


def test_the_distance_of_any_gaussians_against_scipy() -> None:
    draws = np.random.default_rng(0)
    a, b = (part @ part.T for part in draws.normal(size=(2, 6, 9)))
    mean = draws.normal(size=(2, 6))
    wanted = ((mean[0] - mean[1]) ** 2).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert gaussian_distance(mean[0], a, mean[1], b) == pytest.approx(wanted)
    assert gaussian_distance(mean[1], b, mean[0], a) == pytest.approx(wanted)


def test_the_frechet_distance_of_samples_is_that_of_their_laws() -> None:
    """A general pair of Gaussians in six dimensions; and a far offset of both changes nothing."""
    draws = np.random.default_rng(2)
    factors = draws.normal(size=(2, 6, 6)) / 6**0.5
    x, y = (draws.normal(size=(1500, 6)) @ factor.T for factor in factors)
    truth = gaussian_distance(np.zeros(6), factors[0] @ factors[0].T, np.full(6, 0.3), factors[1] @ factors[1].T)
    given = sets(x, y + 0.3)
    found, _ = frechet(*given)
    assert holds(found, truth)
    assert found.standard_error < 0.1 * truth
    assert frechet(x + 1e4, y + 0.3 + 1e4, *given[2:])[0].value == pytest.approx(found.value, abs=1e-6)


def test_the_plain_distance_has_the_known_bias_and_the_other_none() -> None:
    """Two draws of N(0, I_d): 2d/n of the means, d(d + 1)/2n of the covariances, to first order in 1/n."""
    n, d = 300, 8
    pairs = [frechet(*given) for given in normals(n, d, 30)]
    assert mean_holds([one.value for one, _ in pairs], 0.0)
    plain = np.mean([one.value for _, one in pairs])
    assert plain == pytest.approx(2 * d / n + d * (d + 1) / (2 * n), rel=0.05)


# ---- the kernel distance


def test_the_kernel_distance_of_one_law_is_zero_on_average() -> None:
    found = [kernel(*given).value for given in normals(100, 2, 40)]
    assert mean_holds(found, 0.0)
    assert min(found) < 0 < max(found)


def test_the_kernel_distance_of_shifted_normals() -> None:
    """(xy + 1)³ compares moments: 3 Δ₁² + 3 Δ₂² + Δ₃² = 3δ² + 3δ⁴ + (δ³ + 3δ)²."""
    (given,) = normals(1500, 1, 1, shift=0.5)
    found = kernel(*given)
    truth = 3 * 0.5**2 + 3 * 0.5**4 + (0.5**3 + 3 * 0.5) ** 2
    assert holds(found, truth)
    assert found.standard_error < 0.2 * truth


# ---- neighbours


def test_coverage_and_density_of_one_law() -> None:
    """Coverage 1 − Π (n − l)/(n + m − l) and density 1, whatever the law; here of three values and of two sizes."""
    n, m, k, draws = 120, 80, 4, np.random.default_rng(3)
    found = [neighbours(*sets(draws.gumbel(size=(n, 3)), draws.gumbel(size=(m, 3))), k) for _ in range(40)]
    law = 1 - np.prod([(n - l) / (n + m - l) for l in range(1, k + 1)])  # noqa: E741
    assert mean_holds([one["coverage"].value for one in found], law)
    assert mean_holds([one["density"].value for one in found], 1.0)


@pytest.mark.parametrize("d", [2, 40])
def test_a_set_against_itself_and_against_a_far_one(d: int) -> None:
    """In forty dimensions neighbours are searched by products, whose rounding must not part equal points."""
    x = np.random.default_rng(0).normal(size=(100, d)) + 50
    same = neighbours(*sets(x, x[::-1].copy()), 5)
    assert {name: same[name].value for name in ("precision", "recall", "coverage")} == dict.fromkeys(
        ("precision", "recall", "coverage"), 1.0
    )
    far = neighbours(*sets(x, x + 1000), 5)
    assert {one.value for one in far.values()} == {0.0}


def test_copies_are_neighbours_at_distance_zero() -> None:
    """Data of five patterns: every ball has radius 0, and a sample is inside if it is one of the patterns."""
    patterns = np.eye(20)[:5]
    real, samples = patterns[np.arange(200) % 5], np.concatenate([patterns[np.arange(150) % 5], np.ones((50, 20))])
    found = neighbours(*sets(real, samples), 5)
    assert found["precision"].value == 0.75
    assert found["recall"].value == 1.0


def test_a_dropped_mode_costs_recall_and_coverage_alone() -> None:
    draws = np.random.default_rng(4)
    real = draws.normal(size=(400, 2)) + 30 * (np.arange(400) % 2)[:, None]
    dropped = neighbours(*sets(real, draws.normal(size=(400, 2))), 5)
    full = neighbours(*sets(real, draws.normal(size=(400, 2)) + 30 * (np.arange(400) % 2)[:, None]), 5)
    assert dropped["precision"].value > 0.95
    assert full["precision"].value > 0.95
    assert 0.45 < dropped["recall"].value <= 0.5 < 0.95 < full["recall"].value
    assert 0.45 < dropped["coverage"].value <= 0.5 < 0.95 < full["coverage"].value


# ---- the classifier


def test_one_law_cannot_be_told_apart() -> None:
    (given,) = normals(500, 3, 1)
    for found in two_sample(*given[:2], LogisticRegression(), 0).values():
        assert holds(found, 0.5)


def test_shifted_normals_are_told_apart_as_well_as_can_be() -> None:
    """The best AUC is Φ(δ/√2), the best accuracy Φ(δ/2), and a logistic model has the right form."""
    (given,) = normals(2000, 1, 1, shift=1.0)
    found = two_sample(*given[:2], LogisticRegression(), 0)
    assert holds(found["auc"], norm.cdf(1 / 2**0.5))
    assert holds(found["accuracy"], norm.cdf(0.5))
    assert found["auc"].standard_error < 0.02


@pytest.mark.slow
def test_trees_see_what_a_line_cannot() -> None:
    """A wider normal: its best classifier is quadratic, and at odds of one AUC is ½ for any line."""
    (given,) = normals(400, 1, 1, scale=3.0)
    assert holds(two_sample(*given[:2], LogisticRegression(), 0)["auc"], 0.5)
    assert two_sample(*given[:2], None, 0)["auc"].value > 0.65


def test_the_area_against_scikit_learn() -> None:
    draws = np.random.default_rng(5)
    low, high = draws.integers(0, 6, 50).astype(float), draws.integers(2, 9, 70).astype(float)
    found = area(low, high)
    assert found.value == pytest.approx(roc_auc_score(np.arange(120) >= 50, np.concatenate([low, high])))
    # normals √2 apart: Φ(1), with a spread over repeats (known to 5 %) as the errors say
    areas = [area(draws.normal(size=200), draws.normal(size=100) + 2**0.5) for _ in range(200)]
    assert mean_holds([one.value for one in areas], norm.cdf(1))
    spread = np.std([one.value for one in areas])
    assert np.mean([one.standard_error**2 for one in areas]) ** 0.5 == pytest.approx(spread, rel=4 * 0.05)
