"""Data sets: rows, splits, labels, fingerprints."""

import pytest
import torch

from quasistatic.data.codec.affine import AffineCodec
from quasistatic.data.codec.discrete import BitsCodec
from quasistatic.data.dataset import from_tensor, spread
from quasistatic.runtime.digest import digest


def numbers(count=20, **known):
    return from_tensor("numbers", torch.arange(count * 2, dtype=torch.float32).reshape(count, 2), **known)


def test_rows_come_in_raw_units_and_stored_type():
    data = from_tensor("bits", torch.tensor([[[[0, 1]]], [[[1, 1]]]], dtype=torch.uint8))
    assert (len(data), data.shape, data.dimensions, data.dtype) == (2, (1, 1, 2), 2, torch.uint8)
    assert data.batch(torch.tensor([1, 0])).tolist() == [[[[1, 1]]], [[[0, 1]]]]
    assert data.codec == BitsCodec()
    assert isinstance(numbers().codec, AffineCodec)


def test_a_selection_of_a_selection_is_a_selection():
    data = numbers(labels=torch.arange(20), classes=tuple(map(str, range(20))))
    once, twice = torch.tensor([9, 3, 5, 7]), torch.tensor([2, 0])
    chosen = data.select(once).select(twice)
    rows = torch.arange(2)
    assert torch.equal(chosen.batch(rows), data.batch(once[twice]))
    assert chosen.labels_of(rows).tolist() == [5, 9]
    assert chosen.ids == ["5", "9"]


def test_ids_are_the_names_of_files_where_there_are_any():
    data = from_tensor("files", torch.zeros(3, 1), names=("a.png", "b.png", "c.png"))
    assert data.select(torch.tensor([2, 0])).ids == ["c.png", "a.png"]


@pytest.mark.parametrize(("held_out", "count"), [(5, 5), (0.25, 5), (1, 1)])
def test_a_split_is_a_partition_that_its_seed_decides(held_out, count):
    data = numbers()
    rest, held = data.split(held_out, seed=3)
    assert len(held) == count
    assert sorted(map(int, rest.ids + held.ids)) == list(range(20))
    again_rest, again_held = data.split(held_out, seed=3)
    assert (rest.ids, held.ids) == (again_rest.ids, again_held.ids)
    assert held.fingerprint == again_held.fingerprint != rest.fingerprint
    assert data.split(held_out, seed=4)[0].ids != rest.ids


@pytest.mark.parametrize("held_out", [0, 20, 21, -1, 0.0, 1.0, 0.001])
def test_a_split_leaves_some_on_both_sides(held_out):
    with pytest.raises(ValueError, match="leaves some on both sides"):
        numbers().split(held_out, seed=0)


def test_labels_are_asked_for_only_where_there_are_any():
    with pytest.raises(ValueError, match="numbers has no labels"):
        numbers().labels_of(torch.tensor([0]))


def test_labels_match_the_rows():
    with pytest.raises(ValueError, match="20 examples came with 3 labels"):
        numbers(labels=torch.arange(3))


def test_a_set_is_not_empty():
    with pytest.raises(ValueError, match="at least one example, got none"):
        numbers(0)
    with pytest.raises(ValueError, match="at least one example, got none"):
        numbers().select(torch.arange(0))


def test_a_set_in_memory_is_finite():
    with pytest.raises(ValueError, match="NaN or infinite"):
        from_tensor("gap", torch.tensor([[float("nan")]]))


def test_a_fingerprint_is_of_values_type_and_shape():
    zeros = torch.zeros(4, dtype=torch.uint8)
    parts = [(zeros,), (zeros.reshape(2, 2),), (zeros.float(),), (zeros + 1,), ("a", "b"), ("ab",), (b"ab", "c")]
    prints = [digest(*part) for part in parts]
    assert len(set(prints)) == len(prints)
    assert digest(zeros.clone()) == digest(zeros)
    assert numbers().fingerprint == numbers().fingerprint != numbers(19).fingerprint


@pytest.mark.parametrize(("count", "limit", "kept"), [(10, None, range(10)), (10, 4, [0, 2, 5, 7]), (3, 9, range(3))])
def test_a_limit_keeps_rows_from_everywhere(count, limit, kept):
    assert spread(count, limit).tolist() == list(kept)


def test_a_limit_is_at_least_one():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        spread(10, 0)


def test_a_set_describes_itself_in_a_line():
    data = numbers(labels=torch.zeros(20, dtype=torch.int64), classes=("all",))
    assert data.describe() == "numbers: 20 examples of 2 columns, continuous values, 2 centers and scales, 1 classes"
