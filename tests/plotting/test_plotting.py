"""Pictures, pixel by pixel: what is drawn where, with which brightness, and what is refused."""

import inspect
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from quasistatic import plotting
from quasistatic.data import AffineCodec, LevelsCodec, load
from quasistatic.evaluation import BoundTerms
from quasistatic.plotting import (
    bits_by_time,
    bound_by_time,
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
from quasistatic.schedule import Cosine, Linear, Reciprocal, uniform_times

LEVELS = LevelsCodec(0, 16, 17)
BYTES = LevelsCodec(0, 255, 256)
PLANE = AffineCodec((1.0, -2.0), (3.0, 0.5))
TILE = 80  # of an 8×8 image


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 17, (n, 1, 8, 8), generator=seeded(seed), dtype=torch.uint8)


def array(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


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


# ---- inference


def half_known() -> tuple[Tensor, Tensor, Tensor]:
    """Two digits, which pixels are known, and four completions of each."""
    truth = digits(2)
    known = torch.zeros(truth.shape, dtype=torch.bool)
    known[0, :, :4] = known[1, :, :, :3] = True
    draws = torch.stack([torch.where(known, truth, digits(2, seed)) for seed in range(1, 5)], 1)
    return truth, known, draws


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


# ---- evaluation and learning


def some_terms(steps: int, draws: int, batch: int = 40, step_cost: float = 0.25) -> BoundTerms:
    """Terms whose every step costs the same, looked at in strata as `evaluation.bound` does."""
    grid_times, count = uniform_times(steps), steps - 1
    k = (torch.arange(draws)[:, None] + torch.rand(draws, batch, generator=seeded())) * count / draws
    costs = torch.full((draws, batch), step_cost, dtype=torch.float64)
    ends = torch.ones(2, batch, dtype=torch.float64) * torch.tensor([[0.5], [2.0]])
    return BoundTerms(ends[0], costs.sum(0) * count / draws, ends[1], grid_times[k.long().clamp(max=count - 1)], costs)


@pytest.mark.parametrize("bins", [None, 1, 7])
@pytest.mark.parametrize(("steps", "draws"), [(1000, 16), (50, 49), (7, 3), (2, 1)])
def test_bars_sum_to_the_diffusion_cost(steps: int, draws: int, bins: int | None) -> None:
    terms = some_terms(steps, draws)
    edges, bits = bits_by_time(terms, 64, bins)
    assert len(edges) == len(bits) + 1
    assert (edges[0], edges[-1]) == (0, 1)
    assert bits.sum().item() == pytest.approx(terms.diffusion.mean().item() / (64 * math.log(2)), rel=1e-12)


def test_equal_steps_make_equal_bars_but_for_the_last_step() -> None:
    """50 steps, all looked at: 25 bars of two, of which the first has one, for its other is the reconstruction."""
    _, bits = bits_by_time(some_terms(50, 49), 1)
    assert bits.tolist() == pytest.approx([0.25 / math.log(2)] + [0.5 / math.log(2)] * 24)


def test_a_chain_oftake_step_has_no_diffusion() -> None:
    none, one = torch.zeros(0, 3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    _, bits = bits_by_time(BoundTerms(one, 0 * one, one, none, none), 2)
    assert bits.tolist() == [0.0]


@pytest.mark.parametrize("schedule", [Cosine(), Linear(), Reciprocal()], ids=repr)
def test_the_bound_is_drawn_under_any_clock(schedule: Cosine | Linear | Reciprocal, tmp_path: Path) -> None:
    bound_by_time(some_terms(100, 16), schedule, 64, tmp_path / "a.png")
    assert array(tmp_path / "a.png").shape == (540, 1350, 3)


def report(step: int, held_out: float | None = None) -> str:
    return json.dumps({"step": step, "loss": 2 + 1 / (1 + step), "held_out": held_out, "note": None})


def test_the_course_of_a_run_is_drawn(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text("\n".join([report(0), report(10), report(20)]))
    training_curve(metrics, tmp_path / "loss.png")
    metrics.write_text("\n".join([report(0), report(10, 2.5), report(20, 2.25), '{"step": 30, "lo']))
    training_curve(metrics, tmp_path / "both.png")
    assert array(tmp_path / "both.png").shape[0] == 2 * array(tmp_path / "loss.png").shape[0]


# ---- what is refused


@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 8, 8), (0, 1, 8, 8), (3, 8, 8)], ids=str)
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
