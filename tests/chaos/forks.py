"""Runs the command in forked children of a process that has imported it: tens of tries a second.

A child has its own session, folder, environment, limits and signals; its output goes to files. The parent imports
(`preload`), but computes nothing with torch or pyarrow: their thread pools do not survive a fork.

    preload(home)
    ended = run(command(["sample", "RUN", "--out", "x.npy"]), folder, Limits(seconds=60, memory=6 * GIB))
"""

import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
TICK = 0.003
"""Seconds between two looks at a child that has signals still to come."""


@dataclass(frozen=True)
class Limits:
    """What a child may use; ``memory`` counts address space beyond what the parent has mapped."""

    seconds: float = 60.0
    memory: int | None = None
    file_size: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a child ended. ``code`` is its exit status, or minus the signal that ended it."""

    code: int
    seconds: float
    peak: int
    """Largest resident memory in bytes, the parent's shared pages included."""
    out: str
    err: str
    hung: bool = False
    """The time was up, and the child was killed."""

    @property
    def traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.err

    @property
    def last(self) -> str:
        """The last line on stderr that is not empty."""
        return next((line for line in reversed(self.err.splitlines()) if line.strip()), "")


def preload(home: Path) -> None:
    """Import what the command imports; call it once, before the first child.

    The environment is set first, as libraries read it when they are imported: no network, no accelerator, one thread,
    and caches and settings below ``home``.
    """
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "XDG_CACHE_HOME": str(home), "MPLCONFIGDIR": str(home)}
    os.environ |= {"OMP_NUM_THREADS": "1", "QUASISTATIC_DEVICE": "cpu", "COLUMNS": "400"}
    import importlib
    import pkgutil

    import torch

    import quasistatic

    for name in ("datasets", "diffusers", "matplotlib.pyplot", "pyarrow.parquet", "sklearn.datasets", "torch._dynamo"):
        with suppress(ImportError):
            importlib.import_module(name)
    for module in pkgutil.walk_packages(quasistatic.__path__, "quasistatic."):
        if not module.name.endswith("__main__"):
            with suppress(ImportError):  # an extra that is not installed
                importlib.import_module(module.name)
    torch.set_num_threads(1)


def command(words: Sequence[object]) -> Callable[[], None]:
    """Return a function that runs the command with these words, as a child's work."""

    def act() -> None:
        from quasistatic.cli.app import main

        sys.argv = ["quasistatic", *map(str, words)]
        main()

    return act


def wording(act: Callable[[], None], note: Path) -> Callable[[], None]:
    """Return ``act`` for a child that writes into ``note`` where an error came from that the project did not word.

    Such an error was raised by Python or a library, not by a ``raise`` of the project, and is shown in its own words.
    """

    def watched() -> None:
        from quasistatic.cli import failure

        def told(
            error: BaseException, told: Callable[[BaseException], tuple[str, int]] = failure.told
        ) -> tuple[str, int]:
            sentence, status = told(error)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            ours = "quasistatic" in Path(frame.filename).parts and (frame.line or "").startswith("raise")
            if not ours and not isinstance(error, OSError) and sentence in str(error):
                note.write_text(f"{frame.filename}, line {frame.lineno}: {frame.line}")
            return sentence, status

        failure.told = told
        act()

    return watched


def run(
    act: Callable[[], None],
    cwd: Path,
    limits: Limits = Limits(),
    *,
    signals: Sequence[tuple[float, int]] = (),
    once: Callable[[], bool] = lambda: True,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run ``act`` in a child and return how it ended.

    Args:
        act: The child's work.
        cwd: The child's working directory.
        limits: Time, memory and file size; beyond its time the child is killed.
        signals: Pairs (seconds after ``once`` first holds, signal) sent to the child, in order of time.
        once: Asked in the parent until it holds.
        environment: Variables added to the child's environment.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with warnings.catch_warnings(action="ignore"):  # of threads: allocators have one, and see to forks themselves
            child = os.fork()
        if child == 0:
            _live(act, cwd, limits, (out.fileno(), err.fileno()), environment or {})
        hung = not _watch(child, started + limits.seconds, signals, once)
        if hung:
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what the child started and left
        seconds = time.monotonic() - started
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return Outcome(os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024, texts[0], texts[1], hung)


def _watch(child: int, deadline: float, signals: Sequence[tuple[float, int]], once: Callable[[], bool]) -> bool:
    """Wait for the child's end and send its signals; return whether it ended in time."""
    left, ready = sorted(signals), None
    handle = os.pidfd_open(child)
    try:
        while (now := time.monotonic()) < deadline:
            if left and ready is None and once():
                ready = now
            if left and ready is not None and now - ready >= left[0][0]:
                signal.pidfd_send_signal(handle, left.pop(0)[1])
            if select.select([handle], [], [], TICK if left else deadline - now)[0]:
                return True
        return False
    finally:
        os.close(handle)


def _live(
    act: Callable[[], None], cwd: Path, limits: Limits, streams: list[int], environment: Mapping[str, str]
) -> None:
    """The child's life; it does not return."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and what `nohup` starts ignores this
        for number, stream in enumerate([os.open(os.devnull, os.O_RDONLY), *streams]):
            os.dup2(stream, number)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        os.chdir(cwd)
        os.environ.update(environment)
        if limits.memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (_mapped() + limits.memory,) * 2)
        if limits.file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_size,) * 2)
        act()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _mapped() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
