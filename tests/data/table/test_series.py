"""Rows that belong together: wide rows and back, runs, splits, and reading them for a model."""

import numpy as np
import pyarrow
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quasistatic.data import TableCodec, load
from quasistatic.data.contents import DataOptions
from quasistatic.data.table.align import aligned
from quasistatic.data.table.read import table_of
from quasistatic.data.table.series import members_of, runs_of
from quasistatic.data.table.write import by_line, completed_lines


def panel(groups=30, seed=0, most=6, step=1):
    """Rows of patients in random order: a fixed sex, and a weight and a clinic of each year."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(groups):
        sex, start = rng.choice(["f", "m"]), 2010 + int(rng.integers(0, 3))
        for k in range(int(rng.integers(2, most + 1))):
            weight, clinic = round(float(rng.normal(70, 9)), 2), str(rng.choice(["a", "b"]))
            rows.append((f"p{group:02d}", start + step * k, str(sex), weight, clinic))
    rng.shuffle(rows)
    names = ("patient", "year", "sex", "weight", "clinic")
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[1], columns[3] = [int(year) for year in columns[1]], [float(weight) for weight in columns[3]]
    return pyarrow.table(dict(zip(names, columns, strict=True)))


def series_of(table, **options):
    return table_of("panel", table).dataset(DataOptions(group="patient", time="year", **options))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(2, 7))
def test_runs_hold_each_row_once_and_all_but_the_first_of_a_group_are_full(groups, length):
    runs = runs_of(members_of([str(group) for group in groups], None), length)
    assert sorted(runs[runs >= 0].tolist()) == list(range(len(groups)))
    seen = set()
    for run in runs.tolist():
        rows = [row for row in run if row >= 0]
        assert rows == sorted(rows)
        assert len({groups[row] for row in rows}) == 1
        assert run[len(rows) :] == [-1] * (length - len(rows))
        assert len(rows) == length or groups[rows[0]] not in seen
        seen.add(groups[rows[0]])


@pytest.mark.parametrize("rows", [None, 2, 4])
@pytest.mark.parametrize("step", [1, 3])
def test_wide_rows_become_the_rows_they_were_made_of(rows, step):
    table = panel(step=step)
    dataset = series_of(table, rows=rows)
    wide = dataset.batch(torch.arange(len(dataset)))
    codec = dataset.codec
    assert isinstance(codec, TableCodec)
    assert codec.series is not None
    assert wide.shape[1] == len(codec.columns)
    torch.testing.assert_close(codec.decode(codec.encode(wide)), wide, rtol=1e-6, atol=1e-6, equal_nan=True)
    back, lines = by_line(wide, codec)
    found = {tuple(column.text(v) for column, v in zip(lines.columns, row, strict=True)) for row in back.tolist()}
    names = [column.name for column in lines.columns]
    expected = {tuple(str(row[name]) for name in names) for row in table.to_pylist()}
    assert found == expected
    assert len(back) == len(table)


def test_columns_that_are_the_same_in_each_group_and_a_steady_time_are_there_once():
    names = series_of(panel(), rows=3).codec.names
    repeated = [f"{name}.{k}" for name in ("weight", "clinic") for k in (1, 2, 3)]
    assert names == ("number of rows", "year", "sex", *repeated)


def test_times_between_rows_are_learned_where_they_differ():
    table = panel(groups=20, seed=1)
    years = np.array(table["year"])
    uneven = table.set_column(1, "year", pyarrow.array(years + (years > 2012) * 2))
    assert {"year", "year+2", "year+3"} <= set(series_of(uneven, rows=3).codec.names)


def test_columns_of_one_kind_share_their_bins_and_categories():
    codec = series_of(panel(), rows=3).codec
    by_name = {column.name: column for column in codec.columns}
    assert by_name["weight.1"].bins == by_name["weight.3"].bins
    assert by_name["clinic.1"].categories == by_name["clinic.2"].categories == ("a", "b")


def test_rows_in_a_row_without_groups_hold_out_the_last():
    table = pyarrow.table({"t": list(range(100)), "x": [float(np.sin(k)) for k in range(100)]})
    dataset = table_of("one", table).dataset(DataOptions(time="t", rows=5))
    learned, held_out = dataset.split(0.2, seed=0)
    assert len(dataset) == 20
    assert dataset.codec.series.counted == ""
    assert held_out.batch(torch.arange(4))[:, 0].tolist() == [80, 85, 90, 95]
    assert learned.batch(torch.arange(16))[:, 0].max() == 75


@pytest.mark.parametrize("seed", range(5))
def test_runs_of_a_group_are_held_out_together(seed):
    dataset = series_of(panel(groups=12, most=9, seed=seed), rows=2)
    parts = dataset.split(0.3, seed)
    owners = [{name.split()[0] for name in part.ids} for part in parts]
    assert not owners[0] & owners[1]
    assert sum(map(len, parts)) == len(dataset)
    assert len(parts[1]) >= round(0.3 * len(dataset))


def test_another_file_is_read_in_the_wide_rows_of_the_model():
    codec = series_of(panel(), rows=3).codec
    other = panel(groups=5, seed=3)
    read = aligned(series_of(other, rows=3), codec)
    assert read.codec == codec
    assert read.shape == (len(codec.columns),)
    with pytest.raises(ValueError, match="up to 3 rows"):
        aligned(series_of(other, rows=2), codec)


def test_completed_rows_keep_the_order_of_the_file():
    table = panel(seed=4)
    dataset = series_of(table, rows=3)
    codec, wide = dataset.codec, dataset.batch(torch.arange(len(dataset)))
    groups = [str(group) for group in table["patient"].to_pylist()]
    raw = table_of("panel", table).plan(DataOptions(group="patient", time="year")).values
    runs = codec.series.runs([column.name for column in codec.of_file], raw, groups)
    known = ~wide.isnan()
    known[:, codec.names.index("weight.2")] = False
    draws, seen, lines = completed_lines(torch.stack([wide, wide], 1), known, codec, runs)
    assert torch.equal(draws[:, 0], raw)
    assert torch.equal(draws[:, 1], raw)
    place = [column.name for column in lines.columns].index("weight")
    assert (~seen).sum() == (~seen[:, place]).sum() == (runs[:, 1] >= 0).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "nobody"}, "name columns of the file .* got 'nobody'"),
        ({"group": "patient", "time": "when"}, "got 'when'"),
        ({"group": "patient", "time": "sex"}, "times holds numbers or dates"),
        ({"group": "weight", "time": "year"}, "two rows or more"),
    ],
)
def test_columns_that_make_no_series_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        table_of("panel", panel(groups=4)).dataset(DataOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 3}, "no data.group and no data.time"),
        ({"group": "a", "rows": 1}, "2 to 1000 rows"),
        ({"group": "a", "time": "a"}, "only tells them apart"),
        ({"group": "a", "columns": ["a=number"]}, "only tells them apart"),
        ({"time": "a", "columns": ["a=category"]}, "numbers or dates"),
    ],
)
def test_options_that_contradict_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DataOptions(**options)


@pytest.mark.parametrize("column", ["patient", "year"])
def test_an_empty_group_or_time_is_refused(column):
    table = panel(groups=4)
    cells = table[column].to_pylist()
    broken = table.set_column(table.column_names.index(column), column, pyarrow.array([None, *cells[1:]]))
    with pytest.raises(ValueError, match=f"empty cell of '{column}' in row 0"):
        series_of(broken)


def test_options_of_series_are_for_tables(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    with pytest.raises(ValueError, match="are for tables"):
        load(tmp_path / "x.npy", group="a")


def test_what_a_wide_row_does_not_hold_is_refused_in_another_file():
    """Times of another pace, or a fixed column that differs: both would be lost without a word."""
    codec = series_of(panel(), rows=3).codec
    uneven = panel(groups=5, seed=3, step=2)
    with pytest.raises(ValueError, match="1 apart in 'year', got 2; add the rows between"):
        aligned(series_of(uneven, rows=3), codec)
    table = panel(groups=5, seed=3)
    sexes = table["sex"].to_pylist()
    changed = table.set_column(2, "sex", pyarrow.array(["m" if sexes[0] == "f" else "f", *sexes[1:]]))
    with pytest.raises(ValueError, match="'sex' is the same in all rows of a group of the model"):
        aligned(series_of(changed, rows=3), codec)
