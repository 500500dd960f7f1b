"""Keeps freed memory in the allocator for reuse: a setting of the whole process, so the caller decides.

The command enters `reusing_memory` around its work on a CPU. A library call never changes the setting by itself.
"""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Names of glibc's settings of malloc (mallopt(3))."""
AT_WORK = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1}
AT_REST = {M_MMAP_MAX: 2**16, M_TRIM_THRESHOLD: 2**26, M_MMAP_THRESHOLD: 2**25}  # what glibc itself comes to
WORTH_A_TRIM = 1.0
"""Seconds of work after which memory that is free is handed back at once."""
_working = 0
"""How many `reusing_memory` are entered in this process."""


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Keep freed memory in the allocator for reuse; also a decorator. For work on a CPU, with glibc.

    Each pass through a network needs maps of the same sizes. glibc returns blocks above 32 MiB to the system when they
    are freed, and the end of its heap once 64 MiB of it are free. The system then zeroes every page of the next blocks,
    which took a fifth of a training step over 256 levels (`benchmarks/allocation.py`). The setting holds for the
    process until the last block that entered it is left. After a second of work or more, free memory is then returned
    at once, which takes some milliseconds. glibc cannot be asked for its earlier settings: afterwards they are those
    that it comes to by itself. Without glibc nothing changes.
    """
    global _working
    if _working == 0:
        _set_malloc(AT_WORK)
    _working, started = _working + 1, time.monotonic()
    try:
        yield
    finally:
        _working -= 1
        if _working == 0:
            _set_malloc(AT_REST, trim=time.monotonic() - started > WORTH_A_TRIM)


def _set_malloc(settings: dict[int, int], trim: bool = False) -> None:
    if os.name != "posix" or not hasattr(library := ctypes.CDLL(None), "gnu_get_libc_version"):
        return
    for name, value in settings.items():
        library.mallopt(name, value)
    if trim:
        library.malloc_trim(0)
