"""Clocks against their published values."""

import math

import pytest
import torch

from oracles import double
from quasistatic.schedule import (
    GRIDS,
    Cosine,
    Linear,
    Reciprocal,
    Schedule,
    Table,
    check_grid,
    grid,
    log_snr_times,
    uniform_times,
)

SCHEDULES: list[Schedule] = [Linear(), Linear(steps=200), Cosine(), Reciprocal(), Table((0.1, 0.3, 1.0))]
T = torch.linspace(0, 1, 1001, dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_clock_falls_from_one(schedule: Schedule) -> None:
    kept = schedule.alpha_bar(T)
    assert kept[0] == 1
    assert (kept.diff() < 0).all()
    assert kept[-1] >= 0


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_time_of_inverts_log_snr(schedule: Schedule) -> None:
    t = torch.tensor([0.05, 0.3, 0.5, 0.9], dtype=torch.float64)
    torch.testing.assert_close(schedule.time_of(schedule.log_snr(t)), t, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("steps", "left"), [(1000, 4.04e-5), (200, 3.03e-5)])
def test_linear_reaches_noise_at_any_number_of_steps(steps: int, left: float) -> None:
    """theory.md row 15: the factor 1000/T; without it 200 steps would leave 0.1322."""
    end = Linear(steps=steps).alpha_bar(T[-1:]).item()
    assert end == pytest.approx(left, rel=2e-3)
    unscaled = Table(tuple(torch.linspace(1e-4, 0.02, 200, dtype=torch.float64).tolist()))
    assert unscaled.alpha_bar(T[-1:]).item() == pytest.approx(0.1322, abs=5e-5)


def test_linear_equals_the_published_product() -> None:
    """ᾱ_i = Π (1 − β_j), β from 1e-4 to 0.02 over 1,000 steps, by plain Python arithmetic."""
    kept, i = 1.0, 0
    for i in range(1, 501):
        kept *= 1 - (1e-4 + (0.02 - 1e-4) * (i - 1) / 999)
    assert Linear().alpha_bar(torch.tensor([i / 1000], dtype=torch.float64)).item() == pytest.approx(kept, rel=1e-12)


def test_reciprocal_erases_a_constant_share() -> None:
    """β_i = 1/(T − i + 1) as a table is ᾱ = 1 − t (theory.md 2.5)."""
    table = Table(tuple(1 / (40 - i + 1) for i in range(1, 41)))
    grid = torch.arange(41, dtype=torch.float64) / 40
    torch.testing.assert_close(table.alpha_bar(grid), Reciprocal().alpha_bar(grid), rtol=1e-12, atol=1e-15)


def test_cosine_halfway() -> None:
    """With offset 0 the clock is cos²(πt/2): one half at t = ½ and log-SNR 0."""
    half = torch.tensor([0.5], dtype=torch.float64)
    assert Cosine(offset=0.0).alpha_bar(half).item() == pytest.approx(0.5, rel=1e-14)
    assert Cosine(offset=0.0).log_snr(half).item() == pytest.approx(0.0, abs=1e-14)
    assert Cosine().alpha_bar(T[-1:]).item() < 1e-30


def test_table_is_geometric_between_its_times() -> None:
    quarter = torch.tensor([0.25], dtype=torch.float64)
    assert Table((0.19, 0.5)).alpha_bar(quarter).item() == pytest.approx(math.sqrt(0.81), rel=1e-14)
    assert Table((0.5, 1.0)).alpha_bar(3 * quarter).item() == pytest.approx(0.25, rel=1e-14)


@pytest.mark.parametrize("beta", [(), (0.0,), (0.1, -0.2), (1.0, 0.5), (1.5,)])
def test_table_names_a_bad_beta(beta: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a schedule table needs"):
        Table(beta)


def test_linear_refuses_a_beta_over_one() -> None:
    with pytest.raises(ValueError, match="use more steps here"):
        Linear(steps=20)


def test_grids_fall_from_one_to_zero() -> None:
    for times in (uniform_times(7), log_snr_times(Cosine(), 7)):
        assert times.shape == (8,)
        assert times[0] == 1
        assert times[-1] == 0
        assert (times.diff() < 0).all()
    inner = Linear().log_snr(log_snr_times(Linear(), 10, first=0.01)[1:-1])
    torch.testing.assert_close(inner.diff(), inner.diff()[:1].expand(8), rtol=1e-6, atol=0)


def test_grids_refuse_no_steps() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        uniform_times(0)
    with pytest.raises(ValueError, match="a grid in log-SNR needs"):
        log_snr_times(Cosine(), 1)
    with pytest.raises(ValueError, match="a grid in log-SNR needs"):
        log_snr_times(Cosine(), 5, first=0.9, last=0.1)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("steps", [2, 3, 10, 250, 1000])
def test_a_grid_falls_strictly_from_one_to_zero(name: str, steps: int) -> None:
    """The prior is charged at exactly 1, and the data are at exactly 0, on every clock."""
    clocks = [Cosine(), Linear(), Reciprocal(), Table((0.1, 0.3, 0.5)), Table((0.02, 0.2, 1.0))]
    for schedule in clocks:
        times = grid(name, schedule, steps)
        assert times.shape == (steps + 1,)
        assert times[0].item() == 1
        assert times[-1].item() == 0
        assert (times.diff() < 0).all()


@pytest.mark.parametrize(
    "times", [[0.99, 0.5, 0.0], [1.0, 0.5, 0.1], [1.0, 0.5, 0.5, 0.0], [1.0], [1.0, math.nan, 0.0]]
)
def test_another_grid_is_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="a grid of times falls strictly from 1 to 0, got"):
        check_grid(double(*times))
