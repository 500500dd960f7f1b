"""Heartbeats of length 20 and period 5 with the exact posterior: the best a factorised chain can do, theory.md 3.1."""

import math

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import Bernoulli
from quasistatic.evaluation import bound, importance
from quasistatic.process import BernoulliProcess
from quasistatic.sampling import ancestral, sample
from quasistatic.schedule import Reciprocal, uniform_times
from quasistatic.streams import Streams

PHASES = (torch.arange(20) % 5 == torch.arange(5)[:, None]).double()


def perfect(process: BernoulliProcess):  # type: ignore[no-untyped-def]
    """The posterior of the phase is ∝ exp of the evidence for a one, summed over the places of each phase."""

    def denoise(x_t: Tensor, t: Tensor) -> Bernoulli:
        one, zero = (process.marginal(torch.full_like(x_t, bit), t).log_prob(x_t) for bit in (1, 0))
        share = ((one - zero) @ PHASES.T).softmax(-1)
        return Bernoulli((share @ PHASES).log() - (share @ (1 - PHASES)).log())

    return denoise


@pytest.mark.parametrize(
    ("steps", "p0", "count", "best"),
    [(10, 0.2, 2000, -2.868689), (20, 0.2, 2000, -2.581335), (100, 0.2, 400, -2.371789), (100, 0.5, 400, -2.371490)],
)
def test_the_bound_is_the_best_of_its_class(steps: int, p0: float, count: int, best: float) -> None:
    """K in bits within 4 standard errors."""
    process, x = BernoulliProcess(Reciprocal(), p0), PHASES.repeat(count // 5, 1)
    terms = bound(process, perfect(process), lambda clean: clean, x, uniform_times(steps), None, seeded())
    bits = terms.value / math.log(2)
    assert abs(bits.mean().item() - best) < 4 * bits.std().item() / math.sqrt(len(x))
    assert 4 * bits.std().item() / math.sqrt(len(x)) < 0.2


@pytest.mark.parametrize(("steps", "log_p"), [(10, -2.348222), (20, -2.324625)])
def test_works_average_to_the_exact_probability(steps: int, log_p: float) -> None:
    """E e^{−W} = p(x), propagated exactly along residue-class counts."""
    process, x = BernoulliProcess(Reciprocal(), 0.2), PHASES.repeat(160, 1)
    works = importance(process, perfect(process), lambda clean: clean, x, uniform_times(steps), 5, Streams(0, 0, 800))
    weights = works.minus_work.flatten().exp()
    assert abs(weights.mean().item() - 2**log_p) < 4 * weights.std().item() / math.sqrt(len(weights))


def test_samples_are_heartbeats_of_every_phase() -> None:
    """At 50 steps a share 0.999932 is valid; the phases are even by χ² (4 degrees of freedom, 18.5 is p = 0.001)."""
    process, count = BernoulliProcess(Reciprocal(), 0.2), 2000
    streams, like = Streams(1, 0, 2000), torch.zeros(2000, 20, dtype=torch.float64)
    step = ancestral(process, perfect(process), streams)
    *_, x = sample(step, process.prior(like).sample(streams), uniform_times(50))
    counts = torch.stack([(x == phase).all(1) for phase in PHASES]).sum(1).double()
    assert counts.sum() >= count - 4
    assert ((counts - count / 5) ** 2 / (count / 5)).sum() < 18.5


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
