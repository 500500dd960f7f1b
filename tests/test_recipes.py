"""A recipe fits the data it is given, and keeps what it was tuned with."""

import pytest
import torch

from quasistatic.config import Specification
from quasistatic.data import Dataset
from quasistatic.denoiser.head import LevelsHead
from quasistatic.model import Model
from quasistatic.recipes import RECIPES, recipe
from quasistatic.schedule import Learned


def test_the_head_is_fitted_and_its_gain_is_kept(digits: Dataset) -> None:
    for name in ("digits", "demo", "mnist"):
        made = RECIPES[name]("digits").head
        assert isinstance(made, LevelsHead)
        assert recipe(name, digits, "digits").head == LevelsHead(17, made.gain)
        assert made.gain > 1


def test_the_recipe_of_a_named_set_is_its_own(digits: Dataset) -> None:
    assert recipe(None, digits, "digits") == recipe("digits", digits, "digits")
    assert recipe(None, digits, "some/folder").objective == recipe("images", digits, "some/folder").objective


@pytest.mark.parametrize("name", ["digits", "demo", "mnist"])
def test_recipes_of_images_build(name: str, digits: Dataset) -> None:
    model = Model.fresh(recipe(name, digits, "digits"), Specification.of(digits))
    assert 1e5 < sum(weight.numel() for weight in model.network.parameters()) < 1e7


def test_rates_begin_with_a_small_first_step_and_end_in_noise() -> None:
    config = RECIPES["rates"]("points.npy")
    schedule = config.process.schedule
    assert isinstance(schedule, Learned)
    assert len(schedule.beta) == config.objective.steps == 40
    kept = schedule.alpha_bar(torch.tensor([1 / 40, 1.0], dtype=torch.float64))
    assert kept[0].item() == pytest.approx(0.999)
    assert kept[1] <= 1e-3


def test_an_unknown_recipe_names_the_known(digits: Dataset) -> None:
    with pytest.raises(ValueError, match="the recipe is one of digits, demo"):
        recipe("cake", digits, "digits")
