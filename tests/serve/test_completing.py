"""The tasks that complete: what is known stays, what is drawn is told with its method, and bad input is refused."""

import base64
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from quasistatic.serve.worker import completing, examples
from quasistatic.serve.worker.desk import Desk

LOWER = [0] * 32 + [1] * 32


def picture(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def upload(folder: Path, image: np.ndarray, name: str = "one.png") -> Path:
    folder.mkdir()
    Image.fromarray(image).save(folder / "00000.png")
    (folder / "names.json").write_text(json.dumps([name]))
    return folder


def test_known_pixels_stay_and_draws_stand_beside_mean_spread_and_truth(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("digits")
    asked = {"index": 3, "unknown": LOWER, "draws": 4, "steps": 5}
    found = completing.complete_one(desk, asked)
    truth, draws = picture(found["truth"]), [picture(uri) for uri in found["draws"]]
    assert all((draw[:4] == truth[:4]).all() for draw in draws)
    assert any((draw[4:] != truth[4:]).any() for draw in draws)
    mean = np.mean([np.asarray(draw, float) for draw in draws], 0)
    np.testing.assert_allclose(picture(found["mean"]), mean, atol=1)
    assert found["most"] > 0
    assert found["method"] == "hold"
    assert found["exactness"] == "heuristic, biased"
    assert found["files"] == ["draws.npz", "draws.png", "completions.png"]
    assert all((desk.folder / name).is_file() for name in found["files"])
    assert examples.held_out_example(desk, {"index": 3})["example"]["pictures"] == [found["truth"]]


def test_draws_are_shown_as_they_are_done_and_stay_the_same(desk_for: Callable[..., Desk]) -> None:
    desk, shown, steps = desk_for("digits"), list[int](), list[int]()
    desk.begin("job", desk.paths, desk.folder, lambda done, total: steps.append(done), shown.append)
    parts_at: list[int] = []
    desk.watch = lambda done, total: parts_at.append(len(shown))
    found = completing.complete_one(desk, {"index": 3, "unknown": LOWER, "draws": 8, "steps": 5})
    assert shown == [1, 2, 3, 4], "groups of 1, 2, 4 and 1"
    parts = [json.loads((desk.folder / f"part-{number}.json").read_text()) for number in range(4)]
    assert [len(part["draws"]) for part in parts] == [1, 2, 4, 1]
    assert [uri for part in parts for uri in part["draws"]] == found["draws"]
    assert parts_at.index(1) == 5, "the first draw is there after the evaluations of one chain"


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
def test_particles_give_the_evidence_with_its_error(desk_for: Callable[..., Desk]) -> None:
    asked = {"unknown": LOWER, "draws": 2, "steps": 4, "method": "particle", "particles": 8, "islands": 4}
    found = completing.complete_one(desk_for("digits"), asked)
    assert found["evidence"]["value"] < 0
    assert found["evidence"]["error"] > 0


@pytest.mark.parametrize(("way", "own"), [("noise", {"std": 3}), ("means", {"factor": 4})])
def test_noise_and_means_are_observed_too(desk_for: Callable[..., Desk], way: str, own: dict[str, Any]) -> None:
    found = completing.complete_one(desk_for("digits"), {"observation": way, "draws": 2, "steps": 4, **own})
    assert picture(found["seen"]).shape == (8, 8)
    assert found["method"] in ("denoise", "guide")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"unknown": [0] * 64}, "everything known"),
        ({"unknown": [1] * 64}, "nothing known"),
        ({"unknown": [1] * 63}, "64 values 0 or 1"),
        ({"unknown": LOWER, "method": "magic"}, "got 'magic'"),
        ({"observation": "means", "factor": 3}, "use a divisor"),
    ],
)
def test_what_makes_no_sense_is_refused(desk_for: Callable[..., Desk], asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        completing.complete_one(desk_for("digits"), {"steps": 3, **asked})


def test_an_image_of_another_size_is_offered_to_be_fitted(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    sheet = upload(tmp_path / "up", np.full((20, 24), 255, np.uint8))
    desk = desk_for("digits", sheet)
    assert examples.uploaded_example(desk, {}) == {"example": None, "size": [1, 20, 24], "wanted": [1, 8, 8]}
    fitted = examples.uploaded_example(desk, {"fit": True})["example"]
    assert (picture(fitted["pictures"][0]) == 255).all(), "white is the highest of 17 levels"
    with pytest.raises(ValueError, match="1×8×8, got 1×20×24"):
        completing.complete_one(desk, {"upload": "id", "unknown": LOWER})
    found = completing.complete_one(desk, {"upload": "id", "fit": True, "unknown": LOWER, "draws": 1, "steps": 3})
    assert found["truth"] is None


def test_a_file_of_the_wrong_kind_is_refused(desk_for: Callable[..., Desk], tmp_path: Path) -> None:
    folder = tmp_path / "up"
    folder.mkdir()
    (folder / "00000.png").write_bytes(b"\x89PNG\r\n\x1a\nnot one")
    with pytest.raises(ValueError, match=r"00000\.png"):
        examples.uploaded_example(desk_for("digits", folder), {})


def test_a_row_keeps_its_cells_and_draws_the_others(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("people")
    found = completing.complete_one(desk, {"cells": {"age": "40", "income": "", "city": ""}, "draws": 40})
    income, city = found["cells"]
    assert (income["column"], city["column"]) == ("income", "city")
    assert income["low"] <= income["mean"] <= income["high"]
    assert income["level"] >= 0.9
    assert sum(income["bars"]) == 40
    assert sum(share for _, share in city["shares"]) == pytest.approx(1)
    assert {name for name, _ in city["shares"]} <= {"Seoul", "Busan"}
    assert len((desk.folder / "draws.csv").read_text().splitlines()) == 41


def test_a_pasted_table_may_know_cells_loosely(desk_for: Callable[..., Desk]) -> None:
    asked = {"csv": "age,income,city\n30..35,,Seoul\n,50,Busan\n", "draws": 20}
    found = completing.complete_one(desk_for("people"), asked)
    assert found["rows"] == 2
    first = found["cells"][0]
    assert (first["row"], first["column"]) == (0, "age")
    assert 30 <= first["ends"][0] <= first["ends"][1] <= 35


@pytest.mark.parametrize("cells", [None, [], {"age": 3}, {"height": "1"}, {"age": "old", "income": "", "city": ""}])
def test_a_row_that_cannot_be_read_is_refused(desk_for: Callable[..., Desk], cells: Any) -> None:
    with pytest.raises(ValueError, match=r"got|no column|are"):
        completing.complete_one(desk_for("people"), {"cells": cells})


def test_gaps_of_a_text_are_drawn_with_their_alternatives(desk_for: Callable[..., Desk]) -> None:
    text = "the ??ow walk fr"
    found = completing.complete_one(desk_for("verse"), {"text": text, "draws": 12})
    assert len(found["lines"]) == 12
    assert set(found["gaps"]) == {"4", "5"}
    for line in found["lines"]:
        assert [one for one, other in zip(line, text, strict=True) if other != "?"] == [c for c in text if c != "?"]
    for shares in found["gaps"].values():
        assert sum(share for _, share in shares) <= 1 + 1e-9
        assert shares[0][1] == max(share for _, share in shares)
        assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)
    with pytest.raises(ValueError, match="known"):
        completing.complete_one(desk_for("verse"), {"text": "no gaps in this "})


def test_alternatives_of_one_gap_are_the_law_that_draws_have(desk_for: Callable[..., Desk]) -> None:
    """The draws come from another path, `reveal`; their shares agree with the probabilities within their error."""
    found = completing.complete_one(desk_for("verse"), {"text": "the s?ow walk fr", "draws": 500, "method": "reveal"})
    assert found["by"] == "guesses"
    (shares,) = found["gaps"].values()
    counts = Counter(line[5] for line in found["lines"])
    for character, share in shares:
        assert abs(counts[character] / 500 - share) < 4 * (share * (1 - share) / 500) ** 0.5 + 1e-3, character
    fewer = completing.complete_one(desk_for("verse"), {"text": "the s?ow walk fr", "draws": 2, "seed": 5})
    assert [share for _, share in fewer["gaps"]["5"]] == pytest.approx([share for _, share in shares], abs=1e-6)


def test_lines_are_shown_as_they_are_drawn(desk_for: Callable[..., Desk]) -> None:
    desk = desk_for("verse")
    found = completing.complete_one(desk, {"text": "the ??ow walk fr", "draws": 7})
    parts = [json.loads((desk.folder / f"part-{number}.json").read_text())["lines"] for number in range(3)]
    assert [len(lines) for lines in parts] == [1, 3, 7]
    assert parts[-1] == found["lines"]
