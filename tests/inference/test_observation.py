"""Observations: tilts are Bayes' rule per element, logs add, expectations are what integrals say."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from oracles import normal_nodes, seeded, unchecked
from quasistatic.distribution import Bernoulli, Categorical, Distribution, Levels, Normal, Quantized
from quasistatic.inference import (
    Function,
    Known,
    Labelled,
    LinearObservation,
    Noisy,
    Observation,
    Weights,
    blurred,
    by_matrix,
    super_resolution,
)
from quasistatic.inference.linear import BlockMeans, Map
from quasistatic.inference.observation import center, tilted
from quasistatic.inference.tilt import near, pinned, weighted


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


LEVELS = torch.linspace(-1, 1, 4, dtype=torch.float64)
LAWS: list[tuple[Distribution, Tensor]] = [
    # laws of one example of two elements, and all values of an element
    (Bernoulli(double(0.7, -1.2)[None]), double(0, 1)),
    (Categorical(torch.randn(1, 2, 3, generator=seeded(1), dtype=torch.float64)), torch.arange(3)),
    (Levels(torch.randn(1, 2, 4, generator=seeded(2), dtype=torch.float64), LEVELS), LEVELS),
    (Quantized(Normal(double(0.1, -0.4)[None], double(0.3, 0.8)[None]), LEVELS), LEVELS),
]
IDS = [type(law).__name__ for law, _ in LAWS]


@pytest.mark.parametrize(("law", "values"), LAWS, ids=IDS)
def test_weighing_is_bayes_rule(law: Distribution, values: Tensor) -> None:
    """p(k) r(k)/Σ p r for every state, and log Σ p r."""
    log_r = torch.randn(1, 2, len(values), generator=seeded(3), dtype=torch.float64)
    masses = torch.stack([law.log_prob(value.expand(1, 2)) for value in values], -1)
    after, log_p = weighted(law, log_r)
    joint = (masses + log_r).exp()
    torch.testing.assert_close(log_p, joint.sum(-1).log())
    for place, value in enumerate(values):
        torch.testing.assert_close(after.log_prob(value.expand(1, 2)).exp(), joint[..., place] / joint.sum(-1))


@pytest.mark.parametrize(("law", "values"), LAWS, ids=IDS)
def test_pinning_leaves_one_state_and_says_its_mass(law: Distribution, values: Tensor) -> None:
    mask, y = torch.tensor([[True, False]]), values[[1, 0]][None]
    after, log_p = pinned(law, mask, y)
    torch.testing.assert_close(log_p, torch.where(mask, law.log_prob(y), 0))
    assert after.log_prob(y)[0, 0].item() == pytest.approx(0)
    assert after.log_prob(values[[0, 0]][None])[0, 0].item() == -math.inf
    for value in values:
        torch.testing.assert_close(after.log_prob(value.expand(1, 2))[0, 1], law.log_prob(value.expand(1, 2))[0, 1])
    assert (after.sample(seeded(1))[0, 0] == y[0, 0]).all()


@pytest.mark.parametrize(("law", "values"), [row for row in LAWS if not isinstance(row[0], Categorical)])
def test_a_noisy_value_weighs_each_state(law: Distribution, values: Tensor) -> None:
    y, std, mask = double(0.3, 0.1)[None], double(0.5, 0.7)[None], torch.tensor([[True, False]])
    after, log_p = near(law, mask, y, std)
    joint = [
        law.log_prob(v.expand(1, 2))[0, 0].exp() * Normal(v.double(), std[0, 0]).log_prob(y[0, 0]).exp() for v in values
    ]
    total = torch.stack(joint).sum()
    torch.testing.assert_close(log_p[0], torch.stack([total.log(), double(0.0)[0]]))
    for part, value in zip(joint, values, strict=True):
        torch.testing.assert_close(after.log_prob(value.expand(1, 2))[0, 0].exp(), part / total)


def test_a_noisy_value_of_a_normal() -> None:
    """Prior N(0, 1), y = 1 with variance 0.5: N(2/3, 1/3), and y ~ N(0, 1.5)."""
    law = Normal(double(0.0)[None], double(1.0)[None])
    after, log_p = near(law, torch.ones(1, 1, dtype=torch.bool), double(1.0)[None], double(0.5**0.5)[None])
    assert (after.mean.item(), after.variance.item()) == pytest.approx((2 / 3, 1 / 3))
    assert log_p.item() == pytest.approx(-1 / 3 - 0.5 * math.log(2 * math.pi * 1.5))


def test_a_product_is_a_sum_of_logs_and_tilts_in_turn() -> None:
    law, masks = Normal(torch.zeros(2, 2).double(), torch.ones(2, 2).double()), torch.ones(2, 2, dtype=torch.bool)
    one = Noisy(torch.full((2, 2), 1.0).double(), torch.full((2, 2), 0.5).double(), masks)
    two = Noisy(torch.full((2, 2), -1.0).double(), torch.full((2, 2), 0.9).double(), masks)
    some = Function(lambda x: x.sum(1))
    x = torch.randn(2, 2, generator=seeded(1), dtype=torch.float64)
    product = some * one * two
    torch.testing.assert_close(product.log_prob(x), some.log_prob(x) + one.log_prob(x) + two.log_prob(x))
    nodes, weights = normal_nodes(60)
    each = [
        torch.exp(Noisy(part.y[:1, :1], part.std[:1, :1], masks[:1, :1]).log_prob(nodes[:, None]))
        for part in (one, two)
    ]
    torch.testing.assert_close(tilted(product, law)[1][0].exp(), (weights * each[0] * each[1]).sum() ** 2)
    assert [type(part) for part in product.parts] == [Noisy, Noisy, Function]
    assert product.take(torch.tensor([1])).log_prob(x[1:]).shape == (1,)


def test_known_elements_agree_or_do_not() -> None:
    seen = Known(torch.tensor([[True, False]] * 2), torch.tensor([[1.0, math.nan]] * 2))
    assert seen.log_prob(torch.tensor([[1.0, 5.0], [2.0, 5.0]])).tolist() == [0, -math.inf]


# Linear maps


OPERATORS: dict[str, LinearObservation] = {
    "blocks": super_resolution(torch.zeros(2, 3, 2, 3).double(), 2, 0.1),
    "blur": blurred(torch.zeros(2, 3, 4, 6).double(), torch.randn(3, 5, generator=seeded(1)).double(), 0.1),
    "matrix": by_matrix(torch.randn(5, 72, generator=seeded(2)).double(), torch.zeros(2, 5).double(), 0.1, (3, 4, 6)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_the_adjoint_is_one(name: str) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""
    seen = OPERATORS[name]
    x = torch.randn(2, 3, 4, 6, generator=seeded(3), dtype=torch.float64)
    y = torch.randn(seen.y.shape, generator=seeded(4), dtype=torch.float64)
    torch.testing.assert_close((seen.operator.apply(x) * y).sum(), (x * seen.operator.adjoint(y)).sum())


def test_squares_are_the_diagonal_of_the_covariance() -> None:
    operator = OPERATORS["blur"].operator
    assert isinstance(operator, Map)
    basis = torch.eye(72, dtype=torch.float64).view(72, 3, 4, 6)
    matrix = operator.apply(basis).flatten(1).mT
    variance = torch.rand(1, 3, 4, 6, generator=seeded(5), dtype=torch.float64)
    torch.testing.assert_close(operator.squares(variance).flatten(), (matrix**2) @ variance.flatten())


def test_expectations_of_a_matrix_are_torchs() -> None:
    """log N(y; A m, A diag(w²) Aᵀ + std²) by torch's own multivariate normal; means over blocks have no covariance."""
    mean = torch.randn(2, 3, 4, 6, generator=seeded(1), dtype=torch.float64)
    std = torch.rand(2, 3, 4, 6, generator=seeded(2), dtype=torch.float64) + 0.1
    for name in ("matrix", "blocks"):
        seen = OPERATORS[name]
        matrix = seen.operator.apply(torch.eye(72, dtype=torch.float64).view(72, 3, 4, 6)).flatten(1).mT
        for row in range(2):
            covariance = matrix @ (std[row].flatten() ** 2).diag() @ matrix.mT + 0.01 * torch.eye(len(matrix))
            law = MultivariateNormal(matrix @ mean[row].flatten(), covariance)
            found = seen.expected(Normal(mean, std))[row]
            torch.testing.assert_close(found, law.log_prob(seen.y[row].flatten()))
        exact = MultivariateNormal(matrix @ mean[0].flatten(), 0.01 * torch.eye(len(matrix), dtype=torch.float64))
        torch.testing.assert_close(seen.log_prob(mean)[0], exact.log_prob(seen.y[0].flatten()))


def test_centers() -> None:
    assert center(Normal(torch.tensor([0.3]), torch.tensor([1.0]))).item() == pytest.approx(0.3)
    assert center(Bernoulli(torch.tensor([0.3, -0.2]))).tolist() == [1, 0]
    assert center(Categorical(torch.tensor([[0.1, 0.7, 0.2]]))).tolist() == [1]


def test_refusals() -> None:
    ones = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"a mask covers states of shape \(1, 2\), got one of shape \(1, 3\)"):
        unchecked(Known.__post_init__)(_of(Known, mask=torch.ones(1, 3).bool(), values=torch.zeros(1, 2)))
    with pytest.raises(ValueError, match="noise has a std above 0, got 0; what is certain is `Known`"):
        Noisy(torch.zeros(1, 2), torch.zeros(1, 2), ones)
    with pytest.raises(ValueError, match="noise has a std above 0, got -1"):
        super_resolution(torch.zeros(1, 1, 2, 2), 2, -1.0)
    with pytest.raises(ValueError, match="a factor of 2 or more, got 1"):
        super_resolution(torch.zeros(1, 1, 2, 2), 1, 0.1)
    with pytest.raises(ValueError, match="odd sides, got 2×3"):
        blurred(torch.zeros(1, 1, 4, 4), torch.ones(2, 3), 0.1)
    with pytest.raises(ValueError, match=r"has shape \(2, 4\), got \(2, 3\)"):
        by_matrix(torch.zeros(2, 3), torch.zeros(1, 2), 0.1, (4,))
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match=r"log r\(x\) is a number or −∞"):
            Weights(torch.full((1, 2, 3), value))
    classifier = Labelled(lambda x: torch.full((1, 2), math.nan), torch.tensor([0]))
    with pytest.raises(ValueError, match="got nan for example 0"):
        classifier.log_prob(torch.zeros(1, 2))
    with pytest.raises(TypeError, match="not all states of a Categorical are"):
        near(LAWS[1][0], ones, torch.zeros(1, 2), torch.ones(1, 2))
    with pytest.raises(TypeError, match="Normal has none; use a noisy value"):
        weighted(Normal(torch.zeros(1, 2), torch.ones(1, 2)), torch.zeros(1, 2, 3))


def _of(kind: type[Observation], **fields: Tensor) -> Observation:
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def test_a_guess_is_matched_to_means_as_by_the_joint_normal() -> None:
    """Given y = mean of four elements + noise: by the covariance of all, as one matrix."""
    mean, std = torch.randn(3, 2, 4, 2).double(), torch.rand(3, 2, 4, 2).double() + 0.1
    y, noise = torch.randn(3, 2, 2, 1).double(), 0.3
    found = BlockMeans(2).matched(Normal(mean, std), y, noise)
    block = (torch.arange(4)[:, None] // 2).expand(4, 2).flatten()
    rows = torch.stack([(block == one) / 4 for one in (0, 1)]).double()
    for example in range(3):
        for channel in range(2):
            m, v = mean[example, channel].flatten(), std[example, channel].flatten() ** 2
            gain = (v[:, None] * rows.T) @ torch.linalg.inv((rows * v) @ rows.T + noise**2 * torch.eye(2))
            after = m + gain @ (y[example, channel].flatten() - rows @ m)
            left = (torch.diag(v) - gain @ rows * v).diagonal()
            torch.testing.assert_close(found.mean[example, channel].flatten(), after)
            torch.testing.assert_close(found.std[example, channel].flatten() ** 2, left)


def test_a_guess_with_these_means_stays() -> None:
    mean = torch.randn(2, 1, 4, 4).double()
    law = Normal(mean, torch.rand(2, 1, 4, 4).double() + 0.1)
    operator = BlockMeans(2)
    torch.testing.assert_close(operator.matched(law, operator.apply(mean), 0.1).mean, mean)
