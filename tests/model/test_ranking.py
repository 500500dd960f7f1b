"""Rankings of raw data by a small model: the same in any batch, without bias, with maps that sum to the bound."""

import math
from dataclasses import replace

import pytest
import torch

from quasistatic.data import Dataset
from quasistatic.data.dataset import from_tensor
from quasistatic.model import Model
from quasistatic.model.evaluate.ranking import Maps, complexities


def some(digits: Dataset, count: int, first: int = 0) -> Dataset:
    return digits.select(torch.arange(first, first + count))


def test_scores_do_not_depend_on_batches(model: Model, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five at once, or in batches of three with an uneven last one, or of one: the same scores and draws."""
    data = some(digits, 5)
    whole = model.rank(data, steps=20, max_draws=16)
    for size in (3, 1):
        monkeypatch.setattr(Model, "batch_size", lambda _, size=size: size)
        parts = model.rank(data, steps=20, max_draws=16)
        torch.testing.assert_close(parts.bits_per_dim, whole.bits_per_dim, rtol=1e-5, atol=1e-6)
        assert torch.equal(parts.draws, whole.draws)


def test_a_ranking_has_no_bias(model: Model, digits: Dataset) -> None:
    """Its bounds are those of all steps, within 4 standard errors of the means; the terms sum to the value."""
    data, copies = some(digits, 2), digits.select(torch.arange(2).repeat_interleave(64))
    found = model.rank(data, steps=20, certainty=0.9999, max_draws=160)
    full = model.evaluate(copies, steps=20, draws=None).log_likelihoods.reshape(2, 64)
    gap = found.score.log_likelihoods - full.mean(1)
    error = (found.score.errors.square() + full.var(1) / 64).sqrt()
    assert bool((gap.abs() < 4 * error).all())
    assert sum(found.score.terms.values()) == pytest.approx(found.score.value)
    assert sum(band.value for band in found.score.bands) == pytest.approx(found.score.terms["diffusion"], rel=0.2)
    assert found.score.ranking["draws"]["most"] <= 160
    assert found.score.standard_error > 0


def test_copies_share_a_score_and_one_example_has_no_order(model: Model, digits: Dataset) -> None:
    twice = model.rank(digits.select(torch.tensor([3, 3])), steps=20)
    assert twice.bits_per_dim[0].item() == pytest.approx(twice.bits_per_dim[1].item(), rel=1e-6)
    assert twice.score.ranking["certainty"] == pytest.approx(1.0)
    alone = model.rank(some(digits, 1), steps=20)
    assert math.isnan(alone.score.ranking["certainty"])
    assert alone.draws.tolist() == [16]
    assert model.rank(some(digits, 3), steps=2).draws.tolist() == [4] * 3  # one step besides the last, in four rounds


def test_maps_sum_to_the_bound(model: Model, digits: Dataset) -> None:
    data = some(digits, 6)
    maps = Maps(data)
    found = model.rank(data, steps=20, certainty=0.99, max_draws=40, on_elements=maps)
    assert maps.bits.shape == (6, 1, 8, 8)
    torch.testing.assert_close(maps.bits.flatten(1).sum(1), found.bits_per_dim * 64, rtol=1e-6, atol=1e-6)
    assert torch.equal(maps.rounds * 4, found.draws)


def test_typical_examples_give_p_values(model: Model, digits: Dataset) -> None:
    """Digits are typical of digits. Labels that only the typical examples have do not count."""
    data = replace(from_tensor("plain", digits.batch(torch.arange(24))), codec=digits.codec)
    found = model.rank(data, steps=20, max_draws=16, typical=some(digits, 40, 100))
    assert found.typicality is not None
    assert found.typicality_above_complexity is not None
    assert 0.25 < found.typicality.mean().item() < 0.75
    assert found.bits_above_complexity is not None
    assert set(found.columns) == {
        "draws",
        "certainty",
        "complexity",
        "bits_above_complexity",
        "typicality",
        "typicality_above_complexity",
    }


def test_complexity_is_for_images_of_bytes(digits: Dataset) -> None:
    """17 levels are bytes too; rows of numbers, and images of floats or of many levels, have none."""
    levels = complexities(some(digits, 3))
    assert levels is not None
    assert bool(((levels > 1) & (levels < 8)).all())
    for values in (
        torch.arange(24).reshape(4, 6),
        torch.randn(4, 1, 3, 3),
        torch.arange(4 * 400).reshape(4, 1, 20, 20) * 40,
    ):
        assert complexities(from_tensor("other", values)) is None


def test_options_out_of_range(model: Model, digits: Dataset) -> None:
    for certainty in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="certainty must be above 0 and below 1"):
            model.rank(digits, certainty=certainty)
    with pytest.raises(ValueError, match="max_draws must be at least 8"):
        model.rank(digits, max_draws=7)
