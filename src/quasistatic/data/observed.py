"""What is known of examples to be completed: values, and a mask of which of them are known.

images with a mask     white in the mask = unknown
.npy, .npz of floats   NaN = unknown
.csv, .parquet         an empty cell = unknown
.txt                   ? = unknown, unless the alphabet has it; bits and up to ten states are a line of digits each
"""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic.data.arrays import arranged
from quasistatic.data.codec import Codec
from quasistatic.data.dataset import Dataset
from quasistatic.data.discrete import BitsCodec, StatesCodec, SymbolsCodec
from quasistatic.data.files import read_csv, read_numpy
from quasistatic.data.frame import open_image, reason, strict_pillow
from quasistatic.data.sequences import code_points, read_text
from quasistatic.data.table.align import present, realigned
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.read import read_named

UNKNOWN = "?"
"""The character that stands for one to be inferred."""

Incomplete: TypeAlias = tuple[Shaped[Tensor, "rows *shape"], Bool[Tensor, "rows *shape"]]
"""Values, and where they are known."""


def read_incomplete(path: Path, codec: Codec | None = None, shape: tuple[int, ...] = ()) -> Incomplete | None:
    """Return the values of a ``.npy``, ``.npz`` or ``.csv`` file and where they are known, or None if none is NaN.

    Raises:
        ValueError: if the file cannot be read; see `read_numpy` and `read_csv`, or `read_rows` for a model of a table.
    """
    if isinstance(codec, TableCodec) and path.suffix == ".csv":
        return read_rows(path, codec)
    array = read_csv(path) if path.suffix == ".csv" else read_numpy(path)
    if array.values.dtype.kind != "f" or not np.isnan(array.values).any():
        return None
    values, _ = arranged(array.name, array.values)
    return values, ~values.isnan()


def read_rows(path: Path, codec: Codec, shape: tuple[int, ...] = ()) -> Incomplete | None:
    """Return the rows of a ``.csv`` or ``.parquet`` table in the columns of ``codec``, and where they are known.

    None if the codec is not one of a table.

    Raises:
        ValueError: if the file cannot be read, a column is missing or unknown, a value has no place in its column, or
            no cell is empty.
    """
    if not isinstance(codec, TableCodec):
        return None
    table = read_named(path)
    values = realigned(table.name, table.values, table.columns, codec)
    if bool(present(values).all()):
        raise ValueError(f"{path.name} has no empty cells; leave those empty that are to be inferred")
    return values, present(values)


def read_gaps(path: Path, codec: Codec, shape: tuple[int, ...]) -> Incomplete:
    """Return the characters of a text as code points, in pieces of ``shape``, and where they are known.

    What fills the last piece is not known. A line end at the very end is no part of the text, unless the alphabet has
    it. Where the model is one of bits or of up to ten states, each line has an example's values as digits.

    Raises:
        ValueError: if the model is one of other data, its alphabet has ``?``, the text has none, or a character is not
            in the alphabet (it is named with its place).
    """
    if isinstance(codec, BitsCodec | StatesCodec):
        return _read_digits(path, codec, shape)
    if not isinstance(codec, SymbolsCodec):
        raise ValueError(f"{path.name} is text, and the model is one of {codec}; give it data of its own kind")
    if UNKNOWN in codec.alphabet:
        raise ValueError(f"{path.name}: {UNKNOWN!r} is in the alphabet, so it cannot mark what to infer; replace it")
    text = ending_kept(path, codec)
    if UNKNOWN not in text:
        raise ValueError(f"{path.name} has no unknown characters; mark each with {UNKNOWN}")
    place = next((i for i, one in enumerate(text) if one != UNKNOWN and one not in codec.alphabet), None)
    if place is not None:
        raise ValueError(
            f"{path.name} should be written in {codec}, got {text[place]!r} at place {place}; replace it, or mark it "
            f"{UNKNOWN}"
        )
    (length,) = shape
    points = code_points(text.ljust(-(-len(text) // length) * length, UNKNOWN)).view(-1, length)
    return points, points != ord(UNKNOWN)


def _read_digits(path: Path, codec: BitsCodec | StatesCodec, shape: tuple[int, ...]) -> Incomplete:
    states, length = codec.states if isinstance(codec, StatesCodec) else 2, prod(shape)
    digits, rows = "0123456789"[:states], read_text(path).text.splitlines()
    for line, row in enumerate(rows, 1):
        place = next((place for place, one in enumerate(row) if one not in digits + UNKNOWN), None)
        if states > len(digits) or place is not None or len(row) != length:
            came = f"{len(row)} characters" if place is None else f"{row[place]!r} at place {place}"
            raise ValueError(
                f"{path.name} should have {length} digits below {states}, or {UNKNOWN}, in each line, as the model is "
                f"one of {codec}; got {came} in line {line} (more than ten states are written as .csv or .npy)"
            )
    if not any(UNKNOWN in row for row in rows):
        raise ValueError(f"{path.name} has no unknown values; mark each with {UNKNOWN}")
    known = torch.tensor([[one != UNKNOWN for one in row] for row in rows])
    values = torch.tensor([[int(one) if one != UNKNOWN else 0 for one in row] for row in rows], dtype=torch.uint8)
    return values.view(-1, *shape), known.view(-1, *shape)


def ending_kept(path: Path, codec: SymbolsCodec) -> str:
    """Return the text of a file, without a line end at its end if the alphabet has none."""
    text = read_text(path).text
    return text if "\n" in codec.alphabet else text.removesuffix("\n")


INCOMPLETE: dict[str, Callable[..., Incomplete | None]] = {
    ".npy": read_incomplete,
    ".npz": read_incomplete,
    ".csv": read_incomplete,
    ".parquet": read_rows,
    ".txt": read_gaps,
}
"""(path, the model's codec, its examples' shape) → values and where they are known, by the file's ending."""


def read_mask(path: Path, dataset: Dataset) -> Bool[Tensor, "rows *shape"]:
    """Return where the values of ``dataset`` are known, from an image (white = unknown) or an array (true = unknown).

    One mask serves every example.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read or is of another size than the examples.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no mask file is called {path}")
    if path.suffix in (".npy", ".npz"):
        values = read_numpy(path).values
        if values.dtype.kind not in "buif":
            raise ValueError(f"{path.name}: a mask is an array of true and false or numbers, got {values.dtype}")
        _check_mask(path, values.shape, dataset)
        return ~torch.from_numpy(values > 0).expand(len(dataset), *dataset.shape)
    try:
        with strict_pillow(), open_image(path) as image:
            size = (image.height, image.width)
            pixels = np.array(image.convert("L")) if size == dataset.shape[-2:] else np.zeros(size[:0])
    except Exception as error:  # decoders raise whatever a broken file makes them stumble over
        why = reason(error)
        raise ValueError(f"{path.name}: a mask is an image or an array, and this cannot be read ({why})") from None
    _check_mask(path, size, dataset)
    return ~torch.from_numpy(pixels >= 128).expand(len(dataset), *dataset.shape)


def _check_mask(path: Path, size: tuple[int, ...], dataset: Dataset) -> None:
    shape = dataset.shape
    if size not in (shape[-2:], shape, (len(dataset), *shape)):
        wanted, came = _times(shape[-2:]), _times(size)
        raise ValueError(f"{path.name}: a mask is as large as the examples, {wanted}, got {came}; resize it")


def half_mask(side: str, dataset: Dataset) -> Bool[Tensor, "rows *shape"]:
    """Return where the values of ``dataset`` are known if one half, ``top``, ``bottom``, ``left`` or ``right``, is not.

    Of an odd number of rows or columns the middle one is known.

    Raises:
        ValueError: if there is no such half of the examples.
    """
    names = ("top", "bottom", "left", "right") if len(dataset.shape) == 3 else ("left", "right")
    if side not in names:
        raise ValueError(f"the half of examples of {_times(dataset.shape)} is {', '.join(names)}, got {side!r}")
    axis = -2 if side in ("top", "bottom") else -1
    length = dataset.shape[axis]
    place = torch.arange(length).reshape(-1, *(1,) * (-axis - 1))
    hidden = place < length // 2 if side in ("top", "left") else place >= (length + 1) // 2
    return ~hidden.expand(len(dataset), *dataset.shape)


def box_mask(corners: str, dataset: Dataset) -> Bool[Tensor, "rows *shape"]:
    """Return where the values of images are known if rows r0 … r1 − 1 and columns c0 … c1 − 1 are not: "r0,c0,r1,c1".

    Raises:
        ValueError: if the examples are no images, or this is no box inside them.
    """
    if len(dataset.shape) != 3:
        raise ValueError(f"a box is of images, got examples of {_times(dataset.shape)}; give a mask")
    height, width = dataset.shape[-2:]
    parts = corners.split(",")
    if len(parts) == 4 and all(part.strip().isdigit() for part in parts):
        r0, c0, r1, c1 = map(int, parts)
        if r0 < r1 <= height and c0 < c1 <= width:
            known = torch.ones(height, width, dtype=torch.bool)
            known[r0:r1, c0:c1] = False
            return known.expand(len(dataset), *dataset.shape)
    raise ValueError(
        f"a box inside {height}×{width} is r0,c0,r1,c1 with r0 < r1 ≤ {height} and c0 < c1 ≤ {width}, got {corners!r}"
    )


AREAS: dict[str, Callable[..., Bool[Tensor, "rows *shape"]]] = {
    "--mask": read_mask,
    "--half": half_mask,
    "--box": box_mask,
}
"""What says which part is unknown, by the option that takes it."""


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
