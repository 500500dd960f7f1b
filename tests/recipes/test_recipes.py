"""A recipe fits the data it is given, and keeps what it was tuned with."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from quasistatic.config import Specification
from quasistatic.data import Dataset, load
from quasistatic.data.dataset import asymmetry, from_tensor
from quasistatic.denoiser.head import GaussianHead, LevelsHead, MixtureHead
from quasistatic.model import Model
from quasistatic.network import CellsConfig, UNetConfig
from quasistatic.recipes import RECIPES, fine, recipe
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
        assert recipe(name, pictures(12, 8), "x").head == RECIPES[name]("x").head == MixtureHead(256, components=8)


@pytest.mark.parametrize(
    ("rows", "columns", "width", "steps"), [(300, 3, 64, 234), (2000, 3, 128, 781), (6000, 2, 256, 1172)]
)
def test_a_table_has_a_network_and_epochs_by_its_rows(
    tmp_path: Path, rows: int, columns: int, width: int, steps: int
) -> None:
    config = recipe(None, table(tmp_path, rows, columns), "t")
    assert isinstance(config.network, CellsConfig)
    assert (config.network.width, config.training.steps) == (width, steps)


def test_a_table_that_would_take_longer_has_minutes(tmp_path: Path) -> None:
    assert recipe(None, table(tmp_path, 21_000, 20), "t").training.steps is None


def table(folder: Path, rows: int, columns: int) -> Dataset:
    numbers = np.random.default_rng(0).normal(size=(rows, columns))
    np.savetxt(folder / "t.csv", numbers, "%.5f", ",", header=",".join(f"x{n}" for n in range(columns)), comments="")
    return load(folder / "t.csv")


def waves(name: str, dataset: Dataset) -> tuple[int, ...]:
    network = recipe(name, dataset, "x").network
    assert isinstance(network, UNetConfig)
    return network.fourier


def test_waves_tell_neighbouring_levels_apart(digits: Dataset) -> None:
    """The finest of the four turns by a quarter per level; few levels, and values without levels, need none."""
    assert fine(256) == (3, 4, 5, 6)
    for levels in (128, 256, 1000, 2**16):
        turn = 2.0 ** fine(levels)[-1] / (levels - 1)  # of the 2π that the wave has over two units
        assert 1 / 4 / math.sqrt(2) <= turn <= math.sqrt(2) / 4
    for name in ("mnist", "images"):
        assert waves(name, pictures(12, 8)) == RECIPES[name]("x").network.fourier == fine(256)  # type: ignore[attr-defined]
        assert waves(name, digits) == ()
        assert waves(name, pictures(12, 8, dtype=torch.float32)) == ()
    for name in ("bits", "states", "digits", "demo"):
        assert waves(name, digits) == ()


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


def glyphs(count: int, letters: str) -> Dataset:
    """Letters of random size, place and colours, labelled, as photographs are stored: in three channels."""
    random, pixels = np.random.default_rng(0), np.empty((count, 3, 16, 16), np.uint8)
    for n in range(count):
        paper, ink = (tuple(random.integers(low, low + 100, 3).tolist()) for low in (0, 150))
        image = Image.new("RGB", (16, 16), paper)
        place, font = tuple(random.integers(6, 11, 2).tolist()), ImageFont.load_default(random.integers(10, 16))
        ImageDraw.Draw(image).text(place, letters[n % len(letters)], fill=ink, font=font, anchor="mm")
        pixels[n] = np.asarray(image).transpose(2, 0, 1)
    labels = torch.arange(count) % len(letters)
    return from_tensor("glyphs", torch.from_numpy(pixels), labels=labels, classes=tuple(letters))


def test_asymmetry_is_the_share_of_the_mean_image() -> None:
    """Of x = a·sign + noise, with a the mean's and 1 the noise's standard deviation per pixel: a²/(a² + 1/2)."""
    noise = torch.randn(4000, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    side = torch.ones(16)
    side[8:] = -1
    for a in (0.0, 0.1, 1.0):
        assert asymmetry(from_tensor("x", a * side + noise), 4000) == pytest.approx(a**2 / (a**2 + 0.5), abs=2e-4)
    assert math.isnan(asymmetry(from_tensor("x", torch.ones(4, 1, 8, 8))))
    single = from_tensor("x", noise[:2], labels=torch.arange(2), classes=("a", "b"))
    assert math.isnan(asymmetry(single))


def test_photographs_are_mirrored_and_glyphs_are_not(digits: Dataset) -> None:
    def flips(dataset: Dataset) -> bool:
        return recipe("images", dataset, "x").data.flip

    photos, letters = pictures(60, 16), glyphs(260, "abcdefghijklmnopqrstuvwxyz")
    assert flips(photos) is True
    assert flips(letters) is False
    assert flips(replace(letters, labels=None, classes=())) is False
    assert flips(digits) is False
    grey = from_tensor("grey", photos.batch(torch.arange(60))[:, :1])
    assert flips(grey) is False
    assert recipe("mnist", photos, "x").data.flip is False


def test_flips_that_change_the_class_are_off() -> None:
    """Brighter on the left or on the right: the whole set is its own mirror image, and no class is."""
    x = pictures(80, 8).batch(torch.arange(80)) // 2
    x[::2, ..., :4] += 100
    x[1::2, ..., 4:] += 100
    arrows = from_tensor("arrows", x, labels=torch.arange(80) % 2, classes=("left", "right"))
    assert recipe("images", arrows, "x").data.flip is False
    assert recipe("images", replace(arrows, labels=None, classes=()), "x").data.flip is True


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


def test_word_pieces_are_seen_a_few_times_only(tmp_path: Path) -> None:
    """A text is fewer and longer pieces than characters, and more passes fit the training data only."""
    pytest.importorskip("tokenizers")
    (tmp_path / "a.txt").write_text("the cat sat on the mat and the dog sat on the cat " * 200)
    words, letters = (load(tmp_path / "a.txt", length=16, tokens=tokens) for tokens in (40, None))
    assert recipe(None, words, "a.txt").training.epochs == 6
    assert recipe(None, letters, "a.txt").training.epochs is None
