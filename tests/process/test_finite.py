"""Processes over finitely many states, where every sum can be done: exact laws, the fast step, a tight bound.

Bits take part as states 0 and 1. Everything is enumerated in float64: no tolerance here is statistical.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from finite_laws import at, every, masses, step
from quasistatic.distribution import Bernoulli, Categorical, Distribution
from quasistatic.markov import RateMatrix
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    FiniteProcess,
    NearestNeighbourProcess,
    OrdinalProcess,
    Process,
    RateProcess,
)
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from quasistatic.types import per_example

ABSORBING = CategoricalProcess.absorbing(Reciprocal(), 5)
CASES: list[tuple[Process, list[float]]] = [
    (BernoulliProcess(Cosine()), [0.2, 0.8]),
    (BernoulliProcess(Reciprocal(), 0.2), [0.4, 0.6]),
    (BernoulliProcess(Reciprocal(), 1.0), [1.0, 0.0]),
    (CategoricalProcess.uniform(Cosine(), 5), [0.1, 0.2, 0.3, 0.3, 0.1]),
    (CategoricalProcess(Reciprocal(), (0.5, 0.3, 0.1, 0.05, 0.05)), [0.1, 0.2, 0.3, 0.4, 0.0]),
    (ABSORBING, [0.1, 0.2, 0.3, 0.4, 0.0]),
    (OrdinalProcess(Reciprocal(), 6, 1.5), [0.05, 0.15, 0.2, 0.3, 0.2, 0.1]),
    (NearestNeighbourProcess(Reciprocal(), 4), [0.4, 0.1, 0.1, 0.4]),
    (RateProcess(Reciprocal(), ((-1.0, 1.0, 0.0), (0.0, -2.0, 2.0), (0.5, 0.0, -0.5))), [0.2, 0.5, 0.3]),
]
IDS = [f"{type(process).__name__}-{number}" for number, (process, _) in enumerate(CASES)]


pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture(params=CASES, ids=IDS)
def case(request: pytest.FixtureRequest) -> tuple[Process, Tensor]:
    process, law = request.param
    return process, torch.tensor(law, dtype=torch.float64)


def law_of(process: Process, probabilities: Tensor) -> Distribution:
    """A guess with the given probabilities on a last axis."""
    if isinstance(process, FiniteProcess):
        return Categorical(probabilities.log())
    return Bernoulli(probabilities[..., 1].log() - probabilities[..., 0].log())


def exact_guess(process: Process, data: Tensor, t: float) -> Distribution:
    """p(x | x_t) for each x_t, by Bayes' rule from the matrix: (K, 1) elements."""
    joint = data[:, None] * step(process, 0.0, t)
    return law_of(process, (joint / joint.sum(0).where(joint.sum(0) > 0, 1)).T[:, None])


def back(process: Process, clean: Distribution, t: float, s: float) -> Tensor:
    """The K × K matrix of p(x_s | x_t)."""
    x = every(process)
    return masses(process.reverse(x, clean, at(t, len(x)), at(s, len(x))))[:, 0]


# The answers are exact


def test_semigroup_exactly(case: tuple[Process, Tensor]) -> None:
    process, _ = case
    torch.testing.assert_close(step(process, 0.1, 0.35) @ step(process, 0.35, 0.8), step(process, 0.1, 0.8))
    torch.testing.assert_close(step(process, 0.1, 0.35).sum(1), torch.ones(len(every(process))))


def test_the_prior_does_not_move(case: tuple[Process, Tensor]) -> None:
    process, _ = case
    prior = masses(process.prior(every(process)))[0, 0]
    torch.testing.assert_close(prior @ step(process, 0.2, 0.6), prior)
    torch.testing.assert_close(step(process, 0.2, 1.0), prior.expand(len(prior), -1))


@pytest.mark.parametrize(("s", "t"), [(0.0, 0.4), (0.3, 0.7), (0.001, 0.002), (0.5, 1.0)])
def test_fast_step_is_the_sum_over_the_data(case: tuple[Process, Tensor], s: float, t: float) -> None:
    """reverse(x_t, c) = Σ_k q(x_s | x_t, k) c(k), with q(x_s | x_t, k) ∝ q(x_s | k) q(x_t | x_s) from matrices."""
    process, data = case
    to_s, move = step(process, 0.0, s) if s else torch.eye(len(data)), step(process, s, t)
    joint = to_s[:, :, None] * move[None]  # (k, x_s, x_t)
    seen = joint.sum(1)
    for clean in (exact_guess(process, data, t), law_of(process, data.expand(len(data), 1, -1))):
        share = torch.where(seen > 0, masses(clean)[:, 0].T / seen.where(seen > 0, 1), 0)  # (k, x_t)
        expected = (joint * share[:, None]).sum(0).T
        expected = expected / expected.sum(1, keepdim=True)
        found = back(process, clean, t, s)
        possible = expected[:, 0].isfinite()
        torch.testing.assert_close(found[possible], expected[possible], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_bound_is_tight_with_the_exact_guess(case: tuple[Process, Tensor], steps: int) -> None:
    """One element: −KL(prior) − Σ KL + E log p(x | x_t) = log p(x), at any number of steps, for every x."""
    process, data = case
    x = every(process)
    times = uniform_times(steps).tolist()
    total = -process.marginal(x, at(1.0, len(x))).kl(process.prior(x))[:, 0]
    for t, s in pairwise(times):
        guess = exact_guess(process, data, t)
        for state in range(len(data)):
            weight = step(process, 0.0, t)[state]
            known = x[state : state + 1].expand_as(x)
            if s == 0:
                cost = -process.reverse(x, guess, at(t, len(x)), at(s, len(x))).log_prob(known)[:, 0]
            else:
                cost = process.step_kl(known, x, guess, at(t, len(x)), at(s, len(x)))[:, 0]
            total[state] -= (weight * cost)[weight > 0].sum()
    possible = data > 0
    # ᾱ(1) of the cosine is 4e-33, not 0
    torch.testing.assert_close(total[possible], data.log()[possible], rtol=0, atol=1e-12)


def test_samples_have_the_law_of_the_data(case: tuple[Process, Tensor]) -> None:
    """π times the matrices of seven steps back."""
    process, data = case
    law = masses(process.prior(every(process)))[0, 0]
    for t, s in pairwise([1.0, 0.9, 0.75, 0.5, 0.3, 0.2, 0.05, 0.0]):
        move = back(process, exact_guess(process, data, t), t, s)
        law = torch.where(law[:, None] > 0, law[:, None] * move, 0).sum(0)
    torch.testing.assert_close(law, data, rtol=0, atol=1e-12)


def test_data_the_prior_cannot_lead_to_score_minus_infinity(case: tuple[Process, Tensor]) -> None:
    """A guess without state 0 gives it mass 0: log p = −∞, said so."""
    process, data = case
    x = every(process)
    without = torch.cat([torch.zeros(1), torch.ones(len(data) - 1)])
    x_t = x[-1:]  # the last state may come from another one than the first
    law = process.reverse(x_t, law_of(process, without[None, None]), at(0.5, 1), at(0.0, 1))
    assert law.log_prob(x[:1]).item() == -math.inf


# Keep or redraw


@pytest.mark.parametrize("law", [(0.2,) * 5, (0.0, 0.0, 1.0), (0.5, 0.3, 0.2)])
def test_keep_or_redraw_is_a_markov_chain(law: tuple[float, ...]) -> None:
    """The kernel is exp(Gτ) with G = 1π − I, run for τ = −log(ᾱ_t/ᾱ_s)."""
    process = CategoricalProcess(Reciprocal(), law)
    chain = RateMatrix.redraw(torch.tensor(law))
    torch.testing.assert_close(step(process, 0.2, 0.7), chain.transition(-math.log(0.3 / 0.8)))
    torch.testing.assert_close(step(process, 0.2, 1.0), chain.transition(math.inf))


def test_general_rates_and_keep_or_redraw_agree() -> None:
    law = (0.5, 0.3, 0.2)
    fast = CategoricalProcess(Reciprocal(), law)
    table = RateMatrix.redraw(law).rates
    general = RateProcess(Reciprocal(), tuple(tuple(row) for row in table.tolist()))
    x_t = torch.randint(3, (20, 4), generator=torch.Generator().manual_seed(0))
    t = torch.linspace(0.2, 1.0, 20)
    clean = Categorical(torch.randn(20, 4, 3, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(masses(general.prior(x_t)), masses(fast.prior(x_t)))
    torch.testing.assert_close(general.evidence(x_t, t), fast.evidence(x_t, t))
    torch.testing.assert_close(
        masses(general.reverse(x_t, clean, t, t / 2)), masses(fast.reverse(x_t, clean, t, t / 2))
    )


def test_bits_are_two_categories() -> None:
    bits, states = BernoulliProcess(Reciprocal(), 0.2), CategoricalProcess(Reciprocal(), (0.8, 0.2))
    x_t = torch.randint(2, (9, 4), generator=torch.Generator().manual_seed(0))
    clean = Bernoulli(torch.randn(9, 4, generator=torch.Generator().manual_seed(1)))
    t, s = at(0.7, 9), at(0.4, 9)
    one = bits.reverse(x_t.double(), clean, t, s)
    two = states.reverse(x_t, Categorical(clean.log_masses), t, s)
    torch.testing.assert_close(one.log_masses, two.log_masses)
    torch.testing.assert_close(bits.marginal(x_t.double(), t).log_masses, states.marginal(x_t, t).log_masses)


def test_bits_in_closed_form() -> None:
    """theory.md 2.1: q(x_t = 1 | x) = ᾱ x + (1 − ᾱ) p₀, and the posterior ρℓ₁/(ρℓ₁ + (1 − ρ)ℓ₀)."""
    process, p0, s, t = BernoulliProcess(Reciprocal(), 0.2), 0.2, 0.25, 0.5
    for x in (0.0, 1.0):
        rho, kept = 0.75 * x + 0.25 * p0, 0.5 / 0.75
        assert process.marginal(torch.tensor([[x]]), at(s, 1)).mean.item() == pytest.approx(rho)
        for x_t in (0.0, 1.0):
            ell = [kept * j + (1 - kept) * p0 if x_t else 1 - kept * j - (1 - kept) * p0 for j in (0, 1)]
            expected = rho * ell[1] / (rho * ell[1] + (1 - rho) * ell[0])
            found = process.reverse(torch.tensor([[x_t]]), process.point(torch.tensor([[x]])), at(t, 1), at(s, 1))
            assert found.mean.item() == pytest.approx(expected)


# Absorbing


def test_a_revealed_element_stays_revealed() -> None:
    """Whatever the guess: it follows from Bayes' rule, at the last step too."""
    clean = Categorical(torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(0)))
    x_t = torch.arange(4)[:, None]
    for s in (0.3, 0.0):
        found = masses(ABSORBING.reverse(x_t, clean, at(0.7, 4), at(s, 4)))
        torch.testing.assert_close(found[:, 0], torch.eye(5)[:4], rtol=0, atol=1e-15)
        assert (found[:, 0][torch.eye(5)[:4] == 0] == 0).all()


def test_a_mask_is_lifted_at_the_known_rate() -> None:
    """A masked element is revealed with probability (ᾱ_s − ᾱ_t)/(1 − ᾱ_t), as the guess says."""
    guess = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.0])
    found = masses(ABSORBING.reverse(torch.tensor([[4]]), Categorical(guess.log()[None, None]), at(0.7, 1), at(0.3, 1)))
    lifted = (0.7 - 0.3) / 0.7
    torch.testing.assert_close(found[0, 0], lifted * guess + (1 - lifted) * torch.eye(5)[4])


def test_gradients_are_finite_where_states_are_impossible() -> None:
    """A head gives the mask logit −∞; masked and revealed elements, several times, the last step among them."""
    logits = torch.randn(6, 2, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([0, 0, 0, 0, -math.inf])
    logits.requires_grad_(True)
    x = torch.tensor([[0, 1]]).expand(6, 2)
    x_t = torch.tensor([[4, 1], [0, 4], [4, 4], [0, 1], [4, 1], [4, 4]])
    t, s = at(0.6, 6), torch.tensor([0.3, 0.3, 0.3, 0.3, 0.0, 0.0])
    cost = ABSORBING.step_kl(x, x_t, Categorical(logits + mask), t, s)
    assert cost.isfinite().all()
    assert (cost >= 0).all()
    cost.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[3].abs().max() == 0  # nothing is left to learn where all is revealed


def test_masked_cost_is_weighted_cross_entropy() -> None:
    """theory.md 4.13: a step costs −(ᾱ_s − ᾱ_t)/(1 − ᾱ_t) log p(x) on a masked element."""
    logits = torch.randn(1, 1, 5, generator=torch.Generator().manual_seed(0))
    logits[..., 4] = -math.inf
    guess = Categorical(logits)
    x, mask = torch.tensor([[2]]), torch.tensor([[4]])
    cost = ABSORBING.step_kl(x, mask, guess, at(0.5, 1), at(0.4, 1))
    torch.testing.assert_close(cost, -(0.6 - 0.5) / 0.5 * guess.log_prob(x))


# Numbers and shapes


@pytest.mark.parametrize("name", ["uniform", "absorbing", "ordinal", "bits"])
def test_single_precision_is_close(name: str) -> None:
    """Coefficients are float64, so that float32 states lose only their own digits, on a fine grid too."""
    process: Process = {
        "uniform": CategoricalProcess.uniform(Cosine(), 5),
        "absorbing": ABSORBING,
        "ordinal": OrdinalProcess(Cosine(), 5, 1.0),
        "bits": BernoulliProcess(Cosine(), 0.3),
    }[name]
    x = every(process)[:4] if name != "bits" else every(process)
    t, s = at(0.301, len(x)), at(0.3, len(x))
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(len(x), 1, 5 if name != "bits" else 2, generator=generator) + 0.1
    if name == "absorbing":
        probabilities[..., -1] = 0
    x_t = process.marginal(x, t).sample(generator)
    exact = process.step_kl(x, x_t, law_of(process, probabilities), t, s)
    torch.set_default_dtype(torch.float32)
    x_t, x = (v if v.dtype == torch.long else v.float() for v in (x_t, x))
    single = process.step_kl(x, x_t, law_of(process, probabilities.float()), t, s)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=2e-4, atol=1e-9)


def test_states_may_have_any_shape_and_times_of_their_own() -> None:
    for process in (CategoricalProcess.uniform(Cosine(), 3), OrdinalProcess(Cosine(), 3, 1.0)):
        x = torch.randint(3, (4, 2, 5), generator=torch.Generator().manual_seed(0))
        t = torch.tensor([0.2, 0.5, 0.5, 1.0])
        clean = Categorical(torch.randn(4, 2, 5, 3, generator=torch.Generator().manual_seed(1)))
        whole = masses(process.reverse(x, clean, t, t / 2))
        for i in range(4):
            alone = process.reverse(x[i : i + 1], Categorical(clean.logits[i : i + 1]), t[i : i + 1], t[i : i + 1] / 2)
            torch.testing.assert_close(whole[i : i + 1], masses(alone))
        assert process.evidence(x, t).shape == (4, 2, 5, 3)
        assert per_example(process.step_kl(x, x, clean, t, t / 2)).shape == (4,)
        flat = process.reverse(x[:, 0, 0], Categorical(clean.logits[:, 0, 0]), t, t / 2)
        torch.testing.assert_close(masses(flat), whole[:, 0, 0])


def test_evidence_is_the_forward_law() -> None:
    for process in (CategoricalProcess(Cosine(), (0.6, 0.3, 0.1)), OrdinalProcess(Cosine(), 3, 1.0)):
        found = process.evidence(every(process), at(0.4, 3))[:, 0]
        torch.testing.assert_close(found.exp(), step(process, 0.0, 0.4).T)


def test_a_long_batch_is_taken_in_parts() -> None:
    """More than 2²² numbers of float64: the parts join without a seam."""
    process = NearestNeighbourProcess(Cosine(), 32)
    x = torch.randint(32, (5000, 40), generator=torch.Generator().manual_seed(0))
    clean = Categorical(torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(1)).expand(5000, 40, 32))
    found = process.reverse(x, clean, at(0.5, 5000), at(0.4, 5000)).logits
    few = process.reverse(x[3000:3010], Categorical(clean.logits[:10]), at(0.5, 10), at(0.4, 10)).logits
    torch.testing.assert_close(found[3000:3010], few)
