"""Damaged and malicious files: one sentence each, and nothing allocated that the file cannot hold."""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from quasistatic.data import report
from quasistatic.data.load import load
from quasistatic.data.observed import read_mask
from quasistatic.data.report import inspect
from quasistatic.data.source import guard
from quasistatic.data.source.guard import check_packed, one_sentence


def idx(*lengths):
    return bytes([0, 0, 8, len(lengths)]) + b"".join(struct.pack(">I", length) for length in lengths)


def npy(descr, shape, values=b""):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values


def npz(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def zeros(count):
    """So many zero bytes, in a few: an archive of a single array."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("arr_0.npy", "w") as member:
        member.write(npy("'|u1'", f"({count}, 1)"))
        for _ in range(count >> 20):
            member.write(bytes(2**20))
    return packed.getvalue()


def png(width, height):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


WHOLE = npy("'|u1'", "(2, 2)", bytes([0, 1, 1, 0]))
LIES = {
    "huge-ubyte": (idx(2**32 - 1, 28, 28), "bytes should follow the header for shape"),
    "axes-ubyte": (idx(*[2**32 - 1] * 255), r"over 2\^63 bytes should follow the header for 255 axes"),
    "huge-ubyte.gz": (gzip.compress(idx(2**32 - 1, 28, 28)), "packed data may hold 256 MiB, or 200 times their size"),
    "huge.npy": (npy("'<f8'", "(10000000000, 1000)"), r"its header promises 80,000,000,000,000 bytes of values, and 0"),
    "wraps.npy": (npy("'<f8'", f"({2**62}, {2**62})"), r"promises over 2\^63 bytes"),
    "minus.npy": (npy("'<f8'", "(-1, -4)", bytes(32)), "promises 32 bytes of values, and 32 follow"),
    "huge.npz": (npz(arr_0__npy=npy("'<f8'", "(10000000000, 1000)")), "promises 80,000,000,000,000 bytes"),
    "deep.npy": (npy("'<f8'", "(2, " + "-" * 5000 + "1)", bytes(32)), "a NumPy file of plain numbers is needed"),
    "long.npy": (npy("[" * 12000 + "]" * 12000, "(2, 2)", bytes(32)), "a NumPy file of plain numbers is needed"),
    "text.npz": (npz(a__txt="no array"), "or stand alone, got none"),
    "scalar.npz": (npz(x__npy=WHOLE, labels__npy=npy("'<i8'", "()", bytes(8))), "2 examples came with 1 labels"),
    "square.npz": (npz(x__npy=WHOLE, labels__npy=npy("'<i8'", "(2, 2)", bytes(32))), "2 examples came with 4 labels"),
    "record.npz": (
        npz(x__npy=WHOLE, labels__npy=npy("[('a', '<i8')]", "(2,)", bytes(16))),
        "labels should be numbers or names, got",
    ),
    "nul.csv": (b"1,2\n\0,3\n", r"cells should be numbers, got '\\x00' in line 2"),
    "long.csv": (b"1,2\n" + b"9" * 200_000 + b",3\n", "a table of numbers in UTF-8 is needed, got field larger"),
    "cell.csv": (b"1,2\n" + b"9x" * 2_000 + b",3\n", "cells should be numbers, got '9x9x.*…' in line 2"),
    "bytes.csv": (bytes(range(1, 256)) * 3, "text in UTF-8, UTF-16 or Latin-1 is needed, got control characters"),
    "wide.csv": (
        b",".join(b"n%d" % place for place in range(3000)) + b"\n1" + b",1" * 2999 + b"\n",
        "at most 2048 columns, got 3000",
    ),
    "utf16.txt": (("a text " * 99).encode("utf-16"), "text in UTF-8 is needed"),
    "surrogates.txt": (b"\xed\xa0\x80" * 400, "text in UTF-8 is needed"),
    "bomb.png": (png(2**31 - 1, 2**31 - 1), "a decompression bomb or far too large"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_lies_is_one_sentence_and_takes_no_memory(tmp_path, name):
    content, sentence = LIES[name]
    (tmp_path / name).write_bytes(content)
    load("heartbeat", limit=3)  # what is imported once is not counted
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence) as error:
        load(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 2**25 + 20 * len(content)
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert not inspect(tmp_path / name).ready


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    """Here with a limit of 256 KiB; the real one takes too long to make."""
    monkeypatch.setattr(guard, "ALWAYS_UNPACKED", 2**18)
    (tmp_path / "a.npz").write_bytes(zeros(2**21))
    (tmp_path / "a-ubyte.gz").write_bytes(gzip.compress(idx(2**11, 32, 32) + bytes(2**21)))
    pq.write_table(pa.table({"a": np.zeros(2**18), "b": np.zeros(2**18, np.int8)}), tmp_path / "a.parquet")
    for name, held in (("a.npz", "2,097,280"), ("a-ubyte.gz", "2,097,152"), ("a.parquet", "4,194,304")):
        with pytest.raises(ValueError, match=f"{name}: packed data may hold .* got {held} bytes in"):
            load(tmp_path / name)
    monkeypatch.setattr(guard, "PACKED_RATIO", 10**6)
    assert len(load(tmp_path / "a-ubyte.gz")) == 2**11


def test_real_archives_pass():
    """MNIST's images are packed 4.7-fold, its labels twice."""
    check_packed("mnist", 9_912_422, 47_040_016)
    check_packed("zeros", 1, 2**28)
    with pytest.raises(ValueError, match="got 268,435,457 bytes in 1,000; if they are real, save them unpacked"):
        check_packed("zeros", 1000, 2**28 + 1)


def test_a_damaged_archive_is_one_sentence(tmp_path):
    """Every byte of a small archive turned over; where its values are meant it may still be read."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("arr_0.npy", WHOLE)
    whole = packed.getvalue()
    said: list[str] = []
    for place in range(len(whole)):
        (tmp_path / "a.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            load(tmp_path / "a.npz")
        except ValueError as error:
            said.append(str(error))
    assert len(said) > len(whole) / 2
    assert all(one.startswith("a.npz: ") and "\n" not in one for one in said)


def test_a_mask_bomb_is_not_decoded(tmp_path):
    digits = load("digits", limit=3)
    for name, content, sentence in [
        ("huge.png", png(2**31 - 1, 2**31 - 1), "far too large"),
        ("large.png", png(9000, 9000), "a mask is as large as the examples, 8×8, got 9000×9000"),
        ("cut.png", png(8, 8), "a mask is an image or an array, and this cannot be read"),
        ("text.npy", npy("'<U4'", "(8, 8)", bytes(1024)), "a mask is an array of true and false or numbers, got <U4"),
    ]:
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        with pytest.raises(ValueError, match=sentence):
            read_mask(tmp_path / name, digits)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()
    Image.fromarray(np.uint8(255 * np.eye(8))).save(tmp_path / "whole.png")
    assert read_mask(tmp_path / "whole.png", digits)[0, 0].sum() == 56


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("alloc_cpu.cpp: can't allocate memory: 1 bytes")])
def test_memory_that_runs_out_is_failed_work(error):
    with pytest.raises(OSError, match=r"a.npy: reading it takes more memory than there is; use"), one_sentence("a.npy"):
        raise error


@pytest.mark.parametrize(
    "error", [RecursionError("too\ndeep"), KeyError("x"), NotImplementedError(), struct.error("s")]
)
def test_what_no_reader_foresaw_is_one_sentence(error):
    with (
        pytest.raises(ValueError, match=f"a.npy: whole and undamaged .* \\({type(error).__name__}: "),
        one_sentence("a.npy"),
    ):
        raise error
    with pytest.raises(ValueError, match=r"^one two$"), one_sentence("a.npy"):
        raise UnicodeError("one\ntwo")


def test_duplicates_of_very_many_rows_are_counted_in_some(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PRINTS", 1000)
    np.save(tmp_path / "a.npy", np.arange(1500)[:, None] % 2)
    found = report.inspect(tmp_path / "a.npy")
    assert (found.count, found.duplicates) == (1500, 998)
    assert "duplicates are counted among 1,000 examples" in found.notes
