"""Bins of numbers: codes return, masses and densities sum to one, and repeated values are found."""

import math

import numpy as np
import pytest
import torch

from quasistatic.data.table.column.bins import RANGES, REPEATED, Bins

RANDOM = np.random.default_rng(0)

COLUMNS = {
    "normal": (RANDOM.standard_normal(2000).round(4), 0),
    "log-normal": (RANDOM.lognormal(3, 2, 2000), 0),
    "spiked": (np.where(RANDOM.random(2000) < 0.9, 0.0, RANDOM.lognormal(8, 1, 2000)), 0),
    "whole": (RANDOM.normal(3000, 400, 500).round(), 1),
    "even": (2 * RANDOM.integers(-1000, 1000, 400).astype(float), 2),
    "ages": (RANDOM.integers(17, 91, 2000).astype(float), 1),
    "few rows": (RANDOM.standard_normal(9), 0),
    "two rows": (np.array([1.0, 2.0]), 0),
    "bits": (RANDOM.integers(0, 2, 20).astype(float), 1),
    "far away": (1e9 + RANDOM.standard_normal(300).round(2), 0),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_codes_return(name: str) -> None:
    raw, step = COLUMNS[name]
    bins, values = Bins.of(raw, step), torch.from_numpy(raw)
    x = bins.to_states(values)
    assert bool(((x > 0) & (x < bins.count)).all())
    assert bool((x.float() < bins.count).all())
    torch.testing.assert_close(bins.to_raw(x), values, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(bins.to_raw(x.float().double()), values, rtol=1e-4, atol=1e-4)
    assert bins.to_states(torch.tensor([math.nan])).isnan().all()
    assert bins.to_raw(torch.tensor([math.nan])).isnan().all()


@pytest.mark.parametrize("name", COLUMNS)
def test_states_rise_with_the_numbers(name: str) -> None:
    """Beyond the observed ends, too; repeated values have states of their own."""
    raw, step = COLUMNS[name]
    bins = Bins.of(raw, step)
    spread = float(np.ptp(raw))
    grid = torch.linspace(float(raw.min()) - 3 * spread, float(raw.max()) + 3 * spread, 2001, dtype=torch.float64)
    states = bins.to_states(grid)
    states = states[states < bins.ranges]
    assert bool((states.diff() > 0).all())


@pytest.mark.parametrize("name", ["normal", "log-normal", "few rows", "spiked"])
def test_a_density_integrates_to_the_ranges(name: str) -> None:
    """Each range has a state of width 1: ∫ d state/d raw over all numbers is the number of ranges."""
    bins = Bins.of(*COLUMNS[name])
    edges = torch.tensor(bins.knots, dtype=torch.float64)
    inside = ((edges[1:] + edges[:-1]) / 2, edges.diff())
    far = bins.reach * torch.logspace(-4, 2.2, 20_000, dtype=torch.float64)
    tails = [(end + sign * (far[1:] + far[:-1]) / 2, far.diff()) for end, sign in ((edges[0], -1), (edges[-1], 1))]
    total = sum(((bins.log_slope(bins.to_states(at)).exp() * width).sum() for at, width in (inside, *tails)))
    assert float(total) == pytest.approx(bins.ranges, abs=2e-3)


@pytest.mark.parametrize("name", ["whole", "even"])
def test_masses_of_whole_numbers_sum_to_the_ranges(name: str) -> None:
    raw, step = COLUMNS[name]
    bins = Bins.of(raw, step)
    far = 20_000 * step
    levels = torch.arange(int(raw.min()) - far, int(raw.max()) + far + 1, step, dtype=torch.float64)
    x = bins.to_states(levels)
    ranged = x < bins.ranges
    assert bins.log_slope(x[ranged]).exp().sum().item() == pytest.approx(bins.ranges, abs=0.02)
    assert bins.log_slope(x[~ranged]).abs().sum() == 0


def test_ranges_hold_equally_many() -> None:
    raw, _ = COLUMNS["log-normal"]
    bins = Bins.of(raw)
    counts = bins.to_states(torch.from_numpy(raw)).long().bincount()
    halved = (bins.ranges - RANGES) // 2
    inner = counts[1 + halved : len(counts) - 1 - halved]
    assert len(inner) == RANGES - 2
    assert int(inner.max() - inner.min()) <= 2
    for end in (counts[: 1 + halved], counts[len(counts) - 1 - halved :].flip(0)):  # halved up to the end
        wanted = inner.double().mean() / 2.0 ** torch.tensor([halved, *range(halved, 0, -1)])
        assert bool(((end - wanted).abs() <= 2).all())


def test_inside_a_range_the_quantiles_are_followed() -> None:
    """The places of values in their ranges are even: the mean is 1/2, and a tenth lies in the first tenth."""
    raw = np.random.default_rng(1).lognormal(3, 2, 20_000)
    x = Bins.of(raw).to_states(torch.from_numpy(raw))
    place = x - x.floor()
    assert place.mean().item() == pytest.approx(0.5, abs=4 * (1 / 12 / 20_000) ** 0.5)
    assert (place < 0.1).double().mean().item() == pytest.approx(0.1, abs=0.01)


def test_spikes_have_bins_of_their_own() -> None:
    spiked = Bins.of(COLUMNS["spiked"][0])
    assert spiked.repeated == (0.0,)
    hours = np.where(RANDOM.random(3000) < 0.5, 40, RANDOM.integers(1, 2000, 3000)).astype(float)
    assert Bins.of(hours, 1).repeated == (40.0,)
    assert Bins.of(COLUMNS["whole"][0], 1).repeated == ()  # whole numbers repeat because of their step
    assert Bins.of(COLUMNS["normal"][0]).repeated == ()


def test_few_numbers_have_a_bin_each() -> None:
    ages = Bins.of(COLUMNS["ages"][0], 1)
    assert ages.repeated == tuple(float(age) for age in range(17, 91))
    gaps = np.repeat([1.0, 2.0, 5.0], 10)
    assert Bins.of(gaps, 1).repeated == (1, 2, 3, 4, 5)  # 3 and 4 may occur, too
    assert Bins.of(gaps).repeated == (1, 2, 5)
    many = np.repeat(np.arange(REPEATED + 50.0), 10)
    assert len(Bins.of(many, 1).repeated) == 0


def test_draws_stay_within_what_was_observed() -> None:
    for raw, step in COLUMNS.values():
        bins = Bins.of(raw, step)
        x = torch.rand(5000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * bins.count
        drawn = bins.to_raw(x)
        assert drawn.min().item() >= raw.min()
        assert drawn.max().item() <= raw.max()
        if step:
            assert bool(((drawn - raw.min()) % step == 0).all())
    assert torch.equal(drawn, drawn.round(decimals=2))


def test_numbers_beyond_the_ends_have_states_and_small_densities() -> None:
    raw, _ = COLUMNS["normal"]
    bins = Bins.of(raw)
    x = bins.to_states(torch.tensor([-100.0, -4.5, 4.5, 100.0], dtype=torch.float64))
    assert x[0] < x[1] < 1
    assert bins.ranges - 1 < x[2] < x[3] < bins.ranges
    density = bins.log_slope(x).exp() / bins.ranges
    assert density.max() < 1e-3
    assert bool((density > 0).all())
    # The tails hold as much as one row in all.
    assert bins.levels[0] / bins.ranges == pytest.approx(0.5 / (len(raw) + 1), rel=0.1)


def test_a_single_value_is_constant() -> None:
    for raw in (np.full(50, 3.0), np.full(1, -7e8), np.zeros(3)):
        for step in (0, 1):
            assert Bins.of(raw, step).constant
    assert not Bins.of(np.array([1e9, 1e9 + 2])).constant


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two knots or more that rise with their states"):
        Bins((1.0, 0.0), (0.2, 0.8), (), 1.0)
    with pytest.raises(ValueError, match="two knots or more that rise with their states"):
        Bins((0.0, 1.0), (0.2, 0.5, 0.8), (), 1.0)
    with pytest.raises(ValueError, match=r"Bins\.reach must be above 0"):
        Bins((0.0, 1.0), (0.2, 0.8), (), 0.0)
