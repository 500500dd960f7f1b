"""The marginal null model: what data say by their elements alone, where the prior holds no such data."""

import math

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution import Categorical
from quasistatic.evaluation import marginal_null

NOTHING = -math.inf


def test_of_many_independent_examples_it_is_the_entropy_of_each_element() -> None:
    """20,000 examples of three elements: the mean is Σ_d H(p_d) within 4 standard errors."""
    law = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    x = Categorical(law.log().expand(20_000, 3, 3)).sample(seeded())
    found = marginal_null(x, torch.full(x.shape, NOTHING), (3, 3, 3))
    assert within_4_errors(found, -torch.special.entr(law).sum())


def test_each_example_is_scored_by_the_others() -> None:
    """One example alone has 1/K of each element; a state that no other has is rarer than one that all have."""
    alone = marginal_null(torch.tensor([[0, 1]]), torch.full((1, 2), NOTHING), (4, 2))
    assert alone.item() == pytest.approx(-math.log(8))
    three = marginal_null(torch.tensor([[0], [0], [1]]), torch.full((3, 1), NOTHING), (2,))
    assert three.exp().tolist() == pytest.approx([0.5, 0.5, 1 / 6])  # (2 − ½)/(2 + 1), …, (1 − ½)/(2 + 1)


def test_elements_that_the_prior_holds_keep_it_and_missing_ones_say_nothing() -> None:
    x = torch.tensor([[0.3, 1.0], [-1.0, math.nan], [2.0, 1.0]])
    prior = torch.tensor([[-1.0, NOTHING], [-2.0, 0.0], [-3.0, NOTHING]])
    found = marginal_null(x, prior, (0, 3))
    assert (found - prior[:, 0]).exp().tolist() == pytest.approx([0.6, 1.0, 0.6])  # (2 − ½)/(1 + 3/2)
