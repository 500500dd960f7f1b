"""Grids of samples of a run: for images, always of the same noise, cheap, and never in the way of the run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.training import checkpoint
from quasistatic.training.monitor import samples
from quasistatic.training.monitor.samples import Samples
from tiny_runs import often, trained


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small grids that may take all of the run's time: a test takes a second."""
    monkeypatch.setattr(samples, "SHARE", 1e9)
    monkeypatch.setattr(samples, "SIZES", ((8, 2),))


def grids(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "samples").iterdir()) if (run / "samples").exists() else []


def test_a_grid_at_each_checkpoint(small: Config, digits: Dataset, tmp_path: Path) -> None:
    """Of the weights of that checkpoint, from the same noise: a model read from it draws the same."""
    run = tmp_path / "run"
    trained(often(small, keep=9), digits, run)
    assert grids(run) == [f"step-{step}.png" for step in (1, 2, 3, 4)]
    model = Model.from_pretrained(run / "checkpoints" / "step-3", device="cpu")
    raw = model.sample(8, steps=2, sampler="unipc", seed=0)
    shown = np.asarray(Image.open(run / "samples" / "step-3.png"))
    side = (shown.shape[1] - 2) // 8 - 2
    tile = torch.from_numpy(shown[2 : 2 + side, 2 : 2 + side].copy())[:: side // 8, :: side // 8]
    assert torch.equal(tile, (raw[0, 0].double() / 16 * 255).round().byte())


def test_the_run_does_not_depend_on_them(small: Config, digits: Dataset, tmp_path: Path) -> None:
    trained(often(small), digits, tmp_path / "with")
    trained(often(small, samples_every=None), digits, tmp_path / "without")
    assert grids(tmp_path / "without") == []
    left, right = (Model.from_pretrained(tmp_path / name, "cpu").network.state_dict() for name in ("with", "without"))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_without_a_checkpoint_in_between_has_the_last_grid(
    small: Config, digits: Dataset, tmp_path: Path
) -> None:
    trained(small, digits, tmp_path / "run")
    assert grids(tmp_path / "run") == ["step-4.png"]


def test_what_is_no_image_has_none(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    trained(often(tiny), beats, tmp_path / "run")
    assert not (tmp_path / "run" / "samples").exists()


def test_a_stopped_run_has_no_last_grid(small: Config, digits: Dataset, tmp_path: Path) -> None:
    steps = checkpoint.train(small, digits, tmp_path / "run", every=0.0)
    next(steps)
    steps.close()
    assert grids(tmp_path / "run") == []


def test_labels_have_columns(small: Config, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One class per column, also where the model cannot do without labels; and every sample has its own noise."""
    monkeypatch.setattr(samples, "SIZES", ((16, 2),))
    asked, real = list[tuple[int, int, int]](), Model.sample

    def sample(self: Model, n: int, *, label: int, first: int, **options: object) -> torch.Tensor:
        asked.append((n, label, first))
        return real(self, n, label=label, first=first, **options)

    monkeypatch.setattr(Model, "sample", sample)
    training = replace(small.training, label_dropout=0.0)
    config = replace(small, data=replace(small.data, conditional=True), training=training)
    trained(config, digits, tmp_path / "run")
    assert grids(tmp_path / "run") == ["step-4.png"]
    assert asked[-8:] == [(2, label, 2 * label) for label in range(8)]


@pytest.mark.parametrize("way", ["sampler", "folder", "disk"])
def test_a_grid_that_fails_is_a_note(
    small: Config, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Said once; the run goes on to its end, and nothing half done is left."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device") if way == "disk" else FloatingPointError("not finite")

    if way == "folder":
        monkeypatch.setattr(samples, "SAMPLES", "metrics.jsonl")
    else:
        monkeypatch.setattr(Model if way == "sampler" else Image.Image, "sample" if way == "sampler" else "save", fail)
    run = tmp_path / "run"
    found = list(checkpoint.train(often(small), digits, run, every=0.0))
    assert [progress.step for progress in found] == [1, 2, 3, 4]
    notes = [progress.note for progress in found if progress.note]
    assert len(notes) == 1
    assert notes[0].startswith("samples could not be drawn, and no more are tried: ")
    assert Model.from_pretrained(run, "cpu").step == 4
    assert grids(run) == []


def test_a_last_grid_that_fails_is_a_note(
    small: Config, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FloatingPointError("not finite")

    monkeypatch.setattr(Model, "sample", fail)
    *_, last = checkpoint.train(small, digits, tmp_path / "run", every=1e9)
    assert last.note == "samples could not be drawn, and no more are tried: not finite"
    assert last.step == last.steps == 4
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_resumed_run_has_each_grid_once(small: Config, digits: Dataset, tmp_path: Path) -> None:
    """Those of steps that come again go, as parts of files do; a grid that a kill prevented is drawn."""
    run = tmp_path / "run"
    trained(often(small, keep=9), digits, run)
    for step in (3, 4):
        shutil.rmtree(run / "checkpoints" / f"step-{step}")
    (run / "samples" / ".step-3.png.89ab.part").touch()
    (run / "samples" / "notes.txt").touch()
    (run / "samples" / "step-x.png").touch()
    assert trained(small, digits, run, resume=True) == [3, 4]
    assert grids(run) == ["notes.txt", "step-1.png", "step-2.png", "step-4.png", "step-x.png"]
    (run / "samples" / "step-4.png").unlink()
    assert trained(small, digits, run, resume=True) == []
    assert "step-4.png" in grids(run)


def test_grids_take_a_fiftieth_of_the_time_at_most(
    small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Skipped until there is time for a whole one; the last one is made smaller, as far as it goes."""
    monkeypatch.undo()
    model = Model.fresh(small, Specification.of(digits))
    watch = Samples(tmp_path, lambda: model, 0.0, 100.0, 300.0)
    watch.guess = 0.01  # so a grid of 32 images in 16 steps takes 5.12 s
    assert not watch.due(350.0)
    assert watch.due(360.0)
    watch.spent = 5.12
    assert not watch.due(600.0)
    assert watch.due(620.0)
    for ends, seconds in ((300.0, 5.12), (200.0, 2.56), (1.0, 0.64)):
        watch.ends = ends
        assert watch.expected() == pytest.approx(seconds)
    watch.drawn, watch.every, watch.guess, watch.spent = 0.0, 300.0, 1e-9, 0.0
    assert not watch.due(299.0)
    assert watch.due(300.0)


def test_what_a_grid_costs_is_measured(
    small: Config, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First by a row in two steps, the second time, as the first is slow; then by the grid itself."""
    now, model = [0.0], Model.fresh(small, Specification.of(digits))
    real, slow = Model.sample, iter([9.0, 1.6, 3.2])

    def sample(self: Model, *words: object, **options: object) -> torch.Tensor:
        now[0] += next(slow)
        return real(self, *words, **options)

    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(Model, "sample", sample)
    monkeypatch.setattr(samples, "SIZES", ((8, 4),))
    model.step = 7
    watch = Samples(tmp_path, lambda: model, 0.0, 0.0)
    assert watch.expected() == pytest.approx(3.2)
    watch.guess = 0.0
    assert watch.draw(100.0) is None
    assert watch.expected() == pytest.approx(3.2)
    assert watch.draw_last(100.0) is None  # there is one of this step
    assert now[0] == pytest.approx(13.8)


def test_the_option_is_checked_and_may_change(small: Config, digits: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(replace(small, training=replace(small.training, samples_every=None)), digits, run)
    assert grids(run) == []
    longer = replace(small, training=replace(small.training, steps=6))
    assert trained(longer, digits, run, resume=True) == [5, 6]
    assert grids(run) == ["step-6.png"]
    assert json.loads((run / "config.json").read_text())["config"]["training"]["samples_every"] == 0.0
    with pytest.raises(ValueError, match="samples_every must be at least 0, got -1"):
        replace(small.training, samples_every=-1.0)
