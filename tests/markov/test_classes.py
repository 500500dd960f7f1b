"""Classes, periods, reversibility and mixing of finite Markov chains."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from markov_chains import RANDOM, WEATHER, close, cycle, random_chain
from quasistatic.markov import MarkovChain

TWO_ROOMS = MarkovChain([[0.5, 0.5, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], list("abcd"))
RUIN = MarkovChain([[1, 0, 0, 0, 0], [0.5, 0, 0.5, 0, 0], [0, 0.5, 0, 0.5, 0], [0, 0, 0.5, 0, 0.5], [0, 0, 0, 0, 1]])


def test_two_classes_give_two_laws() -> None:
    parts = TWO_ROOMS.classes()
    assert [(part.states, part.closed, part.period) for part in parts] == [(("a", "b"), True, 1), (("c", "d"), True, 2)]
    close(TWO_ROOMS.stationary(), [[2 / 7, 5 / 7, 0, 0], [0, 0, 0.5, 0.5]])
    assert not TWO_ROOMS.irreducible
    assert TWO_ROOMS.period() == 2
    assert TWO_ROOMS.second_eigenvalue() == pytest.approx(1)
    assert TWO_ROOMS.relaxation_time() == math.inf


def test_absorbing_chain() -> None:
    """Gambler's ruin: two absorbing ends, the inner states transient; from the middle each end has chance ½."""
    assert [(part.states, part.closed) for part in RUIN.classes()] == [
        (("0",), True),
        (("1", "2", "3"), False),
        (("4",), True),
    ]
    close(RUIN.stationary(), torch.eye(5, dtype=torch.float64)[[0, 4]])
    close(RUIN.predict(1, 10**6), [0.75, 0, 0, 0, 0.25])
    assert RUIN.classes()[1].period == 2
    assert RUIN.aperiodic  # Pⁿ converges: only a transient class alternates
    assert RUIN.mixing_time() is None


def test_a_state_never_seen_again_has_period_zero() -> None:
    chain = MarkovChain([[0, 1], [0, 1]])
    assert [part.period for part in chain.classes()] == [0, 1]
    assert chain.period() == 1


@pytest.mark.parametrize("length", [1, 2, 3, 6, 12])
def test_period_of_a_cycle_is_its_length(length: int) -> None:
    chain = cycle(length)
    assert chain.period() == length
    assert chain.aperiodic == (length == 1)
    assert chain.irreducible
    close(chain.power(length), torch.eye(length, dtype=torch.float64))
    assert chain.reversible == (length <= 2)


def test_period_with_chords() -> None:
    """Closed walks of lengths 4 and 6 have gcd 2."""
    rows = cycle(6).transition.clone()
    rows[3] = torch.tensor([0.5, 0, 0, 0, 0.5, 0])
    assert MarkovChain(rows).period() == 2


def test_periods_of_several_classes_multiply() -> None:
    """Cycles of lengths 2 and 3: P⁶ = I, and no smaller power of P repeats."""
    rows = torch.block_diag(cycle(2).transition, cycle(3).transition)
    assert MarkovChain(rows).period() == 6


@pytest.mark.parametrize("seed", range(5))
def test_random_walk_on_a_weighted_graph_is_reversible(seed: int) -> None:
    """Its law is ∝ the weight of a state, and its eigenvalues are real."""
    weights = random_chain(7, seed).transition
    weights = weights + weights.T
    chain = MarkovChain(weights / weights.sum(1, keepdim=True))
    close(chain.stationary()[0], weights.sum(1) / weights.sum())
    assert chain.reversible
    modulus = np.sort(np.abs(scipy.linalg.eigvals(chain.transition.numpy())))[-2]
    assert abs(chain.second_eigenvalue()) == pytest.approx(modulus, abs=1e-12)
    assert not random_chain(7, seed).reversible


def test_reversibility_ignores_transient_states() -> None:
    rows = [[0, 0.9, 0, 0.1], [0, 0, 0.9, 0.1], [0.9, 0, 0, 0.1], [0, 0, 0, 1]]
    assert MarkovChain(rows).reversible


# How fast


def test_second_eigenvalue_of_a_cycle_is_complex() -> None:
    value = cycle(3).second_eigenvalue()
    assert value == pytest.approx(complex(-0.5, math.sqrt(3) / 2))
    assert cycle(4).second_eigenvalue() == pytest.approx(1j)
    lazy = MarkovChain(0.5 * cycle(5).transition + 0.5 * torch.eye(5, dtype=torch.float64))
    turn = 2 * math.pi / 5
    assert lazy.second_eigenvalue() == pytest.approx(0.5 + 0.5 * complex(math.cos(turn), math.sin(turn)))


def mixing_by_brute_force(chain: MarkovChain, tolerance: float) -> int:
    pi, power, n = chain.stationary()[0], torch.eye(len(chain.states), dtype=torch.float64), 0
    while 0.5 * (power - pi).abs().sum(1).max() > tolerance:
        power, n = power @ chain.transition, n + 1
    return n


@pytest.mark.parametrize("tolerance", [0.25, 0.01, 1e-6])
def test_mixing_time_is_the_first_time(tolerance: float) -> None:
    lazy = [
        MarkovChain(0.97 * torch.eye(6, dtype=torch.float64) + 0.03 * random_chain(6, seed).transition)
        for seed in range(3)
    ]
    for chain in [WEATHER, *RANDOM, *lazy]:
        assert chain.mixing_time(tolerance) == mixing_by_brute_force(chain, tolerance)


def test_mixing_time_of_a_very_slow_chain() -> None:
    """d(n) = (2/3) (1 − 3p)ⁿ for flips at rates p and 2p; at p = 1e-9, n ≈ log(8/3)/3e-9."""
    p = 1e-9
    chain = MarkovChain([[1 - p, p], [2 * p, 1 - 2 * p]])
    assert chain.mixing_time() == pytest.approx(math.log(8 / 3) / (3 * p), rel=1e-6)
    assert chain.relaxation_time() == pytest.approx(1 / (3 * p), rel=1e-6)


def test_what_never_settles_has_no_mixing_time() -> None:
    for chain in (cycle(2), TWO_ROOMS, MarkovChain(torch.eye(3, dtype=torch.float64))):
        assert chain.mixing_time() is None
        assert chain.relaxation_time() == math.inf


def test_transient_states_may_mix() -> None:
    chain = MarkovChain([[0.5, 0.5], [0, 1]])
    assert chain.mixing_time(0.1) == 4  # the mass left behind is 2⁻ⁿ
    assert chain.relaxation_time() == pytest.approx(2)
