"""Checks the arguments of the verbs: arrays become tensors, and masks of 0 and 1 become boolean."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from quasistatic.config import DataConfig, Specification
from quasistatic.data import Codec, DataOptions, Dataset, TextCodec, TokensCodec, load
from quasistatic.data.dataset import Held
from quasistatic.data.source.arrays import stored
from quasistatic.data.source.memory import as_array, is_table
from quasistatic.data.table.align import aligned
from quasistatic.runtime.device import check_room
from quasistatic.runtime.digest import digest
from quasistatic.runtime.fields import Range, Seed, brief, check
from quasistatic.schedule import GridSteps

BYTES = 8
"""Of an element of a draw: its state, and its raw value."""

MANY = 64
"""Samples that are drawn if no number is given."""


def tensor(name: str, value: Any) -> Tensor:
    """Return numbers as a tensor on the CPU; arrays, data frames and lists of numbers are copied.

    Raises:
        TypeError: if it holds no numbers, or rows of different lengths.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
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


def dataset(value: Any, config: DataConfig, specification: Specification) -> Dataset:
    """Return examples as a data set: one that was loaded, or values in memory, read as the model's data were.

    Raises:
        TypeError: if they are something else.
        ValueError: if they cannot be read.
    """
    if isinstance(value, Dataset):
        check_text(value, specification.codec)
        return value
    if value is None or isinstance(value, str | os.PathLike):
        raise TypeError(
            f"a data set or values in memory are needed here, got {_kind(value)}; `quasistatic.load` reads names and "
            "files"
        )
    if is_table(value) or isinstance(value, TorchDataset):
        return load(value, _of_table(config))
    found = as_array("a data set in memory", value)
    if tuple(found.shape[1:]) != specification.shape:
        return load(found)
    held = torch.from_numpy(np.ascontiguousarray(stored(found)))
    return Dataset("array", Held(held), specification.codec, digest(held), classes=specification.classes)


def check_text(dataset: Dataset, codec: Codec) -> None:
    """Raise ValueError if a text was split into other elements than a model's."""
    own = dataset.codec
    of_text = isinstance(own, TextCodec) and isinstance(codec, TextCodec)
    if of_text and (type(own) is not type(codec) or (isinstance(own, TokensCodec) and own != codec)):
        raise ValueError(
            f"the model reads texts as {codec}, got {dataset.name} as {own}; load it with "
            "like=model.specification.codec"
        )


def observed(value: Any, config: DataConfig, specification: Specification) -> Tensor:
    """Return what was observed of examples as raw values (n, *shape), NaN where nothing was; see `dataset`.

    Raises:
        TypeError: if the values have another form.
        ValueError: if they cannot be read.
    """
    if is_table(value):
        found = aligned(load(value, _of_table(config)), specification.codec)
        return found.batch(torch.arange(len(found)))
    return tensor("what was observed", value)


def _of_table(config: DataConfig) -> DataOptions:
    """Return the options by which the model's own table was read; images in memory have their size."""
    return replace(config, size=None, channels=None).reading()


def there(values: Tensor) -> Tensor:
    """Return the mask of values that are numbers, which is what is known of examples with NaN.

    Raises:
        ValueError: if all are.
    """
    known = ~values.isnan() if values.is_floating_point() else torch.ones_like(values, dtype=torch.bool)
    if bool(known.all()):
        raise ValueError("what is unknown is NaN or has a mask, got neither; give `known`, true where a value is known")
    return known


def labels(label: Any) -> Any:
    """Return a label as Python's own number or text, and labels in a list, tensor or array as a list of these."""
    if isinstance(label, Tensor | np.ndarray | np.generic):
        label = label.tolist()
    return list(label) if isinstance(label, tuple | range) else label


def count(n: Any, label: Any) -> int:
    """Return how many samples are asked for: ``n``, or else one per label, or `MANY`.

    Raises:
        ValueError: if ``n`` is no whole number, or there is another number of labels.
    """
    if n is not None:
        check("n", int, n)
    own = labels(label)
    if not isinstance(own, list):
        return MANY if n is None else n
    if n not in (None, len(own)):
        raise ValueError(
            f"several labels are one for each sample, got {len(own)} labels and n = {brief(n)}; leave n out"
        )
    return len(own)


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
            f"a model is a folder of this machine, and there is no {path}; write hf: before a name of the hub"
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
