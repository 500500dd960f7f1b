"""Training learns, is a function of its seed, resumes to the bit, and survives what goes wrong."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from oracles import seeded
from quasistatic.config import Config, Specification, override
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.objective import Bound
from quasistatic.recipes import recipe
from quasistatic.training import checkpoint
from quasistatic.training.batch import batch_rows
from quasistatic.training.checkpoint import folder
from quasistatic.training.loop import Training
from quasistatic.training.monitor import held_out


def parts(config: Config, digits: Dataset) -> tuple[Training, Dataset]:
    return Training(config, Specification.of(digits)), digits.split(360, config.seed)[0]


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in training.state()[0].items()}


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Equal to the bit, NaN where NaN: bands of time not yet seen."""
    return torch.equal(left.nan_to_num(-1.0), right.nan_to_num(-1.0))


def test_rows_are_a_permutation_of_each_epoch() -> None:
    seen = torch.cat([batch_rows(10, seed=3, step=step, batch=4) for step in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10))
    assert sorted(seen[10:].tolist()) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert torch.equal(batch_rows(10, 3, 2, 4), batch_rows(10, 3, 2, 4))
    assert not torch.equal(batch_rows(1000, 3, 2, 4), batch_rows(1000, 4, 2, 4))


def test_a_run_is_a_function_of_its_seed(small: Config, digits: Dataset) -> None:
    first, data = parts(small, digits)
    again, _ = parts(small, digits)
    other, _ = parts(replace(small, seed=1), digits)
    for training in (first, again, other):
        for _ in training.run(data):
            pass
    assert all(same(a, b) for a, b in zip(weights(first).values(), weights(again).values(), strict=True))
    assert not torch.equal(weights(first)["network.stem.weight"], weights(other)["network.stem.weight"])


def test_2n_steps_are_n_and_n_resumed(small: Config, digits: Dataset, tmp_path: Path) -> None:
    """To the bit: weights, their average, the optimizer's moments, the time density."""
    whole, data = parts(small, digits)
    for progress in whole.run(data, every=0.0):
        if progress.step == 2:
            place = checkpoint.save(whole, tmp_path)
    torch.manual_seed(999)  # what else happened in between does not matter
    resumed, _ = parts(small, digits)
    checkpoint.load(resumed, place)
    assert resumed.step == 2
    for _ in resumed.run(data):
        pass
    left, right = weights(whole), weights(resumed)
    assert left.keys() == right.keys()
    assert any(name.startswith("optimizer") for name in left)
    for name in left:
        assert same(left[name], right[name]), name


def test_leaving_the_loop_leaves_a_checkpoint_to_resume(small: Config, digits: Dataset, tmp_path: Path) -> None:
    for progress in checkpoint.train(small, digits, tmp_path / "half", every=0.0):
        if progress.step == 2:
            break
    assert checkpoint.latest(tmp_path / "half") == tmp_path / "half" / "checkpoints" / "step-2"
    assert Model.from_pretrained(tmp_path / "half").specification.examples == len(digits)
    steps = [p.step for p in checkpoint.train(small, digits, tmp_path / "half", resume=True, every=0.0)]
    assert steps == [3, 4]
    for _ in checkpoint.train(small, digits, tmp_path / "whole"):
        pass
    left, right = (Model.from_pretrained(tmp_path / name).network.state_dict() for name in ("half", "whole"))
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_half_precision_is_the_networks_alone(digits: Dataset) -> None:
    """A fresh network says 0 in any precision; what the head makes of that is not rounded.

    Both runs are in one process, which holds a precision for each.
    """
    config = override(recipe(None, digits, "digits"), ["training.steps=2"])
    runs = [
        Training(override(config, [f"training.precision={precision}"]), Specification.of(digits))
        for precision in ("no", "bf16")
    ]
    whole, half = (training.take_step(digits)[0].item() for training in runs)
    assert half == pytest.approx(whole, rel=1e-5)


def test_accumulating_changes_nothing_but_sums(small: Config, digits: Dataset) -> None:
    """Parts of a batch have the rows, times, noise and dropout of the whole batch."""
    losses = []
    for accumulate in (1, 4):
        config = replace(small, training=replace(small.training, accumulate=accumulate, batch=64, steps=1))
        training, data = parts(config, digits)
        losses.append(next(iter(training.run(data))).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
def test_a_compiled_run_learns_the_same(tmp_path: Path) -> None:
    """In processes of their own, since the checks of shapes in these tests cannot be compiled."""
    losses, names = [], []
    for compiled in ("false", "true"):
        words = ["train", "digits", "--out", tmp_path / compiled, "--steps", 4, "--set", f"training.compile={compiled}"]
        words = [*words, "--set", "network.channels=8", "--set", "network.head_width=none"]
        subprocess.run([sys.executable, "-m", "quasistatic", *map(str, words)], check=True, capture_output=True)
        lines = (tmp_path / compiled / "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["held_out"] for line in lines][-1])
        names.append(Model.from_pretrained(tmp_path / compiled, "cpu").network.state_dict().keys())
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert names[0] == names[1]


def test_compiling_without_a_compiler_says_so(small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="there is no no-such-compiler; install one"):
        parts(override(small, ["training.compile=true"]), digits)


def test_a_loss_that_is_not_finite_goes_back_and_then_stops(
    small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quasistatic.training.loop.CHECK", 5)
    training, data = parts(replace(small, training=replace(small.training, steps=30)), digits)
    real = Bound.cost

    def cost(self: Bound, guess: object) -> torch.Tensor:
        value = real(self, guess)  # type: ignore[arg-type]
        return value * torch.nan if training.step >= 3 else value

    monkeypatch.setattr(Bound, "cost", cost)
    notes: list[str] = []
    with pytest.raises(FloatingPointError, match=r"after going back 3 times; lower training\.learning_rate"):
        notes.extend(progress.note for progress in training.run(data) if progress.note)
    assert len(notes) == 3
    assert "back to step 0, with other noise (1 of 3)" in notes[0]


def test_a_fault_between_two_checks_is_not_scored(
    small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held-out score is due while the weights are NaN: the run goes back at the next check, and does not end."""
    monkeypatch.setattr("quasistatic.training.loop.CHECK", 5)
    training, data = parts(override(small, ["training.steps=10", "training.held_out_every=0"]), digits)
    real = Bound.cost

    def cost(self: Bound, guess: object) -> torch.Tensor:
        value = real(self, guess)  # type: ignore[arg-type]
        return value * torch.nan if training.step == 6 and training.attempt == 0 else value

    monkeypatch.setattr(Bound, "cost", cost)
    monkeypatch.setattr(held_out, "LOOKS", 0)
    few = digits.split(360, 0)[1].select(torch.arange(4))
    found = list(training.run(data, few, every=0.0))
    assert next(progress.note for progress in found if progress.note).startswith("the loss was not finite by step 10")
    assert found[6].held_out is None
    assert found[-1].step == 10


def test_a_passing_fault_is_survived(small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic.training.loop.CHECK", 5)
    training, data = parts(replace(small, training=replace(small.training, steps=10)), digits)
    real = Bound.cost

    def cost(self: Bound, guess: object) -> torch.Tensor:
        value = real(self, guess)  # type: ignore[arg-type]
        return value * torch.nan if training.step == 7 and training.attempt == 0 else value

    monkeypatch.setattr(Bound, "cost", cost)
    notes = [progress.note for progress in training.run(data) if progress.note]
    assert notes == ["the loss was not finite by step 10: back to step 5, with other noise (1 of 3)"]
    assert training.step == 10
    assert all(bool(value.isfinite().all()) for value in training.model.network.state_dict().values())


def test_the_held_out_bound_is_watched(small: Config, digits: Dataset) -> None:
    training, data = parts(small, digits)
    *_, last = training.run(data, digits.split(360, 0)[1].select(torch.arange(8)))
    assert 1 < last.held_out < 6


def test_a_bound_that_turns_is_said(small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    training, _ = parts(small, digits)
    noise = torch.randn(128, generator=seeded())
    # Worse by 0.05 on average, and by chance at the third look: 0.05 ± 0.09.
    looks = iter([(2.0, 0.0), (1.9, 0.0), (1.95, 1.0), (1.95, 0.01), (1.96, 0.01), (1.97, 0.01), (1.98, 0.01)])

    def evaluate(*_: object, **__: object) -> SimpleNamespace:
        value, spread = next(looks)
        return SimpleNamespace(value=value, log_likelihoods=-value - spread * (noise - noise.mean()))

    monkeypatch.setattr(Model, "evaluate", evaluate)
    watch = held_out.HeldOut(lambda: training.model, digits)
    notes = [watch.look()[1] for _ in range(7)]
    assert [note is not None for note in notes] == [False] * 5 + [True, False]
    assert "was better, 1.900, than at three looks since" in notes[5]


def test_the_first_looks_cost_is_measured_by_a_few_examples(
    small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second time, as the first is slow: 16 of 128 examples in half a second."""
    now, slow, asked = [100.0], iter([7.0, 0.5]), list[int]()
    monkeypatch.setattr(held_out.time, "monotonic", lambda: now[0])

    def evaluate(*_: object, limit: int, **__: object) -> None:
        now[0] += next(slow)
        asked.append(limit)

    monkeypatch.setattr(Model, "evaluate", evaluate)
    training = parts(small, digits)[0]
    watch = held_out.HeldOut(lambda: training.model, digits)
    watch.try_out()
    assert asked == [16, 16]
    assert watch.expected() == pytest.approx(4.0)


def test_looks_take_a_twentieth_of_the_time_at_most(
    small: Config, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that takes 3 s is due again after 60 s of training, though one every 10 s was asked for."""
    from types import SimpleNamespace

    now, training = [100.0], parts(small, digits)[0]
    monkeypatch.setattr(held_out.time, "monotonic", lambda: now[0])
    watch = held_out.HeldOut(lambda: training.model, digits)

    def evaluate(*_: object, **__: object) -> SimpleNamespace:
        now[0] += 3.0
        return SimpleNamespace(value=2.0, log_likelihoods=torch.zeros(4))

    monkeypatch.setattr(Model, "evaluate", evaluate)
    now[0] += 11
    assert watch.due(10.0)  # none has been made: what it takes is not known
    watch.look()
    due = [watch.due(10.0)]
    for _ in range(2):
        now[0] += 31
        due.append(watch.due(10.0))
    assert due == [False, False, True]


def test_a_full_disk_leaves_the_last_checkpoint(
    small: Config, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = parts(small, digits)
    good = checkpoint.save(training, tmp_path)
    training.step = 2

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quasistatic.training.parallel.placement.save_file", full)
    with pytest.raises(OSError, match=r"step 2 could not be written .*No space left.* last good one is .*step-0"):
        checkpoint.save(training, tmp_path)
    assert [place.name for place in (tmp_path / "checkpoints").iterdir()] == [good.name]
    checkpoint.load(training, good)
    assert training.step == 0


def test_old_checkpoints_go(small: Config, digits: Dataset, tmp_path: Path) -> None:
    training, _ = parts(small, digits)
    for step in (1, 2, 3, 10):
        training.step = step
        checkpoint.save(training, tmp_path)
    assert sorted(place.name for place in (tmp_path / "checkpoints").iterdir()) == ["step-10", "step-3"]


def test_a_damaged_checkpoint_is_named(small: Config, digits: Dataset, tmp_path: Path) -> None:
    training, _ = parts(small, digits)
    place = checkpoint.save(training, tmp_path)
    file = place / "training.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="step-0 is damaged"):
        checkpoint.load(training, place)
    wider, _ = parts(replace(small, network=replace(small.network, channels=12)), digits)
    other = checkpoint.save(wider, tmp_path / "wider")
    with pytest.raises(ValueError, match="the checkpoint is of another network"):
        checkpoint.load(training, other)


def test_a_run_is_not_started_over_another(small: Config, digits: Dataset, run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="holds another run"):
        next(iter(checkpoint.train(small, digits, run)))
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match="holds other files"):
        folder.check_new(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no checkpoint to resume"):
        next(iter(checkpoint.train(small, digits, tmp_path / "none", resume=True)))
    with pytest.raises(ValueError, match="was trained on other data"):
        next(iter(checkpoint.train(small, digits.select(torch.arange(500)), run, resume=True)))


def test_labels_are_learned_and_sampled(small: Config, digits: Dataset, tmp_path: Path) -> None:
    config = replace(small, data=replace(small.data, conditional=True))
    for _ in checkpoint.train(config, digits, tmp_path / "run"):
        pass
    model = Model.from_pretrained(tmp_path / "run", device="cpu")
    before = Model.fresh(config, Specification.of(digits))
    moved = model.network.condition.label.weight - before.network.condition.label.weight
    assert (moved.abs().sum(1) > 0).sum() > 5
    assert model.sample(2, steps=2, label=3).shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="knows 10 classes, got label 10"):
        model.sample(2, steps=2, label=10)


@pytest.mark.slow
@pytest.mark.parametrize("flip", ["false", "true"])
def test_two_processes_share_a_batch(flip: str, small: Config, tmp_path: Path) -> None:
    """torchrun with two processes on the CPU: one run, one folder, the same steps."""
    words = ["--nproc_per_node=2", "-m", "quasistatic.cli.app", "train", "digits", "--out", str(tmp_path / "run")]
    words += ["--steps", "3", "--set", "network.channels=8", "--set", "network.head_width=none"]
    words += ["--set", f"data.flip={flip}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "step-3").is_dir()
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 3
