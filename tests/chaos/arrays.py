"""Files of one array: .npy, .npz and IDX, valid, odd and damaged."""

import gzip
import io
import struct
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from chaos.cases import Content
from chaos.edits import damaged
from chaos.pools import mostly

KINDS = (
    "u1", "u1", "u1", "i1", "u2", "i4", "i8", "u8", "O", "M8[s]", "m8[s]", "V4", "S3", "U3", "f2", ">f8", ">i4",
    "g", "c8",
    "?", "f4", "f8", "f4",
)  # fmt: skip
SHAPES = (
    (), (0,), (1,), (6,), (1, 1), (2, 3), (6, 2), (6, 1), (1, 6), (40, 2), (40, 12), (6, 8, 8), (6, 8, 8), (1, 8, 8),
    (6, 8, 8, 1), (6, 1, 8, 8), (6, 3, 8, 8), (6, 8, 8, 3), (6, 8, 8, 4), (6, 8, 8, 2), (6, 4, 4), (6, 1, 1), (0, 8, 8),
    (6, 0, 8), (6, 8, 0, 3), (2, 2, 2, 2, 2), (3, 1, 1, 1), (40, 8, 8), (6, 7, 9), (1,) * 9, (6, 300), (6, 8, 8, 1,
    1), (40, 2), (40, 8, 8),
)  # fmt: skip
FILLS = (
    "random",
    "random",
    "random",
    "few",
    "few",
    "zero",
    "one",
    "constant",
    "most",
    "least",
    "step",
    "gaps",
    "nan",
    "inf",
    "tiny",
    "huge",
    "odd-row",
)


def filled(kind: str, shape: tuple[int, ...], fill: str, seed: int) -> np.ndarray:
    """Return an array; what a kind cannot hold is random there."""
    random, number = np.random.default_rng(seed), np.dtype(kind)
    if number.kind == "O":
        return np.array([{"a": 1}, None], dtype=object)
    if number.kind not in "uif":
        raw = random.integers(0, 2 if kind == "?" else 256, (*shape, max(1, number.itemsize)), dtype=np.uint8)
        if number.kind in "SU":
            return random.integers(0, 99, shape).astype(kind)
        return raw.view(number).reshape(shape) if kind == "?" else np.frombuffer(raw.tobytes(), number).reshape(shape)
    if number.kind == "f":
        limits = np.finfo(number)
        values = random.normal(size=shape).astype(number)
        special: dict[str, Any] = {"tiny": limits.smallest_subnormal, "huge": limits.max, "nan": np.nan, "inf": np.inf}
    else:
        limits = np.iinfo(number)  # type: ignore[assignment]
        values = random.integers(limits.min, limits.max, shape, dtype=number.newbyteorder("="), endpoint=True)
        values, special = values.astype(number), {}
    special |= {"zero": 0, "one": 1, "constant": 7, "most": limits.max, "least": limits.min}
    match fill:
        case "few":
            return random.integers(0, 17, shape).astype(number)
        case "step":
            return (np.arange(values.size) % 50).reshape(shape).astype(number)
        case "gaps" if number.kind == "f":
            return np.where(random.random(shape) < 0.3, np.nan, values).astype(number)
        case "odd-row" if values.ndim and values.size and number.kind == "f":
            values[0] = random.choice([np.nan, np.inf, limits.max])
            return values
    return np.full(shape, special[fill], number) if fill in special else values


@st.composite
def arrays(draw: DrawFn) -> np.ndarray:
    """Arrays of any type and shape."""
    kind, shape, fill = (draw(st.sampled_from(pool)) for pool in (KINDS, SHAPES, FILLS))
    return filled(kind, shape, fill, draw(st.integers(0, 99)))  # type: ignore[arg-type]


def saved(array: np.ndarray) -> bytes:
    """Return the .npy file of an array."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


HEADERS = (
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (6, -8, -8), }",
    "{'descr': '|u1', 'fortran_order': True, 'shape': (6, 8, 8), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 8.0, 8), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': 384, }",
    "{'descr': '|u1', 'fortran_order': False}",
    "{'descr': [('a', '<f4'), ('b', '|u1')], 'fortran_order': False, 'shape': (70,), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f99', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': " + "(" * 500 + ")" * 500 + ", }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (" + "1, " * 70 + "), }",
    "{" * 60,
    "__import__('os')",
    "",
)
"""Headers that lie."""


@st.composite
def _lying(draw: DrawFn) -> bytes:
    header = draw(st.sampled_from(HEADERS)).encode()
    major = draw(st.sampled_from((1, 1, 2, 3, 9)))
    length = struct.pack("<H" if major == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([major, 0]) + length + header + b"\n" + bytes(384)


def npy() -> st.SearchStrategy[bytes]:
    """A .npy file."""
    return mostly(arrays().map(saved), st.one_of(arrays().map(saved).flatmap(damaged), _lying()))


MEMBERS = ("arr_0", "images", "x", "labels", "y", "arr_1", "label", "other", "", "[/x]", "a/b", "../x", "名")


@st.composite
def npz(draw: DrawFn) -> bytes:
    """A .npz file: an array with or without labels, odd names, other files, bombs, damage."""
    file = io.BytesIO()
    shape = draw(st.sampled_from(("labels", "labels", "names", "bomb", "other", "none")))
    members: list[tuple[str, bytes]] = []
    if shape == "labels":
        array = draw(arrays())
        count = draw(st.sampled_from((len(array) if array.ndim else 1, 1, 0, 3)))
        kind = draw(st.sampled_from(("u1", "i8", "f8", "U3", "?", "O", "u8")))
        labels = filled(kind, draw(st.sampled_from(((count,), (count, 1), ()))), draw(st.sampled_from(FILLS)), 1)
        members = [("arr_0.npy", saved(array)), (draw(st.sampled_from(("labels.npy", "arr_1.npy"))), saved(labels))]
    elif shape == "names":
        members = [(f"{name}.npy", draw(npy())) for name in draw(st.lists(st.sampled_from(MEMBERS), max_size=4))]
    elif shape == "bomb":
        sizes = draw(st.sampled_from(((7 * 2**30,), (7 * 2**30 // 64, 8, 8))))
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {sizes}, }}\n".encode()
        members = [("arr_0.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(2**22))]
    elif shape == "other":
        members = [("readme.txt", b"x"), ("arr_0", b"not an array"), ("arr_0.npy", draw(npy()))]
    with zipfile.ZipFile(file, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as made:
        for name, content in dict(members).items():
            made.writestr(name, content)
    content = file.getvalue()
    return draw(damaged(content)) if draw(st.integers(0, 3)) == 0 else content


IDX_TYPES = (0x08, 0x08, 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A, 0x00, 0xFF)
SIZES = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}


@st.composite
def idx(draw: DrawFn) -> bytes:
    """An IDX file: any type, any number of axes, lengths that lie, gzipped, a bomb, damaged."""
    kind, shape = draw(st.sampled_from(IDX_TYPES)), draw(st.sampled_from(((6, 8, 8), (6, 8, 8), *SHAPES)))
    said = draw(st.sampled_from((shape, shape, shape, (6, 8), (2**31, 8, 8), (2**32 - 1,) * 3, (1,) * 255)))
    size = int(np.prod(shape)) * SIZES.get(kind, 1)
    body = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, size, dtype=np.uint8).tobytes()
    content = bytes([0, 0, kind, len(said)]) + b"".join(struct.pack(">I", side) for side in said) + body
    match draw(st.sampled_from(("whole", "whole", "damaged", "gzip", "gzip-damaged", "gzip-twice", "bomb"))):
        case "damaged":
            return draw(damaged(content))
        case "gzip":
            return gzip.compress(content, mtime=0)
        case "gzip-damaged":
            return draw(damaged(gzip.compress(content, mtime=0)))
        case "gzip-twice":
            return gzip.compress(content, mtime=0) + gzip.compress(content, mtime=0)
        case "bomb":
            head = bytes([0, 0, 8, 3]) + struct.pack(">III", 2**31, 8, 8)
            return gzip.compress(head, mtime=0) + gzip.compress(bytes(2**24), mtime=0) * 200
    return content


@st.composite
def array_files(draw: DrawFn) -> tuple[str, dict[str, Content]]:
    """A file of one array: its path, and the files that are needed."""
    match draw(st.sampled_from(("npy", "npz", "idx"))):
        case "npy":
            return "data.npy", {"data.npy": draw(npy())}
        case "npz":
            return "data.npz", {"data.npz": draw(npz())}
    ending = draw(st.sampled_from(("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "x.idx", "x-ubyte")))
    files: dict[str, Content] = {ending: draw(idx())}
    if draw(st.booleans()):
        files[ending.replace("images", "labels").replace("idx3", "idx1")] = draw(idx())
    return draw(st.sampled_from((ending, "."))), files
