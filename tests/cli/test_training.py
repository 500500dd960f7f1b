"""The command `train`: its minutes, and what its bar says while it does something other than steps."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from quasistatic.runtime.progress import following
from quasistatic.training import checkpoint
from quasistatic.training.loop import Progress

TINY = ["--set", "network.width=8", "--set", "network.depth=1", "--set", "training.batch=8"]


def test_minutes_are_those_of_the_run(
    command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a minute, then a whole one, on a clock that moves on by a second whenever it is read."""
    run, now = tmp_path / "run", count(1000.0)
    monkeypatch.setattr("quasistatic.training.duration.time.monotonic", lambda: next(now))
    assert command("train", "heartbeat", "--out", run, "--minutes", 0.5, *TINY) == 0
    first = checkpoint.read_last(run).training
    assert (first.steps, first.minutes) == (None, 0.5)
    steps = int(checkpoint.latest(run).name.removeprefix("step-"))
    assert command("train", "heartbeat", "--out", run, "--minutes", 1, "--resume") == 0
    assert int(checkpoint.latest(run).name.removeprefix("step-")) > steps > 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--minutes", 1, "--steps", 2], "a run takes either a number of steps or minutes, got --steps and --minutes"),
        (["--minutes", 1, "--set", "training.minutes=2"], "training.minutes is set twice, by --minutes and --set"),
        (["--minutes", 0], "must be above 0"),
        (["--minutes", "nan"], "must be above 0"),
    ],
)
def test_minutes_that_make_no_sense_are_refused(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[object], told: str
) -> None:
    assert command("train", "heartbeat", "--out", tmp_path / "run", *words) == 2
    assert told in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_bar_says_what_is_done_between_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """And its end is where the run now seems to end."""
    console = Console(force_terminal=True, width=100)
    with following("starting", console) as (doing, show):
        show(Progress(5, 80, 1.0, 0.1, 1.0, 10.0, 2.0), "step 5/80")
        doing("scoring held-out examples")
        seen = capsys.readouterr().out
        assert "scoring held-out examples …" in seen
        doing("")
        assert "step 5/80" in capsys.readouterr().out
        show(Progress(6, 40, 1.0, 0.1, 1.0, 10.0, 2.0), "step 6/40")


def test_options_that_people_try_first(command: Callable[..., int], tmp_path: Path) -> None:
    words = [
        "--steps",
        2,
        "--batch-size",
        8,
        "--lr",
        "2e-3",
        "--size",
        4,
        "--set",
        "network.channels=8",
        "--set",
        "network.head_width=8",
    ]
    assert command("train", "digits", "--out", tmp_path / "run", *words) == 0
    config = checkpoint.read_last(tmp_path / "run")
    assert (config.training.batch, config.training.learning_rate, config.data.size) == (8, 2e-3, 4)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "batch_size=8"], "has no field batch_size; it has data"),
        (["--set", "batch_size=8"], "did you mean training.batch?"),
        (["--set", "training.lr=8"], "did you mean training.learning_rate?"),
        (["--set", "training.setps=8"], "did you mean training.steps?"),
        (["--set", "network.widht=8"], "did you mean network.width?"),
        (["--batch", 8], "--batch-size"),
        (["--lr", 1, "--set", "training.learning_rate=2"], "training.learning_rate is set twice, by --lr and --set"),
        (["--size", "big"], "data.size takes"),
    ],
)
def test_near_misses_are_suggested(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[object], told: str
) -> None:
    assert command("train", "heartbeat", "--out", tmp_path / "run", *words) == 2
    assert told in " ".join(capfd.readouterr().err.split())


def test_the_training_curve_is_drawn(command: Callable[..., int], run: Path, tmp_path: Path, capfd) -> None:  # type: ignore[no-untyped-def]
    assert command("curve", run, "--out", tmp_path / "curve.png") == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert command("curve", tmp_path, "--out", tmp_path / "other.png") == 2
    assert "the course of a run is in its metrics.jsonl, and there is no" in capfd.readouterr().err
    assert command("curve", run, "--out", tmp_path / "curve.gif") == 2
    assert "a file ending in .png" in capfd.readouterr().err
