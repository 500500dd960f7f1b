"""Reports: on what is loaded, and on all that is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.load import MADE, NAMED, load
from quasistatic.data.report import inspect, survey


def save(path, value, shape=(4, 5), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, shape[::-1], value).save(path)


def test_digits_are_reported():
    report = inspect("digits")
    assert (report.count, report.sizes, report.levels) == (1797, {"1×8×8": 1797}, "17 levels from 0 to 16")
    assert (report.minimum, report.maximum, report.duplicates, report.dtype) == (0, 16, 0, "uint8")
    assert report.labels["3"] == 183
    assert report.ready
    assert round(report.mean, 4) == 4.8842
    assert round(report.std, 4) == 6.0168


def test_a_report_is_what_json_holds():
    report = inspect("digits", limit=20)
    stored = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert stored["count"] == 20
    assert stored["ready"] is True


def test_moments_are_those_of_the_values(tmp_path):
    values = np.random.default_rng(0).integers(0, 200, (40, 6, 7)).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    for place, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / f"{place:02}.png")
    for report in (inspect(tmp_path / "a.npy"), inspect(tmp_path)):
        found = (report.minimum, report.maximum, report.mean, report.std)
        np.testing.assert_allclose(found, (values.min(), values.max(), values.mean(), values.std()))
        assert report.count == 40
        assert report.levels == "256 levels from 0 to 255"


def test_a_folder_is_reported_as_it_lies(tmp_path):
    for place in range(3):
        save(tmp_path / "cat" / f"{place}.png", (place // 2, 9, 9))
    save(tmp_path / "dog" / "grey.png", 5, (6, 6), "L")
    (tmp_path / "dog" / "broken.jpg").write_bytes(b"")
    report = inspect(tmp_path)
    assert report.count == 4
    assert report.sizes == {"3×4×5": 3, "3×6×6": 1}
    assert report.modes == {"RGB": 3, "L": 1}
    assert report.labels == {"cat": 3, "dog": 1}
    assert report.duplicates == 1
    assert report.unreadable == {"dog/broken.jpg": "not an image"}
    broken, sizes = report.problems
    assert "at most 5% of the images may be unreadable, got 1 of 5 files" in broken
    assert "got 2 sizes" in sizes
    assert not report.ready


def test_a_size_makes_a_mixed_folder_ready(tmp_path):
    save(tmp_path / "a.png", 1, (4, 4), "L")
    save(tmp_path / "b.png", 2, (6, 6), "L")
    assert not inspect(tmp_path).ready
    report = inspect(tmp_path, size=4)
    assert report.ready
    assert report.notes == load(tmp_path, size=4).notes


def test_files_broken_beyond_their_header_are_found(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:2000])
    report = inspect(tmp_path)
    assert (report.count, list(report.unreadable)) == (1, ["b.jpg"])


def test_an_empty_folder_is_a_problem(tmp_path):
    report = inspect(tmp_path)
    assert (report.count, report.ready, report.mean, report.levels) == (0, False, None, "")
    assert "got none" in report.problems[0]


def test_gaps_and_constants_of_a_table_are_reported_by_column(tmp_path):
    values = np.arange(12.0).reshape(4, 3)
    values[:, 1] = 5
    values[1, 2], values[3, 2], values[2, 0] = np.nan, np.inf, np.nan
    np.save(tmp_path / "a.npy", values)
    report = inspect(tmp_path / "a.npy")
    assert (report.count, report.sizes, report.dtype) == (4, {"3 columns": 4}, "float64")
    assert report.missing == 3
    assert report.missing_columns == {0: 1, 2: 2}
    assert report.constant_columns == (1,)
    assert (report.minimum, report.maximum) == (0, 9)
    assert "got 3 NaN or infinite in 3 of 4 rows, the first in row 1" in report.problems[0]


def test_an_array_of_gaps_only_has_no_moments(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 1, 3, 3), np.nan))
    report = inspect(tmp_path / "a.npy")
    assert (report.missing, report.missing_columns, report.mean) == (18, {}, None)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.array([["a", "b"]]), "should be numbers"),
        (np.zeros((0, 3)), "at least one example"),
        (np.array([[0], [1], [10**9]]), "store it as floats"),
        (np.zeros((1, 2, 2, 2, 2)), "rows should be columns"),
    ],
)
def test_what_load_refuses_is_reported_with_its_reason(tmp_path, values, problem):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ValueError, match=problem) as error:
        load(tmp_path / "a.npy")
    assert inspect(tmp_path / "a.npy").problems == (str(error.value),)


def test_what_cannot_be_opened_is_reported(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"")
    (tmp_path / "b.docx").write_bytes(b"")
    assert "a NumPy file" in inspect(tmp_path / "a.npz").problems[0]
    assert "a data file ends in" in inspect(tmp_path / "b.docx").problems[0]


def test_labels_that_do_not_match_are_a_problem(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(3), labels=np.arange(2))
    report = inspect(tmp_path / "a.npz")
    assert report.labels == {}
    assert "3 examples came with 2 labels" in report.problems[0]


def test_a_size_that_cannot_be_is_a_problem(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    assert "size and channels apply to 8-bit images" in inspect(tmp_path / "a.npy", size=4).problems[0]


def test_only_what_is_missing_and_what_makes_no_sense_is_raised(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder is called"):
        inspect(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        inspect("digits", limit=0)
    with pytest.raises(ValueError, match="images have 1"):
        inspect("digits", channels=2)


def test_inspecting_tells_how_far_it_is(tmp_path):
    save(tmp_path / "a.png", (1, 2, 3))
    seen = []
    inspect(tmp_path, progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(1, 1)]


@pytest.mark.parametrize(
    ("name", "count", "size", "levels"),
    [
        ("swiss-roll", 5000, "2 columns", ""),
        ("dead-leaves:8", 4000, "1×8×8", ""),
        ("texture:grass:64", 225, "1×64×64", "256 levels from 0 to 255"),
        ("heartbeat:9:3", 19_998, "9 columns", "bits"),
    ],
)
def test_sets_that_are_made_are_reported(name, count, size, levels):
    report = inspect(name, limit=count)
    assert (report.count, report.sizes, report.levels, report.ready) == (count, {size: count}, levels, True)
    values = load(name, limit=count).batch(torch.arange(count)).double()
    found = (report.minimum, report.maximum, report.mean, report.std)
    np.testing.assert_allclose(found, (values.min(), values.max(), values.mean(), values.std(correction=0)), rtol=1e-6)


@pytest.mark.parametrize("name", [*NAMED, *MADE])
def test_every_known_name_has_a_report(name, monkeypatch):
    """No files of `mnist` are here, so that the sentence of `load` is all there is."""
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: 1 / 0)
    monkeypatch.delenv("QUASISTATIC_DATA", raising=False)
    example = {"texture": "texture:grass"}.get(name, name)
    if name == "mnist":
        with pytest.raises(FileNotFoundError):
            inspect(example)
    else:
        assert inspect(example, limit=30).count in (30, 1797)


def test_new_contents_are_reported_from_their_data_set():
    class Unknown(Contents):
        name = "unknown"

        def dataset(self, options):
            if options.size:
                raise ValueError("no size, please")
            return load("digits")

    report = survey(Unknown(), "unknown", DataOptions(limit=50))
    assert (report.count, report.sizes, report.levels) == (50, {"1×8×8": 50}, "17 levels from 0 to 16")
    assert sum(report.labels.values()) == 50
    assert survey(Unknown(), "unknown", DataOptions(size=3)).problems == ("no size, please",)


def test_states_that_the_data_do_not_have_are_a_problem_of_the_report(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(ValueError, match="categories") as error:
        load(tmp_path / "a.npy", states=4)
    assert inspect(tmp_path / "a.npy", states=4).problems == (str(error.value),)


@pytest.mark.parametrize("read", [load, inspect])
def test_an_unknown_option_names_the_known_ones(read):
    with pytest.raises(
        TypeError,
        match=r"data are read with size, channels, data_dir, limit, .*, links, condition, axes, tokens, records, "
        r"held_out, like, got colour",
    ):
        read("digits", colour=3)


def test_keywords_replace_fields_of_the_options():
    options = DataOptions(size=4, limit=9)
    assert load("digits", options, limit=5).shape == (1, 4, 4)
    assert len(load("digits", options, limit=5)) == 5
    assert len(load("digits", options)) == 9
