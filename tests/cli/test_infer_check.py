"""`infer --check`: calibration of inference on examples that are known."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = ["--set", "network.width=32", "--set", "training.batch=64", "--set", "training.held_out_every=1e9"]
TINY = ["network.channels=16", "network.head_width=16", "training.batch=8", "training.shown=0.5"]


def write(path: Path, rows: int, seed: int) -> Path:
    """Two correlated normals, their sign as a category, and some empty cells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = 0.8 * x + 0.6 * rng.normal(size=rows)
    lines = [f"{a:.4f},{b:.4f},{'up' if a > 0 else 'down'}" for a, b in zip(x, y, strict=True)]
    lines[3] = ",0.5,up"
    path.write_text("\n".join(["x,y,sign", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(command, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    place = tmp_path_factory.mktemp("check")
    write(place / "new.csv", 300, 1)
    assert command("train", write(place / "pairs.csv", 1500, 0), "--out", place / "run", "--steps", 60, *SMALL) == 0
    return place / "run"


@pytest.fixture(scope="module")
def pictures(command, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    place = tmp_path_factory.mktemp("shown")
    np.save(place / "images.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    words = ["--recipe", "images", "--steps", 2, *(word for change in TINY for word in ("--set", change))]
    assert command("train", place / "images.npy", "--out", place / "run", *words) == 0
    return place / "run"


def test_a_table_that_is_learned_well_is_calibrated(command, run: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    data, picture = run.parent / "new.csv", run.parent / "ranks.png"
    assert command("infer", run, data, "--check", "--hide", 0.4, "--json", "-o", picture) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["examples"] == 200
    assert list(found["methods"]) == ["reveal"]
    measured = found["methods"]["reveal"]["calibration"]
    for one in measured["coverage"]:
        assert abs(one["found"]["value"] - one["level"]) < 4 * one["found"]["error"] + 0.02
    assert measured["crps"]["value"] < 0.6
    assert measured["brier"]["value"] < 0.6
    with Image.open(picture) as image:
        assert image.width > 600


def test_every_method_for_images_is_checked(command, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    words = ["--check", "--half", "bottom", "--draws", 3, "--steps", 4, "--limit", 3]
    assert command("infer", pictures, pictures.parent / "images.npy", *words) == 0
    shown = capfd.readouterr().out
    assert all(name in shown for name in ("condition", "hold", "guide", "50% intervals", "CRPS", "energy"))
    assert command("infer", pictures, pictures.parent / "images.npy", *words, "--method", "condition", "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found["methods"]) == ["condition"]
    assert found["methods"]["condition"]["evaluations"] == 4


@pytest.mark.parametrize(
    ("way", "methods"),
    [
        (("--super-resolution", 4), ["condition", "guide"]),
        (("--denoise", 70), ["denoise", "guide"]),
        (("--denoise", 0.01), ["guide"]),
    ],
)
def test_means_and_noise_are_checked(  # type: ignore[no-untyped-def]
    command, pictures: Path, capfd: pytest.CaptureFixture[str], way: tuple[str, float], methods: list[str]
) -> None:
    words = ["--check", *way, "--draws", 3, "--steps", 4, "--limit", 3, "--json"]
    assert command("infer", pictures, pictures.parent / "images.npy", *words) == 0
    found = json.loads(capfd.readouterr().out)
    assert list(found["methods"]) == methods
    kept = json.loads((pictures / "calibration.json").read_text())["methods"]["guide"]
    assert way[0].removeprefix("--") == "denoise" or kept["means"]["with"] == "means over 4×4 pixels"
    assert way[0].removeprefix("--") != "denoise" or kept["noise"]["with"] == f"noise of std {way[1]}"
    out = pictures.parent / "drawn.npy"
    if "condition" in methods:
        assert (
            command("infer", pictures, pictures.parent / "images.npy", *way, "--limit", 2, "--steps", 3, "-o", out) == 0
        )
        assert "exact given the model's guesses" in " ".join(capfd.readouterr().err.split())


def test_draws_are_warned_of_a_check_that_was_bad(command, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    images = pictures.parent / "images.npy"
    assert (
        command("infer", pictures, images, "--check", "--half", "bottom", "--draws", 19, "--steps", 2, "--limit", 30)
        == 0
    )
    kept = json.loads((pictures / "calibration.json").read_text())
    assert {"condition", "hold", "guide"} <= set(kept["methods"])
    kept["methods"]["hold"]["values"] |= {"coverage": [[0.9, 0.5, 0.01]], "examples": 100}
    (pictures / "calibration.json").write_text(json.dumps(kept))
    words = ["infer", pictures, images, "--half", "top", "--steps", 2, "--limit", 2, "--method", "hold"]
    assert command(*words, "-o", pictures.parent / "whole.npy") == 0
    shown = " ".join(capfd.readouterr().err.split())
    assert "when it was checked with --half bottom hidden, intervals of 90% covered 50.0 ± 1.0 %" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--check", "--half", "top", "--hide", "0.5"], "one option says what is hidden, got --half and --hide"),
        (["--check", "--hide", "0"], "between 0 and 1 is hidden, got 0"),
        (["--check", "--form", "wide"], "got --form; leave it out"),
        (["--check", "--hide", "1.5"], "between 0 and 1 is hidden, got 1.5"),
        (["--check", "--denoise", "2"], "noise and averages are of numbers"),
        (["--check", "--super-resolution", "2"], "divides the sides of images"),
        (["--check", "--hide", "0.5", "--denoise", "2"], "got --hide and --denoise; choose one"),
        (["--check", "--method", "particle"], "independent draws, got particle"),
        (["--check", "--draws", "1"], "two draws or more"),
        (["--check", "--limit", "0"], "one example or more, got --limit 0"),
        (["--check", "-o", "ranks.csv"], "ending in .png"),
        (["--hide", "0.5", "-o", "x.csv"], "--hide is for --check"),
        (["--json", "-o", "x.csv"], "--json is for --check"),
        ([], "got no --out"),
    ],
)
def test_what_makes_no_sense_is_refused(command, run: Path, capfd, words: list[str], message: str) -> None:  # type: ignore[no-untyped-def]
    assert command("infer", run, run.parent / "new.csv", *words) == 2
    assert message in " ".join(capfd.readouterr().err.split())
