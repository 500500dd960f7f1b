"""Bits, states and text: what is read, what is written, what is refused and how it is named."""

import numpy as np
import pytest
import sklearn.datasets  # noqa: F401 (imported here, so that no test is timed by it)
import torch

from quasistatic.data import BitsCodec, Codec, LevelsCodec, StatesCodec, SymbolsCodec, inspect, load
from quasistatic.data.codec.text import as_text, code_points
from quasistatic.data.observed import read_gaps, read_incomplete
from quasistatic.distribution import Bernoulli, Categorical, Normal


def everything(dataset):
    return dataset.batch(torch.arange(len(dataset)))


def saved(path, values):
    np.save(path, values)
    return path


CODECS = [
    (BitsCodec(), torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8), Bernoulli(torch.zeros(2, 2))),
    (StatesCodec(300), torch.tensor([[0, 299]]), Categorical(torch.zeros(1, 2, 300))),
    (SymbolsCodec("zaß€😀"), code_points("😀az").view(1, 3), Categorical(torch.zeros(1, 3, 5))),
]


@pytest.mark.parametrize(("codec", "raw", "clean"), CODECS, ids=str)
def test_raw_values_return(codec: Codec, raw, clean):
    x = codec.encode(raw)
    assert torch.equal(codec.decode(x).long(), raw.long())
    assert torch.equal(codec.log_jacobian(x), torch.zeros(raw.shape))
    assert codec.decoder(clean) is clean
    assert codec.measure == "mass"
    assert codec.decode(torch.zeros(1, *raw.shape[1:])).shape == (1, *raw.shape[1:])
    with pytest.raises(TypeError, match=r"scored with a (Bernoulli|Categorical), got Normal"):
        codec.decoder(Normal(torch.zeros(1), torch.ones(1)))


def test_symbols_are_places_in_the_alphabet():
    codec = SymbolsCodec("cab")
    assert codec.encode(code_points("abc").view(1, 3)).tolist() == [[1, 2, 0]]
    assert as_text(codec.decode(torch.tensor([2, 0]))) == "bc"


def test_a_symbol_outside_the_alphabet_is_named_with_its_place():
    with pytest.raises(ValueError, match=r"written in an alphabet of 2: 'ab', got 'é' \(U\+00E9\) in row 1, place 2"):
        SymbolsCodec("ab").encode(code_points("abaabé").view(2, 3))


@pytest.mark.parametrize(
    ("codec", "values", "sentence"),
    [
        (BitsCodec(), [[0.0, 2.0]], "bits are 0 or 1, got 2 in row 0, place 1; set data.threshold"),
        (BitsCodec(), [[0.0, float("nan")]], "got 1 NaN or infinite of 2"),
        (StatesCodec(3), [[0, 1], [3, 2]], "3 states are 0 to 2, got 3 in row 1, place 0; set data.states"),
        (StatesCodec(3), [[0, -1]], "3 states are 0 to 2, got -1 in row 0"),
        (StatesCodec(3), [[0.0, 1.5]], "categories are whole numbers, got 1.5 in row 0, place 1"),
    ],
)
def test_other_values_are_refused(codec: Codec, values, sentence):
    with pytest.raises(ValueError, match=sentence):
        codec.encode(torch.tensor(values))


def test_codecs_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least two states, got 1"):
        StatesCodec(1)
    for alphabet in ("a", "aba"):
        with pytest.raises(ValueError, match="two or more different characters"):
            SymbolsCodec(alphabet)


@pytest.mark.parametrize(
    ("name", "length", "period"), [("heartbeat", 20, 5), ("heartbeat:30:6", 30, 6), ("heartbeat:7", 7, 5)]
)
def test_heartbeats(name, length, period):
    data = load(name)
    rows = everything(data)
    assert (data.shape, data.codec) == ((length,), BitsCodec())
    phases = (torch.arange(length) % period == torch.arange(period)[:, None]).to(torch.uint8)
    counts = [(rows == phase).all(1).sum().item() for phase in phases]
    assert counts == [len(rows) // period] * period
    assert load(name).fingerprint == data.fingerprint


@pytest.mark.parametrize("name", ["heartbeat:", "heartbeat:5:6", "heartbeat:9:1", "heartbeat:a", "heartbeat:9:3:2"])
def test_other_heartbeats_are_refused(name):
    with pytest.raises(ValueError, match="heartbeats are written heartbeat:LENGTH:PERIOD"):
        load(name)


def test_text_is_cut_into_pieces_and_its_end_held_out(tmp_path):
    text = "the quick brown fox jumps over the lazy dog " * 5
    (tmp_path / "a.txt").write_text(text)
    data = load(tmp_path / "a.txt", length=20)
    assert data.shape == (20,)
    assert as_text(everything(data).flatten()) == text[:220]
    assert data.codec == SymbolsCodec("".join(sorted(set(text))))
    train, held = data.split(0.2, seed=5)
    assert as_text(everything(train).flatten()) + as_text(everything(held).flatten()) == text[:220]
    assert len(held) == 2
    assert held.ids == ["9", "10"]


def test_the_line_end_of_a_single_line_is_left_out(tmp_path):
    (tmp_path / "one.txt").write_text("abab\n")
    assert load(tmp_path / "one.txt", length=2).codec == SymbolsCodec("ab")
    (tmp_path / "two.txt").write_text("ab\nab\n")
    assert load(tmp_path / "two.txt", length=2).codec == SymbolsCodec("\nab")


def test_what_does_not_fill_a_piece_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("abcdefg")
    assert load(tmp_path / "a.txt", length=3).notes == (
        "the last 1 characters do not fill a piece of 3 and are left out",
    )
    report = inspect(tmp_path / "a.txt")
    assert not report.ready
    assert "pieces of 256 characters, got 7 in all; set data.length" in report.problems[0]


def test_text_that_cannot_be_used(tmp_path):
    (tmp_path / "one.txt").write_text("aaaaaa")
    with pytest.raises(ValueError, match="two or more different characters, got one"):
        load(tmp_path / "one.txt", length=2)
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1") * 9)
    with pytest.raises(ValueError, match="text in UTF-8 is needed"):
        load(tmp_path / "latin.txt", length=2)
    with pytest.raises(ValueError, match=r"two characters or more, got data\.length = 1"):
        load(tmp_path / "one.txt", length=1)


def test_integers_are_read_as_stated(tmp_path):
    values = np.array([[0, 2, 1], [3, 1, 0]])
    path = saved(tmp_path / "a.npy", values)
    assert load(path, states=6).codec == StatesCodec(6)
    assert load(path, states="found").codec == StatesCodec(4)
    assert load(path, states=6).fingerprint != load(path).fingerprint
    bits = load(path, threshold=2)
    assert bits.codec == BitsCodec()
    assert everything(bits).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert "binarised: 1 from 2 on" in bits.notes
    with pytest.raises(ValueError, match=r"a\.npy: 3 states are 0 to 2, got 3 in row 1, place 0"):
        load(path, states=3)
    with pytest.raises(ValueError, match=r"whole numbers, got 0\.5 in row 0, place 1"):
        load(saved(tmp_path / "b.npy", np.array([[1.0, 0.5]])), states=3)
    for wrong in (1, "many"):
        with pytest.raises(ValueError, match="at least 2, or `found`"):
            load(path, states=wrong)
    with pytest.raises(ValueError, match=r"both data\.states and data\.threshold"):
        load(path, states=4, threshold=1)


def test_images_are_read_as_bits_or_states():
    bits, states = load("digits", threshold=8), load("digits", states=17)
    assert set(everything(bits).unique().tolist()) == {0, 1}
    assert (bits.shape, states.shape) == ((1, 8, 8), (1, 8, 8))
    assert states.codec.encode(states.batch(torch.arange(2))).dtype == torch.int64


def test_a_table_of_numbers(tmp_path):
    (tmp_path / "a.csv").write_text("p,q\n0,1\n\n2,3\n")
    data = load(tmp_path / "a.csv", states="found")
    assert everything(data).tolist() == [[0, 1], [2, 3]]
    (tmp_path / "gap.csv").write_text("0,\n1,1\n")
    found = read_incomplete(tmp_path / "gap.csv")
    assert found is not None
    assert found[1].tolist() == [[True, False], [True, True]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "at least one row of numbers, got none"),
        ("1,2\n3\n", "rows should have 2 cells, got 1 in line 2"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, sentence):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        load(tmp_path / "a.csv")


def test_gaps_in_text(tmp_path):
    (tmp_path / "a.txt").write_text("ab?a\n")
    points, known = read_gaps(tmp_path / "a.txt", SymbolsCodec("ab"), (3,))
    assert as_text(points[0]) == "ab?"
    assert known.tolist() == [[True, True, False], [True, False, False]]


def test_gaps_in_rows_of_digits(tmp_path):
    (tmp_path / "a.txt").write_text("01?2\n??10\n")
    values, known = read_gaps(tmp_path / "a.txt", StatesCodec(3), (1, 2, 2))
    assert known.tolist() == [[[[True, True], [False, True]]], [[[False, False], [True, True]]]]
    assert values[known].tolist() == [0, 1, 2, 1, 0]
    assert values.shape == (2, 1, 2, 2)


@pytest.mark.parametrize(
    ("text", "codec", "sentence"),
    [
        ("a?", SymbolsCodec("a?"), r"'\?' is in the alphabet, so it cannot mark what to infer"),
        ("ab", SymbolsCodec("ab"), "has no unknown characters; mark each with"),
        ("a?x", SymbolsCodec("ab"), "got 'x' at place 2; replace it"),
        ("a?", LevelsCodec(0, 16, 17), "is text, and the model is one of 17 levels"),
        (
            "0?1\n0a1\n",
            BitsCodec(),
            "3 digits below 2, or ., in each line, .* one of bits; got 'a' at place 1 in line 2",
        ),
        ("0?12\n", StatesCodec(3), "3 digits below 3, .* got 4 characters in line 1"),
        ("0?3\n", StatesCodec(3), "got '3' at place 2 in line 1"),
        ("0?3\n", StatesCodec(11), "more than ten states are written as .csv or .npy"),
        ("011\n", BitsCodec(), "has no unknown values"),
    ],
)
def test_gaps_that_cannot_be_read(tmp_path, text, codec, sentence):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_gaps(tmp_path / "a.txt", codec, (3,))
