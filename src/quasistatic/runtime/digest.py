"""Hashes of text, bytes and tensors, by which data and models are told apart."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def digest(*parts: str | bytes | Tensor) -> str:
    """Return the sha256 of text, bytes and tensors (with dtype and shape), in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            _add(total, part.dtype, tuple(part.shape), [part.detach().cpu()])
        else:
            total.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return total.hexdigest()


def digest_of_blocks(dtype: torch.dtype, shape: tuple[int, ...], blocks: Iterable[Tensor]) -> str:
    """Return the `digest` of a tensor that comes in blocks of its first axis."""
    _add(total := hashlib.sha256(), dtype, shape, blocks)
    return total.hexdigest()


def _add(total: Any, dtype: torch.dtype, shape: tuple[int, ...], blocks: Iterable[Tensor]) -> None:
    total.update(f"{dtype}{shape}".encode())
    for block in blocks:
        flat = block.reshape(-1)
        total.update((flat if flat.stride(0) == 1 else torch.cat([flat])).view(torch.uint8).numpy().data)
    total.update(b"\0")
