"""Dates: every format returns its own texts, whatever its padding, and means the same days as Python's."""

import csv
import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.config import from_json, to_json
from quasistatic.data import Codec, Dataset, TableCodec, inspect, load
from quasistatic.data.table.align import aligned
from quasistatic.data.table.date import DateColumn, unit_of
from quasistatic.data.table.write import arrow_of, csv_of

MOMENTS = [
    datetime.datetime(1969, 12, 31, 23, 59, 59, 125_000),
    datetime.datetime(2024, 2, 29, 8, 5, 0, 500_000),
    datetime.datetime(2023, 11, 30, 0, 0, 7),
]
PADDED = [
    "%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%Y-%m", "%b-%Y",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p",
    "%Y-%m-%d %H:%M:%S.%f", "%H:%M", "%H:%M:%S",
]  # fmt: skip
EPOCH = datetime.datetime(1970, 1, 1)


def dates(tmp_path: Path, texts: list[str], **options: object) -> Dataset:
    lines = ["when|b", *(f"{text}|{row % 2}" for row, text in enumerate(texts))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    return load(tmp_path / "a.csv", **options)


def column_of(dataset: Dataset) -> DateColumn:
    assert isinstance(dataset.codec, TableCodec)
    column = dataset.codec.columns[0]
    assert isinstance(column, DateColumn)
    return column


def raw_of(dataset: Dataset) -> torch.Tensor:
    return dataset.batch(torch.arange(len(dataset)))


@pytest.mark.parametrize("format", PADDED)
def test_texts_return(tmp_path: Path, format: str) -> None:
    texts = [moment.strftime(format) for moment in MOMENTS]
    found = dates(tmp_path, [*texts, ""])
    column, raw = column_of(found), raw_of(found)[:, 0]
    assert [column.text(value) for value in raw.tolist()] == [*texts, ""]
    decoded = column.decode(column.encode(raw).float())
    assert decoded[-1].isnan()
    if unit_of(format) in ("days", "months"):
        torch.testing.assert_close(decoded, raw, equal_nan=True, rtol=0, atol=0)
    assert isinstance(found.codec, TableCodec)
    rows = list(csv.reader(csv_of(raw_of(found), found.codec).splitlines()))
    assert [row[0] for row in rows] == ["when", *texts, ""]


def test_values_are_days_seconds_and_months_since_1970(tmp_path: Path) -> None:
    days = raw_of(dates(tmp_path, [f"{moment:%d.%m.%Y}" for moment in MOMENTS]))[:, 0]
    assert days.tolist() == [(moment.date() - EPOCH.date()).days for moment in MOMENTS]
    seconds = raw_of(dates(tmp_path, [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in MOMENTS]))[:, 0]
    assert seconds.tolist() == [(m.replace(microsecond=0) - EPOCH).total_seconds() for m in MOMENTS]
    months = raw_of(dates(tmp_path, [f"{moment:%Y-%m}" for moment in MOMENTS]))[:, 0]
    assert months.tolist() == [12 * (moment.year - 1970) + moment.month - 1 for moment in MOMENTS]


def test_zeros_and_digits_are_the_files_own(tmp_path: Path) -> None:
    for texts in (["1/2/2024 9:05", "12/31/2023 10:00"], ["2024-01-01 00:00:00.125", "2024-01-01 00:00:01.500"]):
        found = dates(tmp_path, texts)
        assert [column_of(found).text(value) for value in raw_of(found)[:, 0].tolist()] == texts


def test_the_day_is_first_where_it_must_be_and_doubt_is_said(tmp_path: Path) -> None:
    assert column_of(dates(tmp_path, ["01/02/2024", "31/12/2023"])).format == "%d/%m/%Y"
    assert column_of(dates(tmp_path, ["01/02/2024", "12/31/2023"])).format == "%m/%d/%Y"
    assert column_of(dates(tmp_path, ["01/02/2024", "03/04/2023"])).format == "%m/%d/%Y"
    note = inspect(tmp_path / "a.csv").plan[0].note
    assert note == "as %m/%d/%Y, or as %d/%m/%Y (--column 'when=date:%d/%m/%Y')"
    asked = dates(tmp_path, ["01/02/2024", "03/04/2023"], columns=["when=date:%d/%m/%Y"])
    assert column_of(asked).text(raw_of(asked)[0, 0].item()) == "01/02/2024"
    assert raw_of(asked)[0, 0] == (datetime.date(2024, 2, 1) - EPOCH.date()).days


def test_eight_digits_are_dates_if_all_are(tmp_path: Path) -> None:
    texts = ["20240131", "20240229", "20231130", "19991231", "20000101"]
    found = dates(tmp_path, texts)
    assert [column_of(found).text(value) for value in raw_of(found)[:, 0].tolist()] == texts
    found = dates(tmp_path, [*texts, "20240230"])
    assert isinstance(found.codec, TableCodec)
    assert not isinstance(found.codec.columns[0], DateColumn)
    with pytest.raises(ValueError, match=r"needs dates in one format .* \(%Y%m%d\), got '20240230'"):
        dates(tmp_path, [*texts, "20240230"], columns=["when=date"])


def test_another_file_has_its_dates_in_the_models_format(tmp_path: Path) -> None:
    """Four days before the 13th would be read as months first; the model knows better. Other formats convert."""
    codec = dates(tmp_path, ["01/02/2024", "31/12/2023", "15/06/2023"]).codec
    doubtful = aligned(dates(tmp_path, ["01/02/2024", "02/03/2023", ""]), codec)
    cells = [column_of(doubtful).text(value) for value in raw_of(doubtful)[:, 0].tolist()]
    assert cells == ["01/02/2024", "02/03/2023", ""]
    other = aligned(dates(tmp_path, ["2024-02-01 10:00", "2023-12-31 09:30"]), codec)
    assert [column_of(other).text(value) for value in raw_of(other)[:, 0].tolist()] == ["01/02/2024", "31/12/2023"]
    with pytest.raises(ValueError, match="'when' holds dates as %d/%m/%Y, got 'soon' in row 0"):
        aligned(dates(tmp_path, ["soon", "31/12/2023"]), codec)


def test_columns_and_draws(tmp_path: Path) -> None:
    """Weekly dates: the mass of every week sums to 1, draws are Mondays in the observed range, files keep the type."""
    first = datetime.date(2024, 1, 1)
    texts = [str(first + datetime.timedelta(weeks=week % 40)) for week in range(200)]
    found = dates(tmp_path, texts)
    column = column_of(found)
    assert str(column) == "dates, 2024-01-01 to 2024-09-30, 40 of them repeated"
    assert (column.bins.step, column.ranges > 0, column.arrow) == (7, True, "date32")
    draws = column.decode(torch.rand(500, generator=torch.Generator().manual_seed(0)) * column.count)
    drawn = [datetime.date.fromisoformat(column.text(value)) for value in draws.tolist()]
    assert {day.weekday() for day in drawn} == {0}
    assert min(drawn) >= first
    raw = raw_of(found)
    assert isinstance(found.codec, TableCodec)
    assert arrow_of(raw, found.codec)["when"].to_pylist() == [datetime.date.fromisoformat(text) for text in texts]
    assert from_json(Codec, to_json(found.codec)) == found.codec
    with pytest.raises(ValueError, match="holds dates by 7 days from 2024-01-01, got 2024-01-02 in row 0"):
        column.encode(torch.tensor([column.bins.low + 1], dtype=torch.float64))
    with pytest.raises(ValueError, match="of dates has a whole step and a format"):
        DateColumn("a", column.bins, "%Q")


def test_masses_of_seconds_sum_to_one_in_each_range(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    moments = [EPOCH + datetime.timedelta(seconds=int(s)) for s in generator.integers(0, 400, 300)]
    column = column_of(dates(tmp_path, [f"{moment:%H:%M:%S}" for moment in moments]))
    every = torch.arange(0, 400, dtype=torch.float64)
    x = column.encode(every)
    inside = x < column.ranges
    total = column.log_slope(x)[inside].exp().sum().item()
    assert total == pytest.approx(column.ranges, abs=0.6)  # the tails beyond the observed times have the rest
