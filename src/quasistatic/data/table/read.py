"""Reads tables: .csv files with a header line, and .parquet files; Arrow detects the column types.

    floating               NumberColumn        whole numbers       IntegerColumn
    true, false            BooleanColumn       text                CategoryColumn

An empty cell, NaN, NA or null is a missing value.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Held, digest
from quasistatic.data.source.arrays import Array
from quasistatic.data.source.files import is_exact, is_number, read_csv
from quasistatic.data.source.guard import check_packed, first_line
from quasistatic.data.table.align import present
from quasistatic.data.table.bins import Bins
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, Column, IntegerColumn, NumberColumn

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
MANY_CATEGORIES = 200
"""Maximum number of categories; more distinct texts are names or notes."""

LARGEST_WHOLE = 2**53
"""Up to this size, float64 holds every whole number."""

LARGEST = 1e150
"""Beyond this size, the variance of a column overflows."""

SAFE_DIGITS = 15
"""Decimals of up to this many digits survive a round trip through float64."""

MANY_COLUMNS = 2048
"""Maximum number of columns; each is fitted and learned separately."""


@final
@dataclass(frozen=True, eq=False)
class TableContents(Contents):
    """A table as read: its columns, and raw values (rows, columns) with NaN for empty cells."""

    name: str
    columns: tuple[Column, ...]
    values: Float[Tensor, "rows columns"]

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the table as a data set; as an array of numbers if the options ask for categories or bits.

        Raises:
            ValueError: if it has no rows, or is read as numbers and has texts or empty cells.
        """
        if options.states is not None or options.threshold is not None:
            if not all(column.ranges for column in self.columns):
                raise ValueError(f"{self.name}: data.states and data.threshold are for tables of numbers, got texts")
            whole = all(isinstance(column, IntegerColumn) for column in self.columns) and bool(
                present(self.values).all()
            )
            return Array(self.name, self.values.numpy().astype(np.int64 if whole else np.float64)).dataset(options)
        codec = TableCodec(self.columns)
        names = "\n".join(f"{column.name}: {column}" for column in codec.columns)
        empty = int((~present(self.values)).sum())
        share = empty / self.values.numel()
        notes = (f"{empty} cells ({share:.1%}) are empty and are learned around",) if empty else ()
        return Dataset(self.name, Held(self.values), codec, digest(self.values, names), notes=notes)


def read_table(path: Path) -> Contents:
    """Open a ``.csv``: a table if its first line has names; without names, or with c0, c1, …, an array of numbers.

    Raises:
        ValueError: if it cannot be read; see `table_of` and `read_csv`.
    """
    return _arrow_csv(path) if _has_names(path) else read_csv(path)


def read_named(path: Path) -> TableContents:
    """Open a ``.csv`` or ``.parquet`` file of named columns.

    Raises:
        ValueError: if it cannot be read, or has no names.
    """
    if path.suffix.lower() == ".parquet":
        return parquet_table(path)
    if not _has_names(path):
        raise ValueError(f"{path.name}: a first line with the names of the columns is needed, got none; add it")
    return _arrow_csv(path)


def table_of(name: str, table: Any) -> TableContents:
    """Convert an Arrow table to columns and raw values.

    Raises:
        ValueError: if it has no rows or no names, two columns share a name, or a column's type is not supported.
    """
    if not table.num_rows or not table.num_columns:
        raise ValueError(f"{name}: a table needs at least one row and one column, got none")
    _check_width(name, table)
    names = [str(column) for column in table.column_names]
    bad = sorted(column for column, count in Counter(names).items() if not column.strip() or count > 1)
    if bad:
        raise ValueError(f"{name}: columns need names, each its own, got {bad[0]!r} twice or empty; rename them")
    try:
        read = [_column(column, table.column(place)) for place, column in enumerate(names)]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    values = torch.from_numpy(np.stack([raw for _, raw in read], 1))
    return TableContents(name, tuple(column for column, _ in read), values)


def _column(name: str, cells: Any) -> tuple[Column, np.ndarray]:
    """Return a column of the detected kind, and its raw values, float64."""
    import pyarrow
    from pyarrow import types

    kind = cells.type
    if types.is_dictionary(kind):
        cells, kind = cells.cast(kind.value_type), kind.value_type
    if types.is_null(kind):
        return CategoryColumn(name, ()), np.full(len(cells), math.nan)
    if types.is_boolean(kind):
        return BooleanColumn(name), _numbers(cells.cast(pyarrow.int8()))
    if types.is_string(kind) or types.is_large_string(kind):
        return _categories(name, cells)
    if types.is_integer(kind):
        return _whole(name, _exact_whole(name, cells))
    if types.is_decimal(kind):
        _check_decimals(name, cells)
    if types.is_floating(kind) or types.is_decimal(kind):
        raw = _numbers(cells.cast(pyarrow.float64()))
        if np.isinf(raw).any():
            raise ValueError(f"the column {name!r} needs finite numbers, got an infinite one; leave the cell empty")
        seen = raw[~np.isnan(raw)]
        if not len(seen):
            return CategoryColumn(name, ()), raw
        if np.abs(seen).max() > LARGEST:
            raise ValueError(
                f"the column {name!r} needs numbers of at most {LARGEST:g} in size, got {np.abs(seen).max():g}; divide "
                "it, take logarithms, or leave the cell empty"
            )
        return NumberColumn(name, Bins.of(seen)), raw
    raise ValueError(f"the column {name!r} needs numbers, true and false, or texts, got {kind}; convert or drop it")


def _exact_whole(name: str, cells: Any) -> np.ndarray:
    """Return whole numbers as float64.

    Raises:
        ValueError: if one is beyond 2⁵³, where float64 is not exact for whole numbers.
    """
    from pyarrow import compute

    ends = compute.min_max(cells).as_py()
    for end in (ends["min"], ends["max"]):
        if end is not None and abs(end) > LARGEST_WHOLE:
            raise _too_long(name, str(end))
    return _numbers(cells)


def _check_decimals(name: str, cells: Any) -> None:
    """Raise ValueError if a decimal has more digits than float64 can hold."""
    if cells.type.precision > SAFE_DIGITS:
        for cell in cells.to_pylist():
            if cell is not None and Decimal(repr(float(cell))) != cell:
                raise _too_long(name, str(cell))


def _too_long(name: str, came: str) -> ValueError:
    return ValueError(
        f"the column {name!r} needs numbers that float64 holds to the last digit (whole ones up to {LARGEST_WHOLE:,}), "
        f"got {came}; drop the column, subtract a constant, or round it yourself"
    )


def _whole(name: str, raw: np.ndarray) -> tuple[Column, np.ndarray]:
    seen = raw[~np.isnan(raw)]
    if not len(seen):
        return CategoryColumn(name, ()), raw
    step = math.gcd(*(np.unique(seen) - seen.min()).astype(np.int64).tolist()) or 1
    return IntegerColumn(name, Bins.of(seen, step)), raw


def _categories(name: str, cells: Any) -> tuple[Column, np.ndarray]:
    texts = [None if cell is None or cell in MISSING else cell for cell in cells.to_pylist()]
    distinct = sorted({text for text in texts if text is not None})
    if len(distinct) > MANY_CATEGORIES:
        raise ValueError(
            f"the column {name!r} needs at most {MANY_CATEGORIES} different texts to be categories, got "
            f"{len(distinct)}, as {distinct[0]!r}; group or drop it"
        )
    places = {text: float(place) for place, text in enumerate(distinct)}
    return CategoryColumn(name, tuple(distinct)), np.array([math.nan if t is None else places[t] for t in texts])


def _numbers(cells: Any) -> np.ndarray:
    import pyarrow

    return np.array(cells.cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)


def _arrow_csv(path: Path) -> TableContents:
    import pyarrow
    from pyarrow import csv as arrow

    options = arrow.ConvertOptions(null_values=list(MISSING), strings_can_be_null=True, timestamp_parsers=[])
    try:
        table = arrow.read_csv(path, convert_options=options)
        _check_width(path.name, table)
        large = [name for name in set(table.column_names) if _has_large(table.column(table.column_names.index(name)))]
        if large:  # Arrow takes whole numbers for floats where they are too long or stand among floats
            options.column_types, options.include_columns = dict.fromkeys(large, pyarrow.string()), large
            texts = arrow.read_csv(path, convert_options=options)
            for name in large:
                _check_digits(path.name, name, texts.column(texts.column_names.index(name)).to_pylist())
        return table_of(path.name, table)
    except pyarrow.ArrowException as error:
        why = first_line(error).removeprefix("CSV parse error: ")
        raise ValueError(
            f"{path.name}: rows with a cell for each named column are needed, got: {why}; fix it"
        ) from None


def _check_width(name: str, table: Any) -> None:
    """Raise ValueError if an Arrow table has too many columns."""
    if table.num_columns > MANY_COLUMNS:
        raise ValueError(
            f"{name}: a table has at most {MANY_COLUMNS} columns, got {table.num_columns}; save numbers of one kind as "
            ".npy, without names"
        )


def _has_large(cells: Any) -> bool:
    """Return whether a column of floats has a value of 2⁵³ or more."""
    from pyarrow import compute, types

    if not types.is_floating(cells.type):
        return False
    return bool(compute.any(compute.greater_equal(compute.abs(cells), float(LARGEST_WHOLE))).as_py())


def _check_digits(file: str, name: str, texts: list[str | None]) -> None:
    """Raise ValueError if a whole number in the file is not exact as a float."""
    long = next((text for text in texts if text and not is_exact(text)), None)
    if long is not None:
        raise ValueError(f"{file}: {_too_long(name, long)}")


def parquet_table(path: Path) -> TableContents:
    """Open a Parquet file as a table.

    Raises:
        ValueError: if it is not a complete Parquet file; or see `table_of`.
    """
    from pyarrow import parquet

    parquet_schema(path)
    with _whole_parquet(path):
        return table_of(path.name, parquet.ParquetFile(path).read())


def parquet_schema(path: Path) -> Any:
    """Return the Arrow schema of a Parquet file, after a check that the file can hold its claimed number of values.

    Raises:
        ValueError: if it is not a complete Parquet file, or claims far more values than it can hold.
    """
    from pyarrow import parquet

    with _whole_parquet(path):
        file = parquet.ParquetFile(path)
        found, schema = file.metadata, file.schema_arrow
        packed = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    # every cell of a table takes 8 bytes; run-length encoding can hide very many of them
    check_packed(path.name, path.stat().st_size, max(packed, 8 * found.num_rows * found.num_columns))
    return schema


@contextmanager
def _whole_parquet(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        if isinstance(error, MemoryError):
            raise
        raise ValueError(
            f"{path.name}: a whole Parquet file is needed, got one that cannot be read ({first_line(error)})"
        ) from None


def _has_names(path: Path) -> bool:
    """Return whether the first line holds names: some cell is not a number, and they are not c0, c1, …"""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next((cells for cells in csv.reader(file) if cells), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    numbered = [f"c{place}" for place in range(len(first))]
    return first != numbered and not all(is_number(cell) for cell in first)
