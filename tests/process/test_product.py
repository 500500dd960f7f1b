"""The product of processes: its laws exactly, part by part, with what is missing left out."""

from collections.abc import Iterator

import pytest
import torch

from oracles import at
from quasistatic.distribution import Categorical, Normal
from quasistatic.distribution.product import ProductDistribution
from quasistatic.process import BernoulliProcess, CategoricalProcess, GaussianProcess, Part, ProductProcess
from quasistatic.schedule import Cosine, Reciprocal

SKEWED = CategoricalProcess(Reciprocal(), (0.5, 0.3, 0.2))
MASKED = CategoricalProcess.absorbing(Reciprocal(), 3)
MIXED = ProductProcess((Part(GaussianProcess(Reciprocal()), (0, 3)), Part(SKEWED, (1,)), Part(MASKED, (2,))))
X = torch.tensor([[0.7, 2.0, 1.0, -1.3]], dtype=torch.float64)
ZERO = torch.zeros(1, dtype=torch.float64)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def masses(law: ProductDistribution, column: int, states: int) -> torch.Tensor:
    """Probabilities of a column's states."""
    rows = X.repeat(states, 1)
    rows[:, column] = torch.arange(states)
    return torch.cat([law.log_prob(row[None])[:, column] for row in rows]).exp()


def test_two_steps_are_one_exactly() -> None:
    """Semigroup to 1e-12: numbers by their moments, states by summing over where the first step led."""
    s, t = at(0.3, 1), at(0.8, 1)
    first, one = MIXED.forward(X, ZERO, s), MIXED.forward(X, ZERO, t)
    second = MIXED.forward(first.mean, s, t)
    shrink = (MIXED.forward(first.mean + 1, s, t).mean - second.mean)[:, [0, 3]]
    torch.testing.assert_close(second.mean[:, [0, 3]], one.mean[:, [0, 3]], rtol=0, atol=1e-12)
    spread = shrink**2 * first.variance[:, [0, 3]] + second.variance[:, [0, 3]]
    torch.testing.assert_close(spread, one.variance[:, [0, 3]], rtol=0, atol=1e-12)
    for column in (1, 2):
        led = torch.zeros(3)
        for state, chance in enumerate(masses(first, column, 3)):
            x_s = X.clone()
            x_s[:, column] = state
            led += chance * masses(MIXED.forward(x_s, s, t), column, 3)
        torch.testing.assert_close(led, masses(one, column, 3), rtol=0, atol=1e-12)


def test_the_end_is_the_prior_exactly() -> None:
    """Forgetting to 1e-12: ᾱ(1) = 0 on this clock."""
    end, prior = MIXED.forward(X, ZERO, at(1.0, 1)), MIXED.prior(X)
    torch.testing.assert_close(end.mean, prior.mean, rtol=0, atol=1e-12)
    assert end.kl(prior).abs().max() < 1e-12


def test_bayes_holds_for_what_is_there() -> None:
    """With a missing number and a missing category: the present elements obey Bayes' rule, the missing ones cost 0."""
    x = X.repeat(50, 1)
    x[:25, 0] = torch.nan
    x[10:, 2] = torch.nan
    zero, s, t = at(0.0, 50), at(0.3, 50), at(0.7, 50)
    generator = torch.Generator().manual_seed(0)
    x_s = MIXED.forward(x, zero, s).sample(generator)
    x_t = MIXED.forward(x_s, s, t).sample(generator)
    assert torch.equal(x_t.isnan(), x.isnan())
    left = MIXED.reverse(x_t, MIXED.point(x), t, s).log_prob(x_s) + MIXED.forward(x, zero, t).log_prob(x_t)
    right = MIXED.forward(x_s, s, t).log_prob(x_t) + MIXED.forward(x, zero, s).log_prob(x_s)
    torch.testing.assert_close(left, right, rtol=0, atol=1e-11)
    assert left[x.isnan()].abs().max() == 0
    assert MIXED.step_kl(x, x_t, MIXED.point(x), t, s)[x.isnan()].abs().max() == 0


def test_a_product_is_its_parts() -> None:
    """A step's law and cost are those of each process alone."""
    s, t = at(0.4, 1), at(0.9, 1)
    x_t = torch.tensor([[0.2, 0.0, 2.0, -0.4]])
    normal = Normal(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 0.2]]))
    logits = torch.tensor([[[0.1, 0.5, -0.3]]]), torch.tensor([[[0.3, 1.0, -torch.inf]]])
    guess = ProductDistribution((((0, 3), normal), ((1,), Categorical(logits[0])), ((2,), Categorical(logits[1]))))
    whole = MIXED.step_kl(X, x_t, guess, t, s)
    alone = GaussianProcess(Reciprocal()).step_kl(X[:, [0, 3]], x_t[:, [0, 3]], normal, t, s)
    torch.testing.assert_close(whole[:, [0, 3]], alone)
    for column, process, law in ((1, SKEWED, logits[0]), (2, MASKED, logits[1])):
        own = process.step_kl(X[:, [column]].long(), x_t[:, [column]].long(), Categorical(law), t, s)
        torch.testing.assert_close(whole[:, [column]], own)
    assert MIXED.states == (0, 3, 3, 0)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"cover the columns from 0, once each, got \[0, 2\]"):
        ProductProcess((Part(GaussianProcess(Cosine()), (0, 2)),))
    with pytest.raises(ValueError, match="cover the columns from 0, once each, got"):
        ProductProcess(())
    with pytest.raises(ValueError, match="a part of a product is no product itself"):
        ProductProcess((Part(ProductProcess((Part(BernoulliProcess(Cosine()), (0,)),)), (0,)),))
    with pytest.raises(ValueError, match="a product over 4 columns moves as many, got 3"):
        MIXED.prior(X[:, :3])
    with pytest.raises(TypeError, match="needs a ProductDistribution over its columns, got Normal"):
        MIXED.reverse(X, Normal(X, X.abs()), at(0.5, 1), at(0.2, 1))
