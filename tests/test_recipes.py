"""A recipe fits the data it is given, and keeps what it was tuned with."""

import pytest
import torch

from quasistatic.config import Specification
from quasistatic.data import Dataset
from quasistatic.data.dataset import from_tensor
from quasistatic.denoiser.head import GaussianHead, LevelsHead, MixtureHead
from quasistatic.model import Model
from quasistatic.network import UNetConfig
from quasistatic.recipes import RECIPES, recipe
from quasistatic.schedule import Learned


def test_the_head_is_fitted_and_its_gain_is_kept(digits: Dataset) -> None:
    for name in ("digits", "demo"):
        made = RECIPES[name]("digits").head
        assert isinstance(made, LevelsHead)
        assert recipe(name, digits, "digits").head == LevelsHead(17, made.gain)
        assert made.gain > 1


def test_few_levels_have_a_logit_each_and_many_a_mixture(digits: Dataset) -> None:
    for name in ("mnist", "images"):
        assert recipe(name, digits, "digits").head == LevelsHead(17, 4.0)
        assert recipe(name, pictures(12, 8), "x").head == RECIPES[name]("x").head == MixtureHead(256)


def pictures(count: int, side: int, classes: tuple[str, ...] = (), dtype: torch.dtype = torch.uint8) -> Dataset:
    raw = torch.randint(256, (count, 3, side, side), generator=torch.Generator().manual_seed(0)).to(dtype)
    raw = raw / 256 if dtype.is_floating_point else raw
    labels = torch.arange(count) % len(classes) if classes else None
    return from_tensor("pictures", raw, labels=labels, classes=classes)


@pytest.mark.parametrize(("side", "patch"), [(8, 2), (32, 2), (40, 2), (64, 4), (128, 8)])
def test_patches_grow_with_the_images(side: int, patch: int) -> None:
    config = recipe("images", pictures(12, side), "x")
    assert isinstance(config.network, UNetConfig)
    assert config.network.patch == patch
    Model.fresh(config, Specification.of(pictures(12, side)))


def test_labels_are_used_where_there_are_any() -> None:
    assert recipe("images", pictures(12, 8, ("cat", "dog")), "x").data.conditional is True
    assert recipe("images", pictures(12, 8), "x").data.conditional is False
    assert recipe("mnist", pictures(12, 8, ("cat", "dog")), "x").data.conditional is False


def test_images_of_continuous_values_are_scored_as_a_density() -> None:
    config = recipe("images", pictures(12, 8, dtype=torch.float32), "x")
    assert config.head == GaussianHead("velocity", "learned")
    Model.fresh(config, Specification.of(pictures(12, 8, dtype=torch.float32)))


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
