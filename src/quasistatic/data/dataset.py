"""A data set: examples in raw units, with labels, row names, codec and fingerprint.

`Dataset.batch` reads rows, from memory (`Held`) or decoded on demand (a streamed storage, see `images`).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, final

import torch
from jaxtyping import Bool, Int, Shaped, UInt8
from torch import Tensor
from torch.nn import functional as F

from quasistatic.data.codec.base import Codec
from quasistatic.data.codec.discrete import BitsCodec, StatesCodec
from quasistatic.data.codec.registry import codec_of
from quasistatic.runtime.digest import digest


class Storage(ABC):
    """A source of rows; ``shape`` is the shape of one row."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, rows: Int[Tensor, " batch"]) -> Shaped[Tensor, " batch *shape"]:
        """Return the given rows, in raw units."""


@final
class Held(Storage):
    """Rows held in memory as one tensor."""

    def __init__(self, values: Shaped[Tensor, " rows *shape"]):
        self.values = values
        self.shape = tuple(values.shape[1:])
        self.dtype = values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: Int[Tensor, " batch"]) -> Shaped[Tensor, " batch *shape"]:
        return self.values[rows]


@final
class Thresholded(Storage):
    """Rows of another storage as bits: 1 if at least ``threshold``."""

    def __init__(self, storage: Storage, threshold: int | float):
        self.storage, self.threshold = storage, threshold
        self.shape, self.dtype = storage.shape, torch.uint8

    def __len__(self) -> int:
        return len(self.storage)

    def read(self, rows: Int[Tensor, " batch"]) -> UInt8[Tensor, " batch *shape"]:
        return (self.storage.read(rows) >= self.threshold).to(torch.uint8)


@final
@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples in raw units: images (channels, height, width) or rows of columns (columns,).

    Attributes:
        name: name of the set in reports.
        storage: source of the rows.
        codec: converts raw units to states and back.
        fingerprint: sha256 in hexadecimal; equal data loaded in the same way have the same fingerprint.
        labels: a class per row, int64, or None.
        classes: names of the classes.
        names: a name for each row of the storage (a file), or None if rows are numbered.
        notes: what loading did, one phrase each.
        index: the rows of the storage in this set, in order; None for all.
        successive: rows follow one another, like pieces of a text; the held-out set is then at the end.
        kin: a number for each row of the storage; rows of one number are held out together. None: rows are unrelated.
        folders: nested sub-folders, outermost first, that hold all images of a set without labels.
        covariates: a row told of each example, or None; see `labels.covariates`.
    """

    name: str
    storage: Storage
    codec: Codec
    fingerprint: str
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    names: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    index: Tensor | None = None
    successive: bool = False
    kin: Tensor | None = None
    folders: tuple[str, ...] = ()
    covariates: "Dataset | None" = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != len(self):
            raise ValueError(f"{self.name}: {len(self)} examples came with {len(self.labels)} labels")
        if self.covariates is not None and len(self.covariates) != len(self):
            raise ValueError(f"{self.name}: {len(self)} examples came with {len(self.covariates)} rows of covariates")
        if len(self) == 0:
            raise ValueError(f"{self.name}: a data set needs at least one example, got none")

    def __len__(self) -> int:
        return len(self.storage) if self.index is None else len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example: (channels, height, width) or (columns,)."""
        return self.storage.shape

    @property
    def dimensions(self) -> int:
        """Number of values per example."""
        return prod(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the stored raw values."""
        return self.storage.dtype

    @property
    def ids(self) -> list[str]:
        """Identifier of each example: its file's name, or its row number in the whole set."""
        return self.ids_of(torch.arange(len(self)))

    def ids_of(self, rows: Int[Tensor, " batch"]) -> list[str]:
        """Return the identifiers of the given examples."""
        names = self.names
        return [str(row) if names is None else names[row] for row in self._stored(rows).tolist()]

    def batch(self, rows: Int[Tensor, " batch"]) -> Shaped[Tensor, "batch *shape"]:
        """Return the given examples in raw units, in the stored dtype.

        Raises:
            ValueError: if a streamed example cannot be read.
        """
        return self.storage.read(self._stored(rows))

    def before(self, rows: Int[Tensor, " batch"]) -> tuple[Shaped[Tensor, "batch *shape"], Bool[Tensor, " batch"]]:
        """Return the example that precedes each of some successive ones, and whether there is one."""
        stored = self._stored(rows)
        return self.storage.read((stored - 1).clamp(min=0)), (stored > 0) & self.successive

    def cut(self, rows: Int[Tensor, " batch"], shift: Int[Tensor, " batch"]) -> Shaped[Tensor, "batch columns"]:
        """Return pieces of successive vectors that begin ``shift`` elements after each of the given examples.

        Where the set does not go on behind the example, it is returned as it is.
        """
        after = (rows + 1).clamp(max=len(self) - 1)
        goes_on = self._stored(after) == self._stored(rows) + 1
        both = torch.cat([self.batch(rows), self.batch(after)], 1)
        place = torch.arange(self.dimensions) + torch.where(goes_on, shift, 0)[:, None]
        return both.gather(1, place)

    def __getitem__(self, place: Any) -> Shaped[Tensor, "..."]:
        """Return an example by its number, from either end, or several by a slice, numbers or a mask; in raw units.

        Raises:
            IndexError: if there is no such example.
        """
        if isinstance(place, tuple):
            raise IndexError(f"an example is chosen by one number, slice or mask, got {place!r}; index what it gives")
        rows = torch.arange(len(self))[place]
        return self.batch(rows) if rows.ndim else self.batch(rows[None])[0]

    def __repr__(self) -> str:
        return f"Dataset({self.describe()})"

    def labels_of(self, rows: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Return the class of each given example.

        Raises:
            ValueError: if the set has no labels.
        """
        if self.labels is None:
            raise ValueError(f"{self.name} has no labels; images get them from sub-folders, arrays from `labels`")
        return self.labels[rows]

    def select(self, rows: Int[Tensor, " batch"]) -> "Dataset":
        """Return the subset of the given examples, in that order, without copying."""
        index = self._stored(rows)
        labels = None if self.labels is None else self.labels[rows]
        covariates = None if self.covariates is None else self.covariates.select(rows)
        print_ = digest(self.fingerprint, rows)
        return replace(self, index=index, labels=labels, covariates=covariates, fingerprint=print_)

    def split(self, held_out: int | float, seed: int) -> tuple["Dataset", "Dataset"]:
        """Split into (training set, held-out set) by a seeded permutation; both keep its random order.

        The random order helps users who read only the first examples, because folders are sorted by class. For
        successive rows, the last ones are held out for every seed: neighbours of training rows would leak information.

        Args:
            held_out: number of held-out examples (an int), or their fraction (a float between 0 and 1).
            seed: the same seed always gives the same split.

        Raises:
            ValueError: if one of the two parts would be empty.
        """
        count = held_out if isinstance(held_out, int) else round(held_out * len(self))
        if not 0 < count < len(self):
            raise ValueError(f"a split of {len(self)} examples leaves some on both sides, got held_out = {held_out}")
        if self.successive:
            return self.select(torch.arange(len(self) - count)), self.select(torch.arange(len(self) - count, len(self)))
        order, count = self._shuffled(torch.Generator().manual_seed(seed), count)
        if count == len(self):
            raise ValueError(
                f"a split of {len(self)} examples leaves some on both sides, got one group for most of them"
            )
        return self.select(order[count:]), self.select(order[:count])

    def _shuffled(self, generator: torch.Generator, count: int) -> tuple[Int[Tensor, " examples"], int]:
        """Return the examples in random order, kin together, and a number of first ones that leaves no kin apart."""
        if self.kin is None:
            return torch.randperm(len(self), generator=generator), count
        _, families = self.kin[self._stored(torch.arange(len(self)))].unique(return_inverse=True)
        place = torch.randperm(int(families.max()) + 1, generator=generator)[families]
        return place.argsort(stable=True), int((place <= place.sort().values[count - 1]).sum())

    def describe(self) -> str:
        """Return a one-line description: name, count, shape, codec, classes."""
        shape = "×".join(map(str, self.shape)) if len(self.shape) > 1 else f"{self.shape[0]} columns"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{self.name}: {len(self)} examples of {shape}, {self.codec}{classes}"

    def _stored(self, rows: Tensor) -> Tensor:
        return rows if self.index is None else self.index[rows]


def from_tensor(
    name: str,
    values: Shaped[Tensor, " rows *shape"],
    *,
    labels: Tensor | None = None,
    classes: tuple[str, ...] = (),
    names: Sequence[str] | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Return a data set of ``values`` (rows, channels, height, width) or (rows, columns) in memory, with their codec.

    Raises:
        ValueError: if there are no rows, a value is NaN or infinite, or labels do not match the rows.
    """
    if not len(values):
        raise ValueError(f"{name}: a data set needs at least one example, got none")
    return Dataset(name, Held(values), codec_of(values), digest(values), labels, classes, names, notes)


def binarised(dataset: Dataset, threshold: int | float) -> Dataset:
    """Return ``dataset`` as bits: 1 where a value is ``threshold`` or more."""
    return replace(
        dataset,
        storage=Thresholded(dataset.storage, threshold),
        codec=BitsCodec(),
        fingerprint=digest(dataset.fingerprint, f"threshold {threshold}"),
        notes=(*dataset.notes, f"binarised: 1 from {threshold:g} on"),
    )


def categorised(dataset: Dataset, states: int | str) -> Dataset:
    """Return ``dataset`` with its values read as categories; ``found`` uses the largest value plus one.

    Raises:
        ValueError: if a value is not whole, negative, or not below ``states``; the message names it and its row.
    """
    blocks = torch.arange(len(dataset)).split(2**16)
    if isinstance(states, str):
        states = max(2, 1 + int(max(dataset.batch(rows).max() for rows in blocks)))
    codec = StatesCodec(states)
    for rows in blocks:
        try:
            codec.encode(dataset.batch(rows))
        except ValueError as error:
            raise ValueError(f"{dataset.name}: {error}") from None
    return replace(dataset, codec=codec, fingerprint=digest(dataset.fingerprint, f"{states} states"))


def mean_units(dataset: Dataset, limit: int = 4096) -> float:
    """Return the mean number of the units of a score per example; of at most ``limit``, evenly spread."""
    if dataset.codec.unit == "dim":
        return float(dataset.dimensions)
    found = dataset.codec.units(dataset.codec.encode(dataset.batch(spread(len(dataset), limit))))
    return float(dataset.dimensions) if found is None else found.double().mean().item()


def asymmetry(dataset: Dataset, limit: int = 2000) -> float:
    """Return how much of the images' left-right asymmetry is that of their class's mean image: from 0 to 1.

        Σ_c n_c ‖E d_c‖² / Σ ‖d‖²,    d = image − mirror image, at 16×16 pixels

    ‖E d_c‖² is estimated without bias, from pairs of different images of the class c, so the result may be below 0. It
    is 0 if the mirror image of an image is as probable as the image. Without labels, all images are of one class.

    Args:
        dataset: images.
        limit: most images that are read, evenly spread.

    Returns:
        The share; NaN if each image is its own mirror image, or the only one of its class.
    """
    chosen = spread(len(dataset), limit)
    images = torch.cat([F.adaptive_avg_pool2d(dataset.batch(rows).float(), 16) for rows in chosen.split(32)])
    gaps = (images - images.flip(-1)).flatten(1).double()
    label = torch.zeros_like(chosen) if dataset.labels is None else dataset.labels_of(chosen)
    count = label.bincount()
    zeros = torch.zeros(len(count), gaps.shape[1], dtype=gaps.dtype)
    square = zeros.index_add(0, label, gaps.square()).sum(1)
    pairs = zeros.index_add(0, label, gaps).square().sum(1) - square
    several = count > 1
    return ((pairs[several] / (count[several] - 1)).sum() / square[several].sum()).item()


def spread(count: int, limit: int | None) -> Int[Tensor, " rows"]:
    """Return at most ``limit`` of ``count`` rows, evenly spread, so that a set sorted by class keeps every class.

    Raises:
        ValueError: if ``limit`` is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"a limit on the number of examples is at least 1, got {limit}")
    kept = count if limit is None else min(limit, count)
    return torch.arange(count) if kept == count else torch.arange(kept) * count // kept
