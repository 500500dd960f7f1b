"""The lessons: known answers of a chain, of schedules, of the way back, and of the bound with an exact guess."""

import base64
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine
from quasistatic.serve.worker import learning
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.learning.reverse import Digits

WEATHER = {"states": ["sunny", "cloudy"], "matrix": [[0.7, 0.3], [0.25, 0.75]], "steps": 60}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk()
    desk.begin("job", {}, tmp_path, lambda done, total: None)
    return desk


def test_a_forecast_settles_at_the_stationary_law(desk: Desk) -> None:
    found = learning.study_chain(desk, WEATHER)
    assert found["forecast"][0] == [1, 0]
    assert found["forecast"][1] == pytest.approx([0.7, 0.3])
    assert found["forecast"][-1] == pytest.approx([5 / 11, 6 / 11])
    assert found["stationary"][0]["sunny"] == pytest.approx(5 / 11)
    assert len(found["path"]) == 61
    assert set(found["path"]) == {0, 1}


@pytest.mark.parametrize(
    "change",
    [
        {"matrix": [[0.7, 0.2], [0.25, 0.75]]},
        {"matrix": [[0.7], [0.25, 0.75]]},
        {"matrix": "no"},
        {"matrix": [["a", 1], [0, 1]]},
        {"states": []},
        {"states": ["a", "a"]},
        {"start": 2},
        {"steps": 10**6},
    ],
)
def test_what_is_no_chain_is_refused(desk: Desk, change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        learning.study_chain(desk, WEATHER | change)


def test_two_hundred_unscaled_steps_leave_a_signal_and_scaled_ones_do_not(desk: Desk) -> None:
    """∏ (1 − β) of the linear schedule, β from 1e-4 to 0.02 in 200 steps."""
    kept = math.prod(1 - (1e-4 + (0.02 - 1e-4) * i / 199) for i in range(200))
    assert learning.noise_forward(desk, {"schedule": "unscaled", "steps": 200})["left"] == pytest.approx(kept)
    assert 0.12 < kept < 0.14
    assert learning.noise_forward(desk, {"schedule": "linear", "steps": 200})["left"] < 1e-4


@pytest.mark.parametrize("schedule", ["cosine", "linear", "reciprocal", "own"])
def test_a_pixel_has_a_law_at_each_time(desk: Desk, schedule: str) -> None:
    found = learning.noise_forward(desk, {"schedule": schedule, "table": "0.1, 0.5 0.9"})
    assert len(found["frames"]) == len(found["times"]) == len(found["pixel"]["densities"]) + 1
    width = found["pixel"]["places"][1] - found["pixel"]["places"][0]
    assert sum(found["pixel"]["densities"][-1]) * width == pytest.approx(1, abs=0.02)
    assert found["kept"][0] == 1
    assert found["kept"] == sorted(found["kept"], reverse=True)


@pytest.mark.parametrize("asked", [{"schedule": "odd"}, {"schedule": "own", "table": "2"}, {"steps": 0}, {"last": 5}])
def test_what_is_no_schedule_is_refused(desk: Desk, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"got|β"):
        learning.noise_forward(desk, {"schedule": "linear", **asked})


def test_the_bound_falls_to_the_true_value_with_more_steps(desk: Desk) -> None:
    found = learning.bound_terms(desk, {"schedule": "cosine"})
    bounds = [row["prior"] + row["diffusion"] + row["reconstruction"] for row in found["rows"]]
    assert bounds[0] > bounds[1] > bounds[2] > found["truth"]
    last = found["rows"][-1]
    assert abs(bounds[-1] - found["truth"]) < 4 * last["error"] + 0.01, "128 steps still cost a little"


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_the_exact_guess_is_bayes_rule() -> None:
    """w_i ∝ exp(−‖x_t − √ᾱ x_i‖² / 2(1 − ᾱ)), written out."""
    process, known = GaussianProcess(Cosine()), torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    x_t, t = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(1)), torch.full((3,), 0.4).double()
    kept = Cosine().alpha_bar(t[:1]).item()
    far = ((x_t[:, None] - math.sqrt(kept) * known) ** 2).flatten(2).double().sum(2)
    expected = (-far / (2 * (1 - kept))).softmax(1)
    found = Digits(process, known)
    torch.testing.assert_close(found.weights(x_t, t), expected, rtol=1e-4, atol=1e-6)
    mean, count = found.guess(x_t, t)
    torch.testing.assert_close(mean, torch.einsum("bn,n...->b...", expected, known.double()).float())
    assert 1 <= (count or 0) <= 5


def test_the_way_back_by_the_exact_guess_ends_at_digits(desk: Desk) -> None:
    found = learning.reverse_walk(desk, {"schedule": "cosine", "reverse_steps": 12})
    assert found["times"][0] == 1
    assert found["times"][-1] == 0
    assert found["counts"][0] > 1500, "at t = 1 the guess is the mean of all digits"
    assert found["counts"] == sorted(found["counts"], reverse=True)
    from quasistatic.data import load

    digits = load("digits")
    shades = (digits.batch(torch.arange(len(digits)))[:, 0].double() / 16 * 255).round().to(torch.uint8).numpy()
    for uri in found["states"][-1]:
        assert (shades == picture(uri)).all((1, 2)).any()


def test_the_way_back_by_a_run_and_what_it_refuses(desk_for: Callable[..., Desk]) -> None:
    found = learning.reverse_walk(desk_for("digits"), {"run": "id", "reverse_steps": 5})
    assert len(found["states"]) == len(found["guesses"]) == len(found["times"]) == 6
    assert found["counts"] is None
    with pytest.raises(ValueError, match="this run has others"):
        learning.reverse_walk(desk_for("people"), {"run": "id"})


def test_an_uploaded_picture_is_made_smaller_and_noised(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    Image.new("RGB", (200, 100), (255, 0, 0)).save(folder / "00000.png")
    (folder / "names.json").write_text('["red.png"]')
    desk.begin("job", {"upload": str(folder)}, tmp_path, lambda done, total: None)
    found = learning.noise_forward(desk, {"schedule": "cosine", "upload": "id", "pixel": 5})
    assert found["size"] == [32, 64]
    assert (picture(found["frames"][0]) == [255, 0, 0]).all()
    assert found["pixel"]["value"] == 1, "red is the first channel"
    last = picture(found["frames"][-1]).astype(float)
    assert last.std() > 50
    (folder / "00000.png").unlink()
    (folder / "00000.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(ValueError, match="another kind"):
        learning.noise_forward(desk, {"schedule": "cosine", "upload": "id"})
