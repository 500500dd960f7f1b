"""Data sets from one array: images or rows of columns, with optional labels.

    integers  (N, H, W)  (N, H, W, C)  (N, C, H, W)  (N, D)    levels, scored as mass
    floats    (N, H, W)  (N, C, H, W)  (N, H, W, C)  (N, D)    continuous, scored as density

If both the second and the last axis have length 1, 3 or 4, integers are read as (N, H, W, C), the convention of sample
files, and floats as (N, C, H, W).
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data.codec.registry import codec_of_blocks
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, from_tensor
from quasistatic.data.source.arrays.on_disk import OnDisk, blocks, is_on_disk
from quasistatic.data.source.frame import Frame

CHANNELS = (1, 3, 4)
MANY_CLASSES = 10_000


@final
@dataclass(frozen=True, eq=False)
class Array(Contents):
    """One array (N, …) as read, with optional labels; ``labels`` are integers or strings."""

    name: str
    values: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the array as a data set.

        Raises:
            ValueError: if it is empty, holds NaN, infinite or non-numeric values, or has an unsupported shape; if its
                labels do not match; or if a size is given for data other than 8-bit images.
        """
        for problem in array_problems(self):
            raise ValueError(problem)
        if is_on_disk(self.values):
            return self._on_disk(options)
        values, notes = arranged(self.name, self.values, options.axes)
        labels, classes = class_numbers(self.labels, self.classes)
        if options.size is not None or options.channels is not None:
            values, notes = _framed(self.name, values, options), (*notes, *self._frame_notes(values, options))
        return from_tensor(self.name, values, labels=labels, classes=classes, notes=self.notes + notes)

    def _on_disk(self, options: DataOptions) -> Dataset:
        """Return the rows of a large file, which are read as they are used."""
        ends = [(block.min(), block.max()) for block in blocks(self.values)] if self.values.dtype.kind in "iu" else []
        small = bool(ends) and min(low for low, _ in ends) >= 0 and max(high for _, high in ends) <= 255
        kept = None if not ends or small else torch.from_numpy(_integers(self.values[:1])).dtype
        asked = options.size is not None or options.channels is not None
        storage = OnDisk(self.values, _Form(self.name, replace(options, progress=None), kept))
        first, notes = arranged(self.name, self.values[:1], options.axes)
        if asked:
            notes = (*notes, *self._frame_notes(first, options))
        labels, classes = class_numbers(self.labels, self.classes)
        notes = (*self.notes, *notes, "too large for memory: read as it is used")
        codec = codec_of_blocks(storage.dtype, storage.blocks())
        return Dataset(self.name, storage, codec, storage.fingerprint(), labels, classes, notes=notes)

    def _frame_notes(self, values: Tensor, options: DataOptions) -> tuple[str, ...]:
        if options.height_width in (None, tuple(values.shape[2:])):
            return ()
        height, width = options.height_width or ()
        return (f"resized to cover {height}×{width} and cropped at the centre",)


@dataclass(frozen=True)
class _Form:
    """Turns rows of a file into examples; it can be pickled."""

    name: str
    options: DataOptions
    kept: torch.dtype | None

    def __call__(self, rows: np.ndarray) -> Tensor:
        found, options = arranged(self.name, rows, self.options.axes)[0], self.options
        if options.size is not None or options.channels is not None:
            found = _framed(self.name, found, options)
        return found if self.kept is None else found.to(self.kept)


def _framed(name: str, values: Shaped[Tensor, "rows ..."], options: DataOptions) -> Shaped[Tensor, "rows ..."]:
    """Return images in the size and the channels of the options.

    Raises:
        ValueError: if they are no 8-bit images.
    """
    if values.ndim != 4 or values.dtype != torch.uint8 or values.shape[1] not in CHANNELS:
        kind = f"{values.dtype} examples of shape {tuple(values.shape[1:])}".removeprefix("torch.")
        raise ValueError(f"{name}: size and channels apply to 8-bit images, got {kind}; leave them unset")
    frame = Frame(options.channels or values.shape[1], options.height_width)
    return torch.stack([frame.of_pixels(one) for one in values])


def array_problems(array: Array) -> list[str]:
    """Return the reasons why ``array`` cannot be a data set, one sentence each."""
    values, name = array.values, array.name
    if values.dtype.kind not in "buif":
        return [f"{name}: values should be numbers, got {values.dtype}; save them as integers or floats"]
    if values.ndim == 0 or values.size == 0:
        return [f"{name}: a data set needs at least one example, got shape {values.shape}"]
    if values.dtype.kind == "u" and values.dtype.itemsize == 8 and values.max() > np.iinfo(np.int64).max:
        return [f"{name}: integers should be below 2^63, got {values.max()}; subtract a constant, or save floats"]
    long = values.dtype.kind == "f" and values.dtype.itemsize > 8
    if long and any(bool((block.astype(np.float64) != block).any()) for block in blocks(values)):
        return [f"{name}: floats should be of 64 bits or fewer, got {values.dtype}; round them by astype('float64')"]
    found = []
    if values.ndim > 5:
        found.append(f"{name}: rows should be columns (N, D) or images (N, H, W, C), got shape {values.shape}")
    if array.labels is not None and array.labels.size != len(values):
        found.append(f"{name}: {len(values)} examples came with {array.labels.size} labels")
    if array.labels is not None and (array.labels.dtype.kind not in "buifUS" or unknown(array.labels).any()):
        found.append(f"{name}: labels should be numbers or names, got {array.labels.dtype} or NaN; save them as such")
    bad = np.zeros(1)
    if values.dtype.kind == "f":
        bad = np.concatenate([unknown(block).reshape(len(block), -1).sum(1) for block in blocks(values)])
    if bad.any():
        first = int(bad.nonzero()[0][0])
        found.append(
            f"{name}: every value should be a finite number, got {int(bad.sum())} NaN or infinite in {(bad > 0).sum()} "
            f"of {len(values)} rows, the first in row {first}; fill or drop these rows"
        )
    return found


def unknown(values: np.ndarray) -> np.ndarray:
    """True where a value is NaN or infinite."""
    return ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)


def arranged(
    name: str, values: np.ndarray, axes: int | None = None
) -> tuple[Shaped[Tensor, "rows ..."], tuple[str, ...]]:
    """Return ``values`` as (N, channels, height, width) or (N, columns), and notes on how they were read.

    With ``axes``, examples have channels and as many axes; see `DataOptions`.

    Raises:
        ValueError: if ``axes`` do not fit the array.
    """
    notes: tuple[str, ...] = ()
    values = stored(values)
    if axes is not None:
        if values.ndim not in (1 + axes, 2 + axes):
            kind = "signals (N, length) or (N, channels, length)" if axes == 1 else "volumes (N, depth, height, width)"
            raise ValueError(f"{name}: data.axes={axes} reads {kind}, got shape {values.shape}; leave it out")
        return torch.from_numpy(np.ascontiguousarray(values[:, None] if values.ndim == 1 + axes else values)), notes
    if values.ndim == 5:
        raise ValueError(
            f"{name}: rows should be columns (N, D) or images (N, H, W, C), got shape {values.shape}; "
            "set data.axes=3 for volumes"
        )
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4:
        first, last = values.shape[1] in CHANNELS, values.shape[3] in CHANNELS
        channels_last = last and not (first and values.dtype.kind == "f")
        if first and last:
            notes = (f"read as (N, {'H, W, C' if channels_last else 'C, H, W'})",)
        if channels_last:
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    return torch.from_numpy(np.ascontiguousarray(values)), notes


def stored(values: np.ndarray) -> np.ndarray:
    """Return ``values`` in native byte order and a dtype that torch supports; integers as uint8 if they fit."""
    kind = values.dtype.kind
    if kind == "b":
        return values.astype(np.uint8)
    if kind == "f":
        return values.astype(np.float64 if values.dtype.itemsize >= 8 else np.float32, copy=False)
    if values.min() >= 0 and values.max() <= 255:
        return values.astype(np.uint8, copy=False)
    return _integers(values)


def _integers(values: np.ndarray) -> np.ndarray:
    """Return integers beyond 8 bits in a dtype that torch supports."""
    size = values.dtype.itemsize if values.dtype.kind == "i" else 8
    return values.astype({1: np.int8, 2: np.int16}.get(size, np.int64), copy=False)


def class_numbers(
    labels: np.ndarray | None, classes: tuple[str, ...]
) -> tuple[Shaped[Tensor, " rows"] | None, tuple[str, ...]]:
    """Return class numbers and names: integers from 0 are kept, other labels are numbered in sorted order."""
    if labels is None:
        return None, ()
    labels = labels.reshape(-1)  # labels may be a row or a column
    if labels.dtype.kind in "biu" and labels.min() >= 0 and labels.max() < MANY_CLASSES:
        names = classes if len(classes) > labels.max() else tuple(map(str, range(int(labels.max()) + 1)))
        return torch.from_numpy(labels.astype(np.int64)), names
    distinct, numbers = np.unique(labels, return_inverse=True)
    return torch.from_numpy(numbers.astype(np.int64)), tuple(map(str, distinct))
