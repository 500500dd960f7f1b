"""Chains with a matrix for each step: Chapman–Kolmogorov, and the bits of 2015 as an example."""

import pytest
import torch

from quasistatic.markov import InhomogeneousChain, MarkovChain

WEATHER = MarkovChain([[0.7, 0.3], [0.25, 0.75]], ["sunny", "cloudy"])


def erasing(steps: int, bias: float) -> InhomogeneousChain:
    """P_t = (1 − β_t) I + β_t 1π with β_t = 1/(T − t + 1): ᾱ = 1 − t/T (Sohl-Dickstein et al. 2015)."""
    pi = torch.tensor([1 - bias, bias], dtype=torch.float64)
    beta = [1 / (steps - t) for t in range(steps)]
    return InhomogeneousChain([(1 - b) * torch.eye(2, dtype=torch.float64) + b * pi for b in beta], ["0", "1"])


def test_equal_steps_are_the_homogeneous_chain() -> None:
    chain = InhomogeneousChain([WEATHER.transition] * 5, WEATHER.states)
    torch.testing.assert_close(chain.predict([0.8, 0.2], 2), WEATHER.predict([0.8, 0.2], 2))
    torch.testing.assert_close(chain.transition(1, 5), WEATHER.power(4))


def test_chapman_kolmogorov() -> None:
    chain = erasing(10, 0.2)
    torch.testing.assert_close(chain.transition(2, 5) @ chain.transition(5, 9), chain.transition(2, 9))
    assert torch.equal(chain.transition(4, 4), torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(chain.predict("1"), chain.transition(0, 10)[1])


def test_bits_lose_one_tenth_of_the_signal_a_step() -> None:
    """q(x_t = 1 | x_0) = ᾱ_t x_0 + (1 − ᾱ_t) p₀ with ᾱ_t = 1 − t/T."""
    chain = erasing(10, 0.2)
    for t in range(11):
        kept = 1 - t / 10
        assert chain.predict(1, t)[1].item() == pytest.approx(kept + (1 - kept) * 0.2, abs=1e-14)


def test_simulated_frequencies() -> None:
    chain = erasing(4, 0.2)
    paths = chain.simulate(1, chains=40_000, generator=torch.Generator().manual_seed(0))
    assert paths.shape == (40_000, 5)
    for t in range(5):
        p = chain.predict(1, t)[1].item()
        assert abs(paths[:, t].double().mean().item() - p) <= 4 * (p * (1 - p) / len(paths)) ** 0.5 + 1e-15
    assert chain.simulate("0", 2, generator=torch.Generator().manual_seed(0)).shape == (1, 3)


def test_one_tensor_will_do() -> None:
    chain = erasing(3, 0.5)
    again = InhomogeneousChain(chain.transitions)
    assert torch.equal(again.transitions, chain.transitions)
    assert again.states == ("0", "1")


def test_wrong_requests() -> None:
    good = [[0.5, 0.5], [0.5, 0.5]]
    with pytest.raises(ValueError, match=r"row 'b' of step 1 \(from 0\) sums to 1\.5"):
        InhomogeneousChain([good, [[0.5, 0.5], [1, 0.5]]], ["a", "b"])
    with pytest.raises(ValueError, match="at least one transition matrix"):
        InhomogeneousChain([])
    with pytest.raises(ValueError, match=r"matrices of \[2, 1\] states"):
        InhomogeneousChain([good, [[1.0]]])
    with pytest.raises(ValueError, match="2 states came with 3 names"):
        InhomogeneousChain([good], ["a", "b", "c"])
    chain = erasing(3, 0.5)
    for s, t in ((2, 1), (-1, 2), (0, 4)):
        with pytest.raises(ValueError, match="0 ≤ s ≤ t ≤ 3"):
            chain.transition(s, t)
    with pytest.raises(ValueError, match="from 0 to 3, got 4"):
        chain.predict(0, 4)
    with pytest.raises(ValueError, match="from 0 to 3, got -1"):
        chain.simulate(0, -1)
    with pytest.raises(ValueError, match="no state 'x'"):
        chain.predict("x")
    with pytest.raises(ValueError, match="no state 'x'"):
        chain.simulate("x")
    with pytest.raises(ValueError, match="at least one chain"):
        chain.simulate(0, chains=0)
