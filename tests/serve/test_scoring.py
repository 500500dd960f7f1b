"""The task that scores: the ranking of `Model.rank`, from the strangest, with errors, p-values and where bits go."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.model.baselines import baselines
from quasistatic.serve.worker import scoring
from quasistatic.serve.worker.desk import Desk


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer held-out examples, for speed."""
    monkeypatch.setattr(scoring, "USUAL", 12)


def test_held_out_images_are_ranked_with_errors_and_maps(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    found = scoring.score_examples(desk, {"max_draws": 8})
    model = desk.model()
    expected = model.rank(desk.some_unseen(model, 12), max_draws=8)
    assert found["all"] == expected.bits_per_dim.tolist()
    assert [row["bits"] for row in found["rows"]] == sorted(found["all"], reverse=True)
    assert all(row["error"] > 0 and row["heat"].startswith("data:image/png") for row in found["rows"])
    assert found["score"]["value"] == pytest.approx(np.mean(found["all"]))
    lines = list(csv.DictReader((desk.folder / "scores.csv").read_text().splitlines()))
    assert [float(line["bits_per_dim"]) for line in lines] == pytest.approx(found["all"], rel=1e-5)
    assert sum(found["by_time"]["bits"]) > 0


def test_files_have_their_names_and_p_values_among_held_out_examples(
    desk_for: Callable[..., Desk], tmp_path: Path
) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    desk = desk_for("digits", folder)
    known = desk.some_unseen(desk.model(), 2)
    images = [*(known.batch(torch.arange(2))[:, 0].numpy() * 15), (np.indices((8, 8)).sum(0) % 2 * 255)]
    for number, image in enumerate(images):
        Image.fromarray(np.asarray(image, np.uint8)).save(folder / f"{number:05d}.png")
    (folder / "names.json").write_text(json.dumps(["one.png", "two.png", "board.png"]))
    found = scoring.score_examples(desk, {"upload": "id", "max_draws": 8})
    by_name = dict(zip(["one.png", "two.png", "board.png"], found["all"], strict=True))
    assert {row["name"]: row["bits"] for row in found["rows"]} == by_name
    ours = {row["name"]: row["p"] for row in found["rows"]}
    beyond = sum(bits >= by_name["board.png"] for bits in found["usual"])
    below = sum(bits <= by_name["board.png"] for bits in found["usual"])
    assert ours["board.png"] == pytest.approx(min(1, 2 * (1 + min(beyond, below)) / 13))
    assert len(found["usual"]) == 12


def test_rows_have_bits_by_column_and_text_by_character(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "00000.csv").write_text("city,age,income\nSeoul,40,60\nBusan,20,150\n")
    (folder / "names.json").write_text('["people.csv"]')
    found = scoring.score_examples(desk_for("people", folder), {"upload": "id", "max_draws": 8})
    row = found["rows"][0]
    assert found["count"] == 2
    assert len(row["heat"]) == len(row["example"]["columns"]) == 3
    assert sum(row["heat"]) == pytest.approx(3 * row["bits"], abs=0.01)
    line = scoring.score_examples(desk_for("verse"), {"max_draws": 8})["rows"][0]
    assert len(line["heat"]) == len(line["example"]["lines"][0]) == 16
    assert sum(line["heat"]) == pytest.approx(16 * line["bits"], abs=0.01)


def test_an_exact_score_has_bits_by_place_and_a_bound_bits_by_time(desk_for: Callable[..., Desk]) -> None:
    exact = scoring.score_examples(desk_for("verse"), {"max_draws": 8})
    assert exact["by_time"] is None
    assert len(exact["by_place"]) == 16
    assert sum(exact["by_place"]) == pytest.approx(16 * exact["score"]["value"], rel=1e-6)
    bound = scoring.score_examples(desk_for("digits"), {"max_draws": 8})
    assert bound["by_place"] is None
    assert bound["by_time"] is not None


def test_an_exact_score_stands_among_held_out_ones(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "00000.txt").write_text("the slow walk from noise to data zzzzzzzz")
    (folder / "names.json").write_text('["line.txt"]')
    found = scoring.score_examples(desk_for("verse", folder), {"upload": "id"})
    assert len(found["usual"]) == 12
    assert all(0 < row["p"] <= 1 for row in found["rows"])


def test_baselines_are_those_of_the_library_on_the_same_examples(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("verse")
    model = desk.model()
    found = {one["name"]: one["value"] for one in scoring.score_baselines(desk, {})["baselines"]}
    expected = baselines(model, desk.some_unseen(model, 12), desk.known(model)[1])
    assert found == {name: pytest.approx(one.value) for name, one in expected.items()}
    assert list(found.values()) == sorted(found.values())
    with pytest.raises(ValueError, match="a table; leave baselines out"):
        scoring.score_baselines(desk_for("people"), {})


def test_data_of_another_kind_are_refused(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "00000.txt").write_text("just a text, and no rows of a table at all")
    (folder / "names.json").write_text('["a.txt"]')
    with pytest.raises(ValueError, match=r"got|holds|table"):
        scoring.score_examples(desk_for("people", folder), {"upload": "id", "max_draws": 8})
