"""NumPy and IDX files, and arrays read from them."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.data.codec.affine import AffineCodec
from quasistatic.data.codec.discrete import BitsCodec
from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.contents import DataOptions
from quasistatic.data.load import load
from quasistatic.data.source.arrays import Array, files
from quasistatic.data.source.arrays.files import read_arrays, read_idx, read_idx_array, read_idx_folder, read_numpy

MNIST = Path(__file__).parents[2] / "../shared/data/mnist"


def pixels(*shape, highest=256, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, highest, shape).astype(dtype)


def everything(dataset):
    return dataset.batch(torch.arange(len(dataset)))


def saved(path, values, **arrays):
    np.save(path, values) if path.suffix == ".npy" else np.savez(path, **arrays)
    return path


def idx(values, code=8):
    head = bytes([0, 0, code, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return head + values.tobytes()


@pytest.mark.parametrize(
    ("shape", "dtype", "loaded", "axes"),
    [
        ((5, 8, 9), np.uint8, (5, 1, 8, 9), None),
        ((5, 8, 9, 3), np.uint8, (5, 3, 8, 9), (0, 3, 1, 2)),
        ((5, 8, 9, 1), np.uint8, (5, 1, 8, 9), (0, 3, 1, 2)),
        ((5, 3, 8, 9), np.uint8, (5, 3, 8, 9), None),
        ((5, 3, 8, 4), np.uint8, (5, 4, 3, 8), (0, 3, 1, 2)),
        ((5, 3, 8, 4), np.float32, (5, 3, 8, 4), None),
        ((5, 8, 9, 4), np.float32, (5, 4, 8, 9), (0, 3, 1, 2)),
        ((5, 7), np.uint8, (5, 7), None),
        ((5, 7), np.float64, (5, 7), None),
        ((5,), np.float32, (5, 1), None),
    ],
)
def test_axes_are_told_by_their_lengths(tmp_path, shape, dtype, loaded, axes):
    values = pixels(*shape, dtype=dtype)
    data = load(saved(tmp_path / "a.npy", values))
    assert (len(data), *data.shape) == loaded
    expected = values.transpose(axes) if axes else values.reshape(loaded)
    assert torch.equal(everything(data), torch.from_numpy(np.ascontiguousarray(expected)))
    assert isinstance(data.codec, LevelsCodec if dtype == np.uint8 else AffineCodec)


@pytest.mark.parametrize(
    ("dtype", "highest", "stored", "codec"),
    [
        (bool, 2, torch.uint8, BitsCodec()),
        (np.int64, 256, torch.uint8, LevelsCodec(0, 255, 256)),
        (np.dtype(">u2"), 60_000, torch.int64, LevelsCodec(0, 65535, 65536)),
        (np.float16, 3, torch.float32, None),
        (np.dtype(">f8"), 3, torch.float64, None),
    ],
)
def test_numbers_of_any_type_and_byte_order_are_held(tmp_path, dtype, highest, stored, codec):
    values = pixels(300, 4, highest=highest, dtype=dtype)
    data = load(saved(tmp_path / "a.npy", values))
    assert data.dtype == stored
    assert np.array_equal(everything(data).numpy(), values)
    assert codec is None or data.codec == codec


def test_ambiguous_axes_are_noted(tmp_path):
    assert load(saved(tmp_path / "a.npy", pixels(5, 3, 8, 4))).notes == ("read as (N, H, W, C)",)
    assert load(saved(tmp_path / "b.npy", pixels(5, 3, 8, 4, dtype=np.float32))).notes == ("read as (N, C, H, W)",)


@pytest.mark.parametrize("name", ["arr_0", "images", "x", "anything"])
@pytest.mark.parametrize("label", ["labels", "y", None])
def test_archives_hold_one_array_and_its_labels(tmp_path, name, label):
    arrays = {name: pixels(4, 8, 8)} | ({label: np.array([2, 0, 1, 2])} if label else {})
    data = load(saved(tmp_path / "a.npz", None, **arrays))
    assert data.shape == (1, 8, 8)
    assert data.classes == (("0", "1", "2") if label else ())
    assert label is None or data.labels.tolist() == [2, 0, 1, 2]


def test_samples_of_the_field_are_read(tmp_path):
    """guided-diffusion writes arr_0 (N, H, W, C) and arr_1, the labels."""
    np.savez(tmp_path / "a.npz", pixels(4, 8, 8, 3), np.array([5, 5, 0, 1]))
    data = load(tmp_path / "a.npz")
    assert (data.shape, data.labels.tolist()) == ((3, 8, 8), [5, 5, 0, 1])


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        (np.array(["dog", "cat", "dog"]), [1, 0, 1], ("cat", "dog")),
        (np.array([7, -1, 7]), [1, 0, 1], ("-1", "7")),
        (np.array([[1], [0], [1]], dtype=np.uint8), [1, 0, 1], ("0", "1")),
        (np.array([[1, 0, 1]]), [1, 0, 1], ("0", "1")),
    ],
)
def test_labels_become_numbers_from_zero(tmp_path, labels, numbers, classes):
    data = load(saved(tmp_path / "a.npz", None, x=pixels(3, 8), labels=labels))
    assert (data.labels.tolist(), data.labels.dtype, data.classes) == (numbers, torch.int64, classes)


def test_labels_match_the_rows(tmp_path):
    with pytest.raises(ValueError, match="3 examples came with 2 labels"):
        load(saved(tmp_path / "a.npz", None, x=pixels(3, 8), labels=np.array([1, 2])))


def test_an_archive_of_strangers_names_them(tmp_path):
    with pytest.raises(ValueError, match="called arr_0, images, x or stand alone, got left, right"):
        read_numpy(saved(tmp_path / "a.npz", None, left=pixels(3, 8), right=pixels(3, 8)))


@pytest.mark.parametrize("stray", ["readme.txt", "arr_0"])
def test_other_files_of_an_archive_are_passed_over(tmp_path, stray):
    path = saved(tmp_path / "a.npz", None, x=pixels(3, 8))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(stray, "no array")
    assert list(read_arrays(path)) == ["x"]


UNCLOSED = b"\x93NUMPY\x01\x00\x10\x00" + b"{'descr': '<f4',\n"
"""A header whose bracket is not closed."""


@pytest.mark.parametrize("content", [b"", b"no numbers", b"\x93NUMPY\x01\x00", b"PK\x03\x04 short", UNCLOSED])
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_broken_files_are_one_sentence(tmp_path, content, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a.{ending}: a NumPy file of plain numbers is needed"):
        read_arrays(path)


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="a NumPy file of plain numbers is needed"):
        read_arrays(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([["a"]]), "values should be numbers, got <U1"),
        (np.zeros((2, 2), dtype=np.complex64), "values should be numbers, got complex64"),
        (np.zeros((0, 3)), r"at least one example, got shape \(0, 3\)"),
        (np.float64(3), r"at least one example, got shape \(\)"),
        (np.zeros((2, 2, 2, 2, 2)), r"got shape \(2, 2, 2, 2, 2\)"),
        (np.array([[0.0], [np.nan], [np.inf]]), "got 2 NaN or infinite in 2 of 3 rows, the first in row 1"),
        (np.array([[0], [1], [10**9]]), "got 1000000001 from 0 to 1000000000; store it as floats"),
    ],
)
def test_arrays_that_are_no_data_are_refused(tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path / "a.npy", values))


def test_arrays_with_gaps_can_still_be_read_for_inference(tmp_path):
    values = np.array([[0.0, np.nan]])
    assert np.array_equal(read_arrays(saved(tmp_path / "a.npy", values))["arr_0"], values, equal_nan=True)


def test_a_large_array_stays_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAPPED_BYTES", 10)
    values = pixels(20, 4, 4)
    path = saved(tmp_path / "a.npy", values)
    assert isinstance(read_arrays(path)["arr_0"], np.memmap)
    assert torch.equal(everything(load(path))[:, 0], torch.from_numpy(values))


def test_held_images_take_a_size_and_channels():
    array = Array("grey", pixels(3, 8, 8))
    data = array.dataset(DataOptions(size=(4, 6), channels=3))
    assert (data.shape, data.notes) == ((3, 4, 6), ("resized to cover 4×6 and cropped at the centre",))
    assert array.dataset(DataOptions(size=8)).notes == ()
    with pytest.raises(ValueError, match="size and channels apply to 8-bit images, got float32 examples of shape"):
        Array("float", pixels(3, 8, 8, dtype=np.float32)).dataset(DataOptions(size=4))
    with pytest.raises(ValueError, match=r"got uint8 examples of shape \(8,\)"):
        Array("table", pixels(3, 8)).dataset(DataOptions(channels=1))


@pytest.mark.parametrize(
    ("dtype", "code"), [(">u1", 8), (">i1", 9), (">i2", 11), (">i4", 12), (">f4", 13), (">f8", 14)]
)
def test_idx_holds_every_type(tmp_path, dtype, code):
    values = pixels(2, 3, 4, highest=100, dtype=np.dtype(dtype))
    (tmp_path / "a.idx").write_bytes(idx(values, code))
    assert np.array_equal(read_idx_array(tmp_path / "a.idx"), values)
    assert load(tmp_path / "a.idx").shape == (1, 3, 4)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_images_find_their_labels(tmp_path, ending):
    images, labels = pixels(4, 5, 6), np.array([3, 1, 0, 2], dtype=np.uint8)
    pack = gzip.compress if ending else bytes
    (tmp_path / f"train-images-idx3-ubyte{ending}").write_bytes(pack(idx(images)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    for source in (tmp_path, tmp_path / f"train-images-idx3-ubyte{ending}"):
        data = load(source)
        assert data.labels.tolist() == [3, 1, 0, 2]
        assert torch.equal(everything(data)[:, 0], torch.from_numpy(images))
    with pytest.raises(ValueError, match="images are needed, got 4 single numbers"):
        read_idx(tmp_path / "train-labels-idx1-ubyte")


def test_a_folder_without_idx_files_has_none(tmp_path):
    assert read_idx_folder(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with 00 00, a type and the number of axes, got $"),
        (b"\x89PNG1234", "got 89 50 4e 47"),
        (idx(pixels(4, 5, 6))[:-7], r"120 bytes should follow the header for shape \(4, 5, 6\), got only 113"),
        (idx(pixels(4, 5, 6)) + b"0", r"120 bytes should follow .* got more"),
        (idx(pixels(4, 5, 6))[:9], "the lengths of 3 axes should follow, got 5 bytes"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_broken_idx_files_are_one_sentence(tmp_path, content, message, ending):
    path = tmp_path / f"a-ubyte{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.parametrize("content", [b"no gzip at all", gzip.compress(idx(pixels(40, 5, 6)))[:-40]])
def test_broken_gzip_files_are_one_sentence(tmp_path, content):
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a whole gzip file is needed"):
        load(path)


def test_the_real_mnist_is_read():
    if not MNIST.exists():
        pytest.skip("shared/data/mnist is not beside the repository")
    data = load("mnist", data_dir=MNIST)
    assert (data.name, len(data), data.shape, data.classes) == ("mnist", 60_000, (1, 28, 28), tuple("0123456789"))
    assert data.codec == LevelsCodec(0, 255, 256)
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]
    # published mean and deviation of the training set, of pixels in [0, 1]
    counts, levels = everything(data).flatten().bincount(minlength=256).double(), torch.arange(256) / 255
    mean = (counts * levels).sum() / counts.sum()
    std = ((counts * (levels - mean) ** 2).sum() / counts.sum()).sqrt()
    assert (round(mean.item(), 4), round(std.item(), 4)) == (0.1307, 0.3081)
