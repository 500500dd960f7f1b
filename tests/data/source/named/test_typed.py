"""One table in files with types: the same columns, whatever the format."""

import datetime
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.feather
import pytest
import torch
from pyarrow import ipc, parquet

from quasistatic.data import TableCodec, load
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, IntegerColumn, NumberColumn
from quasistatic.data.table.date import DateColumn

DAYS = [datetime.date(2024, 1, 31), datetime.date(2023, 6, 1), None]
TABLE = pyarrow.table(
    {
        "height": [1.5, None, 0.25],
        "legs": pyarrow.array([2, 4, None], pyarrow.int32()),
        "kind": pyarrow.array(["hen", "cat", "cat"]).dictionary_encode(),
        "wild": [True, None, False],
        "born": pyarrow.array(DAYS, pyarrow.date32()),
    }
)
KINDS = [NumberColumn, IntegerColumn, CategoryColumn, BooleanColumn, DateColumn]
RAW = [[1.5, 2, 1, 1, 19753], [np.nan, 4, 0, np.nan, 19509], [0.25, np.nan, 0, 0, np.nan]]


def save(path: Path) -> Path:
    match path.suffix:
        case ".parquet":
            parquet.write_table(TABLE, path)
        case ".feather":
            pyarrow.feather.write_feather(TABLE, path)
        case ".arrow":
            with ipc.new_file(path, TABLE.schema) as file:
                file.write_table(TABLE)
        case ".jsonl":
            lines = [json.dumps(row, default=str) for row in TABLE.to_pylist()]
            path.write_text("\n".join(lines))
        case ".xlsx":
            openpyxl = pytest.importorskip("openpyxl")
            book = openpyxl.Workbook()
            for row in [TABLE.column_names, *(list(row.values()) for row in TABLE.to_pylist())]:
                book.active.append(row)
            book.create_sheet("more")
            book.save(path)
    return path


@pytest.mark.parametrize("ending", [".parquet", ".feather", ".arrow", ".jsonl", ".xlsx"])
def test_a_format_changes_nothing(tmp_path: Path, ending: str) -> None:
    found = load(save(tmp_path / f"a{ending}"))
    assert isinstance(found.codec, TableCodec)
    assert [type(column) for column in found.codec.columns] == KINDS
    raw = found.batch(torch.arange(3))
    torch.testing.assert_close(raw, torch.tensor(RAW, dtype=torch.float64), equal_nan=True)
    born = found.codec.columns[-1]
    assert [born.text(value) for value in raw[:, -1].tolist()] == ["2024-01-31", "2023-06-01", ""]


def test_moments_zones_and_times_of_day(tmp_path: Path) -> None:
    at = datetime.datetime(2024, 1, 31, 8, 15, 30)
    later = at + datetime.timedelta(microseconds=250_000)
    table = pyarrow.table(
        {
            "a": pyarrow.array([at, at.replace(hour=9)], pyarrow.timestamp("ns")),
            "b": pyarrow.array([at, later], pyarrow.timestamp("us", "Europe/Zurich")),
            "c": pyarrow.array([at.time(), at.replace(hour=9).time()], pyarrow.time32("s")),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet")
    assert isinstance(found.codec, TableCodec)
    raw = found.batch(torch.arange(2)).T.tolist()
    texts = [[c.text(v) for v in own] for c, own in zip(found.codec.columns, raw, strict=True)]
    assert texts == [
        ["2024-01-31 08:15:30", "2024-01-31 09:15:30"],
        ["2024-01-31 08:15:30.000000+00:00", "2024-01-31 08:15:30.250000+00:00"],
        ["08:15:30", "09:15:30"],
    ]


def test_texts_of_a_typed_file_stay_texts(tmp_path: Path) -> None:
    table = pyarrow.table({"code": ["12", "13"], "when": ["2024-01-31", "2024-02-29"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet").codec
    assert isinstance(found, TableCodec)
    assert [type(column) for column in found.columns] == [CategoryColumn, DateColumn]
    found = load(tmp_path / "a.parquet", columns=["code=number"]).codec
    assert isinstance(found, TableCodec)
    assert isinstance(found.columns[0], NumberColumn)


def test_types_that_no_column_has_are_named_with_a_remedy(tmp_path: Path) -> None:
    table = pyarrow.table({"a": [[1.0], [2.0]], "b": [b"x", b"y"], "c": [1, 2]})
    parquet.write_table(table, tmp_path / "a.parquet")
    sentence = r"2 problems: \(1\) the column 'a' .* got list.*--column 'a=drop'.* \(2\) .* 'b'"
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet", columns=["a=drop", "b=drop"]).codec
    assert isinstance(found, TableCodec)
    assert found.names == ("c",)


@pytest.mark.parametrize("ending", [".feather", ".jsonl", ".xlsx", ".parquet"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, ending: str) -> None:
    if ending == ".xlsx":
        pytest.importorskip("openpyxl")
    whole = save(tmp_path / f"a{ending}").read_bytes()
    (tmp_path / f"a{ending}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"a{ending}: a .* is needed, got one that cannot be read") as error:
        load(tmp_path / f"a{ending}")
    assert "\n" not in str(error.value)
