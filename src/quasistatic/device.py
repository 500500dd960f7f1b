"""The device to work on, and what it does fast."""

import ctypes
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

DEVICE = "QUASISTATIC_DEVICE"
"""The environment variable that names the device to work on: cpu, cuda, …"""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Names of glibc's settings of malloc (mallopt(3))."""
AT_WORK = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1}
AT_REST = {M_MMAP_MAX: 2**16, M_TRIM_THRESHOLD: 2**26, M_MMAP_THRESHOLD: 2**25}  # what glibc itself comes to
WORTH_A_TRIM = 1.0
"""Seconds of work after which memory that is free is handed back at once."""
_working = 0
"""How many `reusing_memory` are entered in this process."""


def rank() -> int:
    """Return the number of this process among those that torchrun or accelerate started, from 0."""
    return int(os.environ.get("RANK", "0"))


def pick_device() -> torch.device:
    """Return the device named by $QUASISTATIC_DEVICE, or else the accelerator that torch finds, or the CPU.

    Raises:
        ValueError: if torch cannot use the device that is named.
    """
    named = os.environ.get(DEVICE)
    if not named:
        return torch.accelerator.current_accelerator(True) or torch.device("cpu")
    try:
        return torch.empty(0, device=named).device
    except (RuntimeError, AssertionError):
        raise ValueError(
            f"the device is one that torch can use here (cpu, or with an accelerator cuda, …), got {named!r}; "
            f"name another, or unset ${DEVICE}"
        ) from None


def precision(asked: str, device: torch.device) -> torch.dtype:
    """Return what a network multiplies in: bfloat16 or float32.

    Args:
        asked: ``no`` (float32), ``bf16``, or ``auto``: bf16 where the device has units for it.
        device: where the network is.

    Raises:
        ValueError: if ``asked`` is none of these.
    """
    if asked not in ("auto", "no", "bf16"):
        raise ValueError(f"a precision is auto, no or bf16, got {asked!r}")
    return torch.bfloat16 if asked == "bf16" or (asked == "auto" and _has_bf16(device)) else torch.float32


def compile_in_place(network: nn.Module, device: torch.device) -> None:
    """Let torch compile ``network`` at its first call; its weights and their names stay as they are.

    Raises:
        ValueError: if the device is a CPU and there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise ValueError(
            f"training.compile needs a C++ compiler on a CPU, and there is no {compiler}; install one, name it in "
            "$CXX, or leave training.compile out"
        )
    network.compile()


@contextmanager
def reusing_memory() -> Iterator[None]:
    """Keep what is freed for what is asked for next, in place of handing it back to the system; also a decorator.

    The maps of one pass through a network have the sizes of the last one's. glibc hands blocks above 32 MiB back when
    they are freed, and the end of its heap once some 64 MiB of it are free; the system then zeroes every page of the
    next ones, which took a fifth of a step over 256 levels (`benchmarks/allocation.py`). The setting is the process's,
    until the last one is left; after work of a second or more all that is free then goes back at once (this takes some
    milliseconds). Without glibc nothing changes.
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


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"))
