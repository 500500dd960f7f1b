"""Keeps freed memory in the allocator for reuse. The setting is process-wide, so the caller decides.

Commands enter `reusing_memory` for work on a CPU. Library calls never change the setting.
"""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""glibc's malloc parameters (mallopt(3))."""
AT_WORK = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1}
AT_REST = {M_MMAP_MAX: 2**16, M_TRIM_THRESHOLD: 2**26, M_MMAP_THRESHOLD: 2**25}  # where glibc's own tuning ends
WORTH_A_TRIM = 1.0
"""Seconds of work after which free memory is returned to the system at the end."""
_working = 0
"""Number of active `reusing_memory` blocks in this process."""


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Keep freed memory in the allocator for reuse; also a decorator. For work on a CPU, with glibc.

    Each pass through a network allocates tensors of the same sizes. By default, glibc returns blocks above 32 MiB to
    the system when they are freed, and the end of its heap once 64 MiB are free. The system then zeroes every page of
    the next blocks, which took a fifth of a training step over 256 levels (`benchmarks/allocation.py`).

    The setting holds for the process until the last active block ends. Free memory is then returned to the system,
    which takes some milliseconds, if the block ran for more than a second. glibc cannot report its earlier settings, so
    afterwards the values are set that its own tuning reaches. Without glibc nothing changes.
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
