"""Texts as pieces of characters, word-pieces or bytes, and as records; folders of texts; what is refused."""

from pathlib import Path

import pytest
import torch

from quasistatic.data import BytesCodec, RecordsCodec, TokensCodec, inspect, load

WORDS = "the cat sat on the mat and the rat ran to the cat and that was that " * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text(WORDS)
    (tmp_path / "names.txt").write_text("anna\nbob\neve\nan\n")
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes" / "one.txt").write_text("anna\nbob\n")
    (tmp_path / "classes" / "two.txt").write_text("eve\n")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 4)
    return tmp_path


def test_word_pieces_are_learned_on_what_is_not_held_out(folder: Path) -> None:
    (folder / "words.txt").write_text(WORDS + "zyxzyxzyx " * 30)
    found = load(folder / "words.txt", tokens=40, length=16)
    assert isinstance(found.codec, TokensCodec)
    assert not any("zy" in piece for piece in found.codec.pieces)
    assert "z" in found.codec.pieces
    whole = "".join(map(found.codec.text, found.batch(torch.arange(len(found)))))
    assert (WORDS + "zyxzyxzyx " * 30).startswith(whole)
    assert found.successive
    assert "word-pieces do not fill a piece of 16" in found.notes[0]


def test_a_model_s_own_pieces_are_used(folder: Path) -> None:
    first = load(folder / "words.txt", tokens=40, length=16)
    again = load(folder / "words.txt", tokens=40, length=16, like=first.codec)
    assert again.codec is first.codec
    assert again.fingerprint == first.fingerprint
    (folder / "other.txt").write_text("the mat sat " * 30)
    other = load(folder / "other.txt", tokens=40, length=16, like=first.codec)
    assert other.codec is first.codec


def test_bytes_are_read_from_any_file(folder: Path) -> None:
    found = load(folder / "data.bin", tokens="bytes", length=64)
    assert found.codec == BytesCodec()
    assert found.batch(torch.tensor([0]))[0].tolist() == list(range(64))
    assert len(found) == 16
    assert load(folder / "words.txt", tokens="bytes").codec == BytesCodec()


def test_records_are_lines_with_one_length(folder: Path) -> None:
    found = load(folder / "names.txt", records=True)
    assert found.codec == RecordsCodec("abenov", 4)
    assert found.shape == (5,)
    assert [found.codec.text(row) for row in found.batch(torch.arange(4))] == ["anna", "bob", "eve", "an"]
    assert not found.successive
    report = inspect(folder / "names.txt", records=True)
    assert report.sizes == {"2 characters": 1, "3 characters": 2, "4 characters": 1}
    assert not report.problems


def test_a_folder_of_texts_has_a_class_for_each(folder: Path) -> None:
    found = load(folder / "classes", records=True)
    assert found.classes == ("one", "two")
    assert found.labels.tolist() == [0, 0, 1]
    pieces = load(folder / "classes", length=2)
    assert pieces.classes == ("one", "two")
    assert pieces.labels.tolist() == [0, 0, 0, 0, 1]
    assert not pieces.successive
    assert inspect(folder / "classes", records=True).labels == {"one": 9, "two": 3}


def test_what_is_refused(folder: Path) -> None:
    (folder / "gap.txt").write_text("anna\n\nbob\n")
    with pytest.raises(ValueError, match="each line is a record, got an empty line 2; take it out"):
        load(folder / "gap.txt", records=True)
    assert inspect(folder / "gap.txt", records=True).problems
    with pytest.raises(ValueError, match=r"at most data\.length = 3 characters, got one of 4"):
        load(folder / "names.txt", records=True, length=3)
    with pytest.raises(ValueError, match="records have at most 2 characters, got one of 4"):
        load(folder / "names.txt", records=True, like=RecordsCodec("ab", 2))
    with pytest.raises(ValueError, match="a number of word-pieces, 2 to 65,536, or bytes, got 'words'"):
        load(folder / "words.txt", tokens="words")
    with pytest.raises(ValueError, match=r"records are made of characters, got data\.tokens = 40"):
        load(folder / "words.txt", tokens=40, records=True)
    with pytest.raises(ValueError, match=r"data\.records is for texts"):
        load("digits", records=True)
    with pytest.raises(ValueError, match=r"data\.tokens is for texts"):
        load("digits", tokens=40)
    (folder / "latin.txt").write_bytes("é".encode("latin-1"))
    with pytest.raises(ValueError, match=r"data\.tokens=bytes"):
        load(folder / "latin.txt")
    with pytest.raises(ValueError, match="a text is cut into pieces of 2000 bytes, got 1024 in all"):
        load(folder / "data.bin", tokens="bytes", length=2000)
