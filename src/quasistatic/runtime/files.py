"""Files that are whole or not there: written under a random name, flushed to the disk and renamed."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a new file in the same folder, then rename it to ``path``; on failure ``path`` stays.

    The new file has a random name that nothing else has, and the mode of any other new file.

    Raises:
        OSError: if it cannot be written.
    """
    part = _part(path)
    try:
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        os.close(handle)
        try:
            write(part)
            part.chmod(mode)
            flush(part)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        flush(path.parent)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise OSError(f"{path.name} could not be written: {why}") from None


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill by `replace_file`; when the block ends, it is renamed to ``path``, or else removed.

    Raises:
        OSError: if ``path`` is a file or a folder that holds anything.
    """
    part = _part(path)
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    flush(path.parent)


def clear_parts(folder: Path) -> None:
    """Remove the unfinished files and folders that killed processes left in ``folder``.

    Only the one process that writes into ``folder`` may call this.
    """
    for left in folder.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Write a file's content, or a folder's list of names, through to the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
