"""Twisted particles: exact for any twist and process, with equal weights for the exact twist (theory.md 2.6b iv, 5).

Truths come from enumeration, quadrature and linear recursion (`chains`), so any number of steps will do. Each test runs
independent examples of the same thing; their spread gives the standard error, and four of them the tolerance.
"""

import math
import warnings

import pytest
import torch
from torch import Tensor

from chains import chain_covariance, first_known, grid_law
from oracles import GaussianOracle, correlated, double, seeded, two_bumps, within_4_errors
from quasistatic.denoiser import Denoise
from quasistatic.distribution import Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.inference import (
    Conditioned,
    FewParticles,
    Guided,
    Known,
    Noisy,
    Plain,
    Proposal,
    Tilted,
    by_matrix,
    particle,
)
from quasistatic.process import (
    GaussianProcess,
    Part,
    ProductProcess,
)
from quasistatic.schedule import Cosine, Linear, Reciprocal, uniform_times
from twists import FEW_IS_FINE, TWISTS, evidence_holds

RHO, OBSERVED = 0.9, 1.0


pytestmark = pytest.mark.usefixtures("double_precision")


# Gaussian data


@pytest.mark.parametrize("schedule", [Reciprocal(), Cosine(), Linear()], ids=repr)
@pytest.mark.parametrize("propose", [Tilted, Guided, Plain])
def test_one_of_two_normals_under_the_chain(schedule, propose: type[Proposal]) -> None:  # type: ignore[no-untyped-def]
    """Mean, variance and evidence of the chain's own posterior after 12 steps."""
    process, times = GaussianProcess(schedule), uniform_times(12)
    truth = correlated(process, RHO)
    (one, cross), (_, two) = chain_covariance(truth, times).tolist()
    observed = first_known(16, 2, OBSERVED)
    if propose is Plain:
        observed = Noisy(observed.values, torch.full_like(observed.values, 0.5), observed.mask)  # type: ignore[assignment]
        one += 0.25
    found = particle(
        process, truth, observed, torch.zeros(16, 2), times, 600, propose=propose(process), generator=seeded(1)
    )
    assert within_4_errors(found.mean[:, 1], cross / one * OBSERVED)
    assert within_4_errors(found.variance[:, 1], two - cross**2 / one)
    assert evidence_holds(found, Normal(double(0.0), double(one**0.5)).log_prob(double(OBSERVED)).exp().item())


def told(process: GaussianProcess, rho: float) -> Denoise:
    """p(x | x_t, x_1 = 1) of two unit normals of correlation ρ: the second is N(ρ, 1 − ρ²) before it was noised."""

    def guess(x_t: Tensor, t: Tensor) -> Normal:
        kept = process.schedule.alpha_bar(t)[:, None]
        spread = kept * (1 - rho**2) + 1 - kept
        mean = rho * OBSERVED + kept.sqrt() * (1 - rho**2) / spread * (x_t - kept.sqrt() * rho * OBSERVED)
        return Normal(mean, ((1 - rho**2) * (1 - kept) / spread).sqrt().expand_as(mean))

    return guess


@FEW_IS_FINE
@pytest.mark.parametrize("rho", [RHO, 0.6], ids=["exact", "wrong"])
def test_one_of_two_normals_by_a_network_that_is_shown_it(rho: float) -> None:
    """The chain's own posterior, also where the network that is shown the first value is wrong about the second."""
    process, times = GaussianProcess(Reciprocal()), uniform_times(12)
    truth, observed = correlated(process, RHO), first_known(16, 2, OBSERVED)
    (one, cross), (_, two) = chain_covariance(truth, times).tolist()
    propose, start = Conditioned(process, told(process, rho)), torch.zeros(16, 2)
    found = particle(process, truth, observed, start, times, 1500, propose=propose, generator=seeded(7))
    assert within_4_errors(found.mean[:, 1], cross / one * OBSERVED)
    assert within_4_errors(found.variance[:, 1], two - cross**2 / one)
    assert evidence_holds(found, Normal(double(0.0), double(one**0.5)).log_prob(double(OBSERVED)).exp().item())


@FEW_IS_FINE
@pytest.mark.parametrize("twist", TWISTS)
@pytest.mark.parametrize("propose", [Tilted, Guided])
def test_one_of_two_normals_with_any_twist(twist: str, propose: type[Proposal]) -> None:
    """The same, also where the twist knows nothing, or prefers what does not fit."""
    process, times = GaussianProcess(Reciprocal()), uniform_times(12)
    truth, observed = correlated(process, RHO), first_known(16, 2, OBSERVED)
    (one, cross), (_, two) = chain_covariance(truth, times).tolist()
    found = particle(
        process,
        truth,
        observed,
        torch.zeros(16, 2),
        times,
        1500,
        twist=TWISTS[twist],
        propose=propose(process),
        generator=seeded(1),
    )
    assert within_4_errors(found.mean[:, 1], cross / one * OBSERVED)
    assert within_4_errors(found.variance[:, 1], two - cross**2 / one)
    assert evidence_holds(found, Normal(double(0.0), double(one**0.5)).log_prob(double(OBSERVED)).exp().item())


def test_one_of_two_columns_under_the_chain() -> None:
    """The same pair as the columns of a table: each a part of its own, on the same clock."""
    process, times = GaussianProcess(Cosine()), uniform_times(12)
    pair = ProductProcess((Part(process, (0,)), Part(process, (1,))))
    truth = correlated(process, RHO)
    (one, cross), (_, two) = chain_covariance(truth, times).tolist()

    def columns(x_t: Tensor, t: Tensor) -> ProductDistribution:
        law = truth(x_t, t)
        return ProductDistribution(tuple(((c,), Normal(law.mean[:, [c]], law.std[:, [c]])) for c in (0, 1)))

    observed = first_known(16, 2, OBSERVED)
    found = particle(pair, columns, observed, torch.zeros(16, 2), times, 600, generator=seeded(1))
    assert within_4_errors(found.mean[:, 1], cross / one * OBSERVED)
    assert within_4_errors(found.variance[:, 1], two - cross**2 / one)
    assert evidence_holds(found, Normal(double(0.0), double(one**0.5)).log_prob(double(OBSERVED)).exp().item())


@pytest.mark.slow
@pytest.mark.parametrize("propose", [Tilted, Guided])
def test_one_of_two_normals(propose: type[Proposal]) -> None:
    """The truth itself: N(0.900, 0.190), where hold gives N(0.626, 0.312) (theory.md 2.6b ii). 300 steps."""
    process = GaussianProcess(Cosine())
    observed = first_known(16, 2, OBSERVED)
    found = particle(
        process,
        correlated(process, RHO),
        observed,
        torch.zeros(16, 2),
        uniform_times(300),
        500,
        propose=propose(process),
        generator=seeded(1),
    )
    assert within_4_errors(found.mean[:, 1], 0.900)
    assert within_4_errors(found.variance[:, 1], 0.190)
    assert evidence_holds(found, math.exp(-0.5) / math.sqrt(2 * math.pi))


@FEW_IS_FINE
@pytest.mark.parametrize("twist", TWISTS)
def test_a_mixture_by_quadrature(twist: str) -> None:
    """One element with two bumps, y = 0.1 seen with noise of 0.6: the chain of 6 steps, on a grid of 801 points."""
    process, times = GaussianProcess(Reciprocal()), uniform_times(6)
    oracle, grid = two_bumps(process), torch.linspace(-8, 8, 801)
    joint = (
        grid_law(process, oracle, grid, times)
        * Normal(grid, torch.full_like(grid, 0.6)).log_prob(torch.full_like(grid, 0.1)).exp()
    )
    evidence, law = joint.sum(), joint / joint.sum()
    mean = (law * grid).sum()
    seen = Noisy(torch.full((16, 1), 0.1), torch.full((16, 1), 0.6), torch.ones(16, 1, dtype=torch.bool))
    found = particle(process, oracle, seen, torch.zeros(16, 1), times, 400, twist=TWISTS[twist], generator=seeded(3))
    assert within_4_errors(found.mean[:, 0], mean)
    assert within_4_errors(found.variance[:, 0], (law * (grid - mean) ** 2).sum())
    assert evidence_holds(found, evidence.item())


@pytest.mark.slow
def test_a_mixture_in_closed_form() -> None:
    """Two correlated bumps in the plane, x_1 = 0.2 known: theory.md 5.2, 400 steps."""
    from oracles import MixtureOracle

    process = GaussianProcess(Cosine())
    covariance = double(0.3, 0.15, 0.15, 0.3).reshape(1, 2, 2).expand(2, -1, -1)
    oracle = MixtureOracle(process, double(0.4, 0.6), double(-0.8, -0.8, 0.6, 0.6).reshape(2, 2), covariance)
    share = oracle.weights * Normal(oracle.means[:, 0], double(0.3**0.5, 0.3**0.5)).log_prob(double(0.2, 0.2)).exp()
    means = oracle.means[:, 1] + 0.5 * (0.2 - oracle.means[:, 0])
    weights = share / share.sum()
    mean = (weights * means).sum()
    variance = (weights * (0.3 - 0.15 * 0.5 + (means - mean) ** 2)).sum()
    found = particle(
        process,
        oracle,
        first_known(16, 2, 0.2),
        torch.zeros(16, 2),
        uniform_times(400),
        300,
        propose=Guided(process),
        generator=seeded(1),
    )
    assert within_4_errors(found.mean[:, 1], mean)
    assert within_4_errors(found.variance[:, 1], variance)
    assert evidence_holds(found, share.sum().item())


@pytest.mark.parametrize("kind", ["noisy", "known"])
@pytest.mark.parametrize("schedule", [Reciprocal(), Cosine()], ids=repr)
def test_with_the_exact_twist_all_weights_are_equal(kind: str, schedule) -> None:  # type: ignore[no-untyped-def]
    """Independent normals: the guess's E r is exact, and so are 7 particles, whatever the number of steps."""
    process, mean, values = GaussianProcess(schedule), double(0.3, -1.0), double(0.7, 0.4)
    oracle, spread = GaussianOracle(process, mean, double(0.5, 2.0)), double(0.5, 2.0)
    both = torch.ones(3, 2, dtype=torch.bool)
    if kind == "noisy":
        seen = Noisy(values.expand(3, 2), torch.full((3, 2), 0.5), both)
        spread = spread + 0.25
    else:
        seen = Known(both, values.expand(3, 2))  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        found = particle(process, oracle, seen, torch.zeros(3, 2), uniform_times(5), 7, generator=seeded(2))
    truth = Normal(mean, spread.sqrt()).log_prob(values).sum()
    torch.testing.assert_close(found.log_evidence, truth.expand(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.log_weights, torch.full((3, 7), -math.log(7)), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.ess, torch.full_like(found.ess, 7.0), atol=1e-6, rtol=0)


def test_a_linear_observation_of_correlated_normals() -> None:
    """y = x_1 + x_2 with noise: mean and evidence of the chain's posterior."""
    process, times = GaussianProcess(Cosine()), uniform_times(12)
    truth = correlated(process, RHO)
    covariance = chain_covariance(truth, times)
    row = double(1.0, 1.0)
    spread = row @ covariance @ row + 0.3**2
    mean = covariance @ row / spread * 1.5
    seen = by_matrix(row[None], torch.full((16, 1), 1.5), 0.3, (2,))
    found = particle(process, truth, seen, torch.zeros(16, 2), times, 500, propose=Guided(process), generator=seeded(1))
    assert within_4_errors(found.mean, mean)
    assert evidence_holds(found, Normal(double(0.0), spread.sqrt()[None]).log_prob(double(1.5)).exp().item())
