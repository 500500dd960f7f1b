"""Class-conditional models through the command: labels from folders, samples of a class, classifier-free guidance."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.data import load
from quasistatic.model import Model
from quasistatic.model.plan import plan_paths
from quasistatic.training.checkpoint import train

SMALL = [
    *("--set", "head=gaussian"),
    *("--set", "objective=hybrid"),
    *("--set", "network.patch=1"),
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


def test_a_class_is_called_by_its_name(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    numbered, named = (light(command, run, tmp_path / "s.npy", "--label", label) for label in (1, "light"))
    assert (numbered == named).all()


def scored(command, capfd, run: Path, data: Path) -> tuple[dict[str, Any], str]:  # type: ignore[no-untyped-def]
    """What `evaluate --json` prints, and what it says beside."""
    capfd.readouterr()
    assert command("evaluate", run, data, "--steps", 20, "--json") == 0
    out, err = capfd.readouterr()
    return json.loads(out), " ".join(err.split())


@pytest.fixture(scope="module")
def parts(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The light images alone: below a folder `light` in `one`; and beside other classes."""
    place = tmp_path_factory.mktemp("parts")
    light = run.parent / "images" / "light"
    shutil.copytree(light, place / "one" / "light")
    shutil.copytree(light, place / "more" / "light")
    shutil.copytree(light, place / "more" / "neon")
    shutil.copytree(light, place / "other" / "neon")
    return place


def test_labels_of_some_classes_are_matched_by_name(command, run: Path, parts: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    """The light images cost what they cost as class 1, not as the first class that is there."""
    model = Model.from_pretrained(run, device="cpu")
    plain = load(parts / "one" / "light")
    by_hand = [
        model.evaluate(replace(plain, labels=torch.full((60,), label), classes=("dark", "light")), steps=20)
        for label in (0, 1)
    ]
    found, _ = scored(command, capfd, run, parts / "one")
    assert found["value"] == pytest.approx(by_hand[1].value, abs=1e-12)
    assert found["value"] < by_hand[0].value - 1
    assert found["conditional"] is True
    assert command("evaluate", run, parts / "one", "--steps", 20) == 0
    assert "values, given its label, " in capfd.readouterr().out


def test_without_labels_the_score_is_without_and_says_so(command, run: Path, parts: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    found, said = scored(command, capfd, run, parts / "one" / "light")
    assert found["conditional"] is False
    assert "note: light has no labels: the model is used without them" in said
    model = Model.from_pretrained(run, device="cpu")
    never = replace(model.config, training=replace(model.config.training, label_dropout=0.0))
    strict = Model(never, model.specification, model.network)
    with pytest.raises(ValueError, match="learned with labels only"):
        strict.evaluate(load(parts / "one" / "light"), steps=20)
    with pytest.raises(ValueError, match="learned with labels only"):
        strict.sample(1, label="light", scale=2.0)
    assert strict.evaluate(load(parts / "one"), steps=20).conditional


def test_unknown_classes_are_refused_by_name(command, run: Path, parts: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    for verb in ("evaluate", "plan"):
        for folder in ("more", "other"):
            assert command(verb, run, parts / folder) == 2
            said = " ".join(capfd.readouterr().err.split())
            assert "labels are matched by name, and the model knows dark, light; got" in said
            assert "neon" in said


def test_a_plan_is_measured_with_the_labels(run: Path, parts: Path) -> None:
    """Labels halve what there is to learn of these images: a plan that did not use them would promise more bits."""
    model = Model.from_pretrained(run, device="cpu")
    images = load(run.parent / "images")
    measured, _ = plan_paths(model, images, [5], candidates=8, examples=108)
    model.measured = measured
    with_labels = model.evaluate(model.learned(images), steps=5, draws=None)
    without = model.evaluate(replace(model.learned(images), labels=None, classes=()), steps=5, draws=None)
    assert measured.bits_per_dim[5] == pytest.approx(with_labels.value, abs=4 * with_labels.standard_error)
    assert measured.bits_per_dim[5] < without.value - 4 * without.standard_error


def test_a_run_that_is_resumed_has_the_classes_it_began_with(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    images = load(run.parent / "images")
    config = Model.from_pretrained(run, device="cpu").config
    longer = replace(config, training=replace(config.training, steps=151))
    with pytest.raises(ValueError, match="the model knows dark, light; got 'dim'"):
        list(train(longer, replace(images, classes=("dim", "light")), tmp_path / "run", resume=True))


def test_scales_1_and_0_are_the_model_with_and_without_its_label(command, run: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "s.npy"
    labelled = light(command, run, out, "--label", 0)
    assert (light(command, run, out, "--label", 0, "--guidance-scale", 1) == labelled).all()
    free = light(command, run, out)
    assert (light(command, run, out, "--label", 0, "--guidance-scale", 0) == free).all()
    assert (free != labelled).any()
    means = [light(command, run, out, "-n", 256, "--label", 0, "--guidance-scale", k).mean() for k in (0, 0.5, 1, 1.5)]
    assert means == sorted(means, reverse=True), "the more a label counts, the darker"
    assert len(set(means)) == 4


def test_requests_that_make_no_sense(command, run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    for words, sentence in [
        (
            ("--label", 2),
            "the model knows 2 classes, got label 2; name one of dark, light, or give its number from 0 to 1",
        ),
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
