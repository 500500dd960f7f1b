"""`evaluate --scores` and `--maps` as a user meets them: columns, JSON, files, and requests that are refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Call = Callable[..., tuple[int, str, str]]
OWN = ["id", "bits_per_dim", "standard_error", "null", "bits_per_example"]


@pytest.fixture
def call(command: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> Call:
    """Run evaluate with words: (status, stdout, stderr in one line)."""

    def called(*words: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = command("evaluate", *words)
        shown = capfd.readouterr()
        return status, shown.out, " ".join(shown.err.split())

    return called


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_scores_rank_images(call: Call, run: Path, tmp_path: Path) -> None:
    """New columns follow the old ones; the JSON says how certain the order is; so does the text."""
    words = (run, "digits", "--steps", 12, "--limit", 6, "--scores", tmp_path / "s.csv", "--max-draws", 24)
    status, out, said = call(*words, "--typical", "digits", "--json")
    assert status == 0, said
    ranking = json.loads(out)["ranking"]
    rows = read(tmp_path / "s.csv")
    assert list(rows[0])[:5] == OWN
    more = ["draws", "certainty", "complexity", "bits_above_complexity", "typicality", "typicality_above_complexity"]
    assert list(rows[0])[5:] == more
    assert np.mean([float(row["certainty"]) for row in rows]) == pytest.approx(ranking["certainty"], abs=1e-5)
    assert max(int(row["draws"]) for row in rows) == ranking["draws"]["most"] <= 24
    for row in rows:
        above = float(row["bits_per_dim"]) - float(row["complexity"])
        assert float(row["bits_above_complexity"]) == pytest.approx(above, abs=2e-6)
        assert 0 < float(row["typicality"]) <= 1
    status, out, _ = call(*words)
    assert f"{ranking['certainty']:.1%} of pairs in the right order" in out


def test_a_ranking_short_of_its_aim_is_noted(call: Call, run: Path, tmp_path: Path) -> None:
    words = (run, "digits", "--steps", 12, "--limit", 8, "--scores", tmp_path / "s.csv")
    status, _, said = call(*words, "--max-draws", 8, "--certainty", 0.9999)
    assert status == 0
    assert "of pairs are in order, not 100.0%, after up to 8 draws; raise --max-draws" in said


def test_given_draws_keep_their_meaning(call: Call, run: Path, tmp_path: Path) -> None:
    """No ranking: the columns of before, and as many draws as asked for."""
    words = (run, "digits", "--steps", 12, "--limit", 3, "--scores", tmp_path / "s.csv", "--json")
    found = json.loads(call(*words, "--draws", 3)[1])
    assert found["ranking"] == {}
    assert list(read(tmp_path / "s.csv")[0]) == OWN
    status, out, said = call(*words, "--target-error", 5)
    assert status == 0, said
    assert json.loads(out)["ranking"] == {}
    assert len(read(tmp_path / "s.csv")) == json.loads(out)["examples"] == 2  # of three: the error needs no more


def test_maps_are_pictures_and_numbers(call: Call, run: Path, tmp_path: Path) -> None:
    """One picture per image, the most bits first; the array sums to the example's bits."""
    words = (run, "digits", "--steps", 12, "--limit", 3, "--scores", tmp_path / "s.csv")
    assert call(*words, "--maps", tmp_path / "maps", "--picture", tmp_path / "p.png")[0] == 0
    assert (tmp_path / "p.png").is_file()
    rows = read(tmp_path / "s.csv")
    ordered = sorted(rows, key=lambda row: -float(row["bits_per_dim"]))
    files = sorted(path.name for path in (tmp_path / "maps").glob("*.png"))
    assert files == [f"{place:03}-{row['id']}.png" for place, row in enumerate(ordered, 1)]
    with Image.open(tmp_path / "maps" / files[0]) as picture:
        assert picture.width > 300
    kept = np.load(tmp_path / "maps" / "maps.npz")
    assert kept["bits"].shape == (3, 8, 8, 1)
    assert kept["ids"].tolist() == [row["id"] for row in rows]
    assert sorted(kept["files"].tolist()) == files
    sums = kept["bits"].reshape(3, -1).sum(1)
    assert sums == pytest.approx([float(row["bits_per_example"]) for row in rows], rel=1e-5)


REFUSED = {
    "certainty with draws": (
        ["--scores", "{tmp}/s.csv", "--draws", 4, "--certainty", 0.9],
        "--certainty is for a rank",
    ),
    "no scores": (["--max-draws", 40], "--max-draws is for a ranking by the bound"),
    "another method": (
        ["--scores", "{tmp}/s.csv", "--method", "flow", "--typical", "digits"],
        "--typical is for a rank",
    ),
    "maps with draws": (["--maps", "{tmp}/m", "--draws", 2], "--maps is for a ranking by the bound"),
    "maps over files": (["--maps", "{tmp}/full"], "maps go to a new or empty folder"),
    "no parent": (["--maps", "{tmp}/none/m"], "there is no folder"),
    "certainty": (["--scores", "{tmp}/s.csv", "--certainty", 1.5], "certainty must be above 0 and below 1, got 1.5"),
    "draws": (["--scores", "{tmp}/s.csv", "--max-draws", 3], "max_draws must be at least 8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(call: Call, run: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    words, said = REFUSED[name]
    status, _, shown = call(run, "digits", "--limit", 2, *(str(word).format(tmp=tmp_path) for word in words))
    assert status == 2
    assert said in shown
    assert not (tmp_path / "s.csv").exists()
