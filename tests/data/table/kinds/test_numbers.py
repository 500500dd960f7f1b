"""Numbers in text: their values, units and marks; and digits that are no numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.data import Dataset, TableCodec, inspect, load
from quasistatic.data.table.column import CategoryColumn, Column, IntegerColumn, NumberColumn

NAN = float("nan")


def column_of(
    tmp_path: Path, cells: list[str], separator: str = ",", **options: object
) -> tuple[Column, list[float], Dataset]:
    """The column ``a`` of a file, its raw values, and the data set; the column ``b`` is there to be learned."""
    lines = [f'"a"{separator}b', *(f'"{cell}"{separator}{row % 2}' for row, cell in enumerate(cells))]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    found = load(tmp_path / "a.csv", **options)
    assert isinstance(found.codec, TableCodec)
    return found.codec.columns[0], found.batch(torch.arange(len(found)))[:, 0].tolist(), found


@pytest.mark.parametrize(
    ("cells", "separator", "values"),
    [
        (["1.5", "+2", "-3e2", ".5", "4."], ",", [1.5, 2, -300, 0.5, 4]),
        (["1,5", "2", "-3,25"], ";", [1.5, 2, -3.25]),
        (["1.234,5", "2", "1.000.000"], ";", [1234.5, 2, 1e6]),
        (["1,234.5", "12", "-1,000,000"], ",", [1234.5, 12, -1e6]),
        (["1,234", "12,000"], ",", [1234, 12000]),
        (["1,234", "12,125"], ";", [1.234, 12.125]),
        (["1 234", "12 345 678"], ",", [1234, 12345678]),
        (["1\u00a0234,5", "12"], ",", [1234.5, 12]),
        (["1'234.50", "12"], ",", [1234.5, 12]),
        (["12.5%", "3%"], ",", [12.5, 3]),
        (["12,5 %", "3,0 %"], ";", [12.5, 3]),
        (["$1,200.50", "-$3.00"], ",", [1200.5, -3]),
        (["1.200 €", "3,5 €"], ";", [1200, 3.5]),
        (["CHF 5", "CHF 6"], ",", [5, 6]),
    ],
)
def test_numbers_as_people_write_them(tmp_path: Path, cells: list[str], separator: str, values: list[float]) -> None:
    column, raw, _ = column_of(tmp_path, cells, separator)
    assert isinstance(column, NumberColumn | IntegerColumn)
    assert raw == values


def test_units_return(tmp_path: Path) -> None:
    column, raw, _ = column_of(tmp_path, ["$5", "-$12", "$7"])
    assert isinstance(column, IntegerColumn)
    assert [column.text(value) for value in raw] == ["$5", "-$12", "$7"]
    column, raw, _ = column_of(tmp_path, ["5.5 %", "7.25 %"])
    assert [column.text(value) for value in raw] == ["5.5 %", "7.25 %"]
    dollars, euros = column_of(tmp_path, ["$5", "$12"])[0], column_of(tmp_path, ["5 €", "12 €"])[0]
    with pytest.raises(ValueError, match="holds whole numbers"):
        dollars.adopt(euros, torch.tensor([5.0]))


@pytest.mark.parametrize("marker", ["", "?", "-", "NA", "None", "#N/A", "null", "n/a", "NaN", " "])
def test_markers_are_gaps_and_are_reported(tmp_path: Path, marker: str) -> None:
    column, raw, found = column_of(tmp_path, ["1", marker, "3"])
    assert isinstance(column, IntegerColumn)
    np.testing.assert_array_equal(raw, [1, NAN, 3])
    if marker.strip():
        assert f"read as empty: {marker!r} (1 times)" in found.notes
        assert f"{marker!r} read as empty: 1" in inspect(tmp_path / "a.csv").plan[0].note


def test_numbers_are_gaps_when_asked(tmp_path: Path) -> None:
    cells = ["-999", *map(str, range(10)), "-999", "-999"]
    column, raw, _ = column_of(tmp_path, cells)
    assert raw.count(-999) == 3
    assert "-999 occurs 3 times, far from the rest; --missing -999 reads it" in inspect(tmp_path / "a.csv").plan[0].note
    column, raw, found = column_of(tmp_path, cells, missing=["-999"])
    assert isinstance(column, IntegerColumn)
    assert (column.bins.low, column.bins.high) == (0, 9)
    assert np.isnan(raw).sum() == 3
    assert "read as empty: '-999' (3 times)" in found.notes
    column, raw, _ = column_of(tmp_path, ["1", "unknown", "2"], missing=["unknown"])
    np.testing.assert_array_equal(raw, [1, NAN, 2])


def test_codes_stay_texts(tmp_path: Path) -> None:
    column, raw, _ = column_of(tmp_path, ["007", "010", "123"])
    assert column == CategoryColumn("a", ("007", "010", "123"))
    assert "digits that begin with 0 stay text" in inspect(tmp_path / "a.csv").plan[0].note
    column, raw, _ = column_of(tmp_path, ["007", "010", "123"], columns=["a=integer"])
    assert raw == [7, 10, 123]


def test_a_stray_text_among_numbers_is_a_gap_and_is_said(tmp_path: Path) -> None:
    cells = [*(f"{value / 4}" for value in range(60)), "unknown"]
    column, raw, _ = column_of(tmp_path, cells)
    assert isinstance(column, NumberColumn)
    assert np.isnan(raw[-1])
    said = "'unknown' among numbers is read as empty; --column 'a=category' keeps it"
    assert said in inspect(tmp_path / "a.csv").plan[0].note
    column, raw, _ = column_of(tmp_path, cells, columns=["a=category"])
    assert isinstance(column, CategoryColumn)
    assert "unknown" in column.categories


def test_what_was_asked_for_wins(tmp_path: Path) -> None:
    cells = ["1", "2", "2", "None"]
    assert column_of(tmp_path, cells, columns=["a=category"])[0] == CategoryColumn("a", ("1", "2", "None"))
    assert isinstance(column_of(tmp_path, cells, columns=["a=number"])[0], NumberColumn)
    assert column_of(tmp_path, cells, columns=["a=drop"])[0].name == "b"
    assert column_of(tmp_path, cells, columns=["a=id"])[0].name == "b"


@pytest.mark.parametrize(
    ("cells", "kind", "sentence"),
    [
        (["1", "2.5"], "integer", "'a' needs whole numbers to be read as such, got 2.5 in row 1; round it, or choose"),
        (["1", "x"], "number", "'a' needs numbers to be read as number, got 'x' in row 1; fix it, or read it as empty"),
        (["1", "x"], "date", "'a' needs dates in one format to be read as such"),
    ],
)
def test_what_cannot_be_as_asked_is_named(tmp_path: Path, cells: list[str], kind: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        column_of(tmp_path, cells, columns=[f"a={kind}"])


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["a"], "the kind of a column is written NAME=KIND, with number, integer, .* got 'a'"),
        (["a=text"], "got 'a=text'"),
        (["a=date:%Q"], "got 'a=date:%Q'"),
        (["a=date", "a=id"], "a column has one kind, got date and id for 'a'; leave one out"),
    ],
)
def test_kinds_that_do_not_exist(tmp_path: Path, columns: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        column_of(tmp_path, ["1", "2"], columns=columns)


def test_options_of_tables_are_for_tables(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are for tables with named columns, got digits; leave them out"):
        load("digits", missing=["-1"])
    assert "are for tables with named columns" in inspect("digits", columns=["a=drop"]).problems[0]
