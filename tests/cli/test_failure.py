"""What the command says when something fails: one sentence, whatever the names, the terminal and the fault."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.cli import failure


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (ValueError("a size is needed, got 0"), 2, "a size is needed, got 0"),
        (FileNotFoundError("no such file"), 2, "no such file"),
        (IsADirectoryError(21, "Is a directory", "x"), 2, "is a directory: x"),
        (OSError(28, "No space left on device"), 1, "no space left on device"),
        (PermissionError("not allowed"), 1, "not allowed"),
        (FloatingPointError("not finite"), 1, "not finite"),
        (TypeError("needs a tensor\nException raised from C++"), 2, "needs a tensor"),
        (MemoryError(), 1, "there is not enough memory for this; ask for less at once: a smaller training.batch"),
        (np.zeros, 1, "there is not enough memory"),
        (torch.empty, 1, "there is not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), 1, "there is not enough memory"),
        (
            RuntimeError("mat1 and mat2\nshapes"),
            1,
            "this is a bug in quasistatic (RuntimeError: mat1 and mat2); set QUA",
        ),
        (KeyError("beta"), 1, "this is a bug in quasistatic (KeyError: 'beta'); set QUASISTATIC_TRACEBACK=1 to see"),
        (ValueError("a" * 600 + "b" * 10**6 + "; do this"), 2, "a" * 500 + " … bbb"),
        (AssertionError(), 1, "this is a bug in quasistatic (AssertionError: AssertionError); set"),
    ],
)
def test_each_error_is_one_sentence(error: object, status: int, sentence: str) -> None:
    if not isinstance(error, Exception):
        # In a thread of its own: after a failure glibc serves a thread from other memory for good.
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(error, 10**15).exception()  # type: ignore[arg-type]
        assert isinstance(found, MemoryError | RuntimeError)
        error = found
    told, code = failure.told(error)
    assert code == status
    assert told.startswith(sentence)
    assert "\n" not in told
    assert len(told) < 1100


def test_ctrl_c_is_failed_work_and_said(command, capfd: pytest.CaptureFixture[str], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("quasistatic.markov.read_chain", stopped)
    assert command("chain", "x.csv") == 1
    assert capfd.readouterr().err == "interrupted\n"


def test_the_last_resort_is_a_sentence(command, capfd: pytest.CaptureFixture[str], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr("quasistatic.markov.read_chain", broken)
    assert command("chain", "x.csv") == 1
    assert capfd.readouterr().err.startswith("error: this is a bug in quasistatic (KeyError: 'a fault'); set QUASI")
    monkeypatch.setenv(failure.TRACEBACK, "1")
    with pytest.raises(KeyError):
        command("chain", "x.csv")


@pytest.mark.parametrize("name", ["a[b].csv", "[/].csv", "[red]x[/red].csv", "x:smile:.csv", "[bold", "x[/y]"])
def test_names_with_brackets_are_names(command, capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    assert command("check", tmp_path / "no" / name) == 2
    assert name.rpartition("/")[2] in capfd.readouterr().err
    (tmp_path / name.replace("/", "_")).mkdir()
    assert command("check", tmp_path / name.replace("/", "_")) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_tables_show_brackets(command, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows = "\n".join(f"{number % 7}.5,{'[/a]' if number % 2 else '[b]'}" for number in range(40))
    (tmp_path / "t.csv").write_text(f"[x],[/y]\n{rows}\n")
    assert command("check", tmp_path / "t.csv") in (0, 2)
    shown = capfd.readouterr()
    assert "[x]" in shown.out + shown.err
    assert "[/y]" in shown.out + shown.err


PRINTS = "import quasistatic.cli.app as cli; cli.app = lambda: print('größer × [/b]'); cli.main()"
"""A command that prints at once, without loading torch."""


def printed(redirected: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", f'exec "$0" "$@" {redirected}', sys.executable, "-c", PRINTS]
    environment = {**os.environ, "PYTHONUTF8": "0", **variables}
    return subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"gr\xf6\xdfer \xd7 [/b]"), ("latin-1", "gr��er � [/b]"), ("utf-8", "größer × [/b]")],
)
def test_any_terminal_shows_something(encoding: str, shown: str) -> None:
    done = printed(PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{shown}\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_ends_the_command_quietly(unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([sys.executable, "-c", PRINTS], stdout=write, stderr=subprocess.PIPE, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence() -> None:
    done = printed("> /dev/full", PYTHONUNBUFFERED="")
    assert done.returncode == 1
    assert done.stderr == "error: the result could not be written to stdout: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_closed_streams_are_no_traceback(closed: str) -> None:
    done = printed(closed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["", "> /dev/full", ">&-", "2>&-", ">&- 2>&-", "| true"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_real_command_on_a_bad_stream(tmp_path: Path, redirected: str, more: list[str]) -> None:
    (tmp_path / "chain.csv").write_text("größer,[/b]\n0.9,0.1\n0.2,0.8\n", encoding="utf-8")
    words = [
        "sh",
        "-c",
        f'"$0" "$@" {redirected}',
        sys.executable,
        "-m",
        "quasistatic",
        "chain",
        tmp_path / "chain.csv",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*words, *more], capture_output=True, text=True, env=environment)
    assert done.returncode == (1 if "full" in redirected else 0)
    assert len(done.stderr.splitlines()) == ("full" in redirected)
