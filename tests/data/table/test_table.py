"""Tables: what is read of a file, codes that return, masses that sum to 1, and a sentence for what does not fit."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pyarrow import parquet

from quasistatic.data import Dataset, TableCodec, load
from quasistatic.data.observed import read_incomplete, read_rows
from quasistatic.data.table.align import aligned, realigned
from quasistatic.data.table.codec import TableCodec as Codec
from quasistatic.data.table.column import BooleanColumn, CategoryColumn, IntegerColumn, NumberColumn
from quasistatic.data.table.column.bins import Bins
from quasistatic.data.table.read import read_named
from quasistatic.data.table.write import Interval, arrow_of, csv_of, long_form, summary, wide_form
from quasistatic.distribution.histograms import Histograms

TEXT = """height,legs,kind,wild
1.5,4,cat,true
0.25,2,hen,false
,8,,
3.125,,cat,true
"""


@pytest.fixture
def animals(tmp_path: Path) -> Dataset:
    (tmp_path / "animals.csv").write_text(TEXT)
    return load(tmp_path / "animals.csv")


def raw_of(dataset: Dataset) -> torch.Tensor:
    return dataset.batch(torch.arange(len(dataset)))


def codec_of(dataset: Dataset) -> TableCodec:
    assert isinstance(dataset.codec, TableCodec)
    return dataset.codec


def test_columns_are_found_with_their_kinds_and_gaps(animals: Dataset) -> None:
    height, legs, kind, wild = codec_of(animals).columns
    assert isinstance(height, NumberColumn)
    assert isinstance(legs, IntegerColumn)
    assert (legs.bins.low, legs.bins.high, legs.step) == (2, 8, 2)
    assert kind == CategoryColumn("kind", ("cat", "hen"))
    assert wild == BooleanColumn("wild")
    nan = torch.nan
    wanted = [[1.5, 4, 0, 1], [0.25, 2, 1, 0], [nan, 8, nan, nan], [3.125, nan, 0, 1]]
    torch.testing.assert_close(raw_of(animals), torch.tensor(wanted, dtype=torch.float64), equal_nan=True)
    assert animals.notes == ("4 cells (25.0%) are empty and are learned around",)
    assert str(codec_of(animals)) == "a table of height, legs, kind, wild"


def test_codes_return(animals: Dataset) -> None:
    raw, codec = raw_of(animals), codec_of(animals)
    x = codec.encode(raw)
    assert x.dtype == torch.float32
    assert torch.equal(x.isnan(), raw.isnan())
    torch.testing.assert_close(codec.decode(x), raw, equal_nan=True, rtol=1e-6, atol=0)


def test_files_return(animals: Dataset, tmp_path: Path) -> None:
    """Written and read again, as text and as Arrow, a table has the same columns, types, values and gaps."""
    raw, codec = raw_of(animals), codec_of(animals)
    assert csv_of(raw, codec) == TEXT
    parquet.write_table(arrow_of(raw, codec), tmp_path / "a.parquet")
    schema = parquet.read_schema(tmp_path / "a.parquet")
    assert [str(field.type) for field in schema] == ["double", "int64", "string", "bool"]
    again = load(tmp_path / "a.parquet")
    assert again.codec == codec
    assert again.fingerprint == animals.fingerprint
    torch.testing.assert_close(raw_of(again), raw, equal_nan=True)


def test_a_file_of_numbers_alone_stays_an_array(tmp_path: Path) -> None:
    for first in ("", "c0,c1\n"):
        (tmp_path / "a.csv").write_text(f"{first}1.5,2\n2.5,3\n")
        assert not isinstance(load(tmp_path / "a.csv").codec, TableCodec)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n2,3\n")
    assert isinstance(load(tmp_path / "a.csv").codec, TableCodec)


def test_a_table_may_be_read_as_categories(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n2,0\n")
    assert load(tmp_path / "a.csv", states="found").codec.encode(torch.tensor([[1, 2]])).tolist() == [[1, 2]]
    (tmp_path / "a.csv").write_text("a,b\n1,x\n2,y\n")
    with pytest.raises(ValueError, match="for tables of numbers, got texts"):
        load(tmp_path / "a.csv", states="found")


def scores(codec: TableCodec, raw: torch.Tensor) -> torch.Tensor:
    """Log-probability in raw units of each cell, under histograms of random masses."""
    logits = torch.randn(1, sum(codec.bins), generator=torch.Generator().manual_seed(0)).expand(len(raw), -1)
    x = codec.encode(raw)
    return (codec.decoder(Histograms(logits, codec.bins)).log_prob(x) + codec.log_jacobian(x)).double()


def test_whole_numbers_and_categories_have_masses_that_sum_to_one(animals: Dataset) -> None:
    codec = codec_of(animals)
    legs = torch.arange(-4000, 4000, 2, dtype=torch.float64)
    raw = torch.tensor([1.5, 4, 0, 1], dtype=torch.float64).repeat(len(legs), 1)
    raw[:, 1] = legs
    assert scores(codec, raw)[:, 1].exp().sum().item() == pytest.approx(1, abs=2e-3)
    for column in (2, 3):
        two = raw[:2].clone()
        two[:, column] = torch.tensor([0.0, 1.0])
        assert scores(codec, two)[:, column].exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_a_density_in_raw_units_integrates_to_one(animals: Dataset) -> None:
    codec, grid = codec_of(animals), torch.linspace(-4000, 4000, 400_001, dtype=torch.float64)
    raw = torch.stack([grid, *(torch.full_like(grid, value) for value in (4, 0, 1))], 1)
    assert torch.trapezoid(scores(codec, raw)[:, 0].exp(), grid).item() == pytest.approx(1, abs=5e-3)
    assert codec.measure == "density"


def test_an_empty_cell_is_integrated_out(animals: Dataset) -> None:
    raw = torch.tensor([[math.nan, 4, math.nan, 1]], dtype=torch.float64)
    found = scores(codec_of(animals), raw)
    assert found[0, [0, 2]].tolist() == [0, 0]
    assert bool((found[0, [1, 3]] < 0).all())


def test_draws_long_wide_and_summed_up(animals: Dataset) -> None:
    codec, known = codec_of(animals), ~raw_of(animals).isnan()
    draws = raw_of(animals)[:, None].repeat(1, 3, 1)
    draws[2] = torch.tensor([[1.0, 8, 0, 1], [2.0, 8, 1, 1], [3.0, 8, 1, 1]])
    draws[3, :, 1] = torch.tensor([2.0, 4, 4])
    flat, keys = long_form(draws)
    long = csv_of(flat, codec, keys).splitlines()
    assert long[0] == "row,draw,height,legs,kind,wild"
    assert long[7:10] == ["2,0,1.0,8,cat,true", "2,1,2.0,8,hen,true", "2,2,3.0,8,hen,true"]
    known[:, 3] = True
    wide = csv_of(*wide_form(draws, known, codec)).splitlines()
    assert wide[0] == "height.0,height.1,height.2,legs.0,legs.1,legs.2,kind.0,kind.1,kind.2,wild"
    assert wide[3] == "1.0,2.0,3.0,8,8,8,cat,hen,hen,true"
    assert summary(draws, known, codec).splitlines() == [
        "row,column,value,share,low,high,level",
        "2,height,2,,1.0,3.0,0.5",
        "2,kind,hen,0.6667,,,",
        "3,legs,3.33333,,2,4,0.5",
    ]


@pytest.mark.parametrize(("count", "level"), [(5, 4 / 6), (19, 0.9), (20, 19 / 21), (50, 47 / 51)])
def test_an_interval_covers_as_often_as_it_says(count: int, level: float) -> None:
    """Perfect draws and a truth of the same law: within 4 standard errors of the level in the file, 2,000 cells."""
    cells = 2000
    values = torch.randn(cells, count + 1, generator=torch.Generator().manual_seed(count), dtype=torch.float64) ** 3
    codec = Codec((NumberColumn("c", Bins((-9.0, 9.0), (0.2, 0.8), (), 1.0)),))
    text = summary(values[:, 1:, None], torch.zeros(cells, 1, dtype=torch.bool), codec)
    lines = list(csv.DictReader(text.splitlines()))
    assert {line["level"] for line in lines} == {f"{level:.4g}"}
    inside = sum(
        float(line["low"]) <= truth <= float(line["high"]) for line, truth in zip(lines, values[:, 0], strict=True)
    )
    assert abs(inside / cells - level) < 4 * (level * (1 - level) / cells) ** 0.5


def test_the_narrowest_interval_of_ninety_percent_where_there_is_one() -> None:
    for count in range(2, 400):
        found = Interval.of(count)
        assert found.level >= 0.9 or (found.rank == 1 and count < 19)
        assert Interval(found.rank + 1, count).level < 0.9
    assert str(Interval.of(5)) == (
        "low and high cover the truth with probability 66.7% if the draws are of the true law; "
        "90 % needs 19 draws, got 5"
    )
    assert "needs" not in str(Interval.of(20))
    with pytest.raises(ValueError, match="two draws or more, got 1"):
        Interval.of(1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at least one row of numbers, got none"),
        ("a,b\n", "a table needs at least one row and one column, got none"),
        ("a,a\n1,2\n", "columns need names, each its own, got 'a' twice or empty"),
        ("a,b\n1,2\n3\n", "rows with a cell for each named column are needed, got: "),
        ("a,b\n1,inf\n2,1.5\n", "the column 'b' needs finite numbers, got an infinite one"),
        (
            "a\n" + "".join(f"name {i}\n" for i in range(201)),
            "a column to learn, got ids and dropped ones only",
        ),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "a.csv")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="a whole Parquet file is needed"):
        read_named(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("1,2\n")
    with pytest.raises(ValueError, match="a first line with the names of the columns is needed, got none"):
        read_named(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="columns of different names, got a"):
        Codec((BooleanColumn("a"), BooleanColumn("a")))
    with pytest.raises(ValueError, match="columns of different names, got none"):
        Codec(())


def test_rows_are_aligned_by_name(animals: Dataset, tmp_path: Path) -> None:
    """Columns in another order, and categories that stand elsewhere in another file's list, keep their meaning."""
    (tmp_path / "b.csv").write_text("kind,wild,legs,height\nhen,true,8,2\nhen,,4,\n")
    values, known = read_rows(tmp_path / "b.csv", animals.codec) or (None, None)
    assert values is not None
    assert known is not None
    assert values[0].tolist() == [2, 8, 1, 1]
    assert known.tolist() == [[True] * 4, [False, True, True, False]]
    assert read_incomplete(tmp_path / "b.csv", animals.codec) is not None
    other = aligned(load(tmp_path / "b.csv"), animals.codec)
    assert other.codec == animals.codec
    assert other.batch(torch.tensor([0])).tolist() == [[2, 8, 1, 1]]
    assert aligned(load("digits"), load("digits").codec).name == "digits"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("height,legs,kind\n1,4,cat\n", "the columns of the model are needed .*, got none called 'wild'"),
        (TEXT.replace("wild", "Wild"), "none called 'wild' and unknown ones called 'Wild'; rename"),
        (
            TEXT.replace("hen", "cow"),
            "the column 'kind' holds 2 categories: cat, hen, got the category 'cow'",
        ),
        (TEXT.replace("1.5,4", "tall,4"), "the column 'height' holds numbers, .* got 'tall' in row 0"),
        (TEXT.replace(",8,", ",three,"), "the column 'legs' holds whole numbers, 2 to 8 by 2, got "),
        (TEXT.replace("false", "perhaps"), "the column 'wild' .* 'perhaps', never seen"),
        ("height,legs,kind,wild\n1,4,cat,true\n", "no empty cells; leave those empty that are to be inferred"),
    ],
)
def test_rows_that_do_not_fit_are_one_sentence(animals: Dataset, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_rows(tmp_path / "b.csv", animals.codec)


def test_values_of_another_kind_are_refused(animals: Dataset) -> None:
    height, legs, kind, _ = codec_of(animals).columns
    cells = torch.tensor([1.0, 3.0], dtype=torch.float64)
    with pytest.raises(ValueError, match="'legs' holds whole numbers from 2 by 2, got 1 in row 0"):
        legs.encode(cells)
    with pytest.raises(ValueError, match="'kind' holds places in 2 categories, got 3 in row 1"):
        kind.encode(cells)
    with pytest.raises(ValueError, match="'height' holds finite numbers, got an infinite one in row 1"):
        height.encode(torch.tensor([1.0, torch.inf], dtype=torch.float64))
    with pytest.raises(ValueError, match="the table has 4 columns, got data of shape"):
        animals.codec.encode(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="got digits without these names; give a table with them"):
        aligned(load("digits"), animals.codec)
    with pytest.raises(ValueError, match="x: the columns of the model are needed"):
        realigned("x", torch.zeros(1, 1), (BooleanColumn("a"),), codec_of(animals))


def test_columns_of_one_value_say_so() -> None:
    one = np.ones(9)
    assert NumberColumn("a", Bins.of(one)).constant
    assert IntegerColumn("a", Bins.of(one, 1)).constant
    assert CategoryColumn("a", ("x",)).constant
    assert CategoryColumn("a", ()).constant
    assert not BooleanColumn("a").constant
    assert not NumberColumn("a", Bins.of(np.arange(9.0))).constant


def test_a_column_says_what_is_in_it() -> None:
    many = np.repeat(np.arange(20.0), 10)
    assert str(IntegerColumn("a", Bins.of(many, 1))) == "whole numbers, 0 to 19, 20 of them repeated"
    spiked = np.where(np.arange(400) % 4, 0, np.arange(400) / 7)
    assert str(NumberColumn("a", Bins.of(spiked))) == "numbers, 0 to 56.57, 0 repeated"
    with pytest.raises(ValueError, match="the column 'a' of whole numbers has a whole step, got 0"):
        IntegerColumn("a", Bins.of(spiked))
