"""The device to work on, and what it does fast."""

import os
import shutil
import sys

import torch
from torch import nn

DEVICE = "QUASISTATIC_DEVICE"
"""The environment variable that names the device to work on: cpu, cuda, …"""


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
        return usable(named)
    except ValueError as error:
        raise ValueError(f"{error}, or unset ${DEVICE}") from None


def usable(device: torch.device | str) -> torch.device:
    """Return a device that torch can use here.

    Raises:
        ValueError: if it cannot use this one.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError):
        raise ValueError(
            f"the device is one that torch can use here (cpu, or with an accelerator cuda, …), got {str(device)!r}; "
            "name another"
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


def memory() -> int:
    """Return the bytes of memory that this process may use; more than there is where the system does not say."""
    try:
        own = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return own if limit == resource.RLIM_INFINITY else min(own, limit)


def check_room(what: str, size: int) -> None:
    """Refuse what cannot fit into memory, before any is taken.

    Args:
        what: a plural, which begins the sentence.
        size: its bytes, at least.

    Raises:
        ValueError: if it is more than `memory`.
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
