"""Wrong requests to a chain: one sentence that names the row, the state or the number."""

import math

import pytest
import torch

from quasistatic.markov import MarkovChain, RateMatrix

WEATHER = MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])
TWO_ROOMS = MarkovChain([[0.5, 0.5, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], list("abcd"))


@pytest.mark.parametrize(
    ("rows", "states", "why"),
    [
        ([[0.5, 0.6], [1, 0]], ["a", "b"], r"row 'a'.*sums to 1\.1.*float64"),
        ([[0.5, 0.5], [1.1, -0.1]], ["a", "b"], r"not negative, row 'b'.*-0\.1"),
        ([[0.5, 0.5], [1, 1e-8]], None, r"row 1 \(from 0\).*sums to 1\.00000001"),
        ([[0.5, 0.5], [1]], ["a", "b"], "row 'b' has length 1 and there are 2 rows"),
        ([[0.5, 0.5]], None, r"row 0 \(from 0\) has length 2 and there are 1 rows"),
        ([], None, "at least one state"),
        ([[0.5, 0.5], [math.nan, 1]], ["a", "b"], "finite numbers, row 'b'"),
        ([[0.5, 0.5], [0, 1]], ["a"], "2 states came with 1 names"),
        ([[0.5, 0.5], [0, 1]], ["a", " "], r"state 1 \(from 0\) has none"),
        ([[0.5, 0.5], [0, 1]], ["a", "a"], "'a' names both 0 and 1"),
    ],
)
def test_bad_matrices_are_refused_by_name(rows: list[list[float]], states: list[str] | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MarkovChain(rows, states)


def test_bad_arrays_are_refused() -> None:
    for rows in (torch.ones(2, 3), torch.ones(2), torch.ones(0, 0)):
        with pytest.raises(ValueError, match="got shape"):
            MarkovChain(rows)
    with pytest.raises(ValueError, match="float64"):
        MarkovChain(torch.full((3, 3), 1 / 3, dtype=torch.float32))


def test_rows_near_one_are_kept_as_they_came() -> None:
    thirds = [[0.3333333333] * 3] * 3
    assert MarkovChain(thirds).transition[0, 0] == 0.3333333333


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ("rainy", "no state 'rainy'; its states are sunny, cloudy"),
        (2, "index from 0 to 1 or a name, got 2"),
        (-1, "got -1"),
        ([0.5, 0.4], r"the starting law sums to 0\.9"),
        ([1.5, -0.5], r"not negative, the starting law has -0\.5"),
        ([1.0], r"2 were needed, got shape \(1,\)"),
    ],
)
def test_bad_starts_are_refused(start: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WEATHER.predict(start)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=why):
        WEATHER.simulate(1, start)  # type: ignore[arg-type]


def test_other_wrong_requests() -> None:
    with pytest.raises(ValueError, match="number from 0, got -1"):
        WEATHER.predict(0, -1)
    with pytest.raises(ValueError, match="number from 0, got -1"):
        WEATHER.power(-1)
    with pytest.raises(ValueError, match="number from 0, got -2"):
        WEATHER.simulate(-2)
    with pytest.raises(ValueError, match="at least one chain"):
        WEATHER.simulate(1, chains=0)
    with pytest.raises(ValueError, match="a start is needed: this chain has 2 closed classes"):
        TWO_ROOMS.simulate(1)
    with pytest.raises(ValueError, match="entropy rate needs one"):
        TWO_ROOMS.entropy_rate()
    for tolerance in (0.0, -1.0, 1e-12, 1.5):
        with pytest.raises(ValueError, match="tolerance"):
            WEATHER.mixing_time(tolerance)
    with pytest.raises(ValueError, match="τ ≥ 0, got -1"):
        WEATHER.embed(-1)
    with pytest.raises(ValueError, match="τ ≥ 0"):
        MarkovChain.from_generator(RateMatrix.uniform(2), -0.5)
    with pytest.raises(ValueError, match="1 names"):
        MarkovChain.from_generator(RateMatrix.uniform(2), 0.5, ["a"])
    with pytest.raises(ValueError, match="no state 'x'"):
        WEATHER.summary("x")
