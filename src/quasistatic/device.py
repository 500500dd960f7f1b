"""The device to work on, and what it does fast."""

import torch


def pick_device() -> torch.device:
    """Return the accelerator that torch finds, or the CPU."""
    return torch.accelerator.current_accelerator() or torch.device("cpu")


def precision(asked: str, device: torch.device) -> str:
    """Return accelerate's name of the precision to train in.

    Args:
        asked: ``no`` (float32), ``bf16``, or ``auto``: bf16 where the device has units for it.
        device: where the network is.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported() else "no"
