"""Histograms of cells and masked laws: masses, moments, draws and divergences against sums over bins."""

import math

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution import Normal
from quasistatic.distribution.histograms import Histograms, layout
from quasistatic.distribution.masked import MASK, Masked

BINS = (3, 1, 5)


def law(rows: int = 4, seed: int = 0) -> Histograms:
    return Histograms(torch.randn(rows, sum(BINS), dtype=torch.float64, generator=seeded(seed)), BINS)


def test_bins_lie_one_column_after_the_other() -> None:
    assert layout(BINS).tolist() == [[0, 1, 2, 9, 9], [3, 9, 9, 9, 9], [4, 5, 6, 7, 8]]


def test_masses_sum_to_one_and_the_density_is_constant_on_a_bin() -> None:
    found = law()
    torch.testing.assert_close(found.log_masses.exp().sum(-1), torch.ones(4, 3, dtype=torch.float64))
    for column, bins in enumerate(BINS):
        x = torch.zeros(4, 3, dtype=torch.float64)
        for bin_ in range(bins):
            for place in (0.0, 0.4, 0.999):
                x[:, column] = bin_ + place
                torch.testing.assert_close(found.log_prob(x)[:, column], found.log_masses[:, column, bin_])
        for outside in (-0.5, bins, bins + 3.0):
            x[:, column] = outside
            assert (found.log_prob(x)[:, column] == -math.inf).all()
    assert found.log_prob(torch.full((4, 3), torch.nan, dtype=torch.float64)).abs().max() == 0


def test_draws_have_the_masses_and_even_places() -> None:
    found = law(1).take(torch.zeros(20_000, dtype=torch.int64))
    draws = found.sample(seeded(1))
    assert within_4_errors(draws, found.mean[0])
    assert within_4_errors((draws - found.mean[0]).square(), found.variance[0])
    place = draws - draws.floor()
    assert within_4_errors(place, torch.full((3,), 0.5, dtype=torch.float64))
    assert within_4_errors((place < 0.1).double(), torch.full((3,), 0.1, dtype=torch.float64))
    for bin_ in range(5):
        assert within_4_errors((draws[:, 2:].floor() == bin_).double(), found.log_masses[0, 2, bin_].exp())
    assert (law(0).sample(seeded()).shape, law(0).log_masses.shape) == ((0, 3), (0, 3, 5))


def test_bins_of_no_mass_are_never_drawn() -> None:
    logits = torch.full((1000, 9), -math.inf)
    logits[:, [1, 3, 8]] = 0.0
    draws = Histograms(logits, BINS).sample(seeded()).floor()
    assert (draws == torch.tensor([1.0, 0.0, 4.0])).all()


def test_kl_and_entropy_are_sums_over_bins() -> None:
    mine, theirs = law(), law(seed=1)
    p, q = (one.log_masses.exp() for one in (mine, theirs))
    own = [slice(0, bins) for bins in BINS]
    wanted = [[(p[r, c, s] * (p[r, c, s] / q[r, c, s]).log()).sum() for c, s in enumerate(own)] for r in range(4)]
    torch.testing.assert_close(mine.kl(theirs), torch.tensor(wanted, dtype=torch.float64))
    assert mine.kl(mine).abs().max() < 1e-12
    entropy = [[-(p[r, c, s] * p[r, c, s].log()).sum() for c, s in enumerate(own)] for r in range(4)]
    torch.testing.assert_close(mine.entropy, torch.tensor(entropy, dtype=torch.float64))
    with pytest.raises(TypeError, match="compared with others of the same bins, got Normal"):
        mine.kl(Normal(torch.zeros(1), torch.ones(1)))


def test_a_masked_law_is_a_mask_a_value_or_a_draw() -> None:
    """Elements: known and kept, known and masked with 0.3, drawn and masked with 0.6, absent."""
    inner = Histograms(torch.zeros(1, 8, dtype=torch.float64), (2, 2, 2, 2))
    known = torch.tensor([[1.5, 0.5, MASK, torch.nan]], dtype=torch.float64)
    found = Masked(known, torch.tensor([[0.0, 0.3, 0.6, 0.0]], dtype=torch.float64), inner)
    draws = found.take(torch.zeros(20_000, dtype=torch.int64)).sample(seeded())
    assert (draws[:, 0] == 1.5).all()
    assert draws[:, 3].isnan().all()
    assert within_4_errors((draws[:, 1:3] == MASK).double(), torch.tensor([0.3, 0.6], dtype=torch.float64))
    assert within_4_errors(draws[:, 1:3], found.mean[0, 1:3])
    assert within_4_errors((draws[:, 1:3] - found.mean[0, 1:3]).square(), found.variance[0, 1:3])
    masks = found.log_prob(torch.full((1, 4), MASK, dtype=torch.float64)).exp()[0]
    assert masks.tolist() == pytest.approx([0, 0.3, 0.6, 1])
    values = found.log_prob(torch.tensor([[1.5, 0.5, 1.2, 0.7]], dtype=torch.float64)).exp()[0]
    assert values.tolist() == pytest.approx([1, 0.7, 0.4 * 0.5, 1])
    assert found.log_prob(torch.tensor([[1.4, 0.6, 2.5, 0.7]], dtype=torch.float64))[0, :3].exp().sum() == 0


def test_divergences_of_masked_laws() -> None:
    known = torch.tensor([[MASK, 0.5]], dtype=torch.float64)
    one, other = (Histograms(torch.tensor([[a, 0.0, 0.0, 0.0]], dtype=torch.float64), (2, 2)) for a in (0.0, 1.0))
    mine = Masked(known, torch.tensor([[0.2, 0.5]], dtype=torch.float64), one)
    theirs = Masked(known, torch.tensor([[0.4, 0.25]], dtype=torch.float64), other)
    masks = [p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)) for p, q in ((0.2, 0.4), (0.5, 0.25))]
    wanted = [masks[0] + 0.8 * one.kl(other)[0, 0].item(), masks[1]]
    assert mine.kl(theirs)[0].tolist() == pytest.approx(wanted)
    assert mine.kl(mine)[0].tolist() == [0, 0]
    point = Masked(torch.tensor([[0.5, torch.nan]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64))
    assert point.kl(one)[0].tolist() == pytest.approx([math.log(2), 0])
    assert point.entropy[0].tolist() == [0, 0]
    with pytest.raises(TypeError, match="a Masked law is compared with another, got Histograms"):
        mine.kl(one)
