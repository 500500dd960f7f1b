"""Images drawn given their block means, by a guess that is shown the means: exact where the guess is."""

import pytest
import torch

from oracles import within_4_errors
from quasistatic.denoiser import Denoise, Shown
from quasistatic.distribution import Normal
from quasistatic.inference import Known, LinearObservation, Noisy, super_resolution
from quasistatic.model.bench import Bench, DrawOptions
from quasistatic.model.draw import draw
from quasistatic.model.methods import METHODS, fitting
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from quasistatic.types import Time, like

PROCESS, LEVELS = GaussianProcess(Cosine()), 5
IMAGES = torch.tensor([[[1, -1], [1, -1]], [[-1, 1], [-1, 1]], [[1, 1], [1, 1]], [[-1, -1], [-1, -0.5]]]).double()[
    :, None
]
"""The first two have the mean 0, the others 1 and −0.875; in whole levels 0, 0, 1 and −1."""
SHARES = torch.tensor([0.3, 0.1, 0.4, 0.2]).double()


def guess(shown: Shown | None) -> Denoise:
    """p(x | x_t, means) by the two first moments; steps that are small make it exact."""

    def denoise(x_t: torch.Tensor, t: Time) -> Normal:
        kept = like(PROCESS.schedule.alpha_bar(t), x_t)[..., None]
        gap = x_t[:, None] - kept.sqrt() * IMAGES
        log_p = SHARES.log() - 0.5 * (gap**2 / (1 - kept)).flatten(2).sum(2)
        if shown is not None:
            log_p = log_p.masked_fill((IMAGES.mean((1, 2, 3)) - shown.values[:, :1, 0, 0]).abs() > 0.25, -torch.inf)
        p = log_p.softmax(1)[:, :, None, None, None]
        mean = (p * IMAGES).sum(1)
        return Normal(mean, ((p * IMAGES**2).sum(1) - mean**2).clamp(min=1e-6).sqrt())

    return denoise


def bench(at_once: int, levels: int = LEVELS) -> Bench:
    template = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    return Bench(PROCESS, lambda count: guess(None), template, lambda clean: clean, at_once, guess, levels)


def means(*values: float, std: float = 0.25) -> LinearObservation:
    return super_resolution(torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1), 2, std)


def test_draws_are_images_with_these_means_in_their_proportion() -> None:
    options = DrawOptions(draws=2000, steps=200)
    found = draw(bench(1500), means(0.0, 1.0, -0.875), 3, "condition", options, None)
    nearest = (found.x[:, :, None] - IMAGES).flatten(3).norm(dim=3).argmin(2)
    assert set(nearest[0].tolist()) == {0, 1}
    assert within_4_errors((nearest[0] == 0).double(), 0.75)
    assert nearest[1].unique().tolist() == [2]
    assert nearest[2].unique().tolist() == [3]
    assert found.network_evaluations == 3 * 2000 * 200


@pytest.mark.parametrize("count", [1, 3])
def test_draws_do_not_depend_on_their_batch(count: int) -> None:
    options, seen = DrawOptions(draws=2, steps=5), means(*[0.0, 1.0, 0.0][:count])
    one, other = (draw(bench(size), seen, count, "condition", options, None).x for size in (1, 4))
    torch.testing.assert_close(one, other)


def test_means_choose_condition_if_they_are_as_they_were_in_training() -> None:
    assert fitting(PROCESS, means(0.0), True, LEVELS) is METHODS["condition"]
    for other in (
        means(0.0, std=0.3),
        Noisy(torch.zeros(1, 1, 2, 2), torch.rand(1, 1, 2, 2) + 1, torch.ones(1, 1, 2, 2, dtype=torch.bool)),
    ):
        assert fitting(PROCESS, other, True, LEVELS) is METHODS["guide"]
    assert fitting(PROCESS, means(0.0), True) is METHODS["guide"]
    known = Known(torch.ones(1, 1, 2, 2, dtype=torch.bool), torch.zeros(1, 1, 2, 2))
    assert fitting(PROCESS, known, True, LEVELS) is METHODS["condition"]


def test_what_condition_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="given means, condition needs one pass, got resamplings; leave them out"):
        draw(bench(4), means(0.0), 1, "condition", DrawOptions(resamplings=2), None)
    with pytest.raises(
        TypeError, match="condition needs values that are known without noise, or block means of levels"
    ):
        draw(bench(4), means(0.0, std=0.3), 1, "condition", DrawOptions(), None)
    with pytest.raises(
        TypeError, match="condition needs values that are known without noise, or block means of levels"
    ):
        draw(bench(4, 0), means(0.0), 1, "condition", DrawOptions(), None)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_means_are_rounded_to_levels_and_wide_as_their_blocks(count: int) -> None:
    y = torch.rand(count, 3, 2, 3) * 2 - 1
    shown = Shown.means(y, 4, 5)
    assert len(shown) == count
    assert shown.values.shape == shown.share.shape == (count, 3, 8, 12)
    torch.testing.assert_close(shown.values[..., ::4, ::4], ((y + 1) * 2).round() / 2 - 1)
    assert torch.equal(shown.values, shown.values[..., ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3))
    assert bool((shown.share == 1 / 16).all())
    assert not bool(shown.known.any())
