"""Writes files and folders atomically: under a random name first, then flushed to disk and renamed."""

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace ``path`` atomically: ``write`` fills a new file in its folder, which is then renamed to ``path``.

    On failure ``path`` is unchanged. The new file has a unique random name and the default mode of new files.

    Raises:
        OSError: if the file cannot be written.
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
    """Yield a new folder to fill by `replace_file`; rename it to ``path`` at the end, or remove it on an error.

    Raises:
        OSError: if ``path`` is a file or a folder that is not empty.
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
    """Remove unfinished files and folders that killed processes left in ``folder``.

    Only the process that writes into ``folder`` may call this.
    """
    for left in folder.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
