"""A run's folder: whole at any moment, of one step, held by one process, and left as it was by what is refused."""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from quasistatic.config import Config, override, resumed
from quasistatic.data import Dataset, load
from quasistatic.model import Model
from quasistatic.model import folder as files
from quasistatic.objective import Bound
from quasistatic.training import checkpoint
from quasistatic.training.checkpoint import folder as runs
from quasistatic.training.loop import Training
from tiny_runs import often, trained

RUNS = Path(__file__).parents[1] / "runs"
"""Folders of finished runs that version 0.1 wrote."""


# ---- one step


def test_a_checkpoint_is_a_model_of_its_own(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    trained(often(tiny), beats, tmp_path / "run")
    last = checkpoint.latest(tmp_path / "run")
    assert last == tmp_path / "run" / "checkpoints" / "step-4"
    top, own = (Model.from_pretrained(folder, device="cpu") for folder in (tmp_path / "run", last))
    assert (top.step, own.step) == (4, 4)
    assert torch.equal(top.sample(2, steps=3), own.sample(2, steps=3))


@pytest.mark.parametrize("behind", [("model.safetensors",), ("config.json", "model.safetensors")])
def test_a_save_that_was_cut_short_is_repaired(
    tiny: Config, beats: Dataset, tmp_path: Path, behind: tuple[str, ...]
) -> None:
    """Killed between the checkpoint and the model: nothing mixes two steps, and `resume` brings the model up."""
    run = tmp_path / "run"
    trained(often(tiny), beats, run)
    for name in behind:
        shutil.copy(run / "checkpoints" / "step-3" / name, run / name)
    model = Model.from_pretrained(run, device="cpu")
    assert model.step == (4 if len(behind) == 1 else 3)
    kept = load_file(run / "checkpoints" / f"step-{model.step}" / "model.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in model.network.state_dict().items())
    assert trained(tiny, beats, run, resume=True) == []
    assert files.read_step(run / "config.json") == files.read_step(run / "model.safetensors") == 4
    whole = load_file(run / "checkpoints" / "step-4" / "model.safetensors")
    assert all(torch.equal(value, whole[name]) for name, value in load_file(run / "model.safetensors").items())


def test_files_of_two_steps_without_a_checkpoint_are_refused(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(often(tiny), beats, run)
    shutil.copy(run / "checkpoints" / "step-3" / "config.json", run / "config.json")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(ValueError, match=r"config\.json of step 3 and model\.safetensors of step 4; copy both"):
        Model.from_pretrained(run)


def test_the_last_step_is_saved_once(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, real = list[int](), checkpoint.save

    def save(training: Training, folder: Path) -> Path:
        saved.append(training.step)
        return real(training, folder)

    monkeypatch.setattr("quasistatic.training.checkpoint.run.save", save)
    trained(often(tiny, keep=1), beats, tmp_path / "run")
    assert saved == [0, 1, 2, 3, 4]
    assert [place.name for place in files.checkpoints(tmp_path / "run")] == ["step-4"]


def test_files_have_the_mode_of_any_new_file(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    trained(tiny, beats, tmp_path / "run")
    (tmp_path / "new").touch()
    usual = stat.S_IMODE((tmp_path / "new").stat().st_mode)
    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != runs.LOCK]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {usual}


# ---- finite


def test_what_is_not_finite_is_never_kept(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saves at a time, on leaving the loop and at its end: the last good state is kept, and goes on."""
    real, config = Bound.cost, often(tiny, steps=30, keep=50)

    def cost(self: Bound, guess: object) -> torch.Tensor:
        value = real(self, guess)  # type: ignore[arg-type]
        return value * torch.nan if now[-1] >= 2 else value

    now = [0]
    with monkeypatch.context() as patch:
        patch.setattr(Bound, "cost", cost)
        for progress in checkpoint.train(config, beats, tmp_path / "run", every=0.0):
            now.append(progress.step)
            if progress.step == 5:
                break
    places = [place.name for place in files.checkpoints(tmp_path / "run")]
    assert places == ["step-0", "step-1", "step-2"]
    assert all(bool(value.isfinite().all()) for value in load_file(tmp_path / "run" / "model.safetensors").values())
    assert trained(config, beats, tmp_path / "run", resume=True)[-1] == 30


@pytest.mark.parametrize("file", ["training.safetensors", "model.safetensors"])
def test_a_checkpoint_that_is_not_finite_is_refused(tiny: Config, beats: Dataset, tmp_path: Path, file: str) -> None:
    run = tmp_path / "run"
    trained(tiny, beats, run)
    place = run / "checkpoints" / "step-4"
    tensors = load_file(place / file)
    spoilt = {name: value * torch.nan if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(spoilt, place / file, {"step": "4"})
    longer = replace(tiny, training=replace(tiny.training, steps=6))
    with pytest.raises(ValueError, match=r"not finite numbers: .*step-4; remove it to go on from the one before"):
        trained(longer, beats, run, resume=True)
    shutil.rmtree(place)
    assert trained(longer, beats, run, resume=True)[-1] == 6


@pytest.mark.parametrize("lost", ["optimizer.", "density", "network.", "training.safetensors"])
def test_an_incomplete_checkpoint_is_refused(tiny: Config, beats: Dataset, tmp_path: Path, lost: str) -> None:
    run = tmp_path / "run"
    trained(tiny, beats, run)
    file = run / "checkpoints" / "step-4" / "training.safetensors"
    kept = {name: value for name, value in load_file(file).items() if not name.startswith(lost)}
    file.unlink() if lost == file.name else save_file(kept, file)
    with pytest.raises(ValueError, match=r"incomplete|damaged"):
        trained(tiny, beats, run, resume=True)


@pytest.mark.parametrize("name", ["training.safetensors", "training.json"])
def test_a_pipe_in_a_checkpoint_is_not_waited_for(tiny: Config, beats: Dataset, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    trained(tiny, beats, run)
    file = run / "checkpoints" / "step-4" / name
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ValueError, match="should be a regular file"):
        trained(tiny, beats, run, resume=True)


def test_a_pipe_for_the_metrics_is_not_waited_for(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(tiny, beats, run)
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    longer = replace(tiny, training=replace(tiny.training, steps=6))
    with pytest.raises(OSError, match="should be a regular file"):
        trained(longer, beats, run, resume=True)


# ---- what a resumed run may change


def test_a_resumed_run_changes_what_it_may(tiny: Config) -> None:
    kept = replace(tiny, training=replace(tiny.training, steps=100, minutes=2.0))
    for change in (
        "training.steps=7",
        "training.checkpoint_every=5.0",
        "training.held_out_every=5.0",
        "training.samples_every=none",
        "training.keep=9",
    ):
        asked = override(kept, [change])
        assert resumed(kept, asked) == asked
    asked = override(kept, ["training.steps=none", "training.minutes=4"])
    assert resumed(kept, asked) == asked  # other minutes are planned as the run goes
    assert resumed(kept, override(kept, ["training.steps=none"])) == kept
    assert resumed(kept, override(kept, ["data.source=./heartbeat"])) == kept


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("seed=9", "seed = 0, got 9"),
        ("training.learning_rate=7", r"training\.learning_rate = 0\.003, got 7\.0"),
        ("network.width=64", r"network\.width = 8, got 64"),
        ("process.schedule=linear", r"process\.schedule\.type = reciprocal, got linear"),
        ("data.held_out=0.5", r"data\.held_out = 8, got 0\.5"),
    ],
)
def test_a_resumed_run_refuses_other_changes(tiny: Config, change: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"started with {told}; a resumed run may change only training\.steps"):
        resumed(tiny, override(tiny, [change]))


def test_the_command_ignores_no_option(command: Callable[..., int], run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    words = ["train", "digits", "--out", copy, "--resume"]
    assert command(*words, "--seed", 9) == 2
    assert command(*words, "--set", "training.learning_rate=7") == 2
    assert command(*words, "--seed", 0, "--set", "training.keep=1", "--steps", 9) == 0
    assert Model.from_pretrained(copy, device="cpu").step == 9
    assert command(*words[:2], "--out", tmp_path / "other", "--seed", 3, "--set", "seed=4") == 2
    assert not (tmp_path / "other").exists()


def test_the_seed_of_a_change_holds(command: Callable[..., int], tmp_path: Path) -> None:
    words = ["--set", "network.width=8", "--set", "network.depth=1", "--set", "training.batch=8", "--steps", 1]
    assert command("train", "heartbeat", "--out", tmp_path / "run", "--set", "seed=3", *words) == 0
    assert Model.from_pretrained(tmp_path / "run", device="cpu").config.seed == 3


# ---- other versions


@pytest.mark.parametrize(("name", "data"), [("bits-0.1", "heartbeat"), ("rates-0.1", "swiss-roll")])
def test_runs_of_version_0_1_load_and_go_on(tmp_path: Path, name: str, data: str) -> None:
    shutil.copytree(RUNS / name, tmp_path / name)
    dataset, old = load(data), Model.from_pretrained(tmp_path / name, device="cpu")
    assert old.step is None
    assert old.sample(3, steps=3).shape == (3, *dataset.shape)
    longer = override(checkpoint.read_last(tmp_path / name), ["training.steps=6"])
    assert trained(longer, dataset, tmp_path / name, resume=True) == [5, 6]
    assert Model.from_pretrained(tmp_path / name, device="cpu").step == 6


def test_a_table_of_version_0_1_says_that_it_is_to_be_trained_again() -> None:
    with pytest.raises(ValueError, match=r"this model of a table is of format 1, .* that have no bins; train it again"):
        Model.from_pretrained(RUNS / "table-0.1", device="cpu")


def test_a_plan_of_version_0_1_is_used_until_the_run_goes_on() -> None:
    assert Model.from_pretrained(RUNS / "rates-0.1", device="cpu").measured.grids.keys() == {3}
