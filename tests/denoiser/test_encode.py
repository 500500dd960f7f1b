"""A head encodes a first guess into its own output: what it reads back is the guess."""

import pytest
import torch

from oracles import at, seeded
from quasistatic.denoiser.head import (
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    Head,
    LevelsHead,
    ProductHead,
    StepHead,
)
from quasistatic.distribution import Bernoulli, Categorical, Levels, Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.network import FirstGuess
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    FiniteProcess,
    GaussianProcess,
    Part,
    ProductProcess,
)
from quasistatic.schedule import Linear, Reciprocal

GAUSSIAN = GaussianProcess(Linear())
TIMES = (0.03, 0.5, 1.0)
NO_STATES = torch.zeros(64, 0, 2, dtype=torch.float64)


def numbers(t: float) -> tuple[FirstGuess, torch.Tensor]:
    """Return guesses with variances between 1 % and 90 % of 1 − ᾱ, and states."""
    mean, x_t = (torch.randn(64, 2, dtype=torch.float64, generator=seeded(seed)) for seed in (1, 2))
    share = 0.01 + 0.89 * torch.rand(64, 2, dtype=torch.float64, generator=seeded(3))
    return FirstGuess(mean, share * (1 - Linear().alpha_bar(at(t, 1))).item(), NO_STATES), x_t


def states(count: int) -> FirstGuess:
    weights = torch.rand(64, count, 2, dtype=torch.float64, generator=seeded(4)) + 0.1
    zero = torch.zeros(64, 2, dtype=torch.float64)
    return FirstGuess(zero, zero, weights / weights.sum(1, keepdim=True))


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("prediction", ["noise", "data", "velocity"])
@pytest.mark.parametrize("std", ["small", "large", "learned"])
def test_a_gaussian_head_reads_back_its_guess(prediction: str, std: str, t: float) -> None:
    head, (guess, x_t) = GaussianHead(prediction, std), numbers(t)
    output = head.encode(guess, x_t, at(t, 64), GAUSSIAN)
    read = head.read(output, x_t, at(t, 64), GAUSSIAN)
    assert output.shape == (64, head.outputs, 2)
    torch.testing.assert_close(read.mean, guess.mean, rtol=1e-9, atol=1e-9)
    if std == "learned":
        torch.testing.assert_close(read.variance, guess.variance, rtol=1e-9, atol=0)


@pytest.mark.parametrize("t", TIMES)
def test_a_step_head_reads_back_its_guess(t: float) -> None:
    """The least variance that it can encode is 1e-3 (1 − v)/a², where v and a are the step's."""
    head, (guess, x_t) = StepHead(40), numbers(t)
    bridge = GAUSSIAN.bridge(at(t, 1), (at(t, 1) - 1 / 40).clamp(min=0))
    most = ((1 - bridge.v) / bridge.a**2).item()
    guess = guess._replace(variance=guess.variance.clamp(2e-3 * most, 0.99 * most))
    read = head.read(head.encode(guess, x_t, at(t, 64), GAUSSIAN), x_t, at(t, 64), GAUSSIAN)
    torch.testing.assert_close(read.mean, guess.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(read.variance, guess.variance, rtol=1e-6, atol=0)


@pytest.mark.parametrize("t", TIMES)
def test_a_levels_head_reads_back_the_density_at_its_levels(t: float) -> None:
    head, (guess, x_t) = LevelsHead(9, gain=4.0), numbers(t)
    read = head.read(head.encode(guess, x_t, at(t, 64), GAUSSIAN), x_t, at(t, 64), GAUSSIAN)
    assert isinstance(read, Levels)
    density = torch.distributions.Normal(guess.mean[..., None], guess.variance[..., None].sqrt())
    wanted = density.log_prob(torch.linspace(-1, 1, 9, dtype=torch.float64)).log_softmax(-1)
    torch.testing.assert_close(read.log_masses, wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("t", TIMES)
def test_a_bernoulli_head_reads_back_its_guess(t: float) -> None:
    head, process = BernoulliHead(), BernoulliProcess(Linear(), 0.3)
    mean = 0.01 + 0.98 * torch.rand(64, 2, dtype=torch.float64, generator=seeded())
    x_t = process.prior(mean).sample(seeded(1))
    output = head.encode(FirstGuess(mean, mean * (1 - mean), NO_STATES), x_t, at(t, 64), process)
    read = head.read(output, x_t, at(t, 64), process)
    assert isinstance(read, Bernoulli)
    torch.testing.assert_close(read.mean, mean)


@pytest.mark.parametrize("t", [0.03, 0.5, 0.97])
@pytest.mark.parametrize(
    "process", [CategoricalProcess.uniform(Linear(), 3), CategoricalProcess.absorbing(Reciprocal(), 4)]
)
def test_a_categorical_head_reads_back_its_guess(process: FiniteProcess, t: float) -> None:
    """Where the noised state leaves one state only, that state is certain, whatever the guess."""
    head, guess = CategoricalHead(3), states(process.states)
    x_t = torch.arange(128).view(64, 2) % process.states
    output = head.encode(guess, x_t, at(t, 64), process)
    read = head.read(output, x_t, at(t, 64), process)
    assert output.isfinite().all()
    assert isinstance(read, Categorical)
    wanted = guess.probabilities[:, :3].movedim(1, -1)
    wanted = wanted / wanted.sum(-1, keepdim=True)
    if process.states == 4:
        certain = torch.nn.functional.one_hot(x_t, 4)[..., :3].double()
        wanted = torch.where((x_t == 3)[..., None], wanted, certain)
    torch.testing.assert_close(read.log_masses.exp()[..., :3], wanted)


def test_a_product_head_encodes_each_column_with_its_head() -> None:
    masked = CategoricalProcess.absorbing(Reciprocal(), 3)
    process = ProductProcess((Part(masked, (1,)), Part(GAUSSIAN, (0, 2))))
    head = ProductHead((CategoricalHead(2), GaussianHead("data", "small")))
    mean = torch.tensor([[0.5, 0.0, -0.3]])
    chances = torch.tensor([[[0.0, 0.9, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.0]]])
    x_t = torch.tensor([[0.1, 2.0, torch.nan]])
    output = head.encode(FirstGuess(mean, 0.1 + 0 * mean, chances), x_t, at(0.5, 1), process)
    read = head.read(output, x_t, at(0.5, 1), process)
    assert isinstance(read, ProductDistribution)
    torch.testing.assert_close(read.parts[0][1].log_masses.exp()[0, 0], torch.tensor([0.9, 0.1, 0.0]))
    assert isinstance(read.parts[1][1], Normal)
    torch.testing.assert_close(read.parts[1][1].mean, torch.tensor([[0.5, 0.0]]))  # nothing is said of an absent cell


def test_a_head_without_an_inverse_says_so() -> None:
    class Forward(GaussianHead):
        encode = Head.encode

    guess, x_t = numbers(0.5)
    with pytest.raises(ValueError, match="Forward cannot encode a network's first guess; give it a method `encode`"):
        Forward().encode(guess, x_t, at(0.5, 64), GAUSSIAN)
