"""Arrays that stay on disk are read as those in memory are, whatever their blocks."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import quasistatic as qs
from quasistatic.data.source.arrays import files, on_disk

Saved = Callable[..., Path]

ARRAYS = {
    "bytes": lambda n: np.random.default_rng(0).integers(0, 256, (n, 4, 5)).astype(np.uint8),
    "few levels": lambda n: 3 * np.random.default_rng(0).integers(0, 7, (n, 4, 5)).astype(np.int64),
    "whole numbers": lambda n: np.random.default_rng(0).integers(-500, 900, (n, 3)).astype(">i4"),
    "mostly small": lambda n: np.where(np.arange(3 * n).reshape(n, 3) == 3 * n - 1, 300, 7).astype(np.int16),
    "bits": lambda n: np.random.default_rng(0).integers(0, 2, (n, 6)).astype(bool),
    "colours last": lambda n: np.random.default_rng(0).integers(0, 256, (n, 4, 5, 3)).astype(np.uint8),
    "floats": lambda n: np.random.default_rng(0).normal(3, [0.1, 20.0, 0.0], (n, 3)),
    "half floats": lambda n: np.random.default_rng(0).normal(0, 1, (n, 2, 4, 4)).astype(np.float16),
    "numbers": lambda n: np.random.default_rng(0).normal(0, 1, n).astype("<f4"),
}


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    """Saves an array, and makes every file a large one of small blocks."""

    def save(values: np.ndarray) -> Path:
        np.save(tmp_path / "a.npy", values)
        monkeypatch.setattr(files, "MAPPED_BYTES", 10)
        monkeypatch.setattr(on_disk, "BLOCK_BYTES", 300)
        return tmp_path / "a.npy"

    return save


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("count", [1, 2, 47])
def test_the_set_is_that_of_memory(kind: str, count: int, saved: Saved, tmp_path: Path) -> None:
    values = ARRAYS[kind](count)
    np.save(tmp_path / "held.npy", values)
    held = qs.load(tmp_path / "held.npy")
    found = qs.load(saved(values))
    assert isinstance(found.storage, on_disk.OnDisk)
    assert found.notes == (*held.notes, "too large for memory: read as it is used")
    assert (found.fingerprint, found.shape, found.dtype) == (held.fingerprint, held.shape, held.dtype)
    for rows in (torch.arange(count), torch.randperm(count), torch.zeros(3).long(), torch.zeros(0).long()):
        assert torch.equal(found.batch(rows), held.batch(rows))
    if isinstance(held.codec, qs.data.AffineCodec):
        assert isinstance(found.codec, qs.data.AffineCodec)
        np.testing.assert_allclose(found.codec.center, held.codec.center, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.codec.scale, held.codec.scale, rtol=1e-12)
    else:
        assert found.codec == held.codec


def test_a_set_on_disk_can_be_pickled(saved: Saved) -> None:
    data = qs.load(saved(ARRAYS["mostly small"](20)))
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again.batch(torch.arange(20)), data.batch(torch.arange(20)))


def test_images_are_resized_as_they_are_read(saved: Saved, tmp_path: Path) -> None:
    values = ARRAYS["colours last"](20)
    np.save(tmp_path / "held.npy", values)
    held, found = (qs.load(path, size=(2, 3), channels=1) for path in (tmp_path / "held.npy", saved(values)))
    assert isinstance(found.storage, on_disk.OnDisk)
    assert torch.equal(found.batch(torch.arange(20)), held.batch(torch.arange(20)))
    assert (found.codec, found.fingerprint) == (held.codec, held.fingerprint)


def test_values_that_are_no_numbers_are_found_in_any_block(saved: Saved) -> None:
    values = np.zeros((90, 3))
    values[71, 1] = values[80, 0] = np.inf
    with pytest.raises(ValueError, match="got 2 NaN or infinite in 2 of 90 rows, the first in row 71"):
        qs.load(saved(values))


def test_a_file_that_became_shorter_is_told(saved: Saved) -> None:
    path = saved(ARRAYS["bytes"](40))
    data = qs.load(path)
    with path.open("r+b") as file:
        file.truncate(400)
    with pytest.raises(ValueError, match=r"a.npy: it had 40 rows and is shorter now"):
        data.batch(torch.tensor([39]))


def test_columns_first_in_memory_are_mapped(saved: Saved) -> None:
    """Fortran order: rows do not lie together."""
    values = np.asfortranarray(ARRAYS["floats"](30))
    data = qs.load(saved(values))
    assert not isinstance(data.storage, on_disk.OnDisk)
    assert torch.equal(data.batch(torch.arange(30)), torch.from_numpy(np.ascontiguousarray(values)))
