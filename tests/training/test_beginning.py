"""The folder of a run: how it begins, and that one process trains in it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from quasistatic.config import Config
from quasistatic.data import Dataset
from quasistatic.model import folder as files
from quasistatic.training import checkpoint
from quasistatic.training.checkpoint import folder as runs
from tiny_runs import often, trained


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- beginning


def test_a_run_that_is_refused_leaves_nothing(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    wrong = replace(tiny, training=replace(tiny.training, missing=0.5))
    with pytest.raises(ValueError, match="for the columns of a product head"):
        trained(wrong, beats, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty folder"])
def test_a_run_can_be_resumed_from_its_first_moment(tiny: Config, beats: Dataset, tmp_path: Path, there: bool) -> None:
    run = tmp_path / "run"
    if there:
        run.mkdir()
    steps = checkpoint.train(tiny, beats, run, every=0.0)
    next(steps)
    assert [place.name for place in files.checkpoints(run)] == ["step-0"]
    shutil.copytree(run, tmp_path / "killed")  # what a kill at this moment leaves
    steps.close()
    assert trained(tiny, beats, tmp_path / "killed", resume=True) == [1, 2, 3, 4]
    trained(tiny, beats, tmp_path / "whole")
    left, right = (load_file(tmp_path / name / "model.safetensors") for name in ("killed", "whole"))
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_goes_on_from_a_checkpoint_to_the_bit(
    tiny: Config, beats: Dataset, tmp_path: Path, optimizer: str
) -> None:
    config = often(replace(tiny, training=replace(tiny.training, optimizer=optimizer)))
    trained(config, beats, tmp_path / "whole")
    run = tmp_path / "cut"
    for progress in checkpoint.train(config, beats, run, every=0.0):
        if progress.step == 2:
            break
    assert trained(config, beats, run, resume=True) == [3, 4]
    for name in ("training.safetensors", "model.safetensors"):
        left, right = (load_file(tmp_path / one / "checkpoints/step-4" / name) for one in ("whole", "cut"))
        torch.testing.assert_close(left, right, rtol=0, atol=0, equal_nan=True)


def test_a_folder_with_leftovers_of_a_crash_is_new(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints" / ".step-0.0123.part").mkdir(parents=True)
    (run / "checkpoints" / ".step-0.0123.part" / "config.json").touch()
    (run / ".config.json.4567.part").touch()
    assert trained(tiny, beats, run) == [1, 2, 3, 4]
    assert [name for name in names(run) if ".part" in name] == []


def test_what_a_kill_left_beside_the_folder_goes(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    """The folder is filled under another name: a part that nobody fills is removed, one that is locked stays."""
    for name in (".run.0123.part", ".run.4567.part", ".run2.89ab.part"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    with runs.locked(tmp_path / ".run.4567.part"):
        trained(tiny, beats, tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run.4567.part", ".run2.89ab.part", "run"]


def test_resuming_clears_what_a_crash_left(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    """Parts of files, reports of steps that come again, and a line that was cut short."""
    run = tmp_path / "run"
    trained(often(tiny, keep=9), beats, run)
    shutil.rmtree(run / "checkpoints" / "step-4")
    shutil.rmtree(run / "checkpoints" / "step-3")
    (run / "checkpoints" / ".step-3.89ab.part").mkdir()
    (run / ".model.safetensors.cdef.part").touch()
    with (run / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 5, "los')
    assert trained(tiny, beats, run, resume=True) == [3, 4]
    assert [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    assert [name for name in names(run) if ".part" in name] == []


def test_other_names_beside_checkpoints_do_no_harm(small: Config, digits: Dataset, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for name in ("step-8.bak", "step-", "step-x", "notes"):
        shutil.copytree(copy / "checkpoints" / "step-8", copy / "checkpoints" / name)
    assert checkpoint.latest(copy) == copy / "checkpoints" / "step-8"
    longer = replace(small, training=replace(small.training, steps=9))
    assert trained(longer, digits, copy, resume=True) == [9]


def test_a_full_disk_leaves_the_metrics_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.append_metrics(tmp_path, '{"step": 1}\n')
    real = Path.open

    class Full:
        def __init__(self, file: object) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> int:
            return self.file.write(content[:4])

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    monkeypatch.setattr(Path, "open", lambda self, *args, **options: Full(real(self, *args, **options)))
    with pytest.raises(OSError, match=r"metrics\.jsonl could not be written \(no room is left\)"):
        runs.append_metrics(tmp_path, '{"step": 2}\n')
    monkeypatch.undo()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n'


# ---- one process


def test_two_runs_in_one_folder_are_refused(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = checkpoint.train(tiny, beats, run, every=0.0)
    next(first)
    with pytest.raises(FileExistsError, match=r"another process trains in .*run; wait until it ends, or stop it"):
        trained(tiny, beats, run, resume=True)
    assert [progress.step for progress in first] == [2, 3, 4]
    assert trained(tiny, beats, run, resume=True) == []
