"""Names and paths: what is found, where, and what is said when it is not."""

import gzip
import os
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.datasets  # noqa: F401 (imported here, so that no test is timed by it)
import torch
from PIL import Image

from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.load import FILES, NAMED, load
from quasistatic.data.source.arrays import Array
from quasistatic.data.table.codec import TableCodec

CIFAR = Path(__file__).parents[2] / "../shared/data/cifar10-jpeg/train.parquet"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """What `datasets` writes goes to the test's own folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def png(value, shape=(4, 5)):
    encoded = BytesIO()
    Image.new("RGB", shape[::-1], (value, value, value)).save(encoded, "png")
    return encoded.getvalue()


def everything(dataset):
    return dataset.batch(torch.arange(len(dataset)))


def mnist_in(folder):
    folder.mkdir(parents=True, exist_ok=True)
    images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(range(196)) * 8
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))
    return folder


def test_digits_are_embedded():
    data = load("digits")
    assert (len(data), data.shape, data.dtype) == (1797, (1, 8, 8), torch.uint8)
    assert data.codec == LevelsCodec(0, 16, 17)
    assert data.classes == tuple("0123456789")
    assert data.labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.equal(data.codec.decode(data.codec.encode(everything(data))), everything(data))
    assert data.fingerprint == load("digits").fingerprint


def test_a_limit_is_kept():
    assert load("digits", limit=10).ids == [str(row * 1797 // 10) for row in range(10)]
    assert len(load("digits", limit=5000)) == 1797
    with pytest.raises(ValueError, match="at least 1, got 0"):
        load("digits", limit=0)


@pytest.mark.parametrize("below", ["", "mnist"])
def test_mnist_is_found_in_its_folder(tmp_path, monkeypatch, below):
    mnist_in(tmp_path / below)
    given = load("mnist", data_dir=tmp_path)
    monkeypatch.setenv("QUASISTATIC_DATA", str(tmp_path))
    named = load("mnist")
    assert given.fingerprint == named.fingerprint
    assert (named.name, named.labels.tolist(), len(named.classes)) == ("mnist", [7, 3], 10)


def test_the_given_folder_comes_first_and_is_not_guessed_around(tmp_path, monkeypatch):
    monkeypatch.setenv("QUASISTATIC_DATA", str(mnist_in(tmp_path / "there")))
    with pytest.raises(FileNotFoundError, match=r"mnist needs train-images-idx3-ubyte .* got none"):
        load("mnist", data_dir=tmp_path / "here")


def unreachable(*_, **__):
    raise ConnectionError("no network\nand more")


def test_without_a_network_mnist_says_where_it_looks(monkeypatch):
    monkeypatch.delenv("QUASISTATIC_DATA", raising=False)
    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(
        FileNotFoundError, match=r"got: no network; .* named by `--data-dir` or \$QUASISTATIC_DATA"
    ) as error:
        load("mnist")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("source", "split"), [("hf:someone/pictures", "train"), ("hf:someone/pictures:test", "test")])
def test_the_hub_is_asked_for_a_split(monkeypatch, source, split):
    asked = []
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["dark", "light"])})
    table = datasets.Dataset.from_dict(
        {"img": [{"bytes": png(v), "path": None} for v in (0, 200, 3)], "label": [0, 1, 0]}, features=features
    )
    monkeypatch.setattr("datasets.load_dataset", lambda name, split: asked.append((name, split)) or table)
    data = load(source)
    assert asked == [("someone/pictures", split)]
    assert (data.name, data.shape, data.classes) == ("someone/pictures", (3, 4, 5), ("dark", "light"))
    assert (data.labels.tolist(), data.ids) == ([0, 1, 0], ["0", "1", "2"])
    assert everything(data)[:, 0, 0, 0].tolist() == [0, 200, 3]


def test_an_unreachable_hub_is_one_sentence(monkeypatch):
    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(FileNotFoundError, match=r"the hub should give someone/none \(split train\), got: no network; "):
        load("hf:someone/none")


def parquet(path, columns, metadata=None):
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"), [([1, 0, 1], [1, 0, 1], ("0", "1")), (["b", "a", "b"], [1, 0, 1], ("a", "b"))]
)
def test_parquet_holds_images_and_labels(tmp_path, labels, numbers, classes):
    cells = [{"bytes": png(value), "path": None} for value in (1, 2, 3)]
    data = load(parquet(tmp_path / "a.parquet", {"id": [7, 8, 9], "picture": cells, "label": labels}))
    assert (data.shape, data.labels.tolist(), data.classes) == ((3, 4, 5), numbers, classes)
    assert everything(data)[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_of_several_image_columns_one_is_taken_and_noted(tmp_path):
    cells = [{"bytes": png(9), "path": None}]
    data = load(parquet(tmp_path / "a.parquet", {"mask": cells, "image": cells, "label": [None]}))
    assert data.notes == ("images from the column image, of mask, image",)
    assert data.labels is None


def test_broken_cells_are_named_by_row(tmp_path):
    cells = [{"bytes": png(place), "path": None} for place in range(40)]
    cells[3], cells[5] = {"bytes": b"short", "path": None}, {"bytes": None, "path": None}
    data = load(parquet(tmp_path / "a.parquet", {"image": cells}))
    assert data.notes == ("2 of 40 files could not be read and are skipped: 3 (not an image), 5 (not an image)",)
    assert data.ids[3:5] == ["4", "6"]


def test_cells_may_name_files(tmp_path):
    (tmp_path / "a.png").write_bytes(png(77))
    cells = [{"bytes": None, "path": str(tmp_path / "a.png")}]
    assert (everything(load(parquet(tmp_path / "a.parquet", {"image": cells}))) == 77).all()


def test_parquet_lists_are_no_labels(tmp_path):
    cells = [{"bytes": png(value), "path": None} for value in (1, 2)]
    assert load(parquet(tmp_path / "a.parquet", {"image": cells, "label": [[1], [2]]})).labels is None


def test_parquet_without_images_is_a_table(tmp_path):
    found = load(parquet(tmp_path / "a.parquet", {"height": [1.5, 2.5], "sex": ["f", "m"], "unit": ["cm", None]}))
    assert isinstance(found.codec, TableCodec)
    assert found.codec.names == ("height", "sex")
    assert [aside.name for aside in found.codec.asides] == ["unit"]
    assert everything(found)[0].tolist() == [1.5, 0.0]


def test_a_parquet_column_of_an_odd_type_is_named(tmp_path):
    cells = pa.array([[("x", 1)], [("y", 2)]], pa.map_(pa.string(), pa.int8()))
    path = parquet(tmp_path / "a.parquet", {"height": [1.5, 2.5], "notes": cells})
    with pytest.raises(ValueError, match="the column 'notes' needs numbers, true and false, dates, or texts, got map"):
        load(path)


def test_a_broken_parquet_file_is_one_sentence(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(
        ValueError, match=r"a.parquet: a whole Parquet file is needed, got one that cannot be read \("
    ) as error:
        load(tmp_path / "a.parquet")
    assert "\n" not in str(error.value)


def test_the_real_cifar_is_read():
    if not CIFAR.exists():
        pytest.skip("shared/data/cifar10-jpeg is not beside the repository")
    data = load(CIFAR, limit=300)
    assert (len(data), data.shape, data.classes[:2]) == (300, (3, 32, 32), ("airplane", "automobile"))
    # published means of CIFAR-10's channels are 125.3, 123.0, 113.9; 4 standard errors of 300 image means (std 32)
    means = everything(data).float().mean((0, 2, 3))
    torch.testing.assert_close(means, torch.tensor([125.3, 123.0, 113.9]), atol=8.0, rtol=0)


def test_an_unknown_name_gets_the_known_ones():
    with pytest.raises(FileNotFoundError, match=f"no file or folder is called digit, .*{', '.join(NAMED)}"):
        load("digit")


def test_a_missing_path_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder is called .*nowhere.npy"):
        load(tmp_path / "nowhere.npy")


def test_an_unknown_ending_gets_the_known_ones(tmp_path):
    (tmp_path / "a.csvx").write_text("")
    with pytest.raises(ValueError, match=r"a.csvx: a data file ends in .npy, .npz, .csv, .txt, .parquet"):
        load(tmp_path / "a.csvx")
    assert ".csvx" not in FILES


def test_a_name_wins_over_a_file_and_a_path_over_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("digits.npy", np.zeros((2, 3)))
    os.rename("digits.npy", "digits")
    assert len(load("digits")) == 1797
    with pytest.raises(ValueError, match="digits: a data file ends in"):
        load("./digits")


def test_a_registry_takes_a_new_set_in_one_line(monkeypatch):
    monkeypatch.setitem(NAMED, "zeros", lambda options: Array("zeros", np.eye(3)))
    assert load("zeros").shape == (3,)
