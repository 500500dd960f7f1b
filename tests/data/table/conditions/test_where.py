"""Conditions on cells: what they leave of each bin, and a sentence for what cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.data import TableCodec, load
from quasistatic.data.table.conditions.where import where
from quasistatic.data.table.date import counts_of


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> TableCodec:
    """age: whole, a bin each; gain: 0 or of a density; low, high: whole, in ranges; kind; x y: of a density."""
    generator = np.random.default_rng(0)
    lines = ["age,gain,low,high,kind,x y"]
    for _ in range(1000):
        gain = 0.0 if generator.random() < 0.7 else generator.lognormal(7, 1)
        low = generator.integers(0, 5000)
        cells = (generator.integers(20, 60), f"{gain:.3f}", low, low + generator.integers(0, 5000))
        lines.append(",".join(map(str, (*cells, generator.choice([">50K", "<=50K"]), round(generator.random(), 6)))))
    path = tmp_path_factory.mktemp("where") / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    found = load(path).codec
    assert isinstance(found, TableCodec)
    return found


@pytest.mark.parametrize(
    ("text", "column", "holds"),
    [
        ("age>=40", "age", lambda v: v >= 40),
        ("age > 40", "age", lambda v: v > 40),
        ("age<40", "age", lambda v: v < 40),
        ("age<=40", "age", lambda v: v <= 40),
        ("age!=40", "age", lambda v: v != 40),
        ("gain>0", "gain", lambda v: v > 0),
        ("gain>=0", "gain", lambda v: v >= 0),
        ("gain<=2000", "gain", lambda v: v <= 2000),
        ("low<1000", "low", lambda v: v < 1000),
        ("low<=1000", "low", lambda v: v <= 1000),
        ("low>1000", "low", lambda v: v > 1000),
        ("low >= 1000", "low", lambda v: v >= 1000),
        ("low >= 999.5", "low", lambda v: v >= 1000),
        ("low < 999.5", "low", lambda v: v < 1000),
        ("kind='>50K'", "kind", lambda v: v == 1),
        ("kind!=>50K", "kind", lambda v: v != 1),
        ("x y<0.25", "x y", lambda v: v < 0.25),
    ],
)
def test_what_is_left_is_what_fulfils_the_condition(codec: TableCodec, text: str, column: str, holds) -> None:  # type: ignore[no-untyped-def]
    """A state lies in what is left if, and only if, its value fulfils the condition."""
    place = codec.names.index(column)
    found = where([text], codec)
    x = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * codec.bins[place]
    if place in found.known:
        left = x.floor() == int(found.known[place])
    else:
        parts = found.limits[place][x.long()]
        left = (x - x.floor() >= parts[:, 0]) & (x - x.floor() < parts[:, 1])
    wanted = holds(codec.columns[place].decode(x))
    # Values are rounded to their step or decimals, and draws beyond the ends have the end's value.
    edges = (left != wanted).double().mean().item()
    assert edges < 2e-3
    assert 0 < left.double().mean() < 1 or text == "gain>=0"


def test_conditions_on_one_column_are_joined(codec: TableCodec) -> None:
    found = where(["age>=30", "age<40", "age!=35"], codec)
    ages = torch.tensor([29.0, 30.0, 35.0, 39.0, 40.0], dtype=torch.float64)
    column = codec.names.index("age")
    bins = codec.columns[column].encode(ages).long()
    assert found.limits[column][bins, 1].tolist() == [0, 1, 0, 1, 0]


def test_given_values_are_known(codec: TableCodec) -> None:
    found = where(["age=40", "kind=<=50K", "gain==0", "low=1234"], codec)
    assert found.limits == {}
    raw = torch.full((1, 6), torch.nan, dtype=torch.float64)
    raw[0, :5] = torch.tensor([40, 0, 1234, torch.nan, 0])
    wanted = codec.encode(raw)[0]
    assert [found.known[place] for place in (0, 1, 2, 4)] == pytest.approx(wanted[[0, 1, 2, 4]].tolist(), abs=1e-4)


def test_columns_are_compared_on_rows(codec: TableCodec) -> None:
    found = where(["low<=high", "low!=7"], codec)
    rows = torch.zeros(4, 6, dtype=torch.float64)
    rows[:, 2], rows[:, 3] = torch.tensor([1.0, 2.0, 7.0, 3.0]), torch.tensor([1.0, 1.0, 8.0, 4.0])
    assert found.holds(rows).tolist() == [True, False, False, True]
    assert found.known == {}


def test_sums_of_columns_are_compared(codec: TableCodec) -> None:
    found = where(["age+low<=high", "low + high>=x y+age", "age+low=30"], codec)
    rows = torch.zeros(3, 6, dtype=torch.float64)
    rows[:, 0], rows[:, 2], rows[:, 3] = torch.tensor([20.0, 20.0, 20.0]), torch.tensor([10.0, 10.0, 11.0]), 30.0
    assert found.checks[0].holds(rows).tolist() == [True, True, False]
    assert found.holds(rows).tolist() == [True, True, False]
    rows[1, 3] = 0
    assert found.holds(rows).tolist() == [True, False, False]
    assert found.checks[1].others == (5, 0)
    ages = torch.tensor([[30.0, 0, 100, 200, 0, 0.5], [50.0, 0, 100, 200, 1, 0.5]], dtype=torch.float64)
    both = where(["age<40", "kind=<=50K", "low<=high"], codec)
    assert both.fulfilled(codec.encode(ages), ages).tolist() == [True, False]


def test_dates_are_compared_as_they_are_written(tmp_path: Path) -> None:
    days = [f"{day}.{month}.{year},{year}" for year in (2021, 2022) for month in range(1, 13) for day in (3, 11, 24)]
    (tmp_path / "t.csv").write_text("\n".join(["when,year", *days]) + "\n")
    codec = load(tmp_path / "t.csv").codec
    assert isinstance(codec, TableCodec)
    column = codec.columns[0]
    found = where(["when>=1.7.2021", "when<3.1.2022"], codec).limits[0]
    for text, left in (("24.6.2021", 0), ("3.7.2021", 1), ("24.12.2021", 1), ("3.1.2022", 0)):
        x = column.encode(torch.from_numpy(counts_of([text], "%d.%m.%Y"))).item()
        assert (found[int(x), 0] <= x % 1 < found[int(x), 1]) == bool(left), text
    with pytest.raises(ValueError, match=r"'when' holds dates, .* got 'July' in 'when>July'"):
        where(["when>July"], codec)
    with pytest.raises(ValueError, match="two columns of numbers can be compared"):
        where(["when<year"], codec)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["size>3"], "a condition is COLUMN, one of .* got 'size>3'; the columns are age, gain, low, high, kind, x y"),
        (["age"], "a condition is COLUMN"),
        (["age>old"], "the column 'age' holds whole numbers.* got 'old' in 'age>old'"),
        (["age=40.5"], "'age' holds whole numbers from 20, got 40.5"),
        (["kind=rich"], "the column 'kind' holds 2 categories: <=50K, >50K, got 'rich'"),
        (["kind>a"], "which have no order, got 'kind>a'; use = or !="),
        (["age>=50", "age<50"], "the conditions on 'age' leave no value, got age>=50, age<50; drop one"),
        (["x y>1.5"], "the conditions on 'x y' leave no value"),
        (["age=90"], "the conditions on 'age' leave no value"),
        (["age=30", "age=31"], "the conditions on 'age' leave no value"),
        (["kind=x y"], "two columns of numbers can be compared, got 'kind=x y' with 2 categories"),
    ],
)
def test_what_cannot_be_is_one_sentence(codec: TableCodec, texts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        where(texts, codec)
