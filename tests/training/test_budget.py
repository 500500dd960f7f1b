"""A run with a budget of minutes ends in time, resumes to the bit given the same decisions, and goes on for more."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from quasistatic.config import Config
from quasistatic.data import Dataset
from quasistatic.model import folder as files
from quasistatic.training import checkpoint
from quasistatic.training.loop import Progress, Training
from quasistatic.training.monitor.held_out import HeldOut


class Machine:
    """A false clock that steps, held-out scores and checkpoints move on: they take as long as is said here.

    Scores are not made, and only the first step is taken, unless ``learns`` is set.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.step, self.look, self.save, self.learns = 500.0, 1.0, 0.0, 0.0, False
        self.speed: Callable[[float], float] = lambda now: 1.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self._slow(monkeypatch, Training, "take_step", "step")
        self._slow(monkeypatch, HeldOut, "look", "look")
        self._slow(monkeypatch, checkpoint, "save", "save")
        monkeypatch.setattr(HeldOut, "try_out", lambda watch: setattr(watch, "took", self.look))

    def _slow(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str, seconds: str) -> None:
        real = getattr(owner, name)

        def slow(*args: object, **options: object) -> object:
            self.now += getattr(self, seconds) / self.speed(self.now)
            run: Any = args[0]
            if seconds == "look":
                run.looked, run.took = self.now, self.look
                return 2.0, None
            if self.learns or seconds == "save" or run.step == 0:
                return real(*args, **options)
            run.step += 1
            return torch.zeros(()), torch.zeros(())

        monkeypatch.setattr(owner, name, slow)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def minutes(tiny: Config) -> Config:
    """A run of two minutes that is saved and scored every twenty seconds."""
    training = replace(tiny.training, steps=None, minutes=2.0, warmup=20, held_out_every=20.0, checkpoint_every=20.0)
    return replace(tiny, training=replace(training, keep=99))


def trained(config: Config, data: Dataset, run: Path, **options: object) -> list[Progress]:
    return list(checkpoint.train(config, data, run, **options))


def decisions(run: Path) -> list[list[float]]:
    last = checkpoint.latest(run)
    assert last is not None
    return checkpoint.read_run(last)[2]["decisions"]


@pytest.mark.parametrize("later", [1.0, 1 / 3, 3.0], ids=["steady", "three times slower", "three times faster"])
def test_a_run_ends_in_time(minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine, later: float) -> None:
    """Start, steps, scores and checkpoints included; every report has the number of steps as it then seems."""
    began = machine.now
    machine.speed = lambda now: 1.0 if now < began + 60 else later
    machine.look, machine.save = 0.5, 0.3
    machine.now += 4.0  # imports and data
    found = trained(minutes, beats, tmp_path / "run", since=began)
    assert abs(machine.now - began - 120) <= 120 * 0.03
    assert found[-1].step == found[-1].steps == checkpoint.read_run(checkpoint.latest(tmp_path / "run"))[2]["step"]
    assert found[-1].learning_rate == pytest.approx(minutes.training.learning_rate * minutes.training.final_rate)
    assert found[-2].learning_rate < 0.1 * minutes.training.learning_rate
    steps = {progress.steps for progress in found[10:]}
    assert len(steps) > 1
    if later == 1.0:
        assert max(steps) - min(steps) < 12  # scores and checkpoints are not known beforehand
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [progress.steps for progress in found]


def test_what_came_before_counts_for_a_tenth_at_most(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    """A download of ten minutes does not eat up the run."""
    machine.now += 600
    began = machine.now
    trained(minutes, beats, tmp_path / "run", since=began - 600)
    assert machine.now - began == pytest.approx(108, abs=2)


def test_a_resumed_run_is_exact_given_the_decisions(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    """Killed at half time and resumed on a machine of another speed, with the decisions of the run that was not."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    machine.learns, machine.step = True, 10.0
    trained(minutes, beats, whole)
    shutil.copytree(whole, killed)
    places = files.checkpoints(killed)
    for place in places[len(places) // 2 :]:
        shutil.rmtree(place)
    half = checkpoint.latest(killed)
    assert half is not None
    numbers = json.loads((half / "training.json").read_text())
    assert 0 < numbers["step"] < 10
    assert numbers["decisions"] == [row for row in decisions(whole) if row[0] <= numbers["step"]]
    (half / "training.json").write_text(json.dumps({**numbers, "decisions": decisions(whole)}))
    machine.speed = lambda now: 0.1
    found = trained(minutes, beats, killed, resume=True)
    assert decisions(killed) == decisions(whole)
    assert found[-1].step == found[-1].steps
    ends = [checkpoint.latest(run) for run in (whole, killed)]
    for name in ("training.safetensors", "model.safetensors"):
        left, right = (load_file(place / name) for place in ends if place is not None)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[key].nan_to_num(), right[key].nan_to_num()) for key in left), name


def test_a_killed_run_keeps_its_budget_on_another_machine(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    """Only time of training counts, over all sessions; and the fraction done goes on from where it was."""
    began, run = machine.now, tmp_path / "run"
    for progress in checkpoint.train(minutes, beats, run):
        if progress.seconds > 50:
            break
    assert progress.step < progress.steps
    away, step, done = machine.now, progress.step, decisions(run)[-1][1]
    machine.now += 1e6
    machine.speed = lambda now: 0.3
    found = trained(minutes, beats, run, resume=True)
    assert (away - began) + (machine.now - away - 1e6) == pytest.approx(120, abs=3.6)
    assert found[-1].seconds == pytest.approx(120, abs=3.6)
    assert found[-1].step < step + 0.35 * 70
    fractions = [row[1] for row in decisions(run)]
    assert fractions == sorted(fractions)
    assert done in fractions
    assert [progress for progress in found if progress.note] == []  # the epochs were reported when the run began


def test_a_finished_run_goes_on_for_more_minutes(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    run = tmp_path / "run"
    steps = trained(minutes, beats, run)[-1].step
    assert trained(minutes, beats, run, resume=True) == []
    longer, less = (replace(minutes, training=replace(minutes.training, minutes=m)) for m in (3.0, 1.0))
    assert trained(less, beats, run, resume=True) == []
    began = machine.now
    found = trained(longer, beats, run, resume=True)
    assert machine.now - began == pytest.approx(60, abs=2)
    assert steps == pytest.approx(120, abs=4)
    assert found[-1].step == found[-1].steps == pytest.approx(180, abs=5)
    assert found[0].learning_rate == pytest.approx(
        minutes.training.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * 2 / 3))), rel=0.05
    )


def test_minutes_and_set_steps_change_into_each_other(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    run, settings = tmp_path / "run", minutes.training
    trained(replace(minutes, training=replace(settings, steps=30)), beats, run)
    assert decisions(run) == [[0, 0.0, 30]]
    trained(replace(minutes, training=replace(settings, minutes=1.0)), beats, run, resume=True)
    found = checkpoint.read_last(run)
    assert found.training.steps is None
    assert decisions(run)[0][0] == 30
    assert decisions(run)[0][1] == pytest.approx(0.5, abs=0.05)
    assert decisions(run)[-1][0] == pytest.approx(60, abs=3)
    ended = trained(replace(minutes, training=replace(settings, steps=70)), beats, run, resume=True)[-1]
    assert ended.step == ended.steps == 70
    assert decisions(run) == [[0, 0.0, 70]]


def test_a_budget_of_few_epochs_is_reported_at_the_start(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    """8 of 392 examples a step, 120 steps: 2.4 epochs."""
    notes = [(progress.step, progress.note) for progress in trained(minutes, beats, tmp_path / "run") if progress.note]
    ((step, note),) = notes
    assert step < 10
    assert note.startswith("the budget of 2 minutes is about 2.4 epochs of 392 examples; raise training.minutes")
    set_steps = replace(minutes, training=replace(minutes.training, steps=20))
    assert not any(progress.note for progress in trained(set_steps, beats, tmp_path / "set"))


def test_a_run_has_no_more_epochs_than_it_is_to_have(
    minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine
) -> None:
    """8 of 392 examples a step: 49 steps are an epoch, and 120 would fit into the minutes."""
    one = replace(minutes, training=replace(minutes.training, epochs=1.0))
    progress = trained(one, beats, tmp_path / "run")
    assert progress[-1].step == 49
    (note,) = [told.note for told in progress if told.note]
    assert note.startswith("the run ends after 1 epochs, before its 2 minutes")
    longer = replace(one, training=replace(one.training, minutes=9.0))
    assert trained(longer, beats, tmp_path / "run", resume=True) == []  # its passes are done, and its rate has ended
    more = replace(one, training=replace(one.training, epochs=None))
    assert trained(more, beats, tmp_path / "run", resume=True)[-1].step == pytest.approx(120, abs=4)


def test_damaged_decisions_are_refused(minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine) -> None:
    trained(minutes, beats, tmp_path / "run")
    file = checkpoint.latest(tmp_path / "run") / "training.json"
    numbers = json.loads(file.read_text())
    for wrong in ("x", [[5, 0.1]], [[5, 7.0, 9]], [[9, 0.1, 3]]):
        file.write_text(json.dumps({**numbers, "decisions": wrong}))
        with pytest.raises(ValueError, match="is damaged"):
            trained(minutes, beats, tmp_path / "run", resume=True)
    del numbers["decisions"]
    file.write_text(json.dumps(numbers))
    assert trained(minutes, beats, tmp_path / "run", resume=True)[-1].step > numbers["step"]


def test_what_is_done_between_steps_is_told(minutes: Config, beats: Dataset, tmp_path: Path, machine: Machine) -> None:
    said: list[str] = []
    trained(minutes, beats, tmp_path / "run", doing=said.append)
    assert {"scoring held-out examples", "saving a checkpoint", ""} <= set(said)
    assert said[-1] == ""
    assert all(here == "" or after == "" or here != after for here, after in pairwise(said))
