"""The lessons: known answers of a chain, of schedules, and of the bound with an exact guess."""

import math
from pathlib import Path
from typing import Any

import pytest

from quasistatic.serve.worker import learning
from quasistatic.serve.worker.desk import Desk

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
