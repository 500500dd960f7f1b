"""Sheets: forward and reverse trajectories, and completions."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from quasistatic.data import LevelsCodec
from quasistatic.plotting import (
    completions,
    forward,
    image_grid,
    reverse_gif,
    reverse_strip,
)
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Reciprocal
from sheets import BYTES, LEVELS, PLANE, array, digits, half_known, seeded

TILE = 80  # of an 8×8 image


def tile(image: Tensor, codec: LevelsCodec = LEVELS) -> np.ndarray:
    """What an 8×8 image of levels should look like: squares of (value − low)/(high − low)."""
    grey = np.round((image[0].double().numpy() - codec.low) / (codec.high - codec.low) * 255).astype("uint8")
    return np.repeat(np.repeat(grey, 10, 0), 10, 1)[..., None].repeat(3, -1)


def place(sheet: np.ndarray, part: np.ndarray) -> tuple[int, int] | None:
    """Where (row, column) a part lies in a picture, exact to the pixel."""
    height, first = len(part), part[0].tobytes()
    for row in range(len(sheet) - height + 1):
        line = sheet[row].tobytes()
        start = line.find(first)
        while start >= 0:
            column = start // 3
            if np.array_equal(sheet[row : row + height, column : column + part.shape[1]], part):
                return row, column
            start = line.find(first, start + 1)
    return None


# ---- the process and its reverse


def test_forward_begins_with_the_data_and_ends_without_them(tmp_path: Path) -> None:
    """ᾱ(1) = 0 exactly: with the same noise, any two examples end as the same picture."""
    raw = digits(2)
    for number in range(2):
        forward(GaussianProcess(Reciprocal()), raw[number : number + 1], tmp_path / f"{number}.png", LEVELS)
    first, second = array(tmp_path / "0.png"), array(tmp_path / "1.png")
    row, column = place(first, tile(raw[0])) or (-1, -1)
    assert place(second, tile(raw[1])) == (row, column)
    assert place(first[:, column + TILE :], tile(raw[0])) is None
    end = (slice(row, row + TILE), slice(-14 - TILE, -14))
    np.testing.assert_array_equal(first[end], second[end])
    assert not np.array_equal(first[row:], second[row:])


def test_forward_draws_points_together(tmp_path: Path) -> None:
    raw = torch.randn(200, 2, generator=seeded()) * 0.01 + torch.tensor([1.0, -2.0])
    forward(GaussianProcess(Cosine()), raw, tmp_path / "a.png", PLANE, columns=3)
    assert array(tmp_path / "a.png").shape[0] < 300


def trajectory(final: Tensor, frames: int = 9) -> Tensor:
    """States on a straight way from noise to the given ones."""
    share = torch.linspace(0, 1, frames).reshape(-1, *(1,) * final.ndim)
    return share * final + (1 - share) * torch.randn(frames, *final.shape, generator=seeded(7))


def test_a_strip_ends_with_the_samples(tmp_path: Path) -> None:
    raw = digits(3)
    states = trajectory(LEVELS.encode(raw), frames=21)
    reverse_strip(states, tmp_path / "a.png", LEVELS)
    sheet = array(tmp_path / "a.png")
    for number in range(3):
        start, end = place(sheet, tile(LEVELS.decode(states[0])[number])), place(sheet, tile(raw[number]))
        assert start is not None
        assert end is not None
        assert start[0] == end[0]
        assert end[1] == sheet.shape[1] - 14 - TILE


def test_an_animation_loops_and_rests_on_the_samples(tmp_path: Path) -> None:
    raw = digits(5)
    reverse_gif(trajectory(LEVELS.encode(raw), frames=12), tmp_path / "a.gif", LEVELS)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 12
        assert animation.info["loop"] == 0
        durations = []
        for frame in range(12):
            animation.seek(frame)
            durations.append(animation.info["duration"])
        last = np.array(animation.convert("L"))
    assert durations == [80] * 11 + [2500]
    samples = np.array(image_grid(raw, LEVELS))
    np.testing.assert_array_equal(last[: len(samples)], samples)
    assert last.shape[1] == samples.shape[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_heavy_animation_is_made_lighter_and_still_ends_with_the_samples(channels: int, tmp_path: Path) -> None:
    raw = torch.zeros(16, channels, 28, 28, dtype=torch.uint8)
    raw[:, :, 8:20, 10:18] = torch.arange(0, 240, 15, dtype=torch.uint8).reshape(16, 1, 1, 1)
    reverse_gif(trajectory(BYTES.encode(raw), frames=30), tmp_path / "a.gif", BYTES)
    assert (tmp_path / "a.gif").stat().st_size <= 300_000
    samples = np.array(image_grid(raw, BYTES).convert("RGB"))
    with Image.open(tmp_path / "a.gif") as animation:
        animation.seek(animation.n_frames - 1)
        np.testing.assert_array_equal(np.array(animation.convert("RGB"))[: len(samples)], samples)


def test_points_are_animated_in_one_window(tmp_path: Path) -> None:
    reverse_gif(trajectory(torch.randn(100, 2, generator=seeded()), frames=5), tmp_path / "a.gif", PLANE)
    with Image.open(tmp_path / "a.gif") as animation:
        assert (animation.n_frames, animation.size) == (5, (240, 246))


def test_completions_show_what_is_known_as_it_is_and_hatch_the_rest(tmp_path: Path) -> None:
    truth, known, draws = half_known()
    observed = torch.where(known, truth.float(), math.nan)
    completions(observed, known, draws, truth, tmp_path / "a.png", LEVELS)
    sheet = array(tmp_path / "a.png")
    upper = place(sheet, tile(truth[0])[: TILE // 2])
    assert upper is not None
    hidden = sheet[upper[0] + TILE // 2 : upper[0] + TILE, upper[1] : upper[1] + TILE].reshape(-1, 3)
    assert {tuple(colour) for colour in hidden.tolist()} == {(253, 236, 200), (240, 190, 96)}
    row, column = place(sheet, tile(truth[1])[:, :30]) or (-1, -1)
    assert column == upper[1]
    assert (np.ptp(sheet[row : row + TILE, column + 30 : column + TILE], axis=-1) > 50).all()


def test_completions_show_draws_mean_spread_and_truth_in_order(tmp_path: Path) -> None:
    truth, known, draws = half_known()
    completions(truth, known, draws, truth, tmp_path / "a.png", LEVELS)
    sheet = array(tmp_path / "a.png")
    parts = [*draws[0], draws[0].double().mean(0), truth[0]]
    places = [place(sheet, tile(part)) for part in parts]
    assert None not in places
    columns = [found[1] for found in places if found]
    assert columns == sorted(set(columns))
    assert columns[-1] == sheet.shape[1] - 14 - TILE
    row, mean, last = places[0][0], columns[-2], columns[-1]  # type: ignore[index]
    spread = sheet[row + 1 : row + TILE - 1, mean + TILE + 13 : last - 13]
    assert (spread[: TILE // 2 - 1] == 255).all()
    assert (spread[TILE // 2 :] != 255).any(-1).mean() > 0.9


def test_one_draw_has_no_spread(tmp_path: Path) -> None:
    truth, known, draws = half_known()
    completions(truth, known, draws[:, :1], None, tmp_path / "a.png", LEVELS)
    assert array(tmp_path / "a.png").shape[1] == 14 + TILE + 12 + TILE + 14


def test_completions_of_many_show_the_first(tmp_path: Path) -> None:
    truth, known, draws = (part.repeat_interleave(20, 0) for part in half_known())
    completions(truth, known, draws.repeat(1, 3, 1, 1, 1), truth, tmp_path / "a.png", LEVELS)
    height, width, _ = array(tmp_path / "a.png").shape
    assert height < 25 * (TILE + 3)
    assert width < 13 * (TILE + 12)
