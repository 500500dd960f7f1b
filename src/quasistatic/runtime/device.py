"""Device and precision selection."""

import os
import shutil
import sys

import torch
from torch import nn

DEVICE = "QUASISTATIC_DEVICE"
"""Environment variable that names the device to use: cpu, cuda, …"""


def rank() -> int:
    """Return the rank of this process, from 0, as set by torchrun or accelerate."""
    return int(os.environ.get("RANK", "0"))


def pick_device() -> torch.device:
    """Return the device named by $QUASISTATIC_DEVICE; by default, the accelerator that torch finds, or the CPU.

    Raises:
        ValueError: if torch cannot use the named device.
    """
    named = os.environ.get(DEVICE)
    if not named:
        return torch.accelerator.current_accelerator(True) or torch.device("cpu")
    try:
        return usable(named)
    except ValueError as error:
        raise ValueError(f"{error}, or unset ${DEVICE}") from None


def usable(device: torch.device | str) -> torch.device:
    """Return ``device`` as a torch device, after a check that torch can use it here.

    Raises:
        ValueError: if torch cannot use it.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError):
        raise ValueError(
            f"the device is one that torch can use here (cpu, or with an accelerator cuda, …), got {str(device)!r}; "
            "name another"
        ) from None


def precision(asked: str, device: torch.device) -> torch.dtype:
    """Return the dtype of a network's matrix multiplications: bfloat16 or float32.

    Args:
        asked: ``no`` (float32), ``bf16``, or ``auto`` (bf16 if the hardware supports it).
        device: the network's device.

    Raises:
        ValueError: if ``asked`` is none of these.
    """
    if asked not in ("auto", "no", "bf16"):
        raise ValueError(f"a precision is auto, no or bf16, got {asked!r}")
    return torch.bfloat16 if asked == "bf16" or (asked == "auto" and _has_bf16(device)) else torch.float32


def compile_in_place(network: nn.Module, device: torch.device) -> None:
    """Make torch compile ``network`` at its first call; the weights and their names do not change.

    Raises:
        ValueError: if the device is a CPU and no C++ compiler is found.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise ValueError(
            f"training.compile needs a C++ compiler on a CPU, and there is no {compiler}; install one, name it in "
            "$CXX, or leave training.compile out"
        )
    network.compile()


def memory() -> int:
    """Return the bytes of memory that this process may use; `sys.maxsize` if the system does not report it."""
    try:
        own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return own if limit == resource.RLIM_INFINITY else min(own, limit)


def check_room(what: str, size: int) -> None:
    """Check that data fit into memory, before any is allocated.

    Args:
        what: the data, in the plural; the message begins with it.
        size: the bytes they need, at least.

    Raises:
        ValueError: if ``size`` exceeds `memory`.
    """
    if size > memory():
        raise ValueError(f"{what} need {_gib(size)} of memory, and there are {_gib(memory())}; ask for less")


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"))
