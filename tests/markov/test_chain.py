"""Finite chains against the laws of Markov chains, closed forms and brute force."""

import math

import numpy as np
import pytest
import torch

from markov_chains import RANDOM, WEATHER, close, cycle, random_chain
from quasistatic.markov import MarkovChain, RateMatrix
from quasistatic.streams import Streams

# The worked example of theory.md, rows 2 to 5


def test_weather_forecast_of_two_days() -> None:
    close(WEATHER.power(2), [[0.565, 0.435], [0.3625, 0.6375]])
    close(WEATHER.predict([0.8, 0.2], 2), [0.5245, 0.4755])


def test_weather_in_the_long_run() -> None:
    close(WEATHER.stationary(), [[5 / 11, 6 / 11]])
    assert WEATHER.second_eigenvalue() == pytest.approx(0.45, abs=1e-14)
    assert WEATHER.irreducible
    assert WEATHER.aperiodic
    assert WEATHER.reversible


def test_chain_of_a_and_e() -> None:
    chain = MarkovChain([[0.6, 0.4], [0.7, 0.3]], ["A", "E"])
    close(chain.power(2), [[0.64, 0.36], [0.63, 0.37]])
    close(chain.stationary(), [[7 / 11, 4 / 11]])
    assert chain.second_eigenvalue() == pytest.approx(-0.1, abs=1e-14)


@pytest.mark.parametrize("steps", [0, 1, 2, 7, 40, 10**18])
def test_weather_power_in_closed_form(steps: int) -> None:
    """Pⁿ = 1π + 0.45ⁿ (I − 1π)."""
    settled = torch.tensor([[5 / 11, 6 / 11]], dtype=torch.float64).expand(2, 2)
    close(WEATHER.power(steps), settled + 0.45**steps * (torch.eye(2, dtype=torch.float64) - settled))


# Laws


@pytest.mark.parametrize("chain", RANDOM, ids=lambda chain: f"{len(chain.states)}")
def test_chapman_kolmogorov(chain: MarkovChain) -> None:
    close(chain.power(7) @ chain.power(12), chain.power(19))
    close(chain.power(3), chain.transition @ chain.transition @ chain.transition)
    close(chain.predict(0, 19), chain.predict(chain.predict(0, 7), 12))


@pytest.mark.parametrize("seed", range(12))
def test_stationary_laws_do_not_move(seed: int) -> None:
    chain = random_chain(8, seed, zeros=0.8)  # sparse: often several classes
    laws = chain.stationary()
    close(laws @ chain.transition, laws)
    close(laws.sum(1), torch.ones(len(laws)))
    closed = [part for part in chain.classes() if part.closed]
    assert len(laws) == len(closed)
    for law, part in zip(laws, closed, strict=True):
        assert [name for name, p in zip(chain.states, law.tolist(), strict=True) if p > 0] == list(part.states)


def test_small_stationary_probabilities_keep_their_digits() -> None:
    """A birth–death chain with π(x) ∝ 10^{−x}: detailed balance gives every π in closed form."""
    size = 40
    one = torch.ones(size - 1, dtype=torch.float64)
    rows = torch.diag(0.05 * one, 1) + torch.diag(0.5 * one, -1)
    chain = MarkovChain(rows + torch.diag(1 - rows.sum(1)))
    weights = 0.1 ** torch.arange(size, dtype=torch.float64)
    torch.testing.assert_close(chain.stationary()[0], weights / weights.sum(), rtol=1e-12, atol=0)
    assert chain.reversible


def test_powers_stay_stochastic_however_many_the_steps() -> None:
    chain = random_chain(6, 3)
    close(chain.power(2**80), chain.stationary().expand(6, 6))
    sticky = MarkovChain([[1 - 1e-12, 1e-12], [3e-12, 1 - 3e-12]])
    close(sticky.power(10**15), sticky.stationary().expand(2, 2))


def test_entropy_rate() -> None:
    """A fair coin: log 2 per step, whatever came before. The weather: 5/11 H(0.3) + 6/11 H(0.25)."""
    assert MarkovChain([[0.5, 0.5], [0.5, 0.5]]).entropy_rate() == pytest.approx(math.log(2))
    assert cycle(4).entropy_rate() == 0
    h = lambda p: -p * math.log(p) - (1 - p) * math.log(1 - p)  # noqa: E731
    assert WEATHER.entropy_rate() == pytest.approx(5 / 11 * h(0.3) + 6 / 11 * h(0.25))


# Small and trivial chains


def test_one_state() -> None:
    chain = MarkovChain([[1.0]], ["only"])
    close(chain.stationary(), [[1.0]])
    assert (chain.period(), chain.second_eigenvalue(), chain.mixing_time(), chain.relaxation_time()) == (1, 0, 0, 1)
    assert chain.summary()["prediction"] == {"only": 1.0}
    close(chain.generator().rates, [[0.0]])


def test_identity_keeps_everything() -> None:
    chain = MarkovChain(torch.eye(3, dtype=torch.float64))
    close(chain.stationary(), torch.eye(3))
    close(chain.power(10**9), torch.eye(3))
    assert len(chain.classes()) == 3
    close(chain.generator().rates, torch.zeros(3, 3))


def test_independent_draws_forget_at_once() -> None:
    chain = MarkovChain([[0.2, 0.8], [0.2, 0.8]])
    assert chain.second_eigenvalue() == pytest.approx(0, abs=1e-15)
    assert chain.mixing_time() == 1
    with pytest.raises(ValueError, match="eigenvalue is zero"):
        chain.generator()


# Simulation


def test_simulated_frequencies() -> None:
    """Pairs of successive states, from the stationary law: within 4 standard errors of π(x) P(x, y)."""
    paths = WEATHER.simulate(3, chains=40_000, generator=torch.Generator().manual_seed(0))
    assert paths.shape == (40_000, 4)
    joint = WEATHER.stationary()[0][:, None] * WEATHER.transition
    for n in range(3):
        seen = torch.bincount(2 * paths[:, n] + paths[:, n + 1], minlength=4).double() / len(paths)
        error = (joint.flatten() * (1 - joint.flatten()) / len(paths)).sqrt()
        assert ((seen - joint.flatten()).abs() < 4 * error).all()


def test_simulation_never_makes_an_impossible_move() -> None:
    paths = cycle(5).simulate(20, start="2", chains=3, generator=torch.Generator().manual_seed(0))
    assert (paths == (2 + torch.arange(21)) % 5).all()
    chain = MarkovChain([[0, 0.5, 0, 0.5, 0]] * 5)
    assert set(chain.simulate(1000, 0, generator=torch.Generator().manual_seed(0))[0, 1:].tolist()) == {1, 3}


def test_simulation_is_reproducible() -> None:
    draw = lambda seed, chains: WEATHER.simulate(9, 0, chains, torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(1, 5), draw(1, 5))
    assert not torch.equal(draw(1, 5), draw(2, 5))
    assert torch.equal(WEATHER.simulate(9, 0, 2, Streams(0, 7, 2))[1:], WEATHER.simulate(9, 0, 1, Streams(0, 8, 1)))


# Continuous time


@pytest.mark.parametrize("states", [1, 2, 4, 7])
def test_generator_of_an_embedded_chain_is_found_again(states: int) -> None:
    rates = 0.2 * (random_chain(states, states).transition - torch.eye(states, dtype=torch.float64))
    chain = MarkovChain.from_generator(RateMatrix(rates), 1.0)
    close(chain.generator().rates, rates, 1e-10)
    close(chain.embed(1).transition, chain.transition, 1e-10)
    close(chain.embed(0.5).power(2), chain.transition, 1e-10)
    close(chain.embed(0.3).transition @ chain.embed(1.1).transition, chain.embed(1.4).transition, 1e-10)


def test_generator_of_a_chain_that_cannot_be_diagonalised() -> None:
    """Decay in three stages at one rate: the eigenvalue e^{−a} is double, with one eigenvector."""
    rates = [[-0.5, 0.5, 0], [0, -0.5, 0.5], [0, 0, 0]]
    chain = MarkovChain.from_generator(RateMatrix(rates))
    close(chain.transition[0], [math.exp(-0.5), 0.5 * math.exp(-0.5), 1 - 1.5 * math.exp(-0.5)])
    close(chain.generator().rates, rates, 1e-7)


def test_embedded_chain_keeps_names() -> None:
    assert WEATHER.embed(2).states == ("sunny", "cloudy")
    close(WEATHER.embed(2).transition, WEATHER.power(2))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([[0.6, 0.4], [0.7, 0.3]], r"eigenvalue -0\.1 is negative"),
        ([[0.5, 0.5], [0.5, 0.5]], "eigenvalue is zero"),
        ([[0.9, 0.1, 0], [0, 0.9, 0.1], [0.1, 0, 0.9]], "rate -0.006.* from '1' to '0'"),
    ],
)
def test_some_chains_have_no_generator(rows: list[list[float]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MarkovChain(rows).generator()
    with pytest.raises(ValueError, match="no generator"):
        MarkovChain(rows).embed(0.5)


# Reports and equality


def test_summary_is_plain_and_complete() -> None:
    import json

    found = json.loads(json.dumps(WEATHER.summary("sunny", 2)))
    assert list(found) == ["prediction", "stationary", "classes", "period", "second_eigenvalue", "mixing_time"]
    assert found["prediction"] == pytest.approx({"sunny": 0.565, "cloudy": 0.435})
    assert found["stationary"] == [pytest.approx({"sunny": 5 / 11, "cloudy": 6 / 11})]
    assert found["classes"] == [{"states": ["sunny", "cloudy"], "closed": True, "period": 1}]
    assert (found["period"], found["mixing_time"]) == (1, 1)
    assert found["second_eigenvalue"] == pytest.approx(0.45)
    assert cycle(3).summary()["second_eigenvalue"] == pytest.approx([-0.5, math.sqrt(3) / 2])
    assert cycle(3).summary()["mixing_time"] is None


def test_equal_chains_and_repr() -> None:
    again = eval(repr(WEATHER), {"MarkovChain": MarkovChain})
    assert again == WEATHER
    assert hash(again) == hash(WEATHER)
    assert MarkovChain(WEATHER.transition) != WEATHER
    assert "<20 rows>" in repr(RANDOM[-1])


def test_the_matrix_is_a_copy() -> None:
    rows = torch.tensor([[0.5, 0.5], [0.1, 0.9]], dtype=torch.float64)
    chain = MarkovChain(rows)
    rows[0, 0] = 7
    assert chain.transition[0, 0] == 0.5
    with pytest.raises(AttributeError):
        chain.states = ("x", "y")  # type: ignore[misc]
    assert MarkovChain(np.array([[0.5, 0.5], [0.1, 0.9]])).transition[1, 1] == 0.9
