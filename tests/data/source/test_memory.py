"""Data in a program's memory are read as the same data in a file are."""

import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

import quasistatic as qs
from quasistatic.data import Dataset, TableCodec

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 6, 6, 3), dtype=np.uint8)
FRAME = pd.DataFrame(
    {"height": np.linspace(1.5, 2, 40) + np.arange(40) % 7, "sex": ["a", "b"] * 20, "kids": np.arange(40) % 5}
)


class Pairs(TorchDataset):  # type: ignore[type-arg]
    """PIL images with a name each, as torchvision's sets."""

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, place: int) -> tuple[Image.Image, str]:
        return Image.fromarray(IMAGES[place]), "ab"[place % 2]


def test_arrays_and_tensors_are_read_as_their_files(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    file = qs.load(tmp_path / "images.npy")
    for values in (IMAGES, torch.from_numpy(IMAGES), torch.from_numpy(IMAGES).permute(0, 3, 1, 2), IMAGES.tolist()):
        found = qs.load(values)
        assert found.fingerprint == file.fingerprint
        assert found.codec == file.codec


def test_what_torch_keeps_elsewhere_is_copied() -> None:
    values = torch.randn(20, 3, dtype=torch.bfloat16, requires_grad=True)
    found = qs.load(values)
    assert torch.equal(found[:], values.detach().float())
    assert found.shape == (3,)


def test_labels_are_numbers_or_names() -> None:
    names = qs.load(IMAGES, labels=["cat", "dog"] * 6)
    assert names.classes == ("cat", "dog")
    assert names.labels is not None
    assert names.labels.tolist() == [0, 1] * 6
    for numbers in (torch.arange(12) % 3, np.arange(12) % 3, list(np.arange(12) % 3)):
        assert qs.load(IMAGES, labels=numbers).classes == ("0", "1", "2")


def test_frames_are_read_as_their_file(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "people.parquet")
    file = qs.load(tmp_path / "people.parquet")
    shuffled = FRAME.set_index(pd.Index(range(100, 140)))
    table = pyarrow.Table.from_pandas(FRAME)
    for values in (FRAME, shuffled, FRAME.astype({"sex": "category"}), table, datasets.Dataset.from_pandas(FRAME)):
        found = qs.load(values)
        assert isinstance(found.codec, TableCodec)
        assert found.codec.names == ("height", "sex", "kids")
        assert torch.equal(found[:], file[:])
    assert qs.load(table).fingerprint == file.fingerprint


def test_polars_frames_are_tables() -> None:
    polars = pytest.importorskip("polars")
    found = qs.load(polars.from_pandas(FRAME))
    assert torch.equal(found[:], qs.load(FRAME)[:])


def test_options_of_tables_are_for_frames() -> None:
    found = qs.load(FRAME, columns=("kids=drop",), missing=("a",))
    assert isinstance(found.codec, TableCodec)
    assert found.codec.names == ("height",)
    with pytest.raises(ValueError, match="are for tables with named columns, got ndarray"):
        qs.load(IMAGES, columns=("kids=drop",))


def test_a_torch_dataset_is_read_once() -> None:
    found = qs.load(Pairs())
    assert found.fingerprint == qs.load(IMAGES).fingerprint
    assert found.classes == ("a", "b")
    plain = TensorDataset(torch.from_numpy(IMAGES))
    assert qs.load(plain).fingerprint == found.fingerprint
    labelled = qs.load(TensorDataset(torch.from_numpy(IMAGES), torch.arange(12) % 2))
    assert labelled.labels is not None
    assert labelled.labels.tolist() == [0, 1] * 6


def test_a_hub_set_in_memory_has_images_or_columns() -> None:
    pictures = [Image.fromarray(image) for image in IMAGES]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    table = datasets.Dataset.from_dict({"image": pictures, "label": [0, 1] * 6}, features=features)
    found = qs.load(table)
    assert torch.equal(found[:], qs.load(IMAGES)[:])
    assert found.classes == ("cat", "dog")
    assert len(qs.load(datasets.Dataset.from_pandas(FRAME).select(range(30)))) == 30


def test_examples_are_chosen_as_in_an_array(digits: Dataset) -> None:
    assert digits[0].shape == (1, 8, 8)
    assert torch.equal(digits[-1], digits.batch(torch.tensor([1796]))[0])
    assert torch.equal(digits[2:5], digits.batch(torch.arange(2, 5)))
    assert torch.equal(digits[[7, 3]], digits.batch(torch.tensor([7, 3])))
    assert digits.labels is not None
    zeros = digits[digits.labels == 0]
    assert len(zeros) == int((digits.labels == 0).sum())
    assert len(list(digits.select(torch.arange(5)))) == 5
    assert next(iter(DataLoader(digits, batch_size=4))).shape == (4, 1, 8, 8)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        digits[1797]
    with pytest.raises(IndexError, match=r"chosen by one number, slice or mask, got \(0, 0\)"):
        digits[0, 0]
    assert repr(digits) == f"Dataset({digits.describe()})"


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return iter(IMAGES)


class Uneven(Pairs):
    def __getitem__(self, place: int) -> Any:
        return torch.zeros(2 + place, 2)


class Words(Pairs):
    def __getitem__(self, place: int) -> Any:
        return {"image": IMAGES[place]}


class Half(Pairs):
    def __getitem__(self, place: int) -> Any:
        return (IMAGES[place], 1) if place % 2 else IMAGES[place]


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        (lambda: Stream(), {}, "whose examples have numbers is needed, got an IterableDataset"),
        (lambda: Uneven(), {}, r"examples have one shape, got \(2, 2\) first and \(3, 2\) at place 1"),
        (lambda: Words(), {}, "or a pair of one and its label, got a dict at place 0"),
        (lambda: Half(), {}, "12 examples came with 6 labels"),
        (lambda: TensorDataset(torch.zeros(0, 2)), {}, "needs at least one example, got none"),
        (lambda: Pairs(), {"labels": [0] * 12}, "has its own labels, got others as well"),
        (lambda: FRAME, {"labels": [0] * 40}, "labels are for arrays; a table has them in a column"),
        (lambda: IMAGES, {"labels": [0]}, "12 examples came with 1 labels"),
        (lambda: np.full((3, 2), np.nan), {}, "every value should be a finite number, got 6 NaN"),
        (lambda: np.array([["a"]]), {}, "of numbers; got ndarray of <U1 and shape"),
        (lambda: FRAME.assign(kids=[1, "two"] * 20), {}, "each column holds values of one type, got one that does not"),
        (lambda: datasets.DatasetDict(train=datasets.Dataset.from_pandas(FRAME)), {}, "one split of a set is learned"),
        (lambda: qs.load("digits"), {"size": 4}, "digits is loaded already, got options of reading"),
        (lambda: "digits", {"labels": [1]}, "labels are for arrays in memory, got digits with labels"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(values: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence) as found:
        qs.load(values(), **options)
    assert "\n" not in str(found.value)


def test_pandas_is_not_needed_for_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pandas")
    assert len(qs.load(IMAGES)) == 12
