"""Runs are found by what their files say, whatever else lies around; links are not followed."""

import json
import shutil
from pathlib import Path

import pytest

from quasistatic.serve.runs import MOST_REPORTS, card, curves, find_runs, grid_file, grids


@pytest.fixture
def folder(served: Path, tmp_path: Path) -> Path:
    """A folder with one run, deep in it, that a test may change."""
    shutil.copytree(served / "digits", tmp_path / "all" / "of" / "digits")
    return tmp_path / "all"


def test_runs_of_every_kind_are_found(served: Path) -> None:
    cards = {found["name"]: found for found in map(card, find_runs([served]).values())}
    kinds = {name: found["kind"] for name, found in cards.items()}
    assert kinds == {
        "digits": "images",
        "classes": "images",
        "people": "table",
        "verse": "text",
        "roll": "points",
        "waves": "signals",
        "bodies": "volumes",
    }
    assert {found["state"] for found in cards.values()} == {"done"}
    assert cards["digits"]["shape"] == [1, 8, 8]
    assert cards["digits"]["step"] == 6
    assert 1 < cards["digits"]["held_out"] < 20


def test_a_run_is_found_by_its_own_folder_and_once(folder: Path) -> None:
    (one,) = find_runs([folder, folder / "of" / "digits"]).values()
    assert one.name == "of/digits"


def test_links_are_not_followed(folder: Path, served: Path) -> None:
    (folder / "out").symlink_to(served)
    (folder / "made").mkdir()
    (folder / "made" / "config.json").symlink_to(served / "people" / "config.json")
    assert [run.name for run in find_runs([folder]).values()] == ["of/digits"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": 1, "data": {}}', "{" * 10_000, "\udcff"])
def test_other_files_are_no_runs(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert len(find_runs([folder])) == 1


def test_metrics_in_training_make_a_run_live_and_an_unfinished_line_is_left_out(folder: Path) -> None:
    (run,) = find_runs([folder]).values()
    report = {"step": 3, "steps": 9, "loss": 1.5, "held_out": float("nan")}
    (run.folder / "metrics.jsonl").write_text(json.dumps(report) + '\n{"step": 4, "lo')
    assert card(run)["state"] == "live"
    assert curves(run)["step"] == [3]
    assert curves(run)["held_out"] == [None]


def test_long_metrics_are_thinned_but_keep_their_scores_and_ends(folder: Path) -> None:
    (run,) = find_runs([folder]).values()
    reports = [{"step": n, "loss": 1.0, "held_out": 2.0 if n == 7 else None} for n in range(10_001)]
    (run.folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, reports)))
    found = curves(run)
    assert len(found["step"]) <= MOST_REPORTS + 2
    assert found["step"][-1] == 10_000
    assert found["held_out"][found["step"].index(7)] == 2.0


def test_grids_are_pictures_by_their_step_only(folder: Path, served: Path) -> None:
    (run,) = find_runs([folder]).values()
    steps = grids(run)
    assert steps
    (run.folder / "samples" / "step-99.png").symlink_to(served / "people.csv")
    assert grids(run) == steps
    assert grid_file(run, 99) is None
