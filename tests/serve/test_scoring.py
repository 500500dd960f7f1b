"""The task that scores: the ranking of `Model.rank`, from the strangest, with errors, p-values and where bits go."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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


def test_data_of_another_kind_are_refused(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "00000.txt").write_text("just a text, and no rows of a table at all")
    (folder / "names.json").write_text('["a.txt"]')
    with pytest.raises(ValueError, match=r"got|holds|table"):
        scoring.score_examples(desk_for("people", folder), {"upload": "id", "max_draws": 8})
