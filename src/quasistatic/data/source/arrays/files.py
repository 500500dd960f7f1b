"""Files of one array: NumPy (.npy, .npz), tables of numbers (.csv), and IDX, the format of MNIST.

    IDX    2 zero bytes, type, number of axes, each length (4 bytes, big-endian), then the values; plain or gzipped

Nothing is unpickled: arrays of Python objects are rejected.
Source of IDX: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "file formats".
"""

import gzip
import zipfile
import zlib
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from quasistatic.data.source.arrays import Array
from quasistatic.data.source.guard import PackedError, check_packed, counted, first_line, shortened
from quasistatic.data.source.named.delimited import read_delimited
from quasistatic.data.source.named.separator import is_number

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_NAMES = ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte")
ARRAY_NAMES = ("arr_0", "images", "x")
LABEL_NAMES = ("labels", "label", "y", "arr_1")
MAPPED_BYTES = 2**30


def read_numpy(path: Path) -> Array:
    """Open a ``.npy`` file, or a ``.npz`` file: `arr_0`, `images`, `x` or its only array, and `labels` (`arr_1`).

    Raises:
        ValueError: if it is not such a file, holds Python objects, or has no array of these names.
    """
    arrays = read_arrays(path)
    labels = next((name for name in LABEL_NAMES if name in arrays and len(arrays) > 1), None)
    rest = [name for name in arrays if name != labels]
    name = next((name for name in ARRAY_NAMES if name in rest), rest[0] if len(rest) == 1 else None)
    if name is None:
        raise ValueError(
            f"{path.name}: one array should be called {', '.join(ARRAY_NAMES)} or stand alone, "
            f"got {', '.join(arrays) or 'none'}"
        )
    return Array(path.name, arrays[name], None if labels is None else arrays[labels])


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return every array of a NumPy file by name (`arr_0` for a ``.npy``), as stored, without a check for NaN.

    An array of more than 1 GiB in a ``.npy`` file is memory-mapped.

    Raises:
        ValueError: if it is not a NumPy file, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(2) == b"PK":
                return _read_archive(path)
            file.seek(0)
            _check_array(file, path.stat().st_size)
        large = path.stat().st_size > MAPPED_BYTES
        return {"arr_0": np.load(path, mmap_mode="c" if large else None, allow_pickle=False)}
    except PackedError:
        raise
    except Exception as error:  # its readers raise many kinds of exceptions on damaged files
        raise ValueError(
            f"{path.name}: a NumPy file of plain numbers is needed, got one that cannot be read ({first_line(error)}); "
            "save it again with numpy.save or numpy.savez"
        ) from error


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        check_packed(path.name, path.stat().st_size, sum(member.file_size for member in members))
        for member in members:
            with archive.open(member) as file:
                _check_array(file, member.file_size)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in (member.filename.removesuffix(".npy") for member in members)}


def _check_array(file: BufferedIOBase | IO[bytes], size: int) -> None:
    """Check, before allocation, that an array's header does not promise more than the ``size`` bytes of its file.

    Raises:
        ValueError: if it does, or the header cannot be read.
    """
    version = np.lib.format.read_magic(file)
    if version > (3, 0):
        raise ValueError(f"formats up to 3.0 are known, got {version[0]}.{version[1]}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    promised, there = prod(shape) * dtype.itemsize, size - file.tell()
    if dtype.hasobject:
        raise ValueError("Python objects are not read")
    if promised > there or min(shape, default=0) < 0:
        raise ValueError(f"its header promises {counted(promised)} bytes of values, and {there:,} follow")


def read_csv(path: Path) -> Array:
    """Open a table of numbers, a row per example: integers if all are whole; a first line of names is passed over.

    An empty cell is read as NaN. Encoding, separator and decimal commas are detected; see `named.delimited`.

    Raises:
        ValueError: if it is no text, has no rows, a row is longer or shorter than the first, a cell is not a
            number, or a whole number is too long for float64.
    """
    numbered = list(read_delimited(path).numeric_rows())
    if numbered and not all(map(is_number, numbered[0][1])):
        numbered = numbered[1:]
    if not numbered:
        raise ValueError(f"{path.name}: a table needs at least one row of numbers, got none")
    width = len(numbered[0][1])
    for number, cells in numbered:
        if len(cells) != width:
            raise ValueError(f"{path.name}: rows should have {width} cells, got {len(cells)} in line {number}; fix it")
        wrong = next((cell for cell in cells if not is_number(cell)), None)
        if wrong is not None:
            raise ValueError(
                f"{path.name}: cells should be numbers, got {shortened(wrong)!r} in line {number}; number its states"
            )
        long = next((cell for cell in cells if not is_exact(cell)), None)
        if long is not None:
            raise ValueError(
                f"{path.name}: whole numbers should be ones that float64 holds to the last digit (up to 2^53), got "
                f"{shortened(long)} in line {number}; drop the column, subtract a constant, or round it yourself"
            )
    values = np.array([[float(cell or "nan") for cell in cells] for _, cells in numbered])
    whole = bool(np.isfinite(values).all() and (values == np.rint(values)).all() and (abs(values) < 2**53).all())
    return Array(path.name, values.astype(np.int64) if whole else values)


def is_exact(cell: str) -> bool:
    """Return whether a whole number in a cell is exact as a float; True for any other cell."""
    digits = cell.strip().lstrip("+-")
    return not digits.isdecimal() or len(digits) < 16 or (len(digits) < 300 and int(digits) == int(float(digits)))


def read_idx(path: Path) -> Array:
    """Open an IDX file of images, with the labels file next to it, if there is one with the matching name.

    Raises:
        ValueError: if it is not an IDX file, is truncated, or holds labels only.
    """
    values = read_idx_array(path)
    if values.ndim < 2:
        raise ValueError(f"{path.name}: images are needed, got {values.size} single numbers; name the file of images")
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    found = next((file for file in _plain_or_gzipped(beside) if file.is_file() and file != path), None)
    return Array(path.name, values, None if found is None else read_idx_array(found))


def read_idx_folder(path: Path) -> Array | None:
    """Open the training images with MNIST's file names in ``path``; None if there are none.

    Raises:
        ValueError: see `read_idx`.
    """
    found = next((path / name for name in IDX_NAMES if (path / name).is_file()), None)
    return None if found is None else read_idx(found)


def read_idx_array(path: Path) -> np.ndarray:
    """Return the array of an IDX file, plain or gzipped.

    Raises:
        ValueError: if it is not an IDX file, or does not hold the number of values in its header.
    """
    try:
        gzipped = path.suffix.lower() == ".gz"
        with gzip.open(path) if gzipped else path.open("rb") as file:
            return _idx_values(path, file, gzipped)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path.name}: a whole gzip file is needed, got a broken one ({error}); fetch it again"
        ) from error


def _idx_values(path: Path, file: BufferedIOBase, gzipped: bool) -> np.ndarray:
    name = path.name
    magic = file.read(4)
    kind = IDX_TYPES.get(magic[2]) if len(magic) == 4 and magic[:2] == b"\0\0" else None
    if kind is None:
        raise ValueError(f"{name}: an IDX file begins with 00 00, a type and the number of axes, got {magic.hex(' ')}")
    lengths = file.read(4 * magic[3])
    if len(lengths) < 4 * magic[3]:
        raise ValueError(
            f"{name}: the lengths of {magic[3]} axes should follow, got {len(lengths)} bytes; fetch it again"
        )
    shape = tuple(np.frombuffer(lengths, dtype=">u4").tolist())
    size = prod(shape) * np.dtype(kind).itemsize
    there = None if gzipped else path.stat().st_size - 4 - len(lengths)
    if there is None:
        check_packed(name, path.stat().st_size, size)
    # read one byte more than needed, but no more: the header may claim too little or too much
    data = bytearray(file.read(size + 1)) if there in (None, size) else b""
    there = len(data) if there is None else there
    if there != size:
        came = f"only {there}" if there < size else "more"
        wanted = size if size < 2**63 else counted(size)
        sides = f"shape {shape}" if len(shape) < 9 else f"{len(shape)} axes"
        raise ValueError(f"{name}: {wanted} bytes should follow the header for {sides}, got {came}; fetch it again")
    return np.frombuffer(data, dtype=kind).reshape(shape)


def _plain_or_gzipped(path: Path) -> tuple[Path, ...]:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    return plain, plain.with_name(f"{plain.name}.gz")
