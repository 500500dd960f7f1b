"""Covariates: how they are read beside the data, matched by name, and become numbers for a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.config import Specification
from quasistatic.config.json import from_json, to_json
from quasistatic.data import Dataset, TableCodec, load
from quasistatic.data.labels.covariates import Covariates, _fitted, opened, told_alike

AGES = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [f"{age:g},{kind}" for age, kind in zip(AGES, "abcabcab", strict=True)]
    path = tmp_path / "told.csv"
    path.write_text("\n".join(["age,kind", *lines]) + "\n")
    return path


@pytest.fixture
def values(tmp_path: Path) -> Path:
    path = tmp_path / "values.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 2)))
    return path


def test_numbers_are_scaled_by_quartiles_and_categories_one_hot(table: Path) -> None:
    covariates = Covariates.of(opened(table))
    assert covariates.features == 4
    quartiles = 6.0 - 3.0  # of eight sorted values, those at places 5 and 2
    raw = torch.tensor([[5.0, 2.0], [torch.nan, 0.0], [1000.0, torch.nan]], dtype=torch.float64)
    found = covariates.encode(raw)
    expected = ((raw[:, 0] - 5) / (quartiles / 1.349)).asinh().float()
    torch.testing.assert_close(found[:, 0], expected, equal_nan=True)
    assert found[0, 1:].tolist() == [0, 0, 1]
    assert found[1, 1:].tolist() == [1, 0, 0]
    assert bool(found[2, 1:].isnan().all())
    assert covariates.encode(raw[:0]).shape == (0, 4)


def test_a_configuration_keeps_them(table: Path, values: Path) -> None:
    specification = Specification.of(load(values, condition=table))
    assert specification.covariates is not None
    assert from_json(Specification, to_json(specification)) == specification


def test_rows_stay_with_their_examples(table: Path, values: Path) -> None:
    data = load(values, condition=table)
    raw = torch.from_numpy(np.load(values))
    for part in (*data.split(3, 0), data.select(torch.tensor([4, 1])), load(values, condition=table, limit=3)):
        assert part.covariates is not None
        rows = torch.arange(len(part))
        places = [int((raw == one).all(1).nonzero()) for one in part.batch(rows)]
        assert part.covariates.batch(rows)[:, 0].tolist() == [AGES[place] for place in places]


@pytest.mark.parametrize("text", ["1,2\n" * 3 + "3,4\n" * 5, "c0,c1\n" + "1,2\n" * 3 + "3,4\n" * 5])
def test_numbers_need_no_names(tmp_path: Path, values: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    np.save(tmp_path / "x.npy", np.array([[1, 2]] * 3 + [[3, 4]] * 5))
    found = [load(values, condition=tmp_path / name).covariates for name in ("x.csv", "x.npy")]
    for own in found:
        assert own is not None
        assert isinstance(own.codec, TableCodec)
        assert own.codec.names == ("c0", "c1")
        assert own.batch(torch.arange(8)).tolist() == [[1, 2]] * 3 + [[3, 4]] * 5


def pictures(folder: Path) -> Dataset:
    folder.mkdir()
    for shade, name in enumerate("bca"):
        Image.new("L", (4, 4), 10 * shade).save(folder / f"{name}.png")
    return load(folder)


def test_images_are_found_by_name(tmp_path: Path) -> None:
    data = pictures(tmp_path / "pictures")
    (tmp_path / "told.csv").write_text(
        "file,light\n" + "".join(f"{n}.png,{v}\n" for n, v in zip("cabz", (1.5, 2.5, 0.5, 9), strict=True))
    )
    told = load(tmp_path / "pictures", condition=tmp_path / "told.csv")
    assert told.covariates is not None
    assert told.ids == data.ids == ["a.png", "b.png", "c.png"]
    assert told.covariates.batch(torch.arange(3)).tolist() == [[2.5], [0.5], [1.5]]
    (tmp_path / "few.csv").write_text("file,light\na.png,1.5\nc.png,2\n")
    with pytest.raises(ValueError, match=r"a row for each example, got none for 1 of them, such as b\.png"):
        load(tmp_path / "pictures", condition=tmp_path / "few.csv")
    (tmp_path / "other.csv").write_text("file,light\nx.png,1.5\ny.png,2\n")
    with pytest.raises(ValueError, match=r"a column with their names, such as a\.png, got none in file, light"):
        load(tmp_path / "pictures", condition=tmp_path / "other.csv")


def test_a_condition_is_a_file_names_or_numbers(table: Path, tmp_path: Path) -> None:
    covariates = Covariates.of(opened(table))
    (tmp_path / "one.csv").write_text("kind,age\nb,4.5\n")
    wanted = [[4.5, 1.0]]
    for value in (
        tmp_path / "one.csv",
        str(tmp_path / "one.csv"),
        "age=4.5,kind=b",
        {"kind": "b", "age": 4.5},
        [4.5, 1],
    ):
        assert covariates.rows(value).tolist() == wanted, value
    partly = covariates.rows("kind=c")
    assert bool(partly[0, 0].isnan())
    assert partly[0, 1] == 2
    assert covariates.rows(np.array([[1.0, 0], [2, 1]])).shape == (2, 2)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("age=4.5,kond=b", "a condition names columns of age, kind, got 'kond'"),
        ("age=4.5,b", "a condition is a file, or NAME=VALUE with commas between, got 'b'"),
        ("kind=z", "holds 3 categories: a, b, c, got the category 'z'"),
        ("age=old", "old"),
        ({}, "a condition names columns of age, kind, got none"),
    ],
)
def test_what_no_condition_is(table: Path, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Covariates.of(opened(table)).rows(value)


def test_bad_rows_are_refused(table: Path, values: Path, tmp_path: Path) -> None:
    covariates = Covariates.of(opened(table))
    with pytest.raises(ValueError, match=r"a condition has 2 values \(age, kind\), got shape \(1, 3\)"):
        covariates.encode(torch.zeros(1, 3).double())
    with pytest.raises(ValueError, match="'kind' of a condition is one of 3 categories, from 0"):
        covariates.encode(torch.tensor([[1.0, 3.0]]).double())
    with pytest.raises(FileNotFoundError, match="a row for each example, and there is no"):
        covariates.rows(str(tmp_path / "none.csv"))
    np.save(tmp_path / "few.npy", np.zeros((7, 1)))
    np.save(tmp_path / "deep.npy", np.ones((8, 2, 2)))
    with pytest.raises(ValueError, match="a condition has a row for each example, 8, got 7 rows"):
        load(values, condition=tmp_path / "few.npy")
    with pytest.raises(ValueError, match=r"a condition is rows of numbers, got float64 of shape \(8, 2, 2\)"):
        load(values, condition=tmp_path / "deep.npy")
    (tmp_path / "told.doc").write_text("")
    with pytest.raises(ValueError, match=r"a condition is a file that ends in \.npy, \.csv"):
        load(values, condition=tmp_path / "told.doc")


def test_data_are_told_what_the_model_is(table: Path, values: Path, tmp_path: Path) -> None:
    data, other = load(values, condition=table), tmp_path / "other.csv"
    other.write_text("kind,age\n" + "\n".join(f"b,{age}" for age in AGES) + "\n")
    own = Specification.of(data).covariates
    found = told_alike(load(values, condition=other), own).covariates
    assert found is not None
    assert found.batch(torch.arange(8)).tolist() == [[age, 1.0] for age in AGES]
    with pytest.raises(ValueError, match="came with a condition, and the model learned without one; leave it out"):
        told_alike(data, None)
    assert told_alike(load(values), own).covariates is None


@pytest.mark.parametrize(
    "value", [np.zeros((0, 2)), [[np.inf, 0.0]], [[1e200, 0.0]], [{"age": 1.0}], object(), b"age", [[1j, 0.0]]]
)
def test_no_numbers_are_refused_in_one_sentence(table: Path, value: object) -> None:
    with pytest.raises(ValueError, match=r"^a condition "):
        Covariates.of(opened(table)).rows(value)


def test_long_texts_and_repeats(table: Path, tmp_path: Path) -> None:
    covariates = Covariates.of(opened(table))
    with pytest.raises(ValueError, match="a condition names each column once"):
        covariates.rows("age=1,age=2")
    with pytest.raises(ValueError, match="got 'b0'"):
        covariates.rows(",".join(f"b{place}=1" for place in range(100)))
    pictures(tmp_path / "pictures")
    (tmp_path / "twice.csv").write_text("file,light\na.png,1\nb.png,2\nc.png,3\na.png,4\n")
    with pytest.raises(ValueError, match=r"one row for each example, got several for a\.png"):
        load(tmp_path / "pictures", condition=tmp_path / "twice.csv")


def test_dates_by_name_and_what_is_set_aside(values: Path, tmp_path: Path) -> None:
    lines = [f"2020-01-{day:02d},5,{day % 3}" for day in (1, 2, 3, 4, 5, 6, 7, 7)]
    (tmp_path / "days.csv").write_text("\n".join(["day,same,kind", *lines]) + "\n")
    data = load(values, condition=tmp_path / "days.csv")
    covariates = Specification.of(data).covariates
    assert covariates is not None
    assert any(note.startswith("condition: ") and "same" in note for note in data.notes)
    assert data.covariates is not None
    assert covariates.rows("day=2020-01-03")[0, 0] == data.covariates.batch(torch.tensor([2]))[0, 0]


def test_a_column_without_values_in_the_examples_is_told_as_it_is() -> None:
    assert _fitted(torch.full((3,), torch.nan)) == (0.0, 1.0)
