"""What becomes of each column: learned, grouped, carried along or set aside; and files with them written and read."""

import csv
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import torch

from quasistatic.config import from_json, to_json
from quasistatic.data import Codec, Dataset, TableCodec, inspect, load
from quasistatic.data.observed import read_partly, read_rows
from quasistatic.data.table.align import aligned
from quasistatic.data.table.aside import ConstantColumn, DroppedColumn, IdColumn
from quasistatic.data.table.column import CategoryColumn, IntegerColumn
from quasistatic.data.table.kinds.numbers import MANY_TEXTS
from quasistatic.data.table.write import arrow_of, csv_of, wide_form

ROWS = 600
CITIES = [f"city {round(400 * (row / ROWS) ** 2)}" for row in range(ROWS)]


def write(path: Path, columns: dict[str, list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *zip(*columns.values(), strict=True)])
    return path


def columns(rows: int = ROWS) -> dict[str, list[object]]:
    """An id, a constant, a number, many cities, notes that hardly repeat, an empty column, and a kind."""
    return {
        "number": list(range(1, rows + 1)),
        "year": [2024] * rows,
        "height": [row * 0.37 % 5 for row in range(rows)],
        "city": CITIES[:rows],
        "note": [f"note {row // 2 * 2 if row < 40 else row}" for row in range(rows)],
        "nothing": [""] * rows,
        "kind": ["hen" if row % 3 else "cat" for row in range(rows)],
    }


@pytest.fixture
def table(tmp_path: Path) -> Dataset:
    return load(write(tmp_path / "a.csv", columns()))


def codec_of(dataset: Dataset) -> TableCodec:
    assert isinstance(dataset.codec, TableCodec)
    return dataset.codec


def raw_of(dataset: Dataset) -> torch.Tensor:
    return dataset.batch(torch.arange(len(dataset)))


def test_each_column_has_its_fate(table: Dataset) -> None:
    codec = codec_of(table)
    assert codec.names == ("height", "city", "kind")
    assert codec.asides == (
        IdColumn("number", 0),
        ConstantColumn("year", 1, "2024", "int64"),
        IdColumn("note", 4),
        ConstantColumn("nothing", 5, "", "string"),
    )
    assert table.notes == (
        "constant, carried along: year, nothing",
        "set aside, empty in samples: number, note",
        "rare texts grouped: city",
    )
    assert from_json(Codec, to_json(codec)) == codec


def test_the_most_frequent_texts_are_kept_and_the_rest_is_one(table: Dataset) -> None:
    city = codec_of(table).columns[1]
    assert isinstance(city, CategoryColumn)
    assert (city.count, city.rest, city.categories[-1]) == (MANY_TEXTS, "other", "other")
    kept = set(city.categories[:-1])
    counts = {text: CITIES.count(text) for text in set(CITIES)}
    assert min(counts[text] for text in kept) >= max(counts[text] for text in counts.keys() - kept)
    texts = [city.text(value) for value in raw_of(table)[:, 1].tolist()]
    assert texts == [text if text in kept else "other" for text in CITIES]


def test_samples_have_all_columns_again(table: Dataset) -> None:
    codec, raw = codec_of(table), raw_of(table)[:3]
    lines = list(csv.DictReader(csv_of(raw, codec, {"row": [7, 8, 9]}).splitlines()))
    assert list(lines[0]) == ["row", *columns()]
    assert [line["year"] for line in lines] == ["2024"] * 3
    assert {line["number"] + line["note"] + line["nothing"] for line in lines} == {""}
    assert [line["kind"] for line in lines] == ["cat", "hen", "hen"]
    numbered = list(csv.DictReader(csv_of(raw, codec.numbered()).splitlines()))
    assert [line["number"] for line in numbered] == [line["note"] for line in numbered] == ["1", "2", "3"]
    arrow = arrow_of(raw, codec)
    assert arrow.column_names == list(columns())
    assert arrow["year"].to_pylist() == [2024] * 3
    assert arrow["note"].to_pylist() == [None] * 3
    assert arrow["number"].type == pyarrow.string()
    wide = csv_of(*wide_form(raw[:, None].repeat(1, 2, 1), torch.tensor([[True, False, True]] * 3), codec))
    assert {"city.0", "city.1", "year", "number"} <= set(wide.splitlines()[0].split(","))


def test_completions_keep_the_ids_and_constants_of_their_file(table: Dataset, tmp_path: Path) -> None:
    """Each text goes with all draws of its row; a constant that differs stays the file's."""
    codec = codec_of(table)
    cells = {**columns(3), "number": ["a", "b", "c"], "note": ["x", "", "z"], "city": ["city 0", "", "city 1"]}
    cells["year"] = ["2024", "2025", "2024"]
    found = read_partly(write(tmp_path / "gaps.csv", cells), codec)
    assert found.carried["number"] == ["a", "b", "c"]
    draws = torch.where(found.known, found.values, 0)[:, None].repeat(1, 2, 1).flatten(0, 1)
    carrying = codec.carrying(found.carried)
    lines = list(csv.DictReader(csv_of(draws, carrying).splitlines()))
    assert list(lines[0]) == list(columns())
    assert [line["number"] for line in lines] == ["a", "a", "b", "b", "c", "c"]
    assert [line["note"] for line in lines] == ["x", "x", "", "", "z", "z"]
    assert [line["year"] for line in lines] == ["2024", "2024", "2025", "2025", "2024", "2024"]
    assert arrow_of(draws, carrying)["year"].to_pylist()[:3] == ["2024", "2024", "2025"]
    assert found.first(1).carried["number"] == ["a"]


def test_other_files_of_a_model_may_have_other_ids_and_constants_or_none(table: Dataset, tmp_path: Path) -> None:
    codec = codec_of(table)
    same = {**columns(3), "number": ["a", "b", "c"], "note": ["x", "x", ""], "city": ["city 0", "nowhere", ""]}
    for dropped in ((), ("number", "year", "note", "nothing")):
        path = write(tmp_path / "b.csv", {name: cells for name, cells in same.items() if name not in dropped})
        other = aligned(load(path), codec)
        assert other.codec == codec
        cells = [codec.columns[1].text(value) for value in raw_of(other)[:, 1].tolist()]
        assert cells == ["city 0", "other", ""]
        values, known = read_rows(path, codec) or (None, None)
        assert values is not None
        assert known is not None
        assert known.tolist() == [[True, True, True], [True, True, True], [True, False, True]]
    strange = load(write(tmp_path / "b.csv", {**same, "year": [2024, 2025, 2024]}))
    assert "not compared with the model, for which they are constant: year" in aligned(strange, codec).notes


def test_one_row_is_enough_for_a_model(table: Dataset, tmp_path: Path) -> None:
    """In a file of one row every column is constant, and all are read."""
    one = load(write(tmp_path / "b.csv", columns(1)))
    torch.testing.assert_close(raw_of(aligned(one, codec_of(table))), raw_of(table)[:1])
    report = inspect(tmp_path / "b.csv")
    assert not report.ready
    assert "two different values or more, got one or none in number, year, height" in report.problems[0]


def test_missing_values_of_a_model_hold_in_other_files(tmp_path: Path) -> None:
    cells: list[object] = [-999, 1, 2, 3, -999, 1]
    codec = load(write(tmp_path / "a.csv", {"a": cells, "b": [1, 2] * 3}), missing=["-999"]).codec
    other = aligned(load(write(tmp_path / "b.csv", {"a": [-999, 3], "b": [1, 2]})), codec)
    assert raw_of(other)[:, 0].isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("n", list(range(20)), "id"),
        ("n", list(range(1, 21)), "id"),
        ("n", list(range(19)), "integer"),
        ("year", list(range(1990, 2020)), "integer"),
        ("n", list(range(0, 40, 2)), "integer"),
        ("customer_id", list(range(500, 470, -1)), "id"),
        ("PassengerId", [7 * row % 31 for row in range(31)], "id"),
        ("paid", [7 * row % 31 for row in range(31)], "integer"),
        ("id", [1, 1, 2] * 10, "integer"),
        ("id", [f"C{row}" for row in range(30)], "id"),
        ("text", [f"C{row}" for row in range(MANY_TEXTS)], "category"),
        ("text", [f"C{row}" for row in range(MANY_TEXTS + 1)], "id"),
        ("text", [f"C{row % 250}" for row in range(900)], "category"),
        ("hash", [2**60 + 3 * row for row in range(300)], "id"),
        ("flag", ["true"] * 30, "constant"),
        ("levels", [row**2 % 5000 for row in range(900)], "integer"),
    ],
)
def test_what_tells_rows_apart_is_an_id(tmp_path: Path, name: str, cells: list[object], kind: str) -> None:
    other = [row % 2 for row in range(len(cells))]
    report = inspect(write(tmp_path / "a.csv", {name: cells, "other": other}))
    assert report.ready
    assert report.plan[0].kind == kind


def test_what_was_asked_for_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", columns())
    codec = codec_of(load(path, columns=["number=integer", "note=category", "height=drop", "kind=id"]))
    number, city, note = codec.columns
    assert isinstance(number, IntegerColumn)
    assert isinstance(note, CategoryColumn)
    assert (city.name, note.name, note.rest) == ("city", "note", "other")
    assert codec.asides[1:] == (DroppedColumn("height"), ConstantColumn("nothing", 4, ""), IdColumn("kind", 5))
    raw = torch.tensor([[7.0, 0, 1]], dtype=torch.float64)
    assert next(csv.DictReader(csv_of(raw, codec).splitlines())).keys() == columns().keys() - {"height"}
    unknown = inspect(path, columns=["Kind=drop"])
    assert "--column names a column of the file (number, year, height" in unknown.problems[0]
    assert unknown.problems[0].endswith("got 'Kind'")
    with pytest.raises(ValueError, match="needs a column to learn, got ids and dropped ones only"):
        load(path, columns=[f"{name}=drop" for name in columns()])


def test_the_plan_is_in_the_report(tmp_path: Path) -> None:
    report = inspect(write(tmp_path / "a.csv", columns()))
    assert [line.kind for line in report.plan] == ["id", "constant", "number", "category", "id", "constant", "category"]
    assert (report.plan[5].empty, report.missing, report.constant_columns) == (ROWS, ROWS, (1, 5))
    city = codec_of(load(tmp_path / "a.csv")).columns[1]
    assert isinstance(city, CategoryColumn)
    share = np.mean([text not in city.categories for text in CITIES])
    assert report.plan[3].note == f"{len(set(CITIES)):,} texts: 199 kept, the rest ({share:.0%} of cells) is 'other'"
    assert report.to_dict()["plan"][2]["column"] == "height"
    assert report.ready


def test_columns_that_group_do_so_in_one_of_their_categories() -> None:
    with pytest.raises(ValueError, match="groups texts in one of its categories, got 'z'"):
        CategoryColumn("a", ("x", "y"), "z")
