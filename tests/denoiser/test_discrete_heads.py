"""Heads of bits and states: exact Bayes where elements are independent, and a mask that is lifted stays lifted."""

import math

import pytest
import torch
from torch import Tensor

from oracles import at, double, seeded
from quasistatic.denoiser import Denoiser, input_states
from quasistatic.denoiser.head import BernoulliHead, CategoricalHead, GaussianHead, Head, LevelsHead
from quasistatic.distribution import Bernoulli, Categorical
from quasistatic.network import Network
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    FiniteProcess,
    GaussianProcess,
    OrdinalProcess,
    Process,
)
from quasistatic.schedule import Cosine, Reciprocal
from quasistatic.types import Label, State, Time


class Says(Network):
    """A network that says the same whatever it sees, and keeps what it was shown."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output, self.shown = output, torch.empty(0)

    def forward(self, x_t: State, t: Time, label: Label | None = None) -> Tensor:
        self.shown = x_t
        return self.output


@pytest.mark.parametrize("bias", [0.2, 0.5])
def test_bits_are_exact_bayes(bias: float) -> None:
    """p(x = 1 | x_t) by enumeration, from prior log-odds; at t = 1 the prior itself."""
    process, t = BernoulliProcess(Reciprocal(), bias), double(0.01, 0.3, 0.9, 1.0)
    x_t = torch.tensor([[0.0, 1.0]], dtype=torch.float64).repeat(4, 1)
    said = torch.full((4, 1, 2), math.log(0.3 / 0.7), dtype=torch.float64)
    clean = Denoiser(process, Says(said), BernoulliHead(gain=1.0))(x_t, t)
    assert isinstance(clean, Bernoulli)
    for i, j in ((i, j) for i in range(4) for j in range(2)):
        kept, bit = 1 - t[i].item(), x_t[i, j].item()
        one, zero = ((kept * x + (1 - kept) * bias) for x in (1, 0))
        weights = [0.3 * (one if bit else 1 - one), 0.7 * (zero if bit else 1 - zero)]
        assert clean.mean[i, j].item() == pytest.approx(weights[0] / sum(weights), rel=1e-12)


def test_the_network_is_shown_what_a_bit_says() -> None:
    """log q(x_t | 1)/q(x_t | 0): nothing at t = 1, everything at t = 0, of either sign."""
    network = Says(torch.zeros(3, 1, 2, dtype=torch.float64))
    x_t = torch.tensor([[0.0, 1.0]], dtype=torch.float64).repeat(3, 1)
    Denoiser(BernoulliProcess(Reciprocal(), 0.2), network, BernoulliHead())(x_t, double(1e-12, 0.5, 1.0))
    assert network.shown[0].abs().min() > 25
    assert (network.shown[:2, 0] < 0).all()
    assert (network.shown[:2, 1] > 0).all()
    torch.testing.assert_close(network.shown[2], torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)


PROCESSES = [
    CategoricalProcess.uniform(Cosine(), 4),
    CategoricalProcess(Reciprocal(), (0.1, 0.2, 0.3, 0.4)),
    OrdinalProcess(Cosine(), 4),
    CategoricalProcess.absorbing(Reciprocal(), 5),
]


@pytest.mark.parametrize("process", PROCESSES, ids=repr)
def test_states_are_exact_bayes(process: FiniteProcess) -> None:
    """Masses by enumeration over the four states of the data; the mask, where there is one, has none."""
    prior, t = double(0.1, 0.4, 0.3, 0.2), double(0.01, 0.3, 0.8)
    x_t = torch.tensor([[1, process.states - 1]]).repeat(3, 1)
    said = prior.log()[None, :, None].expand(3, 4, 2)
    clean = Denoiser(process, Says(said), CategoricalHead(4))(x_t, t)
    assert isinstance(clean, Categorical)
    states = torch.arange(4)[:, None, None].expand(4, 3, 2)
    likelihood = torch.stack([process.marginal(k, t).log_prob(x_t).exp() for k in states], -1).double()
    weights = prior * likelihood
    wanted = weights / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(clean.log_masses[..., :4].exp(), wanted, atol=1e-6, rtol=1e-5)
    assert (clean.log_masses[..., 4:] == -math.inf).all()


def test_a_lifted_mask_stays_lifted() -> None:
    """Whatever the network says: an element that is seen is certain, now and one step back; the others are open."""
    process = CategoricalProcess.absorbing(Reciprocal(), 4)
    x_t, t = torch.tensor([[2, 3, 0]]).repeat(64, 1), at(0.4, 64)
    said = torch.randn(64, 3, 3, generator=seeded())
    clean = Denoiser(process, Says(said), CategoricalHead(3))(x_t, t)
    assert torch.equal(clean.sample(seeded())[:, [0, 2]], x_t[:, [0, 2]])
    torch.testing.assert_close(clean.log_masses[:, 1, :3], said[:, :, 1].log_softmax(-1))
    x_s = process.reverse(x_t, clean, t, at(0.2, 64)).sample(seeded())
    assert torch.equal(x_s[:, [0, 2]], x_t[:, [0, 2]])
    assert set(x_s[:, 1].tolist()) == {0, 1, 2, 3}


def test_gradients_are_finite_where_states_are_impossible() -> None:
    process = CategoricalProcess.absorbing(Reciprocal(), 4)
    said = torch.zeros(3, 3, 2, requires_grad=True)
    x, x_t, t = torch.tensor([[0, 1]] * 3), torch.tensor([[0, 3]] * 3), double(0.2, 0.7, 1.0)
    x_t = torch.where((t == 1)[:, None], 3, x_t)
    clean = CategoricalHead(3).read(said, x_t, t, process)
    process.step_kl(x, x_t, clean, t, t / 2).sum().backward()
    assert said.grad is not None
    assert said.grad.isfinite().all()
    assert (said.grad[0, :, 0] == 0).all()
    assert (said.grad[0, :, 1] != 0).any()


def test_the_simple_cost_is_cross_entropy() -> None:
    process = CategoricalProcess.absorbing(Reciprocal(), 4)
    x, masked = torch.tensor([[0, 2]]), torch.tensor([[3, 3]])
    clean = CategoricalHead(3).read(torch.zeros(1, 3, 2), masked, at(1.0, 1), process)
    torch.testing.assert_close(CategoricalHead(3).simple_cost(clean, x, at(0.0, 1)), torch.full((1, 2), math.log(3)))
    bits = BernoulliHead().read(torch.zeros(1, 1, 2), torch.ones(1, 2), at(1.0, 1), BernoulliProcess(Reciprocal()))
    torch.testing.assert_close(
        BernoulliHead().simple_cost(bits, torch.ones(1, 2), at(0.0, 1)).exp(), torch.full((1, 2), 2.0)
    )


@pytest.mark.parametrize(
    ("head", "process", "sentence"),
    [
        (BernoulliHead(), GaussianProcess(Cosine()), "reads bits of a BernoulliProcess, got Gaussian"),
        (CategoricalHead(4), CategoricalProcess.uniform(Cosine(), 3), "over 4 states needs a process with at least as"),
        (CategoricalHead(4), BernoulliProcess(Cosine()), "got BernoulliProcess with no states"),
        (LevelsHead(3), BernoulliProcess(Cosine()), "LevelsHead reads states of a Gaussian process, got Bernoulli"),
        (GaussianHead(), CategoricalProcess.uniform(Cosine(), 3), "GaussianHead reads states of a Gaussian process"),
    ],
)
def test_a_head_needs_its_process(head: Head, process: Process, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Denoiser(process, Says(torch.zeros(1)), head)


def test_gain_is_log_odds_per_unit() -> None:
    clean = BernoulliHead(gain=4.0).read(
        torch.ones(1, 1, 2), torch.ones(1, 2), at(1.0, 1), BernoulliProcess(Reciprocal(), 0.25)
    )
    torch.testing.assert_close(clean.logits, torch.full((1, 2), 4.0))
    with pytest.raises(ValueError, match="a gain above 0, got 0"):
        BernoulliHead(gain=0.0)


def test_a_categorical_head_has_two_states() -> None:
    with pytest.raises(ValueError, match=r"states must be at least 2 .* got 1"):
        CategoricalHead(1)


def test_what_a_network_takes_in() -> None:
    assert input_states(CategoricalProcess.absorbing(Reciprocal(), 5)) == 5
    assert input_states(BernoulliProcess(Cosine())) == input_states(GaussianProcess(Cosine())) == 0
