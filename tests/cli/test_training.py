"""The command `train`: its minutes, and what its bar says while it does something other than steps."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from quasistatic.cli import terminal
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
    with terminal.following("starting", console) as (doing, show):
        show(Progress(5, 80, 1.0, 0.1, 1.0, 10.0, 2.0), "step 5/80")
        doing("scoring held-out examples")
        seen = capsys.readouterr().out
        assert "scoring held-out examples …" in seen
        doing("")
        assert "step 5/80" in capsys.readouterr().out
        show(Progress(6, 40, 1.0, 0.1, 1.0, 10.0, 2.0), "step 6/40")
