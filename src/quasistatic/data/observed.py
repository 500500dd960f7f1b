"""Reads partly known examples: values, and a mask of the known ones.

images with a mask     white in the mask = unknown
.npy, .npz of floats   NaN = unknown
.csv and other tables   an empty cell = unknown; 40..50, >=60 or 42±3 = known loosely
.txt                   ? = unknown, unless it is in the alphabet; one record, or digits of bits or states, in each line
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from quasistatic.data.codec.base import Codec
from quasistatic.data.codec.discrete import BitsCodec, StatesCodec
from quasistatic.data.codec.text import CharactersCodec, RecordsCodec, TextCodec, code_points
from quasistatic.data.contents import DataOptions
from quasistatic.data.dataset import Dataset
from quasistatic.data.source.arrays import arranged
from quasistatic.data.source.arrays.files import read_csv, read_numpy
from quasistatic.data.source.frame import open_image, reason, strict_pillow
from quasistatic.data.source.named.sheet import texts_of
from quasistatic.data.source.text import Text, read_text
from quasistatic.data.table.align import adopted, present, runs_in
from quasistatic.data.table.aside import DroppedColumn
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.conditions.loose import Loose, loosened
from quasistatic.data.table.date import DateColumn
from quasistatic.data.table.read import TableContents, read_named

UNKNOWN = "?"
"""The character that marks an unknown character."""

TEXTS = (".csv", ".tsv")

Incomplete: TypeAlias = tuple[Shaped[Tensor, " rows *shape"], Bool[Tensor, " rows *shape"]]
"""Values, and a mask of the known ones."""


def read_incomplete(path: Path, codec: Codec | None = None, shape: tuple[int, ...] = ()) -> Incomplete | None:
    """Return the values of an array or delimited text and the mask of known ones; None if none is NaN.

    Raises:
        ValueError: if the file cannot be read; see `read_numpy` and `read_csv`, or `read_rows` for a model of a table.
    """
    if isinstance(codec, TableCodec) and path.suffix in TEXTS:
        return read_rows(path, codec)
    array = read_csv(path) if path.suffix in TEXTS else read_numpy(path)
    if array.values.dtype.kind != "f" or not np.isnan(array.values).any():
        return None
    values, _ = arranged(array.name, array.values, len(shape) - 1 if len(shape) in (2, 4) else None)
    return values, ~values.isnan()


def read_rows(path: Path, codec: Codec, shape: tuple[int, ...] = ()) -> Incomplete | None:
    """Return the rows of a table in the columns of ``codec``, and the mask of known cells; see `read_loosely`.

    Returns None if the codec is not a table's.
    """
    if not isinstance(codec, TableCodec):
        return None
    found = read_partly(path, codec)
    return found.values, found.known


@dataclass(frozen=True, eq=False)
class Partly:
    """Rows of a table that are partly known.

    Attributes:
        values: raw values, NaN where they are not known.
        known: the mask of known cells.
        loose: what is known of other cells, by column of the model.
        carried: texts of columns that the model sets aside, by name, of the rows of the file.
        runs: rows of the file that make each row, −1 after the last; None if each makes one.
    """

    values: Float[Tensor, "rows columns"]
    known: Bool[Tensor, "rows columns"]
    loose: dict[int, Loose]
    carried: dict[str, list[str]]
    runs: Int[Tensor, "rows length"] | None = None

    def first(self, limit: int | None) -> "Partly":
        """Return the first ``limit`` rows, or all."""
        part = slice(limit)
        loose = {column: own.take(part) for column, own in self.loose.items()}
        if self.runs is None:
            carried = {name: texts[part] for name, texts in self.carried.items()}
            return Partly(self.values[part], self.known[part], loose, carried)
        runs = self.runs[part]
        kept, place = runs[runs >= 0].unique(return_inverse=True)
        again = runs.clone()
        again[runs >= 0] = place
        carried = {name: [texts[row] for row in kept.tolist()] for name, texts in self.carried.items()}
        return Partly(self.values[part], self.known[part], loose, carried, again)


def read_partly(path: Path, codec: TableCodec) -> Partly:
    """Return the rows of a table in the columns of ``codec``, with cells that are empty or known loosely.

    Raises:
        ValueError: if the file cannot be read, a column is missing or unknown, a value does not fit its column, or all
            cells are known.
    """
    table = read_named(path)
    sheet, loose = loosened(table.sheet, codec) if codec.series is None else (table.sheet, {})
    table = TableContents(table.name, sheet)
    known = [] if table.sheet.typed else [c for c in codec.of_file if isinstance(c, DateColumn)]
    kinds = {**{c.name: f"date:{c.format}" for c in known}, **{aside.name: "drop" for aside in codec.asides}}
    group = codec.series.group if codec.series is not None and codec.series.group else None
    asked = [f"{name}={kinds[name]}" for name in table.sheet.names if name in kinds and name != group]
    plan = table.checked(DataOptions(columns=asked, missing=codec.missing, group=group))
    values = adopted(table.name, plan.raw, plan.found, codec)
    if bool(present(values).all()):
        raise ValueError(f"{path.name} has no empty cells; leave those empty that are to be inferred")
    asides = [aside.name for aside in codec.asides if not isinstance(aside, DroppedColumn)]
    carried = {name: texts_of(sheet, name) for name in asides if name in sheet.names}
    if codec.series is None:
        return Partly(values, present(values), loose, carried)
    runs = runs_in(table.name, values, plan.raw, plan.found, codec.series)
    wide = codec.series.widened(values, runs)
    return Partly(wide, present(wide), {}, carried, runs)


def read_gaps(path: Path, codec: Codec, shape: tuple[int, ...]) -> Incomplete:
    """Return the characters of a text as code points, in pieces of ``shape``, and the mask of known ones.

    The last piece is padded with unknown characters. A newline at the end of the file is not part of the text, unless
    it is in the alphabet. For a model of records, each line is one of them; for bits or up to ten states, the digits
    of an example.

    Raises:
        ValueError: if the model is for other data, ``?`` is in the alphabet, the text has no ``?``, or a character is
            not in the alphabet (the message names it and its position).
    """
    if isinstance(codec, BitsCodec | StatesCodec):
        return _read_digits(path, codec, shape)
    if not isinstance(codec, CharactersCodec):
        why = "unknown characters are in no word-piece or byte" if isinstance(codec, TextCodec) else "it is text"
        raise ValueError(f"{path.name}: {why}, and the model is one of {codec}; use a model of characters")
    if UNKNOWN in codec.alphabet:
        raise ValueError(f"{path.name}: {UNKNOWN!r} is in the alphabet, so it cannot mark what to infer; replace it")
    text = ending_kept(path, codec)
    if UNKNOWN not in text:
        raise ValueError(f"{path.name} has no unknown characters; mark each with {UNKNOWN}")
    place = next((i for i, one in enumerate(text) if one != UNKNOWN and one not in codec.characters), None)
    if place is not None:
        raise ValueError(
            f"{path.name} should be written in {codec}, got {text[place]!r} at place {place}; replace it, or mark it "
            f"{UNKNOWN}"
        )
    (length,) = shape
    if isinstance(codec, RecordsCodec):
        values = torch.stack([codec.split(codec.padded(line)) for line in Text(path.name, text).lines()])
        return values, values != ord(UNKNOWN)
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


def ending_kept(path: Path, codec: CharactersCodec) -> str:
    """Return the text of a file, without a final newline unless the alphabet has it."""
    text = read_text(path).text
    return text if "\n" in codec.alphabet else text.removesuffix("\n")


INCOMPLETE: dict[str, Callable[..., Incomplete | None]] = {
    ".npy": read_incomplete,
    ".npz": read_incomplete,
    ".csv": read_incomplete,
    ".tsv": read_incomplete,
    **dict.fromkeys((".parquet", ".feather", ".arrow", ".jsonl", ".ndjson", ".xlsx", ".gz"), read_rows),
    ".txt": read_gaps,
}
"""(path, the model's codec, shape of an example) → values and the mask of known ones, by the file's suffix."""


def read_mask(path: Path, dataset: Dataset) -> Bool[Tensor, " rows *shape"]:
    """Return the mask of known values of ``dataset``, from an image (white = unknown) or an array (true = unknown).

    One mask applies to every example.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read or its size differs from that of the examples.
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
    except Exception as error:  # decoders raise many kinds of exceptions on damaged files
        why = reason(error)
        raise ValueError(f"{path.name}: a mask is an image or an array, and this cannot be read ({why})") from None
    _check_mask(path, size, dataset)
    return ~torch.from_numpy(pixels >= 128).expand(len(dataset), *dataset.shape)


def _check_mask(path: Path, size: tuple[int, ...], dataset: Dataset) -> None:
    shape = dataset.shape
    if size not in (shape[-2:], shape, (len(dataset), *shape)):
        wanted, came = _times(shape[-2:]), _times(size)
        raise ValueError(f"{path.name}: a mask is as large as the examples, {wanted}, got {came}; resize it")


def half_mask(side: str, dataset: Dataset) -> Bool[Tensor, " rows *shape"]:
    """Return the mask of known values if one half is unknown: ``top``, ``bottom``, ``left`` or ``right``.

    For an odd number of rows or columns, the middle one is known.

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


def box_mask(corners: str, dataset: Dataset) -> Bool[Tensor, " rows *shape"]:
    """Return the mask of known pixels if rows r0 … r1 − 1 and columns c0 … c1 − 1 are unknown: "r0,c0,r1,c1".

    Raises:
        ValueError: if the examples are not images, or the box is not inside them.
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


AREAS: dict[str, Callable[..., Bool[Tensor, " rows *shape"]]] = {
    "--mask": read_mask,
    "--half": half_mask,
    "--box": box_mask,
}
"""Functions that return the mask of known values, by command-line option."""


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
