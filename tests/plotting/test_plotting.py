"""Pictures, pixel by pixel: what is drawn where, with which brightness, and what is refused."""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic import plotting
from quasistatic.data import AffineCodec, load
from quasistatic.plotting import (
    bits_by_time,
    completions,
    forward,
    image_grid,
    images_to_files,
    points,
    reverse_gif,
    reverse_strip,
    save_examples,
    training_curve,
)
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from sheets import BYTES, LEVELS, PLANE, array, digits, half_known, report, seeded, some_terms

# ---- samples


def test_a_grid_has_each_image_in_its_place_and_white_between() -> None:
    raw = torch.tensor([0, 8, 16, 4, 12], dtype=torch.uint8).reshape(5, 1, 1, 1).expand(5, 1, 3, 2).contiguous()
    raw[4, 0, 0, 1] = 1
    picture = np.array(image_grid(raw, LEVELS, columns=2, scale=4))
    assert picture.shape == (3 * 14 + 2, 2 * 10 + 2)
    seen = np.full_like(picture, 255)
    for number, grey in enumerate([0, 128, 255, 64, 191]):
        row, column = 2 + number // 2 * 14, 2 + number % 2 * 10
        seen[row : row + 12, column : column + 8] = grey
    seen[30:34, 6:10] = 16
    np.testing.assert_array_equal(picture, seen)


@pytest.mark.parametrize(("side", "scale"), [(8, 10), (28, 3), (32, 2), (64, 1), (300, 1)])
def test_small_images_are_enlarged(side: int, scale: int) -> None:
    picture = image_grid(torch.zeros(4, 1, side, side, dtype=torch.uint8), BYTES)
    gap = 2 if scale > 1 else 1
    assert picture.size == (2 * (side * scale + gap) + gap,) * 2


def test_a_large_grid_stays_within_bounds() -> None:
    assert image_grid(digits(2500), LEVELS).width <= 2402


def test_transparency_is_shown_on_white() -> None:
    raw = torch.tensor([200, 100, 0, 0], dtype=torch.uint8).reshape(1, 4, 1, 1)
    assert image_grid(raw, BYTES, scale=1).getpixel((1, 1)) == (255, 255, 255)
    raw[0, 3] = 255
    assert image_grid(raw, BYTES, scale=1).getpixel((1, 1)) == (200, 100, 0)


def test_continuous_images_are_grey_at_their_mean_and_end_at_two_and_a_half_deviations() -> None:
    codec = AffineCodec((2.0,), (0.4,))
    raw = torch.tensor([2.0, 1.0, 3.0, 9.0]).reshape(4, 1, 1, 1)
    assert [image_grid(raw[i : i + 1], codec, scale=1).getpixel((1, 1)) for i in range(4)] == [128, 0, 255, 255]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_files_keep_the_bytes_of_8_bit_images(channels: int, tmp_path: Path) -> None:
    raw = torch.randint(0, 256, (11, channels, 5, 4), generator=seeded(), dtype=torch.uint8)
    files = images_to_files(raw, tmp_path / "new", BYTES)
    assert [file.name for file in files] == [f"{number:05}.png" for number in range(11)]
    assert sorted((tmp_path / "new").iterdir()) == files
    data = load(str(tmp_path / "new"), channels=channels)
    assert torch.equal(data.batch(torch.arange(11)), raw)


def test_files_of_few_levels_span_black_to_white(tmp_path: Path) -> None:
    raw = torch.arange(17, dtype=torch.uint8).reshape(1, 1, 1, 17)
    (file,) = images_to_files(raw, tmp_path, LEVELS)
    with Image.open(file) as picture:
        assert picture.mode == "L"
        assert list(picture.tobytes()) == [round(255 * level / 16) for level in range(17)]


def test_files_are_replaced_but_never_mixed_with_others(tmp_path: Path) -> None:
    images_to_files(digits(3), tmp_path, LEVELS)
    images_to_files(digits(3, seed=1), tmp_path, LEVELS)
    with pytest.raises(FileExistsError, match=r"folder of their own, and .* holds 00002\.png"):
        images_to_files(digits(2), tmp_path, LEVELS)


def test_examples_are_a_grid_or_a_scatter(tmp_path: Path) -> None:
    save_examples(digits(5), tmp_path / "images.png", LEVELS)
    np.testing.assert_array_equal(
        array(tmp_path / "images.png"), np.array(image_grid(digits(5), LEVELS).convert("RGB"))
    )
    raw = torch.randn(300, 2, generator=seeded())
    save_examples(raw, tmp_path / "points.png", PLANE)
    points(raw, tmp_path / "both.png", data=raw + 1)
    assert array(tmp_path / "points.png").shape == array(tmp_path / "both.png").shape == (750, 750, 3)


# ---- what is refused


@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 8, 8), (0, 1, 8, 8), (2, 3, 4, 8, 8)], ids=str)
def test_what_is_no_image_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    raw = torch.zeros(shape, dtype=torch.uint8)
    for draw in (
        lambda: save_examples(raw, tmp_path / "a.png", LEVELS),
        lambda: images_to_files(raw, tmp_path / "files", LEVELS),
    ):
        with pytest.raises(ValueError, match=r"made of images .* with 1, 3 or 4 channels, got"):
            draw()
    assert not list(tmp_path.iterdir())


def test_wrong_requests_are_refused_in_a_sentence(tmp_path: Path) -> None:
    raw, path = digits(2), tmp_path / "a.png"
    with pytest.raises(ValueError, match="columns and a scale of at least 1, got 0 and None"):
        image_grid(raw, LEVELS, columns=0)
    with pytest.raises(ValueError, match="finite values, got NaN"):
        image_grid(torch.full((1, 1, 2, 2), math.nan), AffineCodec((0.0,), (1.0,)))
    with pytest.raises(ValueError, match=r"points of shape \(n, 2\), got \(4, 3\)"):
        points(torch.zeros(4, 3), path)
    with pytest.raises(ValueError, match="finite points"):
        points(torch.full((4, 2), math.inf), path)
    with pytest.raises(ValueError, match="at least two columns, got 1"):
        forward(GaussianProcess(Cosine()), raw, path, LEVELS, columns=1)
    with pytest.raises(ValueError, match="at least two columns, got 1"):
        reverse_strip(torch.zeros(1, 2, 1, 8, 8), path, LEVELS)
    with pytest.raises(ValueError, match=r"points of shape \(n, 2\), got \(20, 3\)"):
        reverse_gif(torch.zeros(5, 4, 3), path, AffineCodec((0.0,) * 3, (1.0,) * 3))
    with pytest.raises(ValueError, match="one bin or more, got 0"):
        bits_by_time(some_terms(10, 3), 1, bins=0)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*gone to write a\.png to"):
        save_examples(raw, tmp_path / "gone" / "a.png", LEVELS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", ["a mask", "draws", "a truth"])
def test_completions_need_shapes_that_belong_together(wrong: str, tmp_path: Path) -> None:
    truth, known, draws = half_known()
    parts = {"a mask": known, "draws": draws, "a truth": truth} | {wrong: {"draws": draws}.get(wrong, known)[..., 1:]}
    bare = inspect.unwrap(completions)  # without the shape checks that only tests have
    with pytest.raises(ValueError, match=rf"completions of \(2, 1, 8, 8\) take {wrong} of that shape"):
        bare(truth, parts["a mask"], parts["draws"], parts["a truth"], tmp_path / "a.png", LEVELS)


def test_a_damaged_course_is_refused(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    with pytest.raises(FileNotFoundError, match=r"metrics\.jsonl, and there is no"):
        training_curve(metrics, tmp_path / "a.png")
    metrics.write_text("")
    with pytest.raises(ValueError, match="holds no report yet"):
        training_curve(metrics, tmp_path / "a.png")
    metrics.write_text("\n".join([report(0), "{", report(20)]))
    with pytest.raises(ValueError, match="line 2 is damaged"):
        training_curve(metrics, tmp_path / "a.png")


def test_the_public_names_are_those_of_the_table() -> None:
    assert all(inspect.getdoc(getattr(plotting, name)) for name in plotting.__all__)
