"""Tables and texts: .csv of numbers and of named columns, .parquet, .txt, transition matrices; valid, odd, damaged."""

import csv
import datetime
import decimal
import io
import random
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pyarrow import parquet

from chaos.cases import Content, Directory, Link, Pipe
from chaos.edits import damaged
from chaos.pools import NUMBERS, TEXTS, mostly

NAMES = (
    "a", "b", "c", "weight", "a", "", " ", "[/x]", "[bold]", "名前", "a,b", 'a"b', "a\nb", "1", "2.5", "nan", "c0",
    "c1", "draw", "row", "=1+1", "x" * 300, "\x1b[31m", "é", "e\u0301", "#a", "a.1", "'",
)  # fmt: skip
CELLS: dict[str, tuple[str, ...]] = {
    "number": ("0.5", "1.25", "-3.5", "2e3", "0.1", "7.75"),
    "whole": ("0", "1", "2", "3", "40", "-5"),
    "constant": ("3.5",),
    "category": ("red", "green", "blue"),
    "boolean": ("true", "false"),
    "gaps": ("0.5", "", "1.5", "NA", "nan", "null"),
    "empty": ("",),
    "infinite": ("inf", "-inf", "1.5", "nan"),
    "huge": ("9007199254740993", "9223372036854775807", "9223372036854775808", "-1", "18446744073709551616"),
    "wide": ("1e308", "-1e308", "1e-320", "0.5"),
    "date": ("2024-01-01", "2023-12-31 10:00:00", "1/2/2024", "12:30"),
    "mixed": ("1", "x", "true", "", "2.5", "2024-01-01"),
    "odd": NUMBERS[:-6],
    "text": TEXTS[:-2],
}


def rows_of(kinds: list[str], count: int, seed: int) -> list[list[str]]:
    """Rows of cells, a kind for each column."""
    choose = random.Random(seed)
    return [[choose.choice(CELLS[kind]) for kind in kinds] for _ in range(count)]


@st.composite
def csv_tables(draw: DrawFn) -> bytes:
    """A .csv file: named columns or numbers alone, of any kind, in any dialect and encoding."""
    width = draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from(tuple(CELLS)), min_size=width, max_size=width))
    count = draw(st.sampled_from((0, 1, 2, 3, 30, 30, 60)))
    rows = rows_of(kinds, count, draw(st.integers(0, 99)))
    form = draw(st.sampled_from(("plain", "plain", "odd", "none", "numbered", "short")))
    match form:
        case "plain":
            rows = [["abcdefg"[place] for place in range(width)], *rows]
        case "odd":
            rows = [draw(st.lists(st.sampled_from(NAMES), min_size=width, max_size=width)), *rows]
        case "numbered":
            rows = [[f"c{place}" for place in range(width)], *rows]
        case "short":
            rows = [["a", "b"], *rows]
    if draw(st.integers(0, 5)) == 0:
        rows.insert(draw(st.integers(0, len(rows))), draw(st.sampled_from(([], [""], ["1"] * 9, ["x"], ["1"]))))
    file = io.StringIO()
    delimiter = draw(mostly(st.just(","), st.sampled_from((";", "\t", "|"))))
    ending = draw(st.sampled_from(("\n", "\n", "\r\n", "\r")))
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    csv.writer(file, lineterminator=ending, quoting=quoting, delimiter=delimiter).writerows(rows)
    coding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")))
    content = file.getvalue().encode(coding, "replace")
    return draw(damaged(content)) if draw(st.integers(0, 4)) == 0 else content


ODD_CSV = (
    b"", b"\n", b"a\n", b"a,b", b"\xef\xbb\xbf", b'"', b'a,b\n"1,2', b"a\0b\n1\n2\n", b"\0" * 50, b"," * 3000,
    b"a" * 200_000,
    b"1\n" * 3, b"1,2\n3\n", b"a,b\n" + b"1,2\n" * 5000, b"a,a\n1,2\n3,4\n", b"x\n" + b"y\n" * 400,
    b"a\n" + b"".join(b"%d\n" % n for n in range(70_000)),
    b",".join(b"c%d" % n for n in range(2000)) + b"\n" + b"1," * 1999 + b"1\n",
)  # fmt: skip


@st.composite
def _column(draw: DrawFn, count: int) -> pa.Array:
    """An Arrow column of any type."""
    choose = random.Random(draw(st.integers(0, 99)))
    day = datetime.datetime(2024, 1, 1)
    pools: dict[Any, tuple[Any, ...]] = {
        pa.int8(): (1, 2, -3), pa.uint8(): (0, 255), pa.int64(): (2**53 + 1, 2**63 - 1, -(2**63), 1),
        pa.uint64(): (2**64 - 1, 1, 2**63),
        pa.int32(): (1, 2, 3, 4), pa.float16(): (0.5, 1.5), pa.float32(): (0.5, float("nan"), 3e38),
        pa.float64(): (0.5, 1.5, -2.5, 1e308),
        pa.decimal128(20, 2): (decimal.Decimal("1.25"), decimal.Decimal("3.5")), pa.string(): ("a", "b", "c"),
        pa.large_string(): ("a", "[/x]"),
        pa.string_view(): ("a", "b"), pa.dictionary(pa.int8(), pa.string()): ("a", "b"), pa.dictionary(pa.int8(),
        pa.int64()): (1, 2),
        pa.bool_(): (True, False), pa.date32(): (day.date(),), pa.timestamp("us"): (day,), pa.timestamp("ns",
        "UTC"): (day,),
        pa.time64("us"): (day.time(),), pa.duration("s"): (datetime.timedelta(1),), pa.binary(): (b"a", b"\xff"),
        pa.null(): (None,),
        pa.list_(pa.float32()): ([1.0], []), pa.list_(pa.float32(), 2): ([1.0, 2.0],), pa.struct([("a",
        pa.int8())]): ({"a": 1}, {"a": None}),
        pa.map_(pa.string(), pa.int8()): ([("a", 1)],),
    }  # fmt: skip
    kind = draw(st.sampled_from(tuple(pools)))
    values = [choose.choice(pools[kind]) for _ in range(count)]
    if draw(st.integers(0, 2)) == 0:
        values = [None if choose.random() < 0.3 else value for value in values]
    return pa.array(values, kind)


@st.composite
def parquet_tables(draw: DrawFn) -> bytes:
    """A .parquet file of columns of any type."""
    count, width = draw(st.sampled_from((0, 1, 2, 30, 30))), draw(st.sampled_from((0, 1, 2, 2, 3)))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=width, max_size=width))
    if draw(st.booleans()):
        names = ["a", "b", "c"][:width]
    table = pa.Table.from_arrays([draw(_column(count)) for _ in range(width)], names=names)
    return draw(stored(table))


@st.composite
def stored(draw: DrawFn, table: pa.Table) -> bytes:
    """The .parquet file of a table, at times damaged."""
    file = io.BytesIO()
    compression = draw(st.sampled_from(("snappy", "none", "gzip", "zstd")))
    parquet.write_table(table, file, compression=compression)
    content = file.getvalue()
    return draw(damaged(content)) if draw(st.integers(0, 3)) == 0 else content


@st.composite
def image_parquet(draw: DrawFn, pictures: st.SearchStrategy[bytes]) -> tuple[str, dict[str, Content]]:
    """A .parquet file of pictures as {bytes, path}; paths may name other files, links, pipes and folders."""
    around: dict[str, Content] = {
        "beside.png": draw(pictures), "pipe.png": Pipe(), "link.png": Link("/etc/passwd"), "folder.png": Directory(),
    }  # fmt: skip
    paths = (None, "a.png", "beside.png", "pipe.png", "link.png", "folder.png", "/etc/passwd", "../x.png", "",
    "nothing.png",
             "http://example.com/x.png", "/dev/zero", "\0", "[/x]")  # fmt: skip
    count = draw(st.integers(1, 4))
    cells = [{"bytes": draw(mostly(pictures, st.none())), "path": draw(st.sampled_from(paths))} for _ in range(count)]
    cells = cells if draw(st.booleans()) else [cell | {"path": None} for cell in cells] * 3
    cells = [None, *cells] if draw(st.integers(0, 5)) == 0 else cells
    columns: dict[str, pa.Array] = {
        draw(st.sampled_from(("image", "image", "img", "[/x]"))): pa.array(
            cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        )
    }
    if draw(st.booleans()):
        labels = draw(st.sampled_from(([0, 1], [None, 1], ["a", "b"], [-1, 2**40], [0.5, 1.5], [[1], [2]])))
        columns["label"] = pa.array([labels[place % 2] for place in range(len(cells))])
    return "data.parquet", {"data.parquet": draw(stored(pa.table(columns))), **around}


@st.composite
def texts(draw: DrawFn) -> bytes:
    """A .txt file in any encoding, of any letters."""
    word = draw(
        st.one_of(
            st.sampled_from(("abc ab\n", "0101", "a", "", "é名\u0301", "a?b", "\r\n", "\0a", "0?1\n")),
            st.text(max_size=20),
        )
    )
    content = (word * draw(st.sampled_from((1, 1, 10, 300)))).encode(
        draw(st.sampled_from(("utf-8", "utf-8", "utf-16", "latin-1", "utf-32"))), "replace"
    )
    return draw(damaged(content)) if content and draw(st.integers(0, 3)) == 0 else content


@st.composite
def table_files(draw: DrawFn) -> tuple[str, dict[str, Content]]:
    """A table or a text: its path, and the files that are needed."""
    name, content = draw(
        st.sampled_from(
            (("data.csv", csv_tables()), ("data.csv", csv_tables()), ("data.csv", st.sampled_from(ODD_CSV)),
             ("data.parquet", parquet_tables()), ("data.parquet", parquet_tables()), ("data.txt", texts()))
        )
    )  # fmt: skip
    return name, {name: draw(content)}


@st.composite
def matrices(draw: DrawFn) -> bytes:
    """A .csv file of a transition matrix, or something like one."""
    size = draw(st.integers(1, 4))
    kind = draw(st.sampled_from(("stochastic", "stochastic", "identity", "odd", "cycle", "defective", "not")))
    names = (
        draw(st.lists(st.sampled_from(NAMES), min_size=size, max_size=size))
        if draw(st.booleans())
        else list("wxyz")[:size]
    )
    choose = random.Random(draw(st.integers(0, 99)))
    rows: list[list[str]] = []
    for place in range(size):
        raw = [choose.random() for _ in range(size)]
        match kind:
            case "identity":
                raw = [float(place == other) for other in range(size)]
            case "cycle":
                raw = [float((place + 1) % size == other) for other in range(size)]
            case "defective":
                raw = [0.5 if other in (place, place + 1) else 0.0 for other in range(size)]
        total = sum(raw) if kind != "not" and sum(raw) else 1.0
        rows.append([choose.choice(NUMBERS[:-6]) if kind == "odd" else repr(value / total) for value in raw])
    match draw(st.sampled_from(("names", "corner", "none", "wrong", "short"))):
        case "names":
            table = [names, *rows]
        case "corner":
            table = [["", *names], *([name, *row] for name, row in zip(names, rows, strict=True))]
        case "none":
            table = rows
        case "wrong":
            table = [["", *names], *([name, *row] for name, row in zip(names[::-1], rows, strict=True))]
        case _:
            table = [names, *rows[:-1], ["1"]]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(table)
    content = file.getvalue().encode()
    return draw(mostly(st.just(content), st.one_of(damaged(content), st.sampled_from(ODD_CSV))))
