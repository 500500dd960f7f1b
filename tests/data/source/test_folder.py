"""What a folder or a Parquet file may name: nothing outside itself, and nothing but regular files."""

import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from quasistatic.data.load import load
from quasistatic.data.report import inspect

NOT_FOLLOWED = "links that are not followed without data.links=true"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(path)
    return path


@pytest.fixture
def place(tmp_path):
    """A folder of images with links of every kind, beside secrets."""
    picture(tmp_path / "secrets" / "deep" / "b.png", 200)
    secret = picture(tmp_path / "secrets" / "a.png", 201)
    for name, value in (("cat/1.png", 1), ("dog/2.png", 2)):
        picture(tmp_path / "images" / name, value)
    images = tmp_path / "images"
    (images / "cat" / "out.png").symlink_to(secret)
    (images / "dog" / "relative.png").symlink_to("../../secrets/a.png")
    (images / "eel").symlink_to(tmp_path / "secrets")
    (images / "dog" / "inside.png").symlink_to("../cat/1.png")
    (images / "readme.txt").symlink_to("/etc/hostname")
    return images


def pixels(data):
    return data.batch(torch.arange(len(data)))[:, 0, 0, 0].tolist()


def test_links_out_of_a_folder_are_followed_only_if_asked(place):
    data = load(place)
    assert data.ids == ["cat/1.png", "dog/2.png", "dog/inside.png"]
    assert (pixels(data), data.classes) == ([1, 2, 1], ("cat", "dog"))
    assert data.notes == (f"{NOT_FOLLOWED}: 3",)
    assert f"{NOT_FOLLOWED}: 3" in inspect(place).notes
    asked = load(place, links=True)
    assert asked.classes == ("cat", "dog", "eel")
    assert sorted(pixels(asked)) == [1, 1, 2, 200, 201, 201, 201]
    assert asked.notes == ()


def test_a_folder_of_links_only_says_how_to_follow_them(tmp_path, place):
    (tmp_path / "subset").mkdir()
    (tmp_path / "subset" / "1.png").symlink_to(place / "cat" / "1.png")
    with pytest.raises(ValueError, match=rf"got none \({NOT_FOLLOWED}: 1\)"):
        load(tmp_path / "subset")
    assert pixels(load(tmp_path / "subset", links=True)) == [1]
    (tmp_path / "link").symlink_to(place)
    assert len(load(tmp_path / "link")) == 3, "a link that the user names is followed"


def test_links_in_circles_end(place):
    (place / "cat" / "up").symlink_to(place)
    (place / "cat" / "self.png").symlink_to("self.png")
    (place / "cat" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError, match=r"cat/gone.png \(.*cat/self.png \("):
        load(place)
    with pytest.raises(ValueError, match=r"cat/gone.png \(.*cat/self.png \("):
        load(place, links=True)


def test_pipes_and_devices_are_never_opened(place, tmp_path):
    os.mkfifo(place / "cat" / "pipe.png")
    assert load(place).notes == (f"{NOT_FOLLOWED}: 3", "pipes, devices or sockets passed over: 1")
    os.mkfifo(tmp_path / "a.npy")
    for source in (tmp_path / "a.npy", "/dev/zero", "/dev/null"):
        with pytest.raises(ValueError, match="a data file is a regular file, got a pipe, a device or a socket"):
            load(source)


def test_a_deep_folder_is_walked(tmp_path):
    """Deeper than Python recurses; taken away again, as the cleaning up of tests recurses too."""
    depth = sys.getrecursionlimit() + 50
    deepest = tmp_path / ("d/" * depth)
    for level in range(depth):
        os.mkdir(f"{tmp_path}/" + "d/" * (level + 1))
    picture(deepest / "a.png", 7)
    try:
        assert pixels(load(tmp_path)) == [7]
    finally:
        os.remove(deepest / "a.png")
        for level in reversed(range(depth)):
            os.rmdir(f"{tmp_path}/" + "d/" * (level + 1))


def test_names_of_any_bytes_are_shown(tmp_path):
    picture(tmp_path / "a.png", 3)
    os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/\xff.png")
    data = load(tmp_path)
    assert (data.ids, pixels(data)) == (["\\xff.png"], [3])


def parquet(path, *named):
    pq.write_table(pa.table({"image": [{"bytes": None, "path": str(name)} for name in named]}), path)
    return path


def test_a_parquet_file_names_files_in_its_own_folder_only(tmp_path, place, monkeypatch):
    monkeypatch.chdir(place.parent / "secrets")
    own = place / "cat"
    (own / "link.png").symlink_to(place.parent / "secrets" / "a.png")
    os.mkfifo(own / "pipe.png")
    data = load(parquet(own / "a.parquet", "1.png", own / "1.png", "deep/../1.png"))
    assert pixels(data) == [1, 1, 1], "a relative path starts at the file's folder"
    outside = [place.parent / "secrets" / "a.png", "../../secrets/a.png", "link.png", place / "dog" / "2.png"]
    others = ["pipe.png", ".", "gone.png", "a\0.png", "x" * 5000, "/dev/zero"]
    report = inspect(parquet(own / "b.parquet", *outside, *others))
    assert report.count == 0
    whys = list(report.unreadable.values())
    assert whys[:4] == ["names a file outside the data's own folder"] * 4
    assert whys[4:7] == ["names what is no regular file"] * 3
    assert set(whys[7:]) <= {"names no file", "names a file outside the data's own folder"}


def test_a_parquet_file_of_any_name_is_that_file(tmp_path):
    """The reader takes patterns, so that `*` would be several files."""
    for number, name in enumerate(("a[1].parquet", "a1.parquet", "b*.parquet", "bc.parquet")):
        pq.write_table(pa.table({"x": [float(number), 9.0]}), tmp_path / name)
    for number, name in enumerate(("a[1].parquet", "a1.parquet", "b*.parquet", "bc.parquet")):
        data = load(tmp_path / name)
        assert data.batch(torch.arange(len(data)))[:, 0].tolist() == [number, 9.0]


def shards(folder, *tables):
    folder.mkdir()
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def test_a_folder_of_parquet_tables_is_one_table(tmp_path):
    first = pa.table({"a": pa.array([1, 2, 3] * 5), "b": ["x", "y", "y"] * 5})
    other = pa.table({"b": ["x"] * 4, "a": pa.array([7, 2, 3, 4], pa.int32())})  # another order, smaller integers
    found = load(shards(tmp_path / "parts", first, other))
    (tmp_path / "parts" / "_SUCCESS").touch()
    (tmp_path / "parts" / ".hidden.crc").touch()
    joined = pa.concat_tables([first, other.select(["a", "b"])], promote_options="permissive")
    pq.write_table(joined, tmp_path / "a.parquet")
    whole = load(tmp_path / "a.parquet")
    assert found.name == "parts"
    assert "2 Parquet files are read as one set" in found.notes
    assert torch.equal(found.batch(torch.arange(19)), whole.batch(torch.arange(19)))
    assert torch.equal(load(tmp_path / "parts").batch(torch.arange(19)), whole.batch(torch.arange(19)))


def test_a_folder_of_parquet_images_is_one_set(tmp_path):
    (tmp_path / "parts").mkdir()
    for number in range(3):
        Image.new("L", (3, 3), 10 * number).save(tmp_path / "a.png")
        cell = {"bytes": (tmp_path / "a.png").read_bytes(), "path": None}
        pq.write_table(pa.table({"image": [cell], "label": [number % 2]}), tmp_path / "parts" / f"{number}.parquet")
    found = load(tmp_path / "parts")
    assert found.batch(torch.arange(3)).flatten(1)[:, 0].tolist() == [0, 10, 20]
    assert found.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"a": [1.0, 2.0], "c": [1.0, 2.0]}, "part-1.parquet: Parquet files of one set have the same columns, got a"),
        ({"a": ["x", "y"], "b": [1.0, 2.0]}, "parts: Parquet files of one set have columns of the same types"),
    ],
)
def test_parquet_files_that_differ_are_refused(tmp_path, other, said):
    with pytest.raises(ValueError, match=said):
        load(shards(tmp_path / "parts", pa.table({"a": [1.0, 2.0], "b": [1.0, 2.0]}), pa.table(other)))


def test_parquet_beside_classes_of_images_is_passed_over(tmp_path):
    root = shards(tmp_path / "pets", pa.table({"file_name": ["cats/1.png"]}))
    for name in ("cats", "dogs"):
        (root / name).mkdir()
        Image.new("L", (3, 3)).save(root / name / "1.png")
    assert load(root).classes == ("cats", "dogs")
