"""Particle methods on discrete data, by enumeration of every posterior."""

import math
import warnings

import pytest
import torch
from torch import Tensor

from chains import FiniteChain, arbitrary, template
from oracles import at, seeded, within_4_errors
from quasistatic.distribution import Categorical, Distribution
from quasistatic.inference import (
    Conditioned,
    FewParticles,
    Function,
    Known,
    Labelled,
    Proposal,
    Weights,
    particle,
)
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    NearestNeighbourProcess,
    OrdinalProcess,
    Process,
)
from quasistatic.schedule import Cosine, Reciprocal, uniform_times
from twists import FEW_IS_FINE, TWISTS, evidence_holds

pytestmark = pytest.mark.usefixtures("double_precision")


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


@FEW_IS_FINE
@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_a_network_that_is_shown_the_known_elements_by_enumeration(process: Process) -> None:
    """The posterior is the unconditional chain's, whatever the other network says."""
    chain = FiniteChain(process, 3, uniform_times(4))
    seen = Known(torch.tensor([True, False, False]).expand(20, 3), template(process, 20, 3) + 1)
    law, evidence = chain.posterior(torch.where(chain.states[:, 0] == 1, 0, -math.inf))
    propose, start = Conditioned(process, arbitrary(process)), template(process, 20, 3)
    found = particle(process, chain.denoise, seen, start, chain.times, 600, propose=propose, generator=seeded(6))
    assert within_4_errors(chain.shares(found.x, found.log_weights), law)
    assert evidence_holds(found, evidence)
    assert (found.x[..., 0] == 1).all()
