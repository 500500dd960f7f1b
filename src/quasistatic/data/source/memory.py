"""Opens what a program holds in memory, without a file.

    array, tensor, list of numbers     rows of columns or images; `arrays` says which shapes are read how
    pandas, Polars or Arrow table      named columns
    torch `Dataset`                    examples (arrays, tensors or PIL images), alone or with a label each
    Hugging Face `datasets.Dataset`    a column of images, or named columns

Everything but a Hugging Face set is copied into memory.
"""

import sys
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from quasistatic.data.contents import Contents
from quasistatic.data.source.arrays import Array
from quasistatic.data.source.guard import first_line
from quasistatic.data.source.hub import caches, holds_images, images_of
from quasistatic.data.table.read import TableContents, table_of
from quasistatic.runtime.fields import brief

FORMS = "a NumPy array, a tensor, a pandas or Polars frame, an Arrow table, a torch Dataset or a datasets.Dataset"
"""What `in_memory` takes, for messages."""


@runtime_checkable
class ArrowStream(Protocol):
    """A table of any library that hands its columns over in Arrow's form."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


def in_memory(values: Any, labels: Any = None) -> Contents:
    """Open ``values`` as the examples of a data set.

    Args:
        values: one of the forms above.
        labels: a class for each example, as numbers or names; for arrays and tensors.

    Raises:
        TypeError: if the values have another form, or hold no numbers.
        ValueError: if labels come with data that have their own, or examples differ in shape.
    """
    table = _table(values)
    if table is not None:
        if labels is not None:
            raise ValueError(
                "labels are for arrays; a table has them in a column of its own: add one, or leave labels out"
            )
        return table
    if isinstance(values, TorchDataset):
        if labels is not None:
            raise ValueError("a torch Dataset has its own labels, got others as well; leave one out")
        values, labels = _examples(values)
        return Array("dataset", values, labels)
    name = "tensor" if isinstance(values, Tensor) else "array"
    return Array(name, as_array("a data set in memory", values), None if labels is None else _names(labels))


def is_table(values: Any) -> bool:
    """Return whether ``values`` are named columns: a frame, an Arrow table, or a Hugging Face set without images."""
    return isinstance(_table(values), TableContents)


def as_array(what: str, values: Any) -> np.ndarray:
    """Return a tensor, an array or nested lists of numbers as an array on the CPU.

    Raises:
        TypeError: if the values hold something else, or rows of different lengths.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):
        found = np.array(None)
    if (
        found.dtype.kind not in "buif"
        or not isinstance(values, np.ndarray | Sequence)
        or isinstance(values, str | bytes)
    ):
        shape = f" of {found.dtype} and shape {found.shape}" if isinstance(values, np.ndarray) else f" {brief(values)}"
        raise TypeError(f"{what} is {FORMS}, of numbers; got {type(values).__name__}{shape}")
    return found


def _table(values: Any) -> Contents | None:
    """Return the contents of named columns or of a Hugging Face set; None for other values."""
    pandas, datasets = sys.modules.get("pandas"), sys.modules.get("datasets")
    if datasets is not None and isinstance(values, datasets.DatasetDict | datasets.IterableDataset):
        raise TypeError(
            f"one split of a set is learned, got a {type(values).__name__}; choose one, as in data['train']"
        )
    if datasets is not None and isinstance(values, datasets.Dataset):
        if any(map(holds_images, values.features.values())):
            return images_of("dataset", values, caches())
        return table_of("dataset", values.with_format("arrow")[:])
    if pandas is not None and isinstance(values, pandas.DataFrame):
        return _framed(values)
    if isinstance(values, ArrowStream) and not (pandas is not None and isinstance(values, pandas.Series)):
        import pyarrow

        return table_of("frame", pyarrow.table(values))
    return None


def _framed(frame: Any) -> TableContents:
    import pyarrow

    try:
        return table_of("frame", pyarrow.Table.from_pandas(frame.rename(columns=str), preserve_index=False))
    except pyarrow.ArrowException as error:
        raise ValueError(
            f"frame: each column holds values of one type, got one that does not ({first_line(error)}); convert it by "
            "astype, or drop it"
        ) from None


def _names(labels: Any) -> np.ndarray:
    return labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)


def _examples(dataset: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return all examples of a torch data set in one array, and their labels if it has any."""
    if isinstance(dataset, IterableDataset):
        raise TypeError("a data set whose examples have numbers is needed, got an IterableDataset; list its examples")
    examples, labels = [], []
    for place in range(len(dataset)):
        one = dataset[place]
        if isinstance(one, tuple | list) and len(one) == 2:
            one, label = one
            labels.append(label.item() if isinstance(label, Tensor) else label)
        examples.append(_example(place, one))
        if examples[-1].shape != examples[0].shape:
            raise ValueError(
                f"dataset: examples have one shape, got {examples[0].shape} first and {examples[-1].shape} at place "
                f"{place}; resize them in the data set's transform"
            )
    if not examples:
        raise ValueError("dataset: a data set needs at least one example, got none")
    if labels and len(labels) != len(examples):
        raise ValueError(f"dataset: {len(examples)} examples came with {len(labels)} labels; give each one, or none")
    return np.stack(examples), np.array(labels) if labels else None


def _example(place: int, value: Any) -> np.ndarray:
    from PIL import Image

    if isinstance(value, Image.Image):
        return np.asarray(value if value.mode in ("L", "RGB", "RGBA") else value.convert("RGB"))
    if isinstance(value, tuple) and len(value) == 1:  # as of a TensorDataset
        value = value[0]
    if isinstance(value, dict):
        raise TypeError(
            f"an example is an array, or a pair of one and its label, got a dict at place {place}; pick one"
        )
    return as_array(f"the example at place {place}", value)
