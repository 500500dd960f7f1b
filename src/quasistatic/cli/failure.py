"""Errors of the command line: their sentence (`runtime.failure`), and guarded output streams."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from quasistatic.runtime.failure import TRACEBACK, told

__all__ = ["TRACEBACK", "safe_streams", "told"]


@contextmanager
def safe_streams() -> Iterator[None]:
    """Guard stdout and stderr: escape characters they cannot encode, and exit quietly on a closed pipe."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(1) from None
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            # Python flushes again at exit and would report the error once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(1) from None
            raise OSError(f"the result could not be written to stdout: {error.strerror}") from None
