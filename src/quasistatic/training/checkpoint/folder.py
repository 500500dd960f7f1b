"""A run's folder: checks it before a new run, locks it, and writes metrics."""

import glob
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from quasistatic.model.folder import CONFIG, checkpoints
from quasistatic.runtime.device import rank
from quasistatic.runtime.files import replace_file

LOCK, METRICS = ".lock", "metrics.jsonl"


def check_new(folder: Path) -> None:
    """Check that a folder is new, empty, or left by a crash before the first checkpoint.

    Raises:
        FileExistsError: if it is a file, or holds another run or other files.
    """
    if rank() > 0 or not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"a new run needs a new or empty folder, and {folder} is a file; name another")
    names = {path.name for path in folder.iterdir() if not _is_part(path)}
    places = folder / "checkpoints"
    empty = not places.exists() or (places.is_dir() and all(map(_is_part, places.iterdir())))
    if not (names <= {LOCK, places.name} and empty):
        what = "another run" if (folder / CONFIG).exists() or checkpoints(folder) else "other files"
        raise FileExistsError(
            f"a new run needs a new or empty folder, and {folder} holds {what}; name another, or --resume"
        )


def _is_part(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a run's folder, in the process of rank 0. The lock of a killed process is released.

    Raises:
        FileExistsError: if another process trains there.
        OSError: if the folder cannot be written.
    """
    if rank() > 0:
        yield
        return
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
    try:
        with suppress(NotImplementedError):  # a file system without locks
            lock.acquire()
    except Timeout:
        raise FileExistsError(f"another process trains in {folder}; wait until it ends, or stop it") from None
    except OSError as error:
        raise OSError(f"{folder} cannot be written ({error.strerror or error}); give it back its rights") from None
    try:
        yield
    finally:
        lock.release()


def clear_beside(folder: Path) -> None:
    """Remove unfinished copies of ``folder`` left by killed processes; one that is being written stays.

    Of several processes, the first one does it.
    """
    if rank() > 0:
        return
    for part in folder.parent.glob(f".{glob.escape(folder.name[:100])}.*.part"):
        with suppress(OSError):  # FileExistsError: it is being filled
            with locked(part):
                pass
            shutil.rmtree(part, ignore_errors=True)


def append_metrics(folder: Path, line: str) -> None:
    """Append a line to the metrics, atomically.

    Raises:
        OSError: if it cannot be written.
    """
    path, content, why = folder / METRICS, line.encode(), "no room is left"
    try:
        if path.exists() and not path.is_file():
            raise OSError("it should be a regular file, as a pipe would be waited for")
        with path.open("ab", buffering=0) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                if file.write(content) == len(content):
                    return
            except OSError as error:
                why = error.strerror or str(error)
            file.truncate(before)
    except OSError as error:
        why = error.strerror or str(error)
    raise OSError(f"{path} could not be written ({why}); the last checkpoint is kept")


def trim_metrics(folder: Path, step: int) -> None:
    """Remove metrics of steps after ``step``, which will be repeated, and an incomplete last line."""
    path = folder / METRICS
    if not path.is_file():
        return
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
    if kept != lines:
        replace_file(path, lambda part: part.write_text("".join(kept)))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
