"""Loads a data set by name or path, or from memory.

A source is a known name (`NAMED`, `MADE`), a file (`FILES`, by its ending), a folder of images or of Parquet files, an
address, as ``s3://bucket/train.parquet``, or ``hf:owner/name[:split]``.
To add one, write a reader that returns a `Contents` and add a line to the registry.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, binarised, categorised, spread
from quasistatic.data.labels.covariates import with_covariates
from quasistatic.data.source.address import fetched, is_address
from quasistatic.data.source.arrays import Array
from quasistatic.data.source.arrays.files import IDX_NAMES, read_idx, read_idx_folder, read_numpy
from quasistatic.data.source.folder import read_folder, read_image
from quasistatic.data.source.frame import ENDINGS
from quasistatic.data.source.guard import one_sentence
from quasistatic.data.source.hub import read_hub, read_parquet, read_parquet_folder
from quasistatic.data.source.memory import in_memory
from quasistatic.data.source.text import Bytes, Text, Texts, read_bytes, read_text, read_texts
from quasistatic.data.synthetic.heartbeat import heartbeat
from quasistatic.data.synthetic.leaves import dead_leaves
from quasistatic.data.synthetic.roll import swiss_roll
from quasistatic.data.synthetic.textures import texture
from quasistatic.data.table.read import TABLES, TableContents

DATA_DIR = "QUASISTATIC_DATA"
"""Environment variable that names the folder of local data sets."""


def load(source: Any, options: DataOptions = DataOptions(), *, labels: Any = None, **changes: Any) -> Dataset:
    """Return a data set, checked, in raw units.

    Args:
        source: a name (`digits`, `mnist`, `heartbeat`, `swiss-roll`, `dead-leaves`, `texture:grass`), a folder of
            images or of Parquet files, a file, an address of one of these that `fsspec` opens, as ``s3://…`` or
            ``https://…``, or ``hf:owner/name[:split]``. A name wins over a file that is called the same; write
            ``./digits`` for the file. Or data in memory: an array, a tensor, a pandas or Polars frame, a torch
            ``Dataset`` or a ``datasets.Dataset``; see `source.memory`.
        options: how to read it.
        labels: of an array or tensor: a class for each example, as numbers or names.
        changes: fields of `DataOptions` to replace, as in ``load("digits", size=32, limit=5)``.

    Raises:
        FileNotFoundError: if there is no such name, file, folder or set on the hub.
        TypeError: if ``source`` has none of these forms, or `DataOptions` has no such field.
        ValueError: if an option is invalid or the data cannot be used; the message says why.
    """
    options = options.changed(changes)
    if isinstance(source, Dataset):
        if labels is not None or options != DataOptions():
            raise ValueError(f"{source.name} is loaded already, got options of reading; give them to the first `load`")
        return source
    if isinstance(source, str | os.PathLike):
        if labels is not None:
            raise ValueError(f"labels are for arrays in memory, got {source} with labels; files have their own")
        name = os.fspath(source)
        with one_sentence(name):
            contents = open_checked(name, options)
    else:
        name, contents = type(source).__name__, in_memory(source, labels)
        check_reading(contents, name, options)
    with one_sentence(name):
        dataset = read_as(contents.dataset(options), options)
    if options.condition is not None:
        with one_sentence(str(options.condition)):
            dataset = with_covariates(dataset, options.condition)
    limit = options.limit
    return dataset if limit is None or limit >= len(dataset) else dataset.select(spread(len(dataset), limit))


def open_checked(source: str, options: DataOptions) -> Contents:
    """Open ``source``, and check that options of tables are for a table.

    Raises:
        ValueError: if they are not; or see `open_source`.
    """
    contents = open_source(source, options)
    check_reading(contents, source, options)
    return contents


def check_reading(contents: Contents, source: str, options: DataOptions) -> None:
    """Raise ValueError if ``options`` of texts, arrays or tables are given for other contents."""
    asked = "data.tokens" if options.tokens is not None else "data.records" if options.records else None
    if asked is not None and not isinstance(contents, Text | Texts | Bytes):
        raise ValueError(f"{asked} is for texts (.txt), got {source}; leave it out")
    if options.axes is not None and not isinstance(contents, Array):
        raise ValueError(f"data.axes is for arrays of signals or volumes (.npy, .npz), got {source}; leave it out")
    if (options.columns or options.missing or options.in_series) and not isinstance(contents, TableContents):
        raise ValueError(
            f"--column, --missing, --group and --time are for tables with named columns, got {source}; "
            "leave them out, or name its columns in a first line"
        )


def read_as(dataset: Dataset, options: DataOptions) -> Dataset:
    """Return the data set with its values read as bits or categories, if the options say so.

    Raises:
        ValueError: if the values cannot be read that way.
    """
    if options.threshold is not None:
        dataset = binarised(dataset, options.threshold)
    return dataset if options.states is None else categorised(dataset, options.states)


def is_built_in(source: str) -> bool:
    """Return whether ``source`` is the name of a set that the library includes or generates."""
    return source in NAMED or source.partition(":")[0] in MADE


def open_source(source: str, options: DataOptions) -> Contents:
    """Open ``source`` without checking its content.

    Raises:
        FileNotFoundError: if there is no such name, file or folder.
        ValueError: if the file's suffix is unknown, or the file cannot be opened.
    """
    if source in NAMED:
        return NAMED[source](options)
    if source.partition(":")[0] in MADE:
        return MADE[source.partition(":")[0]](source)
    if source.startswith("hf:"):
        return read_hub(source)
    path = fetched(source, options.progress) if is_address(source) else Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no file or folder is called {source}, and the known names are {', '.join([*NAMED, *MADE])}; a set on "
            "the hub is written hf:owner/name"
        )
    if path.is_dir():
        named = read_idx_folder(path) or read_texts(path) or read_parquet_folder(path)
        return named or read_folder(path, options.links)
    if not path.is_file():
        raise ValueError(
            f"{source}: a data file is a regular file, got a pipe, a device or a socket; copy it to a file"
        )
    if options.tokens == "bytes":
        return read_bytes(path)
    reader = next((FILES[ending] for ending in FILES if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise ValueError(f"{path.name}: a data file ends in {', '.join(FILES)}; convert it, or give a folder of images")
    return reader(path)


def _digits(options: DataOptions) -> Contents:
    """1,797 handwritten digits, 8×8, 17 grey levels: scikit-learn's copy of the UCI test set."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return Array("digits", images.reshape(-1, 8, 8).astype(np.uint8), labels, tuple("0123456789"))


def _mnist(options: DataOptions) -> Contents:
    """60,000 handwritten digits, 28×28, from the given folder, $QUASISTATIC_DATA or the hub, in this order."""
    place = options.data_dir or os.environ.get(DATA_DIR)
    folders = (Path(place), Path(place, "mnist")) if place else ()
    for found in filter(None, map(read_idx_folder, folders)):
        return replace(found, name="mnist", classes=tuple("0123456789"))
    if options.data_dir:
        raise FileNotFoundError(
            f"mnist needs {' or '.join(IDX_NAMES[:2])} in the folder {options.data_dir} or its sub-folder mnist, got "
            "none; leave the folder unset to use the hub"
        )
    try:
        return replace(read_hub("hf:ylecun/mnist"), name="mnist")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error}: for mnist, the folder of {IDX_NAMES[1]} is named by `--data-dir` or ${DATA_DIR}"
        ) from error


NAMED: dict[str, Callable[[DataOptions], Contents]] = {
    "digits": _digits,
    "mnist": _mnist,
}

MADE: dict[str, Callable[[str], Contents]] = {
    "heartbeat": heartbeat,
    "swiss-roll": swiss_roll,
    "dead-leaves": dead_leaves,
    "texture": texture,
}
"""Generated sets, by the first part of their name; numbers may follow, as in ``heartbeat:20:5``."""

FILES: dict[str, Callable[[Path], Contents]] = {
    ".npy": read_numpy,
    ".npz": read_numpy,
    ".csv": TABLES[".csv"],
    ".txt": read_text,
    ".parquet": read_parquet,
    "ubyte": read_idx,
    "ubyte.gz": read_idx,
    ".idx": read_idx,
    **{ending: reader for ending, reader in TABLES.items() if ending not in (".csv", ".parquet")},
    **dict.fromkeys(ENDINGS, read_image),
}
