"""The tasks that draw make what `Model` makes, in the form that the page shows; cancelling stops them within a step."""

import base64
import csv
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.model import Model
from quasistatic.serve.worker import drawing
from quasistatic.serve.worker.desk import CancelledError, Desk


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_pictures_are_the_samples_of_the_seed(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    found = drawing.draw_samples(desk, {"n": 3, "steps": 4, "seed": 7})
    raw = Model.from_pretrained(desk.paths["run"]).sample(3, steps=4, seed=7)
    for uri, image in zip(found["examples"]["pictures"], raw, strict=True):
        np.testing.assert_array_equal(picture(uri), (image[0].double() / 16 * 255).round().numpy())
    with np.load(desk.folder / "samples.npz") as arrays:
        np.testing.assert_array_equal(arrays["arr_0"], raw.movedim(1, -1).numpy())
    assert found["files"] == ["samples.npz", "samples.png"]


def test_rows_of_a_table_are_the_cells_of_its_file(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("people")
    found = drawing.draw_samples(desk, {"n": 30, "where": "age>=60\n"})
    head, *rows = csv.reader((desk.folder / "samples.csv").read_text().splitlines())
    assert (found["examples"]["columns"], found["examples"]["rows"]) == (head, rows)
    assert head == ["age", "income", "city"]
    assert min(int(row[0]) for row in rows) >= 60


@pytest.mark.parametrize(("name", "kind"), [("verse", "text"), ("roll", "points")])
def test_text_and_points(desk_for: Callable[..., Desk], name: str, kind: str) -> None:
    found = drawing.draw_samples(desk_for(name), {"n": 5, "steps": 3})["examples"]
    assert found["kind"] == kind
    shown = found["lines"] if kind == "text" else found["values"]
    assert [len(one) for one in shown] == [16 if kind == "text" else 2] * 5


def test_a_film_goes_from_noise_to_the_samples_of_its_seed(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    found = drawing.film(desk, {"n": 4, "steps": 10, "frames": 5, "seed": 3})
    last = drawing.draw_samples(desk, {"n": 4, "steps": 10, "seed": 3})
    assert found["frames"][-1] == last["examples"]
    assert found["times"] == [1, 0.75, 0.5, 0.25, 0]
    with pytest.raises(ValueError, match="images, points or signals"):
        drawing.film(desk_for("people"), {})


def test_a_film_of_a_class_ends_at_its_samples(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("classes")
    asked = {"n": 2, "steps": 4, "seed": 3, "label": "7", "scale": 3.0}
    found = drawing.film(desk, {**asked, "frames": 3})
    assert found["frames"][-1] == drawing.draw_samples(desk, asked)["examples"]
    assert found["frames"][-1] != drawing.draw_samples(desk, {**asked, "label": "1"})["examples"]
    with pytest.raises(ValueError, match="label"):
        drawing.film(desk_for("digits"), asked)


def test_a_preview_scores_held_out_data_with_their_error_next_to_the_null_model(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    score = drawing.preview(desk, {})["score"]
    model = desk.model()
    expected = model.evaluate(desk.some_unseen(model, 64))
    assert (score["value"], score["error"]) == (expected.value, expected.standard_error)
    assert score["null"] == expected.null["value"]


def test_data_that_are_not_named_are_not_read(desk_for: Callable[..., Desk]) -> None:
    """A run from elsewhere may name any file."""
    desk = desk_for("people")
    assert len(desk.unseen(desk.model())) == 30
    stranger = Desk()
    stranger.paths = desk.paths
    with pytest.raises(ValueError, match="start with --data DATA"):
        stranger.unseen(stranger.model())
    assert drawing.preview(desk_for("people"), {})["score"] is not None


def test_cancelling_stops_within_a_step_of_any_verb(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    model, calls = desk.model(), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            desk.cancelled = "job"

    model.network.register_forward_hook(count)
    with pytest.raises(CancelledError):
        drawing.draw_samples(desk, {"steps": 1000})
    assert calls == 5


@pytest.mark.parametrize(
    "request_", [{"n": 0}, {"n": 10**9}, {"steps": "7"}, {"seed": -1}, {"n": True}, {"label": 3}, {"scale": "a"}]
)
def test_odd_values_are_refused(desk_for: Callable[..., Desk], request_: dict) -> None:
    with pytest.raises(ValueError, match="got"):
        drawing.draw_samples(desk_for("digits"), request_)


def test_a_model_is_read_again_when_its_weights_change(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("roll")
    model = desk.model()
    assert desk.model() is model
    assert isinstance(model.sample(1, steps=1), torch.Tensor)
