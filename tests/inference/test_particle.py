"""Twisted particles: exact for any twist and process, with equal weights for the exact twist (theory.md 2.6b iv, 5).

Truths come from enumeration, quadrature and linear recursion (`chains`), so any number of steps will do. Each test runs
independent examples of the same thing; their spread gives the standard error, and four of them the tolerance.
"""

import math
import warnings

import pytest
import torch
from torch import Tensor

from chains import FiniteChain, arbitrary, chain_covariance, first_known, grid_law, misleading, template
from oracles import GaussianOracle, at, correlated, double, seeded, two_bumps, within_4_errors
from quasistatic.distribution import Categorical, Distribution, Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.inference import (
    FewParticles,
    Function,
    Guided,
    Known,
    Labelled,
    Noisy,
    Particles,
    Plain,
    Proposal,
    Tilted,
    Weights,
    by_matrix,
    flat,
    particle,
    tempered,
)
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    GaussianProcess,
    NearestNeighbourProcess,
    OrdinalProcess,
    Part,
    Process,
    ProductProcess,
)
from quasistatic.schedule import Cosine, Linear, Reciprocal, uniform_times

RHO, OBSERVED = 0.9, 1.0


pytestmark = pytest.mark.usefixtures("double_precision")


def backwards(x_t, t, clean, observation):  # type: ignore[no-untyped-def]
    """A positive twist that prefers what does not fit."""
    return (-0.3 * observation.expected(clean)).clamp(-2, 2)


FEW_IS_FINE = pytest.mark.filterwarnings("ignore::quasistatic.inference.particle.FewParticles")
TWISTS = {
    "default": None,
    "tempered": tempered(GaussianProcess(Reciprocal())),
    "flat": flat,
    "misleading": misleading,
    "backwards": backwards,
}


def evidence_holds(found: Particles, truth: float) -> bool:
    """E e^(log Z) is the evidence without bias, over independent examples."""
    return within_4_errors(found.log_evidence.exp(), truth)


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


# Discrete data


PROCESSES: list[Process] = [
    BernoulliProcess(Reciprocal(), 0.3),
    CategoricalProcess.uniform(Cosine(), 3),
    CategoricalProcess.absorbing(Reciprocal(), 3),
    OrdinalProcess(Reciprocal(), 3, 1.0),
    NearestNeighbourProcess(Cosine(), 3),
]


@FEW_IS_FINE
@pytest.mark.parametrize("twist", TWISTS)
@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_every_discrete_posterior_by_enumeration(process: Process, twist: str) -> None:
    """Three elements, the first known: the probability of every state of the chain's posterior, and the evidence."""
    chain = FiniteChain(process, 3, uniform_times(4))
    seen = Known(torch.tensor([True, False, False]).expand(20, 3), template(process, 20, 3) + 1)
    law, evidence = chain.posterior(torch.where(chain.states[:, 0] == 1, 0, -math.inf))
    found = particle(
        process,
        chain.denoise,
        seen,
        template(process, 20, 3),
        chain.times,
        300,
        twist=TWISTS[twist],
        generator=seeded(5),
    )
    assert within_4_errors(chain.shares(found.x, found.log_weights), law)
    assert evidence_holds(found, evidence)
    assert (found.x[..., 0] == 1).all()


@FEW_IS_FINE
@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_any_function_and_products_by_enumeration(process: Process) -> None:
    """log r = 1.3 if the last two agree, times weights of each state of each element, times a classifier's word."""
    chain = FiniteChain(process, 3, uniform_times(4))
    count = chain.denoise(chain.states[:1], at(0.5, 1)).log_masses.shape[-1]
    weights = torch.linspace(-1, 1, 3 * count).reshape(3, count)
    agree = lambda x: torch.where(x[:, 1] == x[:, 2], 1.3, 0.0)  # noqa: E731
    classify = lambda x: torch.stack([x.double().sum(1), -x.double().sum(1)], 1).mul(0.3).log_softmax(1)  # noqa: E731
    label = torch.ones(20, dtype=torch.long)
    seen = Function(agree) * Labelled(classify, label) * Weights(weights.expand(20, 3, count))
    states = chain.states
    log_r = agree(states) + classify(states)[:, 1] + sum(weights[i, states[:, i].long()] for i in range(3))
    law, evidence = chain.posterior(log_r)
    found = particle(process, chain.denoise, seen, template(process, 20, 3), chain.times, 300, generator=seeded(6))
    assert within_4_errors(chain.shares(found.x, found.log_weights), law)
    assert evidence_holds(found, evidence)


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_with_the_exact_guess_of_one_element_all_weights_are_equal(process: Process) -> None:
    """The guess's E r is then E[r | x_t], and the tilted step its own posterior: 5 particles are exact."""
    if process.schedule == Cosine() or isinstance(process, OrdinalProcess):
        process = type(process)(Reciprocal(), *list(vars(process).values())[1:2])  # ᾱ(1) = 0: x_1 ~ π exactly
    bit = isinstance(process, BernoulliProcess)
    states = 2 if bit else process.states  # type: ignore[attr-defined]
    prior = torch.linspace(1, 2, states)
    if not bit and bool((process.stationary == 1).any()):  # type: ignore[attr-defined]
        prior[-1] = 0
    prior = prior / prior.sum()

    def exact(x_t: Tensor, t: Tensor) -> Distribution:
        from quasistatic.distribution import Bernoulli

        if bit:
            one, zero = (process.marginal(torch.full_like(x_t, b), t).log_prob(x_t) for b in (1, 0))
            return Bernoulli(one - zero + (prior[1] / prior[0]).log())
        return Categorical(process.evidence(x_t, t) + prior.log())  # type: ignore[attr-defined]

    log_r = torch.linspace(-2, 0.5, states).expand(3, 1, states)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        found = particle(
            process, exact, Weights(log_r), template(process, 3, 1), uniform_times(6), 5, generator=seeded(1)
        )
    truth = (prior * log_r[0, 0].exp()).sum().log()
    torch.testing.assert_close(found.log_evidence, truth.expand(3), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.log_weights, torch.full((3, 5), -math.log(5)), atol=1e-9, rtol=0)


class Doob(Proposal):
    """q ∝ p(x_s | x_t) ψ_s(x_s) for one element, with ψ by enumeration: the exact proposal."""

    def __init__(self, process: CategoricalProcess, log_psi: dict[float, Tensor]) -> None:
        self.process, self.log_psi = process, log_psi

    def law(self, x_t, sight, t, s, observation):  # type: ignore[no-untyped-def]
        return Categorical(self.process.reverse(x_t, sight.clean, t, s).log_masses + self.log_psi[s[0].item()])


def test_the_doob_transform_of_any_chain_is_exact() -> None:
    """A guess that no data have, ψ = Π R r by matrices: all weights equal, evidence π R … R r (theory.md 2.6b iii)."""
    process, times = CategoricalProcess(Reciprocal(), (0.1, 0.2, 0.3, 0.4)), uniform_times(5)
    log_r = torch.tensor([0.3, -2.0, 0.0, 1.0])

    def denoise(x_t: Tensor, t: Tensor) -> Distribution:
        return arbitrary(process)(torch.where(t[:, None] == 1, 0, x_t), t)  # x_1, pure noise, tells nothing

    states = torch.arange(4)[:, None]
    log_psi = {0.0: log_r}
    for s, t in zip(times.flip(0)[:-1].tolist(), times.flip(0)[1:].tolist(), strict=True):
        back = process.reverse(states, denoise(states, at(t, 4)), at(t, 4), at(s, 4)).log_masses[:, 0]
        log_psi[t] = (back + log_psi[s]).logsumexp(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        found = particle(
            process,
            denoise,
            Weights(log_r.expand(2, 1, 4)),
            torch.zeros(2, 1, dtype=torch.long),
            times,
            6,
            twist=lambda x_t, t, clean, seen: log_psi[t[0].item()][x_t[:, 0]],
            propose=Doob(process, log_psi),
            generator=seeded(1),
        )
    truth = log_psi[1.0][0]
    torch.testing.assert_close(found.log_evidence, truth.expand(2), atol=1e-9, rtol=0)
    torch.testing.assert_close(found.log_weights, torch.full((2, 6), -math.log(6)), atol=1e-9, rtol=0)
