"""What weighted particles say of themselves: errors, draws, warnings, and how mistakes end."""

import math

import pytest
import torch

from chains import FiniteChain, first_known, misleading, template
from oracles import GaussianOracle, at, correlated, double, seeded, unchecked
from quasistatic.distribution import Normal
from quasistatic.inference import (
    ContradictionError,
    FewParticles,
    Function,
    Guided,
    Known,
    Particles,
    lookahead,
    particle,
)
from quasistatic.inference.particles.walk import effective, systematic
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    GaussianProcess,
)
from quasistatic.schedule import Cosine, Reciprocal, Table, uniform_times
from quasistatic.streams import Streams

RHO, OBSERVED = 0.9, 1.0


pytestmark = pytest.mark.usefixtures("double_precision")


def test_islands_give_the_error() -> None:
    """The mean error over 200 examples agrees with their spread."""
    process = CategoricalProcess.uniform(Cosine(), 3)
    chain = FiniteChain(process, 3, uniform_times(3))
    seen = Known(torch.tensor([True, False, False]).expand(200, 3), torch.ones(200, 3, dtype=torch.long))
    found = particle(
        process,
        chain.denoise,
        seen,
        template(process, 200, 3),
        chain.times,
        160,
        islands=8,
        twist=misleading,
        generator=seeded(2),
    )
    assert found.ess.shape == (4, 200, 8)
    assert found.error.mean().item() == pytest.approx(found.log_evidence.std().item(), rel=0.2)
    assert found.exactness == "exact in the limit of many particles"


def test_an_answer_does_not_depend_on_its_batch() -> None:
    process, times = GaussianProcess(Cosine()), uniform_times(5)
    truth, seen = correlated(process, RHO), first_known(4, 2, OBSERVED)
    run = lambda rows, first: particle(  # noqa: E731
        process,
        truth,
        seen.take(rows),
        torch.zeros(len(rows), 2),
        times,
        40,
        generator=Streams(3, first * 40, len(rows) * 40),
    )
    whole, part = run(torch.arange(4), 0), run(torch.arange(2, 4), 2)
    assert torch.equal(whole.x[2:], part.x)
    torch.testing.assert_close(whole.log_evidence[2:], part.log_evidence)


def test_systematic_draws_come_as_often_as_they_should() -> None:
    """⌊n w⌋ or ⌈n w⌉ times each, and n w on average over u."""
    log_w = torch.randn(1, 7, generator=seeded(1))
    expected = 10 * log_w.softmax(1)[0]
    counts = []
    for u in torch.linspace(0, 1, 201)[:-1]:
        index = systematic(log_w, u.reshape(1, 1), 10)
        counts.append(torch.bincount(index[0], minlength=7))
        assert (counts[-1] >= expected.floor()).all()
        assert (counts[-1] <= expected.ceil()).all()
    torch.testing.assert_close(torch.stack(counts).double().mean(0), expected, atol=1e-2, rtol=0)
    assert effective(torch.zeros(1, 5)).item() == pytest.approx(5)
    assert effective(torch.full((1, 5), -math.inf)).item() == 0


def test_draws_follow_the_weights() -> None:
    found = Particles(
        torch.arange(3.0).reshape(1, 3, 1),
        torch.tensor([[0.5, 0.25, 0.25]]).log(),
        torch.ones(1, 1, 1),
        torch.zeros(1),
        torch.zeros(1),
    )
    assert torch.bincount(found.draw(8, seeded(1))[0, :, 0].long()).tolist() == [4, 2, 2]
    assert found.mean.item() == pytest.approx(0.75)
    assert found.variance.item() == pytest.approx(0.6875)


def test_draws_come_evenly_from_the_islands_that_live() -> None:
    weights = torch.tensor([[0.6, 0.2, 0.1, 0.1, 0.0, 0.0]]).log()  # three islands of two; the last is dead
    found = Particles(torch.arange(6.0).reshape(1, 6, 1), weights, torch.ones(1, 1, 3), torch.zeros(1), torch.zeros(1))
    assert torch.bincount(found.draw(8, seeded(1))[0, :, 0].long(), minlength=6).tolist() == [3, 1, 2, 2, 0, 0]


def test_too_few_particles_are_said_to_be_so() -> None:
    process, seen = GaussianProcess(Cosine()), first_known(3, 2, OBSERVED)
    with pytest.warns(
        FewParticles, match=r"4 particles are too few for 3 of 3 examples: the effective .* fell to [1-4]\."
    ):
        particle(process, correlated(process, RHO), seen, torch.zeros(3, 2), uniform_times(4), 4, generator=seeded(1))


def test_contradictory_evidence_is_said_to_be_so() -> None:
    """The mask of an absorbing process is no datum; two values for one element agree nowhere."""
    process = CategoricalProcess.absorbing(Reciprocal(), 3)
    chain = FiniteChain(process, 2, uniform_times(3))
    mask = torch.tensor([[True, False], [True, False]])
    run = lambda seen: particle(  # noqa: E731
        process, chain.denoise, seen, torch.zeros(2, 2, dtype=torch.long), chain.times, 20, generator=seeded(1)
    )
    with pytest.raises(
        ContradictionError, match=r"probability zero under the model in example 1 \(1 of 2\): all 20 particles"
    ):
        run(Known(mask, torch.tensor([[0, 0], [2, 0]])))
    with pytest.raises(ContradictionError, match="probability zero"):
        run(Known(mask, torch.tensor([[0, 0], [0, 0]])) * Known(mask, torch.tensor([[0, 0], [1, 0]])))
    with pytest.raises(ContradictionError, match=r"\(2 of 2\)"):
        run(Function(lambda x: torch.full((len(x),), -math.inf)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_function_that_fails_is_named(value: float) -> None:
    process = GaussianProcess(Cosine())
    seen = Function(lambda x: torch.where(torch.arange(len(x)) == 3, value, 0.0))
    with pytest.raises(ValueError, match=r"log r\(x\) is a number or −∞, got (nan|inf) for example 3"):
        particle(process, correlated(process, RHO), seen, torch.zeros(1, 2), uniform_times(3), 20, generator=seeded(1))
    with pytest.raises(ValueError, match=r"a number for each of 20 examples, got shape \(20, 2\)"):
        particle(process, correlated(process, RHO), Function(lambda x: x), torch.zeros(1, 2), uniform_times(3), 20)


def test_islands_divide_the_particles() -> None:
    process, seen = GaussianProcess(Cosine()), first_known(1, 2, OBSERVED)
    for particles, islands in ((10, 3), (0, 1), (4, 0)):
        with pytest.raises(ValueError, match=f"got {particles} particles in {islands} islands"):
            particle(
                process, correlated(process, RHO), seen, torch.zeros(1, 2), uniform_times(3), particles, islands=islands
            )


def test_a_slope_needs_continuous_states() -> None:
    wrong = object.__new__(Guided)
    object.__setattr__(wrong, "process", BernoulliProcess(Cosine()))
    with pytest.raises(TypeError, match=r"a slope needs a Gaussian process .* got BernoulliProcess"):
        unchecked(Guided.__post_init__)(wrong)


def test_a_width_of_zero_is_widened_for_the_twist_only() -> None:
    """A guess that is a point still looks ahead with the width √(1 − ᾱ)."""
    process, seen = GaussianProcess(Reciprocal()), first_known(2, 2, 1.0)
    point = process.point(torch.zeros(2, 2))
    log_psi = lookahead(process)(torch.zeros(2, 2), at(0.36, 2), point, seen)
    torch.testing.assert_close(log_psi, Normal(double(0, 0), double(0.6, 0.6)).log_prob(double(1, 1)))


@pytest.mark.parametrize("beta", [(0.1, 0.3, 1.0), (0.1, 0.3, 0.5)])
def test_the_evidence_of_one_particle_is_exact_where_the_clock_ends_at_nothing(beta: tuple[float, ...]) -> None:
    """One known element of N(0.5, 0.25) and exact guesses: every weight is p(y) if ᾱ(1) = 0, else the first differ."""
    process = GaussianProcess(Table(beta))
    truth, y = GaussianOracle(process, double(0.5), double(0.25)), torch.full((50, 1), 1.2)
    seen = Known(torch.ones(50, 1, dtype=torch.bool), y)
    with pytest.warns(FewParticles):
        found = particle(process, truth, seen, y, uniform_times(3), 1, generator=seeded(1)).log_evidence
    exact = Normal(double(0.5), double(0.5)).log_prob(double(1.2))
    if beta[-1] == 1:
        torch.testing.assert_close(found, exact.expand(50), rtol=0, atol=1e-9)
    else:
        assert found.std() > 0.05
        assert abs((found - exact).exp().mean() - 1) < 4 * (found - exact).exp().std() / 50**0.5 + 0.05
