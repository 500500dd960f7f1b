"""Wrong requests to processes over finitely many states."""

import math

import pytest
import torch
from torch import Tensor

from quasistatic.distribution import Categorical, Normal
from quasistatic.process import (
    BernoulliProcess,
    CategoricalProcess,
    NearestNeighbourProcess,
    OrdinalProcess,
    RateProcess,
)
from quasistatic.schedule import Cosine, Linear, Reciprocal, Table


def at(value: float, batch: int) -> Tensor:
    return torch.full((batch,), value, dtype=torch.float64)


def test_an_absorbing_process_must_end_in_its_mask() -> None:
    for schedule in (Cosine(), Linear(), Table((0.1, 0.5))):
        with pytest.raises(ValueError, match=r"ᾱ\(1\) = 0 exactly \(state 0 has probability 0.*Reciprocal\(\)"):
            CategoricalProcess.absorbing(schedule, 5)
    with pytest.raises(ValueError, match=r"state 1 has probability 0"):
        CategoricalProcess(Cosine(), (0.5, 0.0, 0.5))
    with pytest.raises(ValueError, match=r"state 1 has probability 0"):
        BernoulliProcess(Cosine(), 0.0)
    with pytest.raises(ValueError, match=r"state 0 has probability 0"):
        RateProcess(Cosine(), ((-1.0, 1.0), (0.0, 0.0)))
    assert CategoricalProcess.absorbing(Table((0.1, 0.5, 1.0)), 5).states == 5


def test_bad_laws_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the stationary law sums to 0\.9"):
        CategoricalProcess(Reciprocal(), (0.5, 0.4))
    with pytest.raises(ValueError, match="not negative"):
        CategoricalProcess(Reciprocal(), (1.5, -0.5))
    with pytest.raises(ValueError, match="at least one state, got 0"):
        CategoricalProcess.uniform(Reciprocal(), 0)
    with pytest.raises(ValueError, match="at least one other state, got 1"):
        CategoricalProcess.absorbing(Reciprocal(), 1)
    for bias in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="bias must be at least 0 and at most 1, got"):
            BernoulliProcess(Reciprocal(), bias)
    with pytest.raises(ValueError, match="2 stationary laws"):
        RateProcess(Reciprocal(), ((0.0, 0.0), (0.0, 0.0)))
    with pytest.raises(ValueError, match="sum to zero"):
        RateProcess(Reciprocal(), ((1.0, 0.0), (0.0, 0.0)))
    with pytest.raises(ValueError, match="width"):
        OrdinalProcess(Reciprocal(), 4, 0.0)
    for family in (NearestNeighbourProcess, OrdinalProcess):
        with pytest.raises(ValueError, match="at least one state"):
            family(Reciprocal(), 0)


def test_guesses_of_another_family_are_refused() -> None:
    t, s = at(0.5, 1), at(0.4, 1)
    normal = Normal(torch.zeros(1, 1), torch.ones(1, 1))
    for process in (CategoricalProcess.uniform(Cosine(), 3), OrdinalProcess(Cosine(), 3, 1.0)):
        with pytest.raises(TypeError, match="a Categorical guess over 3 states, got Normal"):
            process.reverse(torch.zeros(1, 1).long(), normal, t, s)
        with pytest.raises(TypeError, match="got Categorical over 4"):
            process.reverse(torch.zeros(1, 1).long(), Categorical(torch.zeros(1, 1, 4)), t, s)
    with pytest.raises(TypeError, match="a Bernoulli guess, got Normal"):
        BernoulliProcess(Cosine()).reverse(torch.zeros(1, 1), normal, t, s)
