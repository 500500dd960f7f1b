"""Pieces of a text follow one another: what precedes each, and pieces that begin anywhere."""

import torch

from quasistatic.data import load
from quasistatic.data.codec.text import as_text

TEXT = "the quick brown fox jumps over the lazy dog and then sleeps"


def pieces(tmp_path, length=10):
    (tmp_path / "a.txt").write_text(TEXT)
    return load(tmp_path / "a.txt", length=length)


def texts(batch):
    return [as_text(row) for row in batch]


def test_the_piece_before_each(tmp_path):
    data = pieces(tmp_path)
    before, there = data.before(torch.tensor([2, 0, 1]))
    assert there.tolist() == [True, False, True]
    assert [texts(before)[0], texts(before)[2]] == [TEXT[10:20], TEXT[:10]]
    held_out = data.split(2, 0)[1]
    before, there = held_out.before(torch.arange(2))
    assert there.all()
    assert texts(before) == [TEXT[20:30], TEXT[30:40]]


def test_pieces_that_begin_anywhere_stay_within_the_set(tmp_path):
    """The last piece of a training set stays as it is: what follows it is held out."""
    data = pieces(tmp_path).split(2, 0)[0]
    assert len(data) == 3
    found = data.cut(torch.tensor([0, 1, 2, 0]), torch.tensor([3, 9, 4, 0]))
    assert texts(found) == [TEXT[3:13], TEXT[19:29], TEXT[20:30], TEXT[:10]]


def test_pieces_of_a_selection_that_is_no_stretch_stay_as_they_are(tmp_path):
    data = pieces(tmp_path).select(torch.tensor([3, 0]))
    assert texts(data.cut(torch.arange(2), torch.tensor([5, 5]))) == [TEXT[30:40], TEXT[:10]]
