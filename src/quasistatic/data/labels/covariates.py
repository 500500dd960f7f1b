"""Covariates: rows that a model is told with each example, and learns the law of the example given them.

They are read from a table or an array beside the data (``data.condition``), and become numbers for the network: a
number v is asinh((v − centre) / scale), so that heavy tails stay near; a category has one number for each text, 1 for
its own. NaN stands for what is not told.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from quasistatic.data.codec.base import Codec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset
from quasistatic.data.source.arrays import Array
from quasistatic.data.source.arrays.files import read_numpy
from quasistatic.data.source.named.sheet import texts_of
from quasistatic.data.table.align import aligned
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import Column
from quasistatic.data.table.date import DateColumn
from quasistatic.data.table.read import TABLES, TableContents, table_of
from quasistatic.runtime.fields import Checked, brief

LARGEST = 1e150
"""Largest number that is told, in absolute value."""

QUARTILES = 1.349
"""Distance of the quartiles of a Normal, in standard deviations."""


@dataclass(frozen=True)
class Covariates(Checked):
    """Columns of covariates, and how they become numbers for a network.

    Attributes:
        codec: the columns.
        center: median of each column of numbers; 0 of categories.
        scale: its deviation, by the distance of its quartiles; 1 of categories.
        fingerprint: of the rows they were fitted to.
    """

    codec: Codec
    center: tuple[float, ...]
    scale: tuple[float, ...]
    fingerprint: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.table.columns) == len(self.center) == len(self.scale):
            raise ValueError("covariates have a centre and a scale for each column")

    @property
    def table(self) -> TableCodec:
        """The columns, as those of a table.

        Raises:
            ValueError: if they are no table's.
        """
        if not isinstance(self.codec, TableCodec):
            raise ValueError(f"covariates are columns of a table, got {self.codec}")
        return self.codec

    @classmethod
    def of(cls, dataset: Dataset) -> "Covariates":
        """Fit the columns of a data set of covariates."""
        codec, raw = dataset.codec, dataset.batch(torch.arange(len(dataset)))
        assert isinstance(codec, TableCodec)
        fitted = [
            _fitted(own) if column.ranges else (0.0, 1.0) for column, own in zip(codec.columns, raw.T, strict=True)
        ]
        center, scale = (tuple(part) for part in zip(*fitted, strict=True))
        return cls(codec, center, scale, dataset.fingerprint)

    @property
    def features(self) -> int:
        """How many numbers the network is told."""
        return sum(1 if column.ranges else column.count for column in self.table.columns)

    def encode(self, raw: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows features"]:
        """Return what a network is told of raw rows, float32; NaN where a cell is empty.

        Raises:
            ValueError: if the number of columns differs, or a value is not of its column's kind.
        """
        if raw.ndim != 2 or raw.shape[1] != len(self.table.columns):
            raise ValueError(
                f"a condition has {len(self.table.columns)} values ({', '.join(self.table.names)}), got shape "
                f"{tuple(raw.shape)}"
            )
        parts = []
        for column, own, center, scale in zip(self.table.columns, raw.double().T, self.center, self.scale, strict=True):
            if column.ranges:
                parts.append(((own - center) / scale).asinh()[:, None])
            else:
                place = own.nan_to_num(0.0)
                if not bool(((place >= 0) & (place < column.count) & (place % 1 == 0)).all()):
                    raise ValueError(f"{column.name!r} of a condition is one of {column.count} categories, from 0")
                hot = F.one_hot(place.long(), column.count).double()
                parts.append(hot.masked_fill(own.isnan()[:, None], torch.nan))
        return torch.cat(parts, 1).float()

    def rows(self, value: Any) -> Float[Tensor, "rows columns"]:
        """Return raw rows of covariates.

        Args:
            value: a file; a mapping or a text NAME=VALUE,… for one row, whose other columns are not told; or numbers
                (rows, columns), NaN where not told, with the number of a category from 0.

        Raises:
            ValueError: if a column or category is unknown, or the number of columns differs.
            FileNotFoundError: if there is no such file.
        """
        if isinstance(value, str) and "=" in value and not _is_file(value):
            value = _values(value)
        if isinstance(value, Mapping):
            return self._of_names(value)
        if isinstance(value, str | Path):
            found = self.aligned(opened(Path(value).expanduser()))
            return found.batch(torch.arange(len(found)))
        try:
            own = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
            raw = torch.from_numpy(np.array(own, dtype=np.float64))
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                f"a condition is a file, a mapping of names, or rows of numbers, got {brief(value)}"
            ) from None
        raw = raw[None] if raw.ndim == 1 else raw
        if not len(raw) or bool((raw.abs() > LARGEST).any()):
            raise ValueError(f"a condition has a row or more of numbers up to {LARGEST:g}, got {brief(value)}")
        return raw

    def aligned(self, dataset: Dataset) -> Dataset:
        """Return a data set of covariates in these columns, matched by name.

        Raises:
            ValueError: if a column is missing or unknown, or a value does not fit its column.
        """
        try:
            return aligned(dataset, self.table)
        except ValueError as error:
            raise ValueError(f"the condition does not fit the model's: {error}") from None

    def _of_names(self, values: Mapping[str, Any]) -> Float[Tensor, "rows columns"]:
        import pyarrow

        unknown = [name for name in values if name not in self.table.names]
        if unknown or not values:
            raise ValueError(
                f"a condition names columns of {', '.join(self.table.names)}, got "
                f"{', '.join(map(repr, unknown)) or 'none'}"
            )
        told = {name: pyarrow.array([str(value)]) for name, value in values.items()}
        kinds = tuple(f"{c.name}={_kind(c)}" for c in self.table.columns if c.name in told)
        row = torch.full((1, len(self.table.columns)), torch.nan, dtype=torch.float64)
        own = [column for column in self.table.columns if column.name in told]
        read = aligned(
            table_of("the condition", pyarrow.table(told)).dataset(DataOptions(columns=kinds)),
            replace(self.table, columns=tuple(own), asides=()),
        )
        places = [self.table.names.index(column.name) for column in own]
        row[:, places] = read.batch(torch.arange(1))
        return row


def with_covariates(dataset: Dataset, file: str | Path) -> Dataset:
    """Return ``dataset`` with the rows of a file told of its examples: in their order, or by the names of images.

    Raises:
        ValueError: if the file cannot be read, or its rows are not those of the examples.
        FileNotFoundError: if there is no such file.
    """
    path = Path(file).expanduser()
    contents = _contents(path)
    if dataset.names is not None and isinstance(contents, TableContents):
        covariates = _by_name(dataset, contents)
        return replace(dataset, covariates=covariates, notes=(*dataset.notes, *_notes(covariates)))
    covariates = _read(contents)
    if len(covariates) != len(dataset.storage):
        raise ValueError(
            f"{path.name}: a condition has a row for each example, {len(dataset.storage)}, got {len(covariates)} rows"
        )
    notes = (*dataset.notes, *_notes(covariates))
    own = covariates if dataset.index is None else covariates.select(dataset.index)
    return replace(dataset, covariates=own, notes=notes)


def _notes(covariates: Dataset) -> tuple[str, ...]:
    return tuple(f"condition: {note}" for note in covariates.notes)


def told_alike(dataset: Dataset, covariates: Covariates | None) -> Dataset:
    """Return ``dataset`` with its covariates in the columns of a model, matched by name.

    Raises:
        ValueError: if they do not fit, or the model has none.
    """
    if dataset.covariates is None:
        return dataset
    if covariates is None:
        raise ValueError(f"{dataset.name} came with a condition, and the model learned without one; leave it out")
    return replace(dataset, covariates=covariates.aligned(dataset.covariates))


def opened(path: Path) -> Dataset:
    """Return the rows of a file of covariates.

    Raises:
        ValueError: if the file cannot be read as a table of them.
        FileNotFoundError: if there is no such file.
    """
    return _read(_contents(path))


def _contents(path: Path) -> Contents:
    if not path.is_file():
        raise FileNotFoundError(f"a condition is a file with a row for each example, and there is no {path}")
    readers = {".npy": read_numpy, **TABLES}
    reader = next((readers[ending] for ending in readers if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise ValueError(f"{path.name}: a condition is a file that ends in {', '.join(readers)}; convert it")
    return reader(path)


def _read(contents: Contents, drop: str | None = None) -> Dataset:
    """Return the rows of a table; numbers without names are columns c0, c1, …"""
    if isinstance(contents, TableContents):
        return contents.dataset(DataOptions(columns=() if drop is None else (f"{drop}=drop",)))
    import pyarrow

    assert isinstance(contents, Array)
    values = contents.values
    if values.ndim not in (1, 2) or values.dtype.kind not in "biuf":
        raise ValueError(
            f"{contents.name}: a condition is rows of numbers, got {values.dtype} of shape {values.shape}; save a "
            "table of rows and columns"
        )
    columns = {f"c{place}": own.astype(float) for place, own in enumerate(values.reshape(len(values), -1).T)}
    asked = DataOptions(columns=tuple(f"{name}=number" for name in columns))
    return table_of(contents.name, pyarrow.table(columns)).dataset(asked)


def _by_name(dataset: Dataset, contents: TableContents) -> Dataset:
    """Return the row of each example, found by its file's name in the first column that has it."""
    assert dataset.names is not None
    for name in contents.sheet.names:
        texts = texts_of(contents.sheet, name)
        rows = {text: row for row, text in enumerate(texts)}
        if dataset.ids[0] in rows:
            break
    else:
        raise ValueError(
            f"{contents.name}: a condition of files needs a column with their names, such as {dataset.ids[0]}, got "
            f"none in {', '.join(contents.sheet.names)}"
        )
    twice = next((one for one, count in Counter(texts).items() if count > 1 and one), None)
    if twice is not None:
        raise ValueError(f"{contents.name}: a condition has one row for each example, got several for {twice}")
    lacking = [one for one in dataset.ids if one not in rows]
    if lacking:
        raise ValueError(
            f"{contents.name}: a condition has a row for each example, got none for {len(lacking)} of them, such as "
            f"{lacking[0]}"
        )
    return _read(contents, name).select(torch.tensor([rows[one] for one in dataset.ids]))


def _values(text: str) -> dict[str, str]:
    """Return the value of each name in NAME=VALUE,…"""
    pairs = [_named(part) for part in text.split(",")]
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError(f"a condition names each column once, got {brief(text)}")
    return named


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except OSError:  # a text that is too long for a name
        return False


def _kind(column: Column) -> str:
    """Return the kind that a value of a column is read as."""
    if isinstance(column, DateColumn):
        return "date"
    return "number" if column.ranges else "category"


def _named(part: str) -> tuple[str, str]:
    name, found, value = part.partition("=")
    if not found:
        raise ValueError(f"a condition is a file, or NAME=VALUE with commas between, got {brief(part)}")
    return name.strip(), value.strip()


def _fitted(raw: Float[Tensor, " rows"]) -> tuple[float, float]:
    """Return the median and the scale of a column of numbers."""
    known = raw[~raw.isnan()].double().sort().values
    if not len(known):
        return 0.0, 1.0
    low, middle, high = (known[round(share * (len(known) - 1))].item() for share in (0.25, 0.5, 0.75))
    scale = (high - low) / QUARTILES or known.std(correction=0).item()
    return middle, scale or 1.0
