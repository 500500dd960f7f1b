"""The joint normal law of a row: fitted around gaps, as wide as new rows, and as histograms of cells."""

import pytest
import torch

from oracles import seeded
from quasistatic.distribution import log_mass_between
from quasistatic.network import CellsConfig
from quasistatic.network.laws import joint
from quasistatic.network.laws.joint import Histogrammed, JointNormal

LOADINGS = torch.tensor([[0.8, 0.0, 0.0], [0.5, 0.6, 0.0], [-0.4, 0.3, 0.5]], dtype=torch.float64)


def rows(count: int) -> torch.Tensor:
    return torch.randn(count, 3, dtype=torch.float64, generator=seeded()) @ LOADINGS.T + 0.2


def fitted(x: torch.Tensor) -> JointNormal:
    law = JointNormal(3)
    law.fit(x.nan_to_num(0.0), (~x.isnan()).to(x))
    return law


@pytest.mark.parametrize("kept", [(0.4, 0.4, 0.4), (0.0, 1.0, 0.3), (1.0, 0.0, 1.0)])
def test_it_is_the_conditional_law(kept: tuple[float, ...]) -> None:
    """E and Var given kept · x + √(1 − kept²) ε, by the textbook's inverse."""
    law, left = fitted(rows(400)), torch.tensor(kept, dtype=torch.float64)
    seen = torch.tensor([0.9, -0.4, 0.1], dtype=torch.float64) * (left > 0)
    whole, scale = law.joint + torch.diag(law.extra * (left < 1)), torch.diag(left)
    gain = whole @ scale @ torch.linalg.inv(scale @ whole @ scale + torch.diag(1 - left**2))
    mean, variance = law(seen[None], left[None])
    torch.testing.assert_close(mean[0], law.center + gain @ (seen - scale @ law.center))
    wanted = (whole - gain @ scale @ whole).diagonal().clamp(min=1e-8)
    torch.testing.assert_close(variance[0], wanted, rtol=1e-6, atol=1e-9)


def test_one_gain_serves_rows_noised_alike() -> None:
    """A batch of mixed patterns gives each row what it gets alone."""
    law = fitted(rows(400))
    kept = torch.tensor([[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [0.0, 1.0, 0.3]], dtype=torch.float64)
    seen = torch.randn(3, 3, dtype=torch.float64, generator=seeded())
    together = law(seen, kept)
    for place in range(3):
        alone = law(seen[place : place + 1], kept[place : place + 1])
        torch.testing.assert_close(together[0][place], alone[0][0])
        torch.testing.assert_close(together[1][place], alone[1][0])


def test_missing_cells_are_fitted_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where y is missing more for large x, the likeliest mean of y is ȳ + β (all x's mean − x̄): Little & Rubin §7.2."""
    monkeypatch.setattr(joint, "JITTER", 0.0)
    monkeypatch.setattr(joint, "ROUNDS", 300)
    pair = rows(500)[:, :2]
    there = torch.stack([torch.ones(500), (pair[:, 0] < 0.3).double()], 1).double()
    law = JointNormal(2)
    law.settle(pair.nan_to_num(0.0), there, 0.0)
    both = pair[there[:, 1] == 1]
    deviations = both - both.mean(0)
    slope = (deviations[:, 0] @ deviations[:, 1]) / (deviations[:, 0] @ deviations[:, 0])
    left = (deviations[:, 1] - slope * deviations[:, 0]).square().mean()
    spread = pair[:, 0].var(correction=0)
    mean = both[:, 1].mean() + slope * (pair[:, 0].mean() - both[:, 0].mean())
    torch.testing.assert_close(law.center, torch.stack([pair[:, 0].mean(), mean]), rtol=0, atol=1e-8)
    wanted = torch.stack([spread, slope * spread, slope * spread, left + slope**2 * spread]).view(2, 2)
    torch.testing.assert_close(law.joint, wanted, rtol=0, atol=1e-8)
    assert abs(mean - both[:, 1].mean()) > 0.1  # the complete rows alone mislead


def test_the_width_is_that_of_new_rows() -> None:
    """A number given seven others, fitted on 40 rows: a new row's squared error is its variance, on average."""
    square, stated, generator = 0.0, 0.0, seeded()
    for _ in range(40):
        x = torch.randn(240, 8, dtype=torch.float64, generator=generator)
        x[:, 0] = x[:, 1:4].sum(1) + 0.5 * x[:, 0]
        law = JointNormal(8)
        law.fit(x[:40], torch.ones(40, 8, dtype=torch.float64), 1)
        kept = torch.ones_like(x[40:])
        kept[:, 0] = 0.0
        mean, variance = law(x[40:] * kept, kept)
        square += (x[40:, 0] - mean[:, 0]).square().mean().item() / 40
        stated += variance[:, 0].mean().item() / 40
    assert square > 0.25 * 1.15  # what was estimated from 40 rows errs more than the noise
    assert stated == pytest.approx(square, rel=0.15)  # validation had 32 rows to learn from


def test_a_histogram_has_the_masses_of_the_normal_law() -> None:
    """One number in five bins beside a class of two: N(E, Var) between the edges, mixed with the frequencies."""
    classes = torch.arange(600) % 2
    raw = (2 * classes - 1) * 0.9 + 0.4 * torch.randn(600, generator=seeded())
    score = torch.special.ndtri((raw.argsort().argsort() + 0.5) / 600)
    inner = torch.tensor([-1.0, -0.3, 0.3, 1.0])
    edges = torch.zeros(2, 7)
    edges[0, :5], edges[1, :5] = torch.cat([-torch.ones(1) / 0, inner]), torch.cat([inner, torch.ones(1) / 0])
    bins = torch.stack([torch.bucketize(score, inner), classes], 1)
    frequency = torch.cat([log_mass_between(*edges[:, :5]).exp(), torch.tensor([0.5, 0.5])])
    known = torch.ones(600, 2, dtype=torch.bool)
    histograms = Histogrammed((5, 2), [0])
    histograms.fit(bins, torch.stack([score, 0 * score], 1), known, edges, frequency, torch.zeros(2))
    assert histograms.law.fitted
    one_known = torch.tensor([[False, True], [True, False], [False, False]])
    output = histograms(torch.tensor([[0, 1], [4, 0], [0, 0]]), torch.tensor([[0.0, 0], [1.5, 0], [0, 0]]), one_known)
    mean, variance = histograms.law(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    low, high = (edges[:, :5] - mean[0, 0]) / variance[0, 0].sqrt()
    masses = joint.DOUBT * frequency[:5] + (1 - joint.DOUBT) * log_mass_between(low, high).exp()
    torch.testing.assert_close((output[0, :5].exp() * frequency[:5]), masses, rtol=1e-4, atol=1e-6)
    assert mean[0, 0].item() == pytest.approx(0.8, abs=0.1)  # the mean of a half-normal
    assert (output[1, 5:].exp() * 0.5)[1] > 0.95  # 1.5 is far above the one class
    free = histograms.law(torch.zeros(1, 2), torch.zeros(1, 2))
    low, high = (edges[:, :5] - free[0][0, 0]) / free[1][0, 0].sqrt()
    alone = joint.DOUBT * frequency[:5] + (1 - joint.DOUBT) * log_mass_between(low, high).exp()
    torch.testing.assert_close(output[2, :5].exp() * frequency[:5], alone, rtol=1e-4, atol=1e-6)


def test_a_value_that_repeats_has_its_interval_of_the_normal_law() -> None:
    """Three ranges and a value of 40 % inside the second: in the law's histogram given a dependent column too."""
    z = torch.randn(4000, 2, generator=seeded())
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    share = torch.special.ndtr(z)
    cuts = torch.tensor([0.0, 0.2, 0.3, 0.7, 0.8, 1.0])  # the value has the shares from 0.3 to 0.7
    part = torch.bucketize(share[:, 0].contiguous(), cuts[1:-1])
    inside = (share[:, 0] - cuts[part]) / cuts.diff()[part]
    bin_ = torch.tensor([0, 1, 3, 1, 2])[part]
    state = bin_ + torch.tensor([0.0, 0, 0.5, 0.5, 0])[part] + torch.tensor([1, 0.5, 0, 0.5, 1])[part] * inside
    network = CellsConfig(8, 1, 0.0, (3, 4), ((1.5,), ())).build((2,), states=(4, 4)).eval()
    network.begin(torch.stack([state, 4 * share[:, 1]], 1).clamp(max=3.999))
    known = torch.full((1, 2), -1.0)
    free = network(known, torch.ones(1))[0, :4].softmax(0)
    torch.testing.assert_close(free, torch.tensor([0.2, 0.2, 0.2, 0.4]), atol=0.02, rtol=0)
    known[0, 1] = 3.5  # the upper quarter, at its middle
    told = network(known, torch.ones(1))[0, :4].softmax(0)
    near = (z[:, 1] - torch.special.ndtri(torch.tensor(0.875))).abs() < 0.2
    wanted = bin_[near].bincount(minlength=4) / int(near.sum())
    torch.testing.assert_close(told, wanted, atol=4 * (0.25 / int(near.sum())) ** 0.5, rtol=0)


def test_with_many_features_the_law_is_of_the_numbers_or_of_nothing() -> None:
    assert (Histogrammed((2,) * 100, []).categories, Histogrammed((2,) * 100, []).numbers) == ([], [])
    assert Histogrammed((9, 9, 50), [0, 1]).categories == []
    assert Histogrammed((9, 9, 50), [0, 1]).numbers == [0, 1]
    none = Histogrammed((9,) * 50, list(range(50)))
    known = torch.ones(9, 50, dtype=torch.bool)
    none.fit(
        torch.zeros(9, 50).long(), torch.zeros(9, 50), known, torch.zeros(2, 450), torch.ones(450), torch.zeros(50)
    )
    assert not none.law.fitted
