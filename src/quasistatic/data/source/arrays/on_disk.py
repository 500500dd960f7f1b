"""Arrays that stay on disk: rows are read as they are used, so that memory does not grow with the file.

A memory map would do the same, but the pages that it has read count as memory of the process until the system takes
them back. Reads of rows leave nothing behind.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from quasistatic.data.dataset import Storage
from quasistatic.runtime.digest import digest_of_blocks

BLOCK_BYTES = 2**24
"""Bytes of the rows that are read at once when all are."""

Form = Callable[[np.ndarray], Shaped[Tensor, " rows *shape"]]
"""Rows as stored → examples in raw units."""


def is_on_disk(values: np.ndarray) -> bool:
    """Return whether an array is the memory map of a file whose rows lie one after another."""
    return isinstance(values, np.memmap) and values.flags.c_contiguous and values.ndim > 0 and len(values) > 0


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield consecutive rows of an array of one row or more."""
    size = max(1, BLOCK_BYTES // max(1, values[0].nbytes))
    rows = FileRows(values) if is_on_disk(values) else None
    for start in range(0, len(values), size):
        stop = min(start + size, len(values))
        yield values[start:stop] if rows is None else rows.read(range(start, stop))


class FileRows:
    """The rows of a memory-mapped array, read from its file."""

    def __init__(self, values: np.ndarray) -> None:
        assert isinstance(values, np.memmap)
        assert values.filename is not None
        self.path, self.offset = Path(values.filename), values.offset
        self.shape, self.dtype, self.count = values.shape[1:], values.dtype, len(values)

    def read(self, rows: range) -> np.ndarray:
        """Return consecutive rows.

        Raises:
            ValueError: if the file is shorter than it was.
        """
        found = np.empty((len(rows), *self.shape), self.dtype)
        view: Any = found.reshape(-1).view(np.uint8)
        done = 0
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset + rows.start * (found.nbytes // max(len(rows), 1)))
            while done < len(view):
                more = file.readinto(view[done:])
                if not more:
                    raise ValueError(f"{self.path.name}: it had {self.count} rows and is shorter now; load it again")
                done += more
        return found


@final
class OnDisk(Storage):
    """Examples read from a file by rows.

    Args:
        values: the memory map of the file.
        form: turns rows into examples.
    """

    def __init__(self, values: np.ndarray, form: Form) -> None:
        self.rows, self.form = FileRows(values), form
        first = form(self.rows.read(range(1)))
        self.shape, self.dtype = tuple(first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return self.rows.count

    def read(self, rows: Int[Tensor, " batch"]) -> Shaped[Tensor, " batch *shape"]:
        """Return the given rows; neighbours are read at once.

        Raises:
            ValueError: if the file is shorter than it was.
        """
        found = torch.empty(len(rows), *self.shape, dtype=self.dtype)
        order, place = rows.sort()
        ends = ((order.diff() != 1).nonzero()[:, 0] + 1).tolist()
        for start, stop in pairwise([0, *ends, len(order)] if len(order) else []):
            first = int(order[start])
            found[place[start:stop]] = self.form(self.rows.read(range(first, first + stop - start)))
        return found

    def blocks(self) -> Iterator[Shaped[Tensor, " some *shape"]]:
        """Yield all examples in order."""
        size = max(1, BLOCK_BYTES // max(1, self.form(self.rows.read(range(1))).nbytes))
        for part in torch.arange(len(self)).split(size):
            yield self.read(part)

    def fingerprint(self) -> str:
        """Return the `digest` of all examples in one tensor."""
        return digest_of_blocks(self.dtype, (len(self), *self.shape), self.blocks())
