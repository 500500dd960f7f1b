"""Signals, interruptions and the caller's process: nothing is lost, and nothing outside the run changes."""

import os
import signal
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from quasistatic.cli.signals import soft_signals
from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.objective import Bound
from quasistatic.runtime import memory
from quasistatic.runtime.files import replace_file
from quasistatic.training import checkpoint
from quasistatic.training.loop import Training
from quasistatic.training.parallel.exchange import gathered
from tiny_runs import trained

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


def test_a_stop_is_not_lost_at_any_moment_of_a_step(
    tiny: Config, beats: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked during the gather of step 2, as a signal may come: the run ends with that step, and its checkpoint."""
    asked, data = [False], beats.split(360, 0)[0]
    training = Training(tiny, Specification.of(beats))

    def interrupted(world: Accelerator, costs: torch.Tensor, batch: int) -> torch.Tensor:
        asked[0] = asked[0] or training.step == 2
        return gathered(world, costs, batch)

    monkeypatch.setattr("quasistatic.training.loop.gathered", interrupted)
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
