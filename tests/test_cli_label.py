"""Class-conditional models through the command: labels from folders, samples of a class, classifier-free guidance."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SMALL = [
    *("--set", "network.channels=8"),
    *("--set", "network.multipliers=1"),
    *("--set", "network.blocks=1"),
    *("--set", "network.attention="),
    *("--set", "network.head_width=none"),
    *("--set", "training.batch=32"),
    *("--set", "training.learning_rate=0.01"),
    *("--set", "training.ema=0.9"),
    *("--set", "training.held_out_every=1e9"),
]


@pytest.fixture(scope="module")
def run(command, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    """A short run on dark (class 0) and light (class 1) 4×4 images in folders; tests read it only."""
    place, generator = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    for name, light in (("dark", 0.1), ("light", 0.9)):
        (place / "images" / name).mkdir(parents=True)
        for number in range(60):
            pixels = np.uint8(255 * (generator.random((4, 4)) < light))
            Image.fromarray(pixels).save(place / "images" / name / f"{number}.png")
    words = ("--out", place / "run", "--steps", 150, "--set", "data.conditional=true", *SMALL)
    assert command("train", place / "images", *words) == 0
    return place / "run"


def light(command, run: Path, out: Path, *words: object) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Samples, 0 to 1."""
    assert command("sample", run, "--out", out, "-n", 16, "--steps", 10, *words) == 0
    return np.load(out) / 255


def test_a_label_decides_the_class(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    dark, bright = (light(command, run, tmp_path / "s.npy", "--label", label) for label in (0, 1))
    assert dark.mean() < 0.3
    assert bright.mean() > 0.7


def test_scales_1_and_0_are_the_model_with_and_without_its_label(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "s.npy"
    labelled = light(command, run, out, "--label", 0)
    assert (light(command, run, out, "--label", 0, "--guidance-scale", 1) == labelled).all()
    free = light(command, run, out)
    assert (light(command, run, out, "--label", 0, "--guidance-scale", 0) == free).all()
    assert (free != labelled).any()
    assert light(command, run, out, "--label", 0, "--guidance-scale", 4).mean() < labelled.mean()


def test_requests_that_make_no_sense(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    for words, sentence in [
        (("--label", 2), "the model knows 2 classes, got label 2"),
        (("--guidance-scale", 2), "says how far a label moves the guess, got 2 without a label"),
        (("--label", 1, "--guidance-scale", "nan"), "classifier-free guidance has a finite scale, got nan"),
    ]:
        assert command("sample", run, "--out", tmp_path / "s.npy", *words) == 2
        assert sentence in capfd.readouterr().err.replace("\n", " ")
    (tmp_path / "flat").mkdir()
    for number in range(20):
        Image.fromarray(np.full((4, 4), 10 * number, np.uint8)).save(tmp_path / "flat" / f"{number}.png")
    words = ("train", tmp_path / "flat", "--out", tmp_path / "r", "--steps", 1, "--set", "data.conditional=true")
    assert command(*words) == 2
    assert "no labels" in capfd.readouterr().err
