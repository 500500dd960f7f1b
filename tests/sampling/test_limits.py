"""Cells under limits have the law of a joint table, cut to the limits: checked by enumeration."""

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution.histograms import Histograms
from quasistatic.distribution.limits import Limit, Noise
from quasistatic.distribution.masked import MASK
from quasistatic.sampling import limits
from quasistatic.sampling.limits import limited

JOINT = torch.rand(3, 4, generator=seeded(), dtype=torch.float64)
JOINT /= JOINT.sum()
LEFT = {
    0: torch.tensor([[0.0, 1.0], [0.0, 0.0], [0.25, 0.75]], dtype=torch.float64),
    1: torch.tensor([[0.0, 0.5], [0.0, 1.0], [0.5, 1.0], [0.0, 0.0]], dtype=torch.float64),
}


def exact(x_t: torch.Tensor, t: torch.Tensor) -> Histograms:
    """The conditional law of each of two cells, by the joint table."""
    first, second = x_t.floor().long().unbind(1)
    rows = [
        torch.cat([
            (JOINT.sum(1) if j < 0 else JOINT[:, j]).log(),
            (JOINT.sum(0) if i < 0 else JOINT[i]).log(),
        ])
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]  # fmt: skip
    return Histograms(torch.stack(rows), (3, 4))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_rows_have_the_joint_law_cut_to_the_limits(order: tuple[int, int]) -> None:
    x = torch.full((4000, 2), MASK, dtype=torch.float64)
    found, chance = limited(exact, x, {column: Limit(LEFT[column][None]) for column in order}, seeded(1))
    widths = [LEFT[column][:, 1] - LEFT[column][:, 0] for column in (0, 1)]
    cut = JOINT * widths[0][:, None] * widths[1]
    assert chance == pytest.approx(cut.sum().item(), rel=0.1)
    cells = (4 * found[:, 0].floor() + found[:, 1].floor()).long()
    counts = torch.nn.functional.one_hot(cells, 12).double()
    assert within_4_errors(counts, (cut / cut.sum()).flatten())
    for column in (0, 1):
        parts = LEFT[column][found[:, column].long()]
        place = found[:, column] - found[:, column].floor()
        assert bool(((place >= parts[:, 0]) & (place <= parts[:, 1])).all())


def test_known_cells_stay_and_count() -> None:
    x = torch.full((2000, 2), MASK, dtype=torch.float64)
    x[:, 1] = 2.3
    found, chance = limited(exact, x, {0: Limit(LEFT[0][None])}, seeded())
    assert bool((found[:, 1] == 2.3).all())
    cut = JOINT[:, 2] / JOINT[:, 2].sum() * (LEFT[0][:, 1] - LEFT[0][:, 0])
    assert chance == pytest.approx(cut.sum().item())
    assert within_4_errors((found[:, 0] < 1).double()[:, None], cut[0] / cut.sum())


def test_each_row_has_limits_of_its_own() -> None:
    """Every other row is limited in the second column; all rows are in the first."""
    x = torch.full((4000, 2), MASK, dtype=torch.float64)
    free = torch.tensor([[0.0, 1.0]] * 4, dtype=torch.float64)
    parts = torch.stack([LEFT[1], free]).repeat(2000, 1, 1)
    found, _ = limited(exact, x, {0: Limit(LEFT[0][None]), 1: Limit(parts)}, seeded(2))
    width = LEFT[0][:, 1] - LEFT[0][:, 0]
    for place, own in enumerate((LEFT[1], free)):
        cut = JOINT * width[:, None] * (own[:, 1] - own[:, 0])
        cells = (4 * found[place::2, 0].floor() + found[place::2, 1].floor()).long()
        assert within_4_errors(torch.nn.functional.one_hot(cells, 12).double(), (cut / cut.sum()).flatten())
    taken = Limit(parts).take(torch.tensor([1, 1, 0])).parts
    torch.testing.assert_close(taken, torch.stack([free, free, LEFT[1]]))


def test_values_seen_with_noise_weigh_the_law() -> None:
    """Both cells are seen with noise: p(i, j) ∫ r₁ over bin i ∫ r₂ over bin j, by quadrature."""
    x = torch.full((4000, 2), MASK, dtype=torch.float64)
    seen, grid = {0: (1.2, 0.5), 1: (3.0, 0.8)}, (torch.arange(400.0).double() + 0.5) / 100
    masses, limits_ = [], {}
    for column, (y, std) in seen.items():
        bins = JOINT.shape[column]
        ends = torch.stack([torch.arange(bins), torch.arange(bins) + 1.0], 1).double()
        noise = Noise(torch.full((4000,), y).double(), torch.full((4000,), std).double(), ends, lambda state: state)
        limits_[column] = Limit(torch.tensor([[0.0, 1.0]] * bins).double()[None], noise)
        masses.append(torch.exp(-0.5 * ((grid - y) / std).square()).view(4, 100).mean(1)[:bins])
    found, chance = limited(exact, x, limits_, seeded(3))
    cut = JOINT * masses[0][:, None] * masses[1]
    assert chance == pytest.approx(cut.sum().item(), rel=0.1)
    cells = (4 * found[:, 0].floor() + found[:, 1].floor()).long()
    assert within_4_errors(torch.nn.functional.one_hot(cells, 12).double(), (cut / cut.sum()).flatten())


def test_nothing_to_do() -> None:
    x = torch.full((2, 2), MASK)
    assert limited(exact, x, {})[1] == 1.0
    assert limited(exact, x[:0], {0: Limit(LEFT[0][None])})[0].shape == (0, 2)


def test_what_never_holds_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.full((3, 2), MASK, dtype=torch.float64)
    with pytest.raises(ValueError, match="hold with probability 0 under the model, in 3 of 3 rows; drop one"):
        limited(exact, x, {0: Limit(torch.zeros(1, 3, 2))})
    monkeypatch.setattr(limits, "ATTEMPTS", 5)
    rare = torch.tensor([[0.0, 1e-9]] * 4, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"the conditions hold in 0 of 15 rows drawn: about 30 draws a row; drop one"):
        limited(exact, x, {0: Limit(LEFT[0][None]), 1: Limit(rare[None])}, seeded())
