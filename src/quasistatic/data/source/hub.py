"""Reads Parquet files and sets on the Hugging Face hub: image columns through `datasets`, or tables.

Images stay encoded in memory-mapped Arrow files; `images` decodes them. A cell may name a file instead of its bytes.
The Parquet file may come from an untrusted source, so only regular files in its own folder (for the hub, in its caches)
are read.
"""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import Tensor

from quasistatic.data.source.arrays import class_numbers
from quasistatic.data.source.frame import ENDINGS, Encoded, Refused
from quasistatic.data.source.guard import first_line
from quasistatic.data.source.images import Images, Source
from quasistatic.data.source.named.typed import parquet_schema, several
from quasistatic.data.table.read import TableContents, parquet_tables

IMAGE_COLUMNS = ("image", "img", "images", "picture")
LABEL_COLUMNS = ("label", "labels", "class", "fine_label", "y")
BLOCK = 256


@final
class ImageColumn(Source):
    """The image column of a `datasets.Dataset`: a struct of bytes and path, not decoded.

    ``homes`` are the folders in which a path may lie; relative paths start at the first.
    """

    def __init__(self, table: Any, column: str, homes: Sequence[Path]):
        self.table = table.select_columns([column])
        self.column = column
        self.homes = homes
        self.names = RowNames(len(table))

    def read(self, rows: Sequence[int]) -> Iterator[Encoded]:
        for start in range(0, len(rows), BLOCK):
            for cell in self.table[list(rows[start : start + BLOCK])][self.column]:
                yield _encoded(cell, self.homes)


@final
class RowNames(Sequence[str]):
    """The names "0", "1", …, generated on access."""

    def __init__(self, count: int):
        self.size = count

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        if not 0 <= row < self.size:
            raise IndexError(row)
        return str(row)


def read_parquet(path: Path) -> Images | TableContents:
    """Open a Parquet file: images if it has an image column, otherwise a table.

    Raises:
        ValueError: if it is not a Parquet file, or a column has an unsupported type.
    """
    return _parquet(path.name, [path])


def read_parquet_folder(folder: Path) -> Images | TableContents | None:
    """Open a folder of Parquet files as one set, in the order of their names; see `read_parquet`.

    Returns:
        None if the folder has no Parquet files, or images or folders beside them. Hidden files are passed over, and
        so are those whose names begin with "_", as engines write them beside their parts.

    Raises:
        ValueError: if one is not a Parquet file, or their columns differ.
    """
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "_"))]
    files = sorted(entry for entry in entries if entry.suffix.lower() == ".parquet" and entry.is_file())
    if not files or any(entry.is_dir() or entry.suffix.lower() in ENDINGS for entry in entries):
        return None
    return _parquet(folder.resolve().name, files)


def _parquet(name: str, files: Sequence[Path]) -> Images | TableContents:
    """Return what Parquet files of the same columns hold.

    Raises:
        ValueError: if one cannot be read, or their columns differ.
    """
    import datasets
    import pyarrow

    schemas = [parquet_schema(file) for file in files]
    for file, schema in zip(files, schemas, strict=True):
        if sorted(schema.names) != sorted(schemas[0].names):
            raise ValueError(
                f"{file.name}: Parquet files of one set have the same columns, got {', '.join(schema.names)}, and in "
                f"{files[0].name} {', '.join(schemas[0].names)}; keep other sets in other folders"
            )
    try:
        features = datasets.Features.from_arrow_schema(schemas[0])
    except ValueError:  # a type that datasets does not know; the table's reader names the column
        return parquet_tables(name, files)
    if not any(map(holds_images, features.values())):
        return parquet_tables(name, files)
    try:
        table = datasets.Dataset.from_parquet([glob.escape(str(file)) for file in files])
    except (OSError, ValueError, pyarrow.ArrowException, datasets.exceptions.DatasetGenerationError) as error:
        why = first_line(error.__cause__ or error)
        raise ValueError(f"{name}: whole Parquet files are needed, got one that cannot be read ({why})") from error
    images = images_of(name, table, [files[0].parent])
    return replace(images, notes=(*images.notes, *several(files)))


def read_hub(source: str) -> Images:
    """Open ``hf:owner/name[:split]``; the split is `train` unless given.

    Raises:
        FileNotFoundError: if the set cannot be reached.
        ValueError: if it has no image column.
    """
    import datasets

    name, _, split = source.removeprefix("hf:").partition(":")
    try:
        table = datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # the network, the hub and the reader of the files each have errors of their own
        raise FileNotFoundError(
            f"the hub should give {name} (split {split or 'train'}), got: {first_line(error)}; see that the name, the "
            "split and the network are there, or give a path to the data"
        ) from error
    return images_of(name, table, caches())


def caches() -> list[Path]:
    """Return the hub's cache folders."""
    import datasets
    from huggingface_hub import constants

    places = (datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE)
    return [Path(place) for place in places]


def images_of(name: str, table: Any, homes: Sequence[Path]) -> Images:
    """Return the images and labels of a `datasets.Dataset`; see `ImageColumn` for ``homes``.

    Raises:
        ValueError: if it has no column of images.
    """
    import datasets

    features = table.features
    found = [column for column, feature in features.items() if holds_images(feature)]
    if not found:
        columns = ", ".join(features)
        raise ValueError(
            f"{name}: a column of images (bytes and path) is needed, got the columns {columns}; "
            "give a file that has one"
        )
    column = next((column for column in IMAGE_COLUMNS if column in found), found[0])
    notes = (f"images from the column {column}, of {', '.join(found)}",) if len(found) > 1 else ()
    labels, classes = _labels(table)
    source = ImageColumn(table.cast_column(column, datasets.Image(decode=False)), column, homes)
    return Images(name, source, labels, classes, notes)


def _labels(table: Any) -> tuple[Tensor | None, tuple[str, ...]]:
    """Return the labels: the first class column, otherwise an integer or string column with a label's name."""
    import datasets

    features = table.features
    classed = [key for key, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    plain = {key: feature.dtype for key, feature in features.items() if isinstance(feature, datasets.Value)}
    called = [key for key in LABEL_COLUMNS if plain.get(key, "").startswith(("int", "str"))]
    column = next(iter(classed + called), None)
    if column is None or table.with_format("arrow")[column].null_count:
        return None, ()
    values = np.asarray(table.with_format("numpy")[column][:])
    return class_numbers(values, tuple(features[column].names) if classed else ())


def holds_images(feature: Any) -> bool:
    """Return whether a column of a `datasets.Dataset` holds images."""
    import datasets

    # a column of bytes and path without the hub's own notes in the file
    plain = isinstance(feature, dict) and set(feature) == {"bytes", "path"}
    return plain or isinstance(feature, datasets.Image)


def _encoded(cell: dict[str, Any] | None, homes: Sequence[Path]) -> Encoded:
    """Return a cell's encoded image; an empty cell becomes an empty file, which counts as unreadable."""
    cell = cell or {}
    if cell.get("bytes") is not None or not cell.get("path"):
        return BytesIO(cell.get("bytes") or b"")
    try:
        path = (homes[0] / cell["path"]).resolve()
        if not any(path.is_relative_to(home.resolve()) for home in homes):
            return Refused("names a file outside the data's own folder")
        return path if path.is_file() else Refused("names what is no regular file")
    except (OSError, ValueError, RuntimeError):  # too long, with a zero byte, or a link in a circle
        return Refused("names no file")
