"""A run's folder: whole at any moment, of one step, held by one process, and left as it was by what is refused."""

import json
import os
import shutil
import signal
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from quasistatic.cli.signals import soft_signals
from quasistatic.config import Config, Specification, override, resumed
from quasistatic.data import Dataset, load
from quasistatic.model import Model
from quasistatic.model import folder as files
from quasistatic.objective import Bound
from quasistatic.recipes import recipe
from quasistatic.runtime import memory
from quasistatic.runtime.files import replace_file
from quasistatic.training import checkpoint
from quasistatic.training import folder as runs
from quasistatic.training.loop import Training

RUNS = Path(__file__).parents[1] / "runs"
"""Folders of finished runs that version 0.1 wrote."""


@pytest.fixture(scope="module")
def beats() -> Dataset:
    return load("heartbeat", limit=400)


@pytest.fixture(scope="module")
def tiny(beats: Dataset) -> Config:
    """A run of four steps that take a few milliseconds each."""
    changes = ["network.width=8", "network.depth=1", "training.batch=8", "training.steps=4", "data.held_out=8"]
    never = ["training.held_out_every=1e9", "training.checkpoint_every=1e9"]
    return override(recipe(None, beats, "heartbeat"), [*changes, *never])


def trained(config: Config, data: Dataset, folder: Path, **options: object) -> list[int]:
    """Steps at which a run that reports every step did so."""
    return [progress.step for progress in checkpoint.train(config, data, folder, every=0.0, **options)]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def often(config: Config, **fields: object) -> Config:
    """The same run, with a checkpoint at every step."""
    return replace(config, training=replace(config.training, checkpoint_every=0.0, **fields))


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

    monkeypatch.setattr(checkpoint, "save", save)
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
    checkpoint.save_file(spoilt, place / file, {"step": "4"})
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
    file.unlink() if lost == file.name else checkpoint.save_file(kept, file)
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


# ---- beginning


def test_a_run_that_is_refused_leaves_nothing(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    wrong = replace(tiny, training=replace(tiny.training, shown=0.5))
    with pytest.raises(ValueError, match="for the columns of a table"):
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


# ---- what a resumed run may change


def test_a_resumed_run_changes_what_it_may(tiny: Config) -> None:
    kept = replace(tiny, training=replace(tiny.training, steps=100, minutes=2.0))
    for change in (
        "training.steps=7",
        "training.checkpoint_every=5.0",
        "training.held_out_every=5.0",
        "training.keep=9",
    ):
        asked = override(kept, [change])
        assert resumed(kept, asked, pace=3.0) == asked
    asked = override(kept, ["training.steps=none", "training.minutes=4"])
    assert resumed(kept, asked, pace=3.0).training.steps == 720
    assert resumed(kept, override(kept, ["training.steps=none"]), pace=3.0) == kept
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


def test_a_plan_of_version_0_1_is_used_until_the_run_goes_on() -> None:
    assert Model.from_pretrained(RUNS / "rates-0.1", device="cpu").measured.grids.keys() == {3}


# ---- what the caller has


def test_the_library_leaves_the_process_as_it_was(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Global random numbers, malloc's settings and signal handlers, while a run is held and after every verb."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a library call set malloc")

    monkeypatch.setattr(memory, "_set_malloc", refuse)
    torch.manual_seed(123)
    state, handlers = torch.get_rng_state(), [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    steps = checkpoint.train(tiny, beats, tmp_path / "run", every=0.0)
    next(steps)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert torch.equal(torch.get_rng_state(), state)
    assert [progress.step for progress in steps] == [2, 3, 4]
    model = Model.from_pretrained(tmp_path / "run", device="cpu")
    model.sample(2, steps=2)
    model.evaluate(beats, limit=2, steps=4)
    model.infer(beats.batch(torch.arange(1)), torch.arange(20)[None] < 10, steps=2)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_run_does_not_depend_on_the_callers_random_numbers(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    for name in ("one", "other"):
        for _ in checkpoint.train(tiny, beats, tmp_path / name, every=0.0):
            torch.manual_seed(len(name))
    left, right = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "other"))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_an_interrupted_loop_keeps_the_last_good_state(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook's stop button raises KeyboardInterrupt within a step, whose state is not to be trusted."""
    monkeypatch.setattr("quasistatic.training.loop.CHECK", 2)
    real = Bound.cost

    def cost(self: Bound, guess: object) -> torch.Tensor:
        if (tmp_path / "now").exists():
            raise KeyboardInterrupt
        return real(self, guess)  # type: ignore[arg-type]

    steps = checkpoint.train(tiny, beats, tmp_path / "run", every=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Bound, "cost", cost)
        assert [next(steps).step for _ in range(3)] == [1, 2, 3]
        (tmp_path / "now").touch()
        with pytest.raises(KeyboardInterrupt):
            next(steps)
    assert checkpoint.latest(tmp_path / "run").name == "step-2"
    assert trained(tiny, beats, tmp_path / "run", resume=True) == [3, 4]


# ---- signals


def test_a_stop_is_not_lost_at_any_moment_of_a_step(tiny: Config, beats: Dataset, tmp_path: Path) -> None:
    """Asked during the gather of step 2, as a signal may come: the run ends with that step, and its checkpoint."""
    asked, data = [False], beats.split(360, 0)[0]
    training = Training(tiny, Specification.of(beats))
    gather = training.accelerator.gather

    def interrupted(tensor: torch.Tensor) -> torch.Tensor:
        asked[0] = asked[0] or training.step == 2
        return gather(tensor)

    training.accelerator.gather = interrupted
    assert [progress.step for progress in training.run(data, every=0.0, stop=lambda: asked[0])] == [1, 2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_ask_softly(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with soft_signals() as stop:
        assert not stop()
        for _ in range(2):
            os.kill(os.getpid(), number)
        assert stop()
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic.cli.signals.IMPATIENT", 0.0)
    with soft_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with soft_signals() as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with soft_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


# ---- files


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a new file cannot be guessed; and if it were, an existing file is never opened."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".out.npy.part").symlink_to(tmp_path / "precious")
    (tmp_path / ".out.npy.77.part").symlink_to(tmp_path / "precious")
    replace_file(tmp_path / "out.npy", lambda part: part.write_text("new"))
    monkeypatch.setattr("secrets.token_hex", lambda _: "77")
    with pytest.raises(OSError, match=r"out\.npy could not be written: File exists"):
        replace_file(tmp_path / "out.npy", lambda part: part.write_text("other"))
    assert (tmp_path / "precious").read_text() == "precious"
    assert (tmp_path / "out.npy").read_text() == "new"


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")

    def fails(part: Path) -> None:
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "out.csv", fails)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.csv", "old")]
