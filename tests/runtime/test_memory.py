"""What the process asks of malloc while it works."""

import contextlib
import ctypes
import os
import resource

import pytest
import torch

from quasistatic.runtime import memory
from quasistatic.runtime.memory import reusing_memory

WITH_GLIBC = os.name == "posix" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
needs_glibc = pytest.mark.skipif(not WITH_GLIBC, reason="only glibc's malloc can be told to keep what is freed")
PAGES = 64 * 2**20 // os.sysconf("SC_PAGE_SIZE") if WITH_GLIBC else 0
"""Of a block that malloc never keeps by itself; with huge pages a fault brings in up to 512."""


def faults(count: int = 8) -> float:
    """Pages that the system brings in for one of ``count`` equal blocks, each freed before the next."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(16 * 2**20)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / count


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1])


@needs_glibc
def test_a_freed_block_is_the_next_one() -> None:
    outside = faults()
    if outside < PAGES / 600:
        pytest.skip("this malloc keeps what is freed without being told")
    with reusing_memory():
        faults()  # the first blocks are new
        with reusing_memory():
            inner = faults()
        assert inner < outside / 8
        assert faults() < outside / 8, "leaving an inner one changes nothing"


@needs_glibc
@pytest.mark.parametrize("fails", [False, True])
def test_memory_goes_back_on_leaving_and_after_an_error(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WORTH_A_TRIM", 0.0)
    with contextlib.suppress(KeyError), reusing_memory():
        torch.ones(64 * 2**20)
        held = resident()
        if fails:
            raise KeyError
    assert held - resident() > 0.9 * 4 * PAGES
