"""The tasks on signals, vectors and volumes: what is known stays, and odd requests are refused in a sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quasistatic.serve.worker import completing, drawing, examples, scoring
from quasistatic.serve.worker.desk import Desk


def upload(folder: Path, values: np.ndarray, name: str = "00000.npy") -> Path:
    folder.mkdir()
    np.save(folder / name, values)
    (folder / "names.json").write_text(json.dumps(["one.npy"]))
    return folder


def test_samples_of_signals_are_numbers_by_channel(desk_for: Callable[..., Desk]) -> None:
    found = drawing.draw_samples(desk_for("waves"), {"n": 2, "steps": 3})
    assert np.shape(found["examples"]["values"]) == (2, 2, 32)
    assert found["files"] == ["samples.npz", "samples.png", "samples.csv"]


def test_a_hidden_part_is_drawn_and_the_known_one_stays(desk_for: Callable[..., Desk]) -> None:
    desk, shown = desk_for("waves"), list[int]()
    desk.begin("job", desk.paths, desk.folder, lambda done, total: None, shown.append)
    found = completing.complete_one(desk, {"index": 2, "first": 10, "last": 19, "channel": 1, "draws": 4, "steps": 3})
    truth, seen = np.array(found["truth"]), np.array(found["seen"], float)
    assert np.isnan(seen[1, 10:20]).all()
    assert np.isnan(seen).sum() == 10
    known = ~np.isnan(seen)
    np.testing.assert_allclose(seen[known], truth[known])
    for draw in found["draws"]:
        np.testing.assert_allclose(np.array(draw)[known], truth[known], rtol=1e-4)
    low, median, high = (np.array(found[name]) for name in ("low", "median", "high"))
    assert (low <= median).all()
    assert (median <= high).all()
    assert found["level"] == pytest.approx(3 / 5), "the interval from the least to the greatest of 4 draws"
    assert shown == [1, 2, 3], "groups of 1, 2 and 1"
    first = json.loads((desk.folder / "part-0.json").read_text())
    assert (first["done"], first["of"], first["low"]) == (1, 4, None)


def test_gaps_of_an_upload_are_hidden_too(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    values = np.zeros((2, 32), np.float32)
    values[0, 3] = np.nan
    desk = desk_for("waves", upload(tmp_path / "up", values))
    assert examples.uploaded_example(desk, {})["example"]["values"][0][0][3] is None
    found = completing.complete_one(desk, {"upload": "id", "first": 30, "draws": 2, "steps": 2, "channel": 1})
    assert found["truth"] is None
    assert [i for i, one in enumerate(found["seen"][0]) if one is None] == [3]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"first": 9, "last": 3}, "got 9 to 3"),
        ({"first": 32}, "from 0 to 31"),
        ({"channel": 2}, "from 0 to 1"),
        ({"first": 0, "last": 31}, "nothing known"),
    ],
)
def test_parts_that_make_no_sense_are_refused(
    desk_for: Callable[..., Desk], asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        completing.complete_one(desk_for("waves"), {"steps": 2, **asked})


@pytest.mark.parametrize(
    ("values", "name", "sentence"),
    [(np.zeros((2, 9)), "00000.npy", "got 2×9"), (np.zeros((2, 32)), "00000.txt", r"got \.txt")],
)
def test_a_file_of_another_size_or_kind_is_refused(
    desk_for: Callable[..., Desk], tmp_path: Path, values: np.ndarray, name: str, sentence: str
) -> None:
    folder = upload(tmp_path / "up", values)
    (folder / "00000.npy").rename(folder / name)
    with pytest.raises(ValueError, match=sentence):
        examples.uploaded_example(desk_for("waves", folder), {})


def test_a_vector_keeps_what_is_known(desk_for: Callable[..., Desk]) -> None:
    found = completing.complete_one(desk_for("roll"), {"values": [3.5, None], "draws": 30, "steps": 4})
    assert {point[0] for point in found["points"]} == {3.5}
    (cell,) = found["cells"]
    assert cell["column"] == "c1"
    assert sum(cell["bars"]) == 30
    np.testing.assert_allclose(cell["mean"], np.mean([point[1] for point in found["points"]]), rtol=1e-4)


@pytest.mark.parametrize("values", [None, "3 ?", [1], [True, None], ["3", None], [1, 2], [None, None]])
def test_vectors_that_make_no_sense_are_refused(desk_for: Callable[..., Desk], values: Any) -> None:
    with pytest.raises(ValueError, match=r"got|has 2 values"):
        completing.complete_one(desk_for("roll"), {"values": values, "steps": 2})


def test_volumes_are_shown_by_their_middle_slice_and_not_completed(desk_for: Callable[..., Desk]) -> None:
    found = drawing.draw_samples(desk_for("bodies"), {"n": 2, "steps": 2})
    assert len(found["examples"]["pictures"]) == 2
    assert found["files"] == ["samples.npz"]
    with pytest.raises(ValueError, match="use `quasistatic infer`"):
        completing.complete_one(desk_for("bodies"), {})


def test_heat_of_signals_has_a_number_for_each_value(desk_for: Callable[..., Desk]) -> None:
    found = scoring.score_examples(desk_for("waves"), {"n": 3, "max_draws": 8})
    assert [len(row["heat"]) for row in found["rows"]] == [64] * 3
    total = sum(found["rows"][0]["heat"]) / 64
    assert total == pytest.approx(found["rows"][0]["bits"], rel=0.02)
