"""The runner of children reports how each of them ended."""

import os
import signal
import sys
import time
from pathlib import Path

from chaos import forks


def test_a_child_ends_in_its_folder_with_its_status_and_output(tmp_path: Path) -> None:
    def act() -> None:
        print(Path.cwd(), os.environ["QUASISTATIC_TEST"])
        print("error: no", file=sys.stderr)
        sys.exit(2)

    ended = forks.run(act, tmp_path, environment={"QUASISTATIC_TEST": "yes"})
    assert (ended.code, ended.out, ended.last) == (2, f"{tmp_path.resolve()} yes\n", "error: no")
    assert not ended.traceback
    assert not ended.hung
    assert Path.cwd() != tmp_path


def test_an_uncaught_exception_is_a_traceback(tmp_path: Path) -> None:
    ended = forks.run(lambda: [][0], tmp_path)
    assert ended.traceback
    assert ended.code == 1
    assert ended.last.startswith("IndexError")


def test_an_error_that_the_project_did_not_word_is_noted(tmp_path: Path) -> None:
    note = tmp_path / "note"
    (tmp_path / "x.csv").write_text("a,b\n1\n")
    forks.run(forks.wording(forks.command(["chain", "x.csv"]), note), tmp_path)
    assert not note.exists()

    def broken() -> None:
        import quasistatic.markov

        quasistatic.markov.read_chain = lambda _: len(3)  # type: ignore[assignment, arg-type, return-value]
        forks.command(["chain", "x.csv"])()

    ended = forks.run(forks.wording(broken, note), tmp_path)
    assert ended.last == "error: object of type 'int' has no len()"
    assert "read_chain = lambda" in note.read_text()


def test_a_child_beyond_its_time_is_killed(tmp_path: Path) -> None:
    ended = forks.run(lambda: time.sleep(60), tmp_path, forks.Limits(seconds=0.1))
    assert ended.hung
    assert ended.code == -signal.SIGKILL
    assert ended.seconds < 5


def test_memory_and_file_size_are_limited(tmp_path: Path) -> None:
    ended = forks.run(lambda: bytearray(2**29), tmp_path, forks.Limits(memory=2**28))
    assert ended.last == "MemoryError"
    assert forks.run(lambda: bytearray(2**20), tmp_path, forks.Limits(memory=2**28)).code == 0
    ended = forks.run(lambda: Path("x").write_bytes(bytes(2000)), tmp_path, forks.Limits(file_size=1000))
    assert "File too large" in ended.last


def test_signals_come_after_the_event(tmp_path: Path) -> None:
    def act() -> None:
        time.sleep(0.05)
        Path("ready").touch()
        time.sleep(60)

    ended = forks.run(act, tmp_path, signals=[(0.0, signal.SIGINT)], once=(tmp_path / "ready").exists)
    assert ended.last == "KeyboardInterrupt"
    assert forks.run(act, tmp_path, signals=[(0.01, signal.SIGKILL)]).code == -signal.SIGKILL
