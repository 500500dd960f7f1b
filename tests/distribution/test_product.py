"""A joint law of columns: each part's own numbers in the columns' order, and nothing where there is no element."""

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution import Bernoulli, Categorical, Normal
from quasistatic.distribution.product import ProductDistribution

NORMAL = Normal(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 2.0]]))
CATEGORY = Categorical(torch.tensor([[[0.0, 1.0, 2.0]]]))
BIT = Bernoulli(torch.tensor([[0.4]]))
LAW = ProductDistribution((((2, 0), NORMAL), ((3,), CATEGORY), ((1,), BIT)))
X = torch.tensor([[0.3, 1.0, 1.4, 2.0]])


def test_each_column_has_its_own_law() -> None:
    score = LAW.log_prob(X)[0]
    torch.testing.assert_close(score[[2, 0]], NORMAL.log_prob(X[:, [2, 0]])[0])
    torch.testing.assert_close(score[3], CATEGORY.log_prob(torch.tensor([[2]]))[0, 0])
    torch.testing.assert_close(score[1], BIT.log_prob(torch.tensor([[1.0]]))[0, 0])
    torch.testing.assert_close(LAW.entropy[0, 3], CATEGORY.entropy[0, 0])
    torch.testing.assert_close(LAW.entropy[0, [2, 0]], NORMAL.entropy[0])


def test_draws_have_its_moments() -> None:
    wide = ProductDistribution(tuple((columns, type(law)(*_repeated(law))) for columns, law in LAW.parts))
    draws = wide.sample(seeded())
    assert within_4_errors(draws, LAW.mean)
    assert within_4_errors((draws - LAW.mean) ** 2, LAW.variance)


def _repeated(law):  # type: ignore[no-untyped-def]
    values = (law.mean, law.std) if isinstance(law, Normal) else (law.logits,)
    return [value.expand(20_000, *value.shape[1:]) for value in values]


def test_what_is_absent_is_integrated_out() -> None:
    gap = X.clone()
    gap[0, 2] = torch.nan
    assert LAW.log_prob(gap)[0, 2] == 0
    torch.testing.assert_close(LAW.log_prob(gap)[0, [0, 1, 3]], LAW.log_prob(X)[0, [0, 1, 3]])
    absent = ProductDistribution(LAW.parts, gap.isnan())
    other = ProductDistribution((((2, 0), Normal(torch.zeros(1, 2), torch.ones(1, 2))), *LAW.parts[1:]))
    assert absent.sample(seeded()).isnan().tolist() == gap.isnan().tolist()
    assert absent.kl(other)[0].tolist() == [LAW.kl(other)[0, 0].item(), 0, 0, 0]
    assert absent.entropy[0, 2] == 0


def test_an_infinite_value_is_not_missing() -> None:
    far = X.clone()
    far[0, 0] = torch.inf
    assert LAW.log_prob(far)[0, 0] == -torch.inf


def test_other_families_are_refused() -> None:
    with pytest.raises(TypeError, match="a ProductDistribution is compared with one over the same columns, got Normal"):
        LAW.kl(NORMAL)
    with pytest.raises(TypeError, match="is compared with one over the same columns, got Product"):
        LAW.kl(ProductDistribution(LAW.parts[::-1]))
