"""One table in many dialects is one table; what cannot be read is named, all of it at once."""

import gzip
from pathlib import Path

import pytest
import torch

from quasistatic.data import Dataset, TableCodec, inspect, load
from quasistatic.data.source.named.delimited import read_delimited

NAMES = ["city", "height", "count", "note"]
ROWS = [
    ["Zürich", "1.5", "12", "a"],
    ["Genève", "2.25", "3", "b"],
    ["Zürich", "", "7", "a"],
    ["Köln", "-0.5", "12", ""],
]


def text(separator: str = ",", names: list[str] = NAMES, rows: list[list[str]] = ROWS, end: str = "\n") -> str:
    return end.join(separator.join(cells) for cells in [names, *rows]) + end


def commas(rows: list[list[str]]) -> list[list[str]]:
    return [[cell.replace(".", ",") for cell in cells] for cells in rows]


PLAIN = text()
NUMBERED = [[str(row), *cells] for row, cells in enumerate(ROWS)]
DIALECTS: dict[str, bytes] = {
    "semicolons.csv": text(";").encode(),
    "tabs.csv": text("\t").encode(),
    "tabs.tsv": text("\t").encode(),
    "bars.csv": text("|").encode(),
    "decimal-commas.csv": text(";", rows=commas(ROWS)).encode(),
    "mark.csv": PLAIN.encode("utf-8-sig"),
    "utf16.csv": PLAIN.encode("utf-16"),
    "utf16-be.csv": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "utf16-without-mark.csv": PLAIN.encode("utf-16-le"),
    "latin.csv": PLAIN.encode("latin-1"),
    "windows.csv": text(end="\r\n").encode("cp1252"),
    "mac.csv": text(end="\r").encode(),
    "packed.csv.gz": gzip.compress(PLAIN.encode()),
    "packed.tsv.gz": gzip.compress(text("\t").encode()),
    "comments.csv": b"# made by hand\n#\n\n" + PLAIN.encode(),
    "names-in-comment.csv": ("# city,height,count,note\n" + PLAIN.partition("\n")[2]).encode(),
    "comments-inside.csv": PLAIN.replace("Köln", "# one more\nKöln").encode(),
    "excel.csv": ("sep=;\n" + text(";")).encode(),
    "pandas-index.csv": text(names=["", *NAMES], rows=NUMBERED).encode(),
    "r-index.csv": text(rows=[[f'"{cells[0]}"', *cells[1:]] for cells in NUMBERED]).encode(),
    "ends.csv": "".join(f"{line},\n" for line in PLAIN.splitlines()).encode(),
    "ends-of-rows.csv": PLAIN.replace("a\n", "a,\n").replace("b\n", "b,\n").replace("12,\n", "12,,\n").encode(),
    "spaces.csv": text(" , ").encode(),
    "quotes.csv": "\n".join(",".join(f'"{cell}"' for cell in cells) for cells in [NAMES, *ROWS]).encode(),
    "empty-lines.csv": PLAIN.replace("\n", "\n\n").encode(),
}


def raw_of(dataset: Dataset) -> torch.Tensor:
    return dataset.batch(torch.arange(len(dataset)))


@pytest.fixture
def plain(tmp_path: Path) -> Dataset:
    (tmp_path / "plain.csv").write_text(PLAIN, encoding="utf-8")
    return load(tmp_path / "plain.csv")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_changes_nothing(tmp_path: Path, plain: Dataset, name: str) -> None:
    (tmp_path / name).write_bytes(DIALECTS[name])
    found = load(tmp_path / name)
    assert found.codec == plain.codec
    assert found.fingerprint == plain.fingerprint
    torch.testing.assert_close(raw_of(found), raw_of(plain), equal_nan=True)
    assert inspect(tmp_path / name).ready


def test_what_was_done_is_said(tmp_path: Path) -> None:
    said = {}
    for name in ("latin.csv", "utf16.csv", "semicolons.csv", "comments.csv", "pandas-index.csv"):
        (tmp_path / name).write_bytes(DIALECTS[name])
        said[name] = load(tmp_path / name).notes[:-1]
    assert said == {
        "latin.csv": ("the text is in Windows-1252",),
        "utf16.csv": ("the text is in UTF-16",),
        "semicolons.csv": ("cells are separated by semicolons",),
        "comments.csv": ("2 lines of comments before the table passed over",),
        "pandas-index.csv": ("an index without a name is left out",),
    }


def test_runs_of_spaces_part_numbers_but_no_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("weight  waist pulse\n 191   36 50.5\n\n189 37  52.25\n 193 38 58\n")
    found = load(tmp_path / "a.csv")
    assert isinstance(found.codec, TableCodec)
    assert found.codec.names == ("weight", "waist", "pulse")
    assert found.batch(torch.arange(3))[:, 2].tolist() == [50.5, 52.25, 58]
    assert "cells are separated by spaces" in found.notes
    (tmp_path / "b.csv").write_text("full name\nAda Lovelace\nAlan Turing\nAda Lovelace\n")
    other = load(tmp_path / "b.csv").codec
    assert isinstance(other, TableCodec)
    assert other.names == ("full name",)
    (tmp_path / "c.csv").write_text("1 2.5\n3 4.5\n")
    assert load(tmp_path / "c.csv").batch(torch.arange(2)).tolist() == [[1.0, 2.5], [3.0, 4.5]]


def test_a_file_without_names_is_noticed(tmp_path: Path) -> None:
    """A number at the top of a column of numbers, and a text that comes again below: that is a row, not names."""
    (tmp_path / "a.csv").write_text("39,State-gov,13\n50,Private,9\n38,Private,9\n28,State-gov,13\n")
    found = load(tmp_path / "a.csv")
    assert isinstance(found.codec, TableCodec)
    assert found.codec.names == ("c0", "c1", "c2")
    assert len(found) == 4
    assert found.notes == ("no names of columns found: they are c0, c1, …",)
    (tmp_path / "b.csv").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n6.3,2.5,virginica\n")
    assert len(load(tmp_path / "b.csv")) == 3


def test_years_may_be_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("country,2019,2020\nChad,1.5,2.5\nPeru,3.5,1.5\n")
    codec = load(tmp_path / "a.csv").codec
    assert isinstance(codec, TableCodec)
    assert codec.names == ("country", "2019", "2020")


def test_numbers_without_names_stay_an_array_in_any_dialect(tmp_path: Path) -> None:
    for content in (b"1.5,2\n2.5,3\n", b"1,5;2\n2,5;3\n", b"1.5\t2\n2.5\t3\n", "1.5;2\n2.5;3\n".encode("utf-16")):
        (tmp_path / "a.csv").write_bytes(content)
        found = load(tmp_path / "a.csv")
        assert not isinstance(found.codec, TableCodec)
        assert raw_of(found).tolist() == [[1.5, 2], [2.5, 3]]
    (tmp_path / "a.csv").write_bytes(b"5,1,?\n3,2,7\n?,1,8\n")
    assert isinstance(load(tmp_path / "a.csv").codec, TableCodec)  # its gaps are marked


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b,c\n1,inf,{2**53 + 1}\n2,1.5,4\n3\n5,5,5,5\n")
    problems = inspect(tmp_path / "a.csv").problems
    assert len(problems) == 3
    assert "got: 1 in place of 3 in line 4 ('3'), and 1 more such rows; fix or delete them" in problems[0]
    (tmp_path / "a.csv").write_text(f"a,b,c\n1,inf,{2**53 + 1}\n2,1.5,4\n")
    problems = inspect(tmp_path / "a.csv", columns=["a=drop", "d=drop"]).problems
    assert len(problems) == 3
    assert all("; " in problem or "--column" in problem for problem in problems)
    with pytest.raises(ValueError, match=r"a\.csv: 2 problems: \(1\) .* finite .* \(2\) .* float64"):
        load(tmp_path / "a.csv", columns=["a=drop", "d=drop"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x00" * 50, "text in UTF-8, UTF-16 or Latin-1 is needed, got control characters"),
        (b"a,a,,b\n1,2,x,1\n2,2,x,1\n", "columns need names, each its own, got '', 'a' twice or empty"),
        (b"a,b\n1\n2\n", "rows with a cell for each named column are needed, got: 1 in place of 2 in line 2"),
        (b"a,b\n", "at least one row and one column, got none"),
    ],
)
def test_what_is_no_table_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "a.csv")


def test_a_broken_gzip_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PLAIN.encode() * 99)[:-9])
    with pytest.raises(ValueError, match="a whole gzip file is needed"):
        load(tmp_path / "a.csv.gz")


def test_a_single_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1,5\n2,5\n")
    assert raw_of(load(tmp_path / "a.csv")).tolist() == [[1.5], [2.5]]
    assert read_delimited(tmp_path / "a.csv").names == ["a"]


def test_a_name_may_be_a_hash(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("#,kind,height\n1,cat,1.5\n1,hen,2.5\n2,cat,1.25\n")
    codec = load(tmp_path / "a.csv").codec
    assert isinstance(codec, TableCodec)
    assert codec.names == ("#", "kind", "height")
