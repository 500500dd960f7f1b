"""Calibration: draws of the true law pass, others fail; scores agree with closed forms."""

import math

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.evaluation import calibration as measures
from quasistatic.evaluation.calibration import calibration

K = 39


def case(
    examples: int = 4000, spread: float = 1.0, elements: int = 3
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Correlated normals around a mean of their own; draws have ``spread`` times the true deviation."""
    generator = seeded(5)
    factor = torch.tril(torch.ones(elements, elements, dtype=torch.float64))
    mean = torch.randn(examples, 1, elements, dtype=torch.float64, generator=generator)
    noise = torch.randn(examples, K + 1, elements, dtype=torch.float64, generator=generator) @ factor.T
    every = mean + noise * torch.tensor([1.0] + [spread] * K)[:, None]
    hidden = torch.rand(examples, elements, generator=generator) < 0.7
    return every[:, 1:], every[:, 0], hidden


def numbers(elements: int = 3) -> torch.Tensor:
    return torch.zeros(elements, dtype=torch.bool)


def test_draws_of_the_true_law_are_calibrated() -> None:
    found = calibration(*case(), numbers(), seeded())
    assert [one.level for one in found.coverage] == [0.5, 0.8, 0.9, 0.95]
    assert not found.off
    for one in found.coverage:
        assert abs(one.found.value - one.level) < 4 * one.found.error
    assert found.uniform > 1e-3
    assert found.joint > 1e-3
    assert len(found.histogram) == K + 1


@pytest.mark.parametrize("spread", [0.7, 1.4])
def test_draws_that_are_too_narrow_or_too_wide_are_not(spread: float) -> None:
    found = calibration(*case(spread=spread), numbers(), seeded())
    assert found.off
    assert found.uniform < 1e-6
    assert found.joint < 1e-6
    assert (found.coverage[2].found.value < 0.9) == (spread < 1)


def test_wrong_correlations_show_in_joint_ranks_alone() -> None:
    draws, truth, _ = case()
    apart = torch.stack([draws[:, torch.randperm(K, generator=seeded(e)), e] for e in range(3)], 2)
    found = calibration(apart, truth, torch.ones_like(truth, dtype=torch.bool), numbers(), seeded())
    assert not found.off
    assert found.joint < 1e-6


def test_equal_values_have_random_ranks() -> None:
    draws, truth = torch.zeros(4000, K, 1), torch.zeros(4000, 1)
    found = measures.ranks_among(draws, truth, seeded())
    assert within_4_errors(found.double(), K / 2)
    assert measures.uniformity(found[:, 0].bincount(minlength=K + 1)) > 1e-3


def test_crps_of_normal_draws_is_the_closed_form() -> None:
    """E CRPS of N(0, 1) for a truth from N(0, 1) is 1/√π."""
    draws, truth, _ = case(elements=1)
    assert within_4_errors(measures.crps(draws, truth)[:, 0], 1 / math.sqrt(math.pi))


def test_energy_of_one_number_is_its_crps() -> None:
    draws, truth, hidden = case(examples=50, elements=1)
    hidden[:] = True
    torch.testing.assert_close(measures.energy(draws, truth, hidden), measures.crps(draws, truth)[:, 0])


def test_scores_have_no_bias_for_two_draws() -> None:
    draws, truth, hidden = case(elements=1)
    hidden[:] = True
    few = measures.crps(draws[:, :2], truth)[:, 0]
    assert within_4_errors(few - measures.crps(draws, truth)[:, 0], 0)
    bits, answer = (draws > 0.3).double(), (truth > 0.3).double()
    assert within_4_errors((measures.brier(bits[:, :2], answer) - measures.brier(bits, answer))[:, 0], 0)


def test_categories_drawn_from_their_law_are_reliable() -> None:
    chance = torch.rand(3000, 1, dtype=torch.float64, generator=seeded(1))
    every = (torch.rand(3000, K + 1, 1, dtype=torch.float64, generator=seeded(2)) < chance[:, None]).double()
    everything = torch.ones(3000, 1, dtype=torch.bool)
    found = calibration(every[:, 1:], every[:, 0], everything, torch.ones(1, dtype=torch.bool), seeded())
    assert found.coverage == ()
    assert found.crps is None
    assert abs(found.brier.value - 2 * (1 / 2 - 1 / 3)) < 4 * found.brier.error  # E 2 p (1 − p) of even p
    assert found.ece < 0.05
    wrong = calibration(1 - every[:, 1:], every[:, 0], everything, torch.ones(1, dtype=torch.bool), seeded())
    assert wrong.ece > 0.3


@pytest.mark.parametrize("examples", [1, 2, 7])
def test_few_examples_make_no_claim(examples: int) -> None:
    draws, truth, _ = case(examples=examples)
    found = calibration(draws, truth, torch.ones_like(truth, dtype=torch.bool), numbers(), seeded())
    assert sum(found.histogram) == examples
    assert found.uniform == 1.0 or examples > 9
    assert math.isnan(found.crps.error) == (examples == 1)


def test_an_example_with_nothing_hidden_is_left_out() -> None:
    draws, truth, hidden = case(examples=40)
    hidden[0], hidden[1] = False, True
    found = calibration(draws, truth, hidden, numbers(), seeded())
    assert sum(found.histogram) == int(hidden.any(1).sum())
    assert math.isfinite(found.energy.value)


def test_too_little_is_refused() -> None:
    draws, truth, hidden = case(examples=4)
    with pytest.raises(ValueError, match="two draws or more of each example with it, got 1"):
        calibration(draws[:, :1], truth, hidden, numbers(), seeded())
    with pytest.raises(ValueError, match="needs something hidden"):
        calibration(draws, truth, hidden & False, numbers(), seeded())
