"""Checks the arguments of the verbs: arrays become tensors, and masks of 0 and 1 become boolean."""

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from quasistatic.data import Dataset
from quasistatic.runtime.device import check_room
from quasistatic.runtime.fields import Range, Seed, brief, check
from quasistatic.schedule import GridSteps

BYTES = 8
"""Of an element of a draw: its state, and its raw value."""


def tensor(name: str, value: Any) -> Tensor:
    """Return numbers as a tensor on the CPU; arrays, data frames and lists of numbers are copied.

    Raises:
        TypeError: if it holds no numbers, or rows of different lengths.
    """
    if isinstance(value, Tensor):
        return value.cpu()
    try:
        return torch.from_numpy(np.array(value))
    except (TypeError, ValueError):
        raise TypeError(f"{name} is a tensor, an array or a list of numbers, got {_kind(value)}") from None


def mask(name: str, value: Any) -> Tensor:
    """Return a boolean mask; a mask of 0 and 1 is converted.

    Raises:
        TypeError: if it holds no numbers.
        ValueError: if it holds other values.
    """
    found = tensor(name, value)
    if found.dtype != torch.bool and not bool(((found == 0) | (found == 1)).all()):
        raise ValueError(f"{name} holds true and false, or 1 and 0, got other values of type {found.dtype}")
    return found.bool()


def dataset(value: Any) -> Dataset:
    """Return ``dataset`` after a check that it is a data set.

    Raises:
        TypeError: if it is something else.
    """
    if isinstance(value, Dataset):
        return value
    raise TypeError(
        f"a data set is needed here, got {_kind(value)}; `quasistatic.load` reads names and files, and "
        "`quasistatic.data.from_tensor(name, tensor)` takes values in memory"
    )


def folder(value: Any) -> Path:
    """Return the path of a folder that exists.

    Raises:
        TypeError: if it is no path.
        FileNotFoundError: if there is none of this name.
        NotADirectoryError: if it is a file.
    """
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"a model's folder is named by a path, got {_kind(value)}")
    path = Path(value)
    if path.is_file():
        raise NotADirectoryError(f"a model is a folder, and {path} is a file; give the folder it is in")
    if not path.is_dir():
        raise FileNotFoundError(
            f"a model is a folder of this machine, and there is no {path}; download a model of a hub first"
        )
    return path


def check_draws(n: Any, steps: Any, dimensions: int, seed: Any, scale: Any = 1.0, first: Any = 0) -> None:
    """Check that a number of samples is valid and fits into memory.

    Raises:
        TypeError: if the scale is no number.
        ValueError: if one is of another type or out of its range, or the samples do not fit into memory.
    """
    check("n", int, n)
    if n < 1:
        raise ValueError(f"a sample needs n of at least 1, got {n}")
    check("steps", GridSteps, steps)
    check("seed", Seed, seed)
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise TypeError(f"a guidance scale is a number, got {brief(scale)}")
    check("first", Annotated[int, Range(at_least=0, at_most=2**62)], first)
    check_room(f"{brief(n)} samples", n * dimensions * BYTES)


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    shown = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else f" {brief(value)}"
    return f"{type(value).__name__}{shown}"
