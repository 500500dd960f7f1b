"""Rate matrices: semigroup, closed forms of every family, and scipy's exponential as an independent answer."""

import math

import pytest
import scipy.linalg
import torch

from quasistatic.markov import RateMatrix
from quasistatic.markov.structure import limit

FAMILIES = {
    "uniform": RateMatrix.uniform(5),
    "absorbing": RateMatrix.absorbing(4),
    "redraw": RateMatrix.redraw([0.5, 0.3, 0.2]),
    "nearest": RateMatrix.nearest_neighbour(6),
    "ordinal": RateMatrix.ordinal(9, 1.5),
    "birth and death": RateMatrix([[-1, 1, 0], [5, -7, 2], [0, 30, -30]]),
    "one way": RateMatrix([[-2, 1, 1, 0], [0, 0, 0, 0], [0.5, 0, -1, 0.5], [0, 0, 0, 0]]),
    "round": RateMatrix([[-1, 1, 0], [0, -1, 1], [1, 0, -1]]),
    "still": RateMatrix([[0, 0], [0, 0]]),
    "one": RateMatrix.uniform(1),
}


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def rates(request: pytest.FixtureRequest) -> RateMatrix:
    return request.param


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("tau", [1e-6, 0.1, 1.0, 17.0])
def test_transition_is_the_exponential(rates: RateMatrix, tau: float) -> None:
    close(rates.transition(tau), torch.from_numpy(scipy.linalg.expm(rates.rates.numpy() * tau)))


def test_semigroup(rates: RateMatrix) -> None:
    close(rates.transition(0.3) @ rates.transition(1.9), rates.transition(2.2))
    close(rates.transition(0.0), torch.eye(len(rates.rates), dtype=torch.float64), 0)


def test_rows_are_laws_at_every_time(rates: RateMatrix) -> None:
    found = rates.transition(torch.tensor([[0.0, 1e-300, 1e-9], [1.0, 1e9, math.inf]], dtype=torch.float64))
    assert found.shape == (2, 3, *rates.rates.shape)
    assert (found >= 0).all()
    close(found.sum(-1), torch.ones_like(found[..., 0]))


def test_stationary_laws_have_no_flow(rates: RateMatrix) -> None:
    laws = rates.stationary()
    close(laws @ rates.rates, torch.zeros_like(laws))
    close(laws @ rates.transition(0.7), laws)


def test_infinite_time_is_the_limit(rates: RateMatrix) -> None:
    close(rates.transition(math.inf), rates.transition(1e4))
    close(limit(rates.rates) @ rates.transition(0.7), limit(rates.rates))


def test_unreachable_means_zero() -> None:
    found = FAMILIES["one way"].transition(torch.tensor([0.5, math.inf], dtype=torch.float64))
    assert (found[:, 1] == torch.tensor([0.0, 1, 0, 0], dtype=torch.float64)).all()
    assert (found[:, :, 1] > 0).sum() == 6  # 0, 1 and 2 lead to 1; 3 does not
    two_wells = RateMatrix([[-1, 1, 0, 0], [1, -1, 0, 0], [0, 0, -1, 1], [0, 0, 0, 0]])
    assert (two_wells.transition(math.inf)[:2, 2:] == 0).all()


def test_redraw_in_closed_form() -> None:
    """P(τ) = e^{−τ} I + (1 − e^{−τ}) 1π: the kernel of every keep-or-redraw diffusion, ᾱ = e^{−τ}."""
    pi = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    for kept in (1.0, 0.9, 0.3, 1e-9, 0.0):
        tau = -math.log(kept) if kept else math.inf
        expected = kept * torch.eye(3, dtype=torch.float64) + (1 - kept) * pi
        close(RateMatrix.redraw(pi).transition(tau), expected)
    close(RateMatrix.redraw(pi).stationary()[0], pi)


def test_absorbing_state() -> None:
    for state in (0, 2, -1):
        close(RateMatrix.absorbing(3, state).stationary()[0], torch.eye(3, dtype=torch.float64)[state])
    assert (RateMatrix.absorbing(3).transition(2.0)[2] == torch.tensor([0.0, 0.0, 1.0])).all()


@pytest.mark.parametrize("states", [1, 2, 3, 8])
@pytest.mark.parametrize("family", [RateMatrix.nearest_neighbour, lambda states: RateMatrix.ordinal(states, 1.3)])
def test_ordered_families_are_balanced_and_of_unit_gap(family, states: int) -> None:  # type: ignore[no-untyped-def]
    rates = family(states).rates
    close(rates, rates.T)
    close(family(states).stationary()[0], torch.full((states,), 1 / states, dtype=torch.float64))
    if states > 1:
        assert torch.linalg.eigvalsh(rates)[-2].item() == pytest.approx(-1, abs=1e-12)


def test_nearest_neighbour_in_closed_form() -> None:
    """Reflected walk: its modes are cosines, Σ_k cos(πk(x+½)/K) cos(πk(y+½)/K) e^{−λ_k τ}."""
    size, tau = 7, 0.4
    k = torch.arange(size, dtype=torch.float64)
    modes = torch.cos(math.pi * (k[:, None] + 0.5) * k / size) * ((2 - (k == 0).double()) / size).sqrt()
    fading = torch.sin(math.pi * k / (2 * size)) ** 2 / math.sin(math.pi / (2 * size)) ** 2
    close(RateMatrix.nearest_neighbour(size).transition(tau), (modes * torch.exp(-fading * tau)) @ modes.T)


def test_ordinal_rates_fall_as_a_normal_density() -> None:
    rates = RateMatrix.ordinal(6, 2.0).rates
    assert (rates[0, 3] / rates[0, 1]).item() == pytest.approx(math.exp(-(9 - 1) / 8))


def test_tiny_probabilities_keep_their_digits() -> None:
    """From end to end in a short time only the shortest way counts: (rate τ)^{K−1}/(K−1)! up to a relative τ."""
    size, tau = 30, 1e-9
    rates = RateMatrix.nearest_neighbour(size)
    exact = (rates.rates[0, 1].item() * tau) ** (size - 1) / math.factorial(size - 1)
    assert rates.transition(tau)[0, -1].item() == pytest.approx(exact, rel=1e-4)
    assert exact < 1e-200


def test_far_jumps_do_not_depend_on_how_time_is_cut() -> None:
    """99 jumps at least: more than one piece of time allows. The semigroup holds digit for digit."""
    rates = RateMatrix.nearest_neighbour(100)
    step = rates.transition(0.001)
    torch.testing.assert_close(step @ step, rates.transition(0.002), rtol=1e-10, atol=0)
    assert (step > 0).all()


def test_times_are_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic.markov.rates.REMEMBERED", 4 * 9)
    rates = RateMatrix.uniform(3)
    times = torch.tensor([0.1, 0.2, 0.2, 0.1], dtype=torch.float64)
    found = rates.transition(times)
    assert torch.equal(found[0], found[3])
    calls = []
    compute = RateMatrix._compute
    monkeypatch.setattr(RateMatrix, "_compute", lambda self, tau: calls.append(tau.tolist()) or compute(self, tau))
    assert torch.equal(rates.transition(times), found)
    assert calls == []
    rates.transition(torch.arange(1, 11, dtype=torch.float64))
    assert len(rates._cache) == 4
    rates.transition(0.1)
    assert calls[1:] == [[0.1]]


def test_bad_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not negative off the diagonal, row 1 \(from 0\) has -1"):
        RateMatrix([[-1, 1], [-1, 1]])
    with pytest.raises(ValueError, match=r"sum to zero, row 0 \(from 0\) sums to 1"):
        RateMatrix([[0, 1], [1, -1]])
    with pytest.raises(ValueError, match="a rate matrix is square"):
        RateMatrix([[-1, 1]])
    with pytest.raises(ValueError, match="finite"):
        RateMatrix([[-math.inf, math.inf], [0, 0]])
    with pytest.raises(ValueError, match="at least one state"):
        RateMatrix([])


def test_bad_families_are_refused() -> None:
    for family in (RateMatrix.uniform, RateMatrix.nearest_neighbour, RateMatrix.absorbing):
        with pytest.raises(ValueError, match="at least one state, got 0"):
            family(0)
    with pytest.raises(ValueError, match="at least one state"):
        RateMatrix.ordinal(0, 1.0)
    for width in (0.0, -1.0, 0.02, math.nan):
        with pytest.raises(ValueError, match="width"):
            RateMatrix.ordinal(3, width)
    with pytest.raises(ValueError, match="index from 0 to 2, got 3"):
        RateMatrix.absorbing(3, 3)
    with pytest.raises(ValueError, match=r"sums to 0\.9"):
        RateMatrix.redraw([0.5, 0.4])


@pytest.mark.parametrize("tau", [-1.0, math.nan])
def test_time_does_not_run_backwards(tau: float) -> None:
    with pytest.raises(ValueError, match="τ ≥ 0"):
        RateMatrix.uniform(2).transition(tau)
