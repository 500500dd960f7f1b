"""Cells under limits have the law of a joint table, cut to the limits: checked by enumeration."""

import pytest
import torch

from oracles import seeded, within_4_errors
from quasistatic.distribution.histograms import Histograms
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
    found, chance = limited(exact, x, {column: LEFT[column] for column in order}, seeded(1))
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
    found, chance = limited(exact, x, {0: LEFT[0]}, seeded())
    assert bool((found[:, 1] == 2.3).all())
    cut = JOINT[:, 2] / JOINT[:, 2].sum() * (LEFT[0][:, 1] - LEFT[0][:, 0])
    assert chance == pytest.approx(cut.sum().item())
    assert within_4_errors((found[:, 0] < 1).double()[:, None], cut[0] / cut.sum())


def test_nothing_to_do() -> None:
    x = torch.full((2, 2), MASK)
    assert limited(exact, x, {})[1] == 1.0
    assert limited(exact, x[:0], {0: LEFT[0]})[0].shape == (0, 2)


def test_what_never_holds_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.full((3, 2), MASK, dtype=torch.float64)
    with pytest.raises(ValueError, match="the conditions hold with probability 0 under the model; drop one"):
        limited(exact, x, {0: torch.zeros(3, 2)})
    monkeypatch.setattr(limits, "ATTEMPTS", 5)
    rare = torch.tensor([[0.0, 1e-9]] * 4, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"the conditions hold in 0 of 15 rows drawn: about 30 draws a row; drop one"):
        limited(exact, x, {0: LEFT[0], 1: rare}, seeded())
