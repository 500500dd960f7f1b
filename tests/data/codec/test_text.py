"""Codecs of texts: what is split comes back, word-pieces are those of the algorithm, and units are characters."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quasistatic.config import from_json, to_json
from quasistatic.data import BytesCodec, Codec, RecordsCodec, SymbolsCodec, TokensCodec
from quasistatic.data.codec.tokens import learned_pieces

CORPUS = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
PIECES = learned_pieces(CORPUS, "".join(sorted(set(CORPUS))), 24)
LETTERS = "".join(sorted(set(CORPUS)))


def naive_pairs(text: str, merges: int) -> list[str]:
    """Byte-pair encoding as in Sennrich et al., algorithm 1: words with the space before them, counts of pairs."""
    words = Counter(word if place == 0 else " " + word for place, word in enumerate(text.split(" ")))
    split = {tuple(word): count for word, count in words.items()}
    made = []
    for _ in range(merges):
        pairs: Counter[tuple[str, str]] = Counter()
        for parts, count in split.items():
            for pair in pairwise(parts):
                pairs[pair] += count
        most = max(pairs.values())
        # The algorithm leaves open which of equal pairs is first; the test stops before it matters.
        if sum(count == most for count in pairs.values()) > 1:
            break
        best = max(pairs, key=pairs.__getitem__)
        made.append("".join(best))
        joined = {}
        for parts, count in split.items():
            new, place = [], 0
            while place < len(parts):
                both = parts[place : place + 2] == best
                new.append("".join(best) if both else parts[place])
                place += 1 + both
            joined[tuple(new)] = count
        split = joined
    return made


def test_word_pieces_are_those_of_the_algorithm() -> None:
    random = Random(1)
    words = {"".join(random.choices("abcd", k=random.randint(2, 6))): random.randint(1, 500) for _ in range(20)}
    text = " ".join(word for word, count in words.items() for _ in range(count))
    made = naive_pairs(text, 12)
    assert len(made) > 5
    alphabet = "".join(sorted(set(text)))
    codec = learned_pieces(text, alphabet, len(alphabet) + len(made))
    assert list(codec.pieces[len(alphabet) :]) == made


@given(st.text(alphabet=LETTERS, max_size=200))
def test_a_text_is_the_text_of_its_pieces_and_these_are_canonical(text: str) -> None:
    split = PIECES.split(text)
    assert PIECES.text(split) == text
    assert PIECES.split(PIECES.text(split)).tolist() == split.tolist()
    if len(split):
        assert PIECES.units(PIECES.encode(split[None])).tolist() == [len(text)]


@given(st.text(max_size=100))
def test_bytes_are_those_of_utf_8(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode("utf-8")
    codec = BytesCodec()
    assert bytes(codec.split(text).tolist()) == text.encode()
    assert codec.text(codec.decode(codec.encode(codec.split(text)))) == text


def test_records_count_their_characters_and_one_end() -> None:
    codec = RecordsCodec("abc", 4)
    raw = torch.stack([codec.split(codec.padded(record)) for record in ("", "a", "abca")])
    x = codec.encode(raw)
    assert x.tolist() == [[3, 3, 3, 3, 3], [0, 3, 3, 3, 3], [0, 1, 2, 0, 3]]
    assert codec.units(x).tolist() == [1, 2, 5]
    assert [codec.text(row) for row in codec.decode(x)] == ["", "a", "abca"]
    assert codec.units(x[:0]).tolist() == []


@pytest.mark.parametrize("codec", [PIECES, RecordsCodec("ab", 3), BytesCodec(), SymbolsCodec("ab")])
def test_codecs_are_kept_in_a_configuration(codec: Codec) -> None:
    assert from_json(Codec, to_json(codec)) == codec


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got 'z' \(U\+007A\) at place 1; replace it"):
        PIECES.split("lz")
    with pytest.raises(ValueError, match="every character is a word-piece, and this text has 11 different ones, got"):
        learned_pieces(CORPUS, LETTERS, 11)
    with pytest.raises(ValueError, match="at most 2 characters, got one of 3: 'aba'; cut it"):
        RecordsCodec("ab", 2).padded("aba")
    with pytest.raises(ValueError, match="no newline"):
        RecordsCodec("a\n", 2)
    with pytest.raises(ValueError, match="single characters and joined pairs"):
        TokensCodec(("a", "b", "abc"), ((0, 1),))
    with pytest.raises(ValueError, match="two or more different texts"):
        TokensCodec(("a", "a"), ())
    with pytest.raises(ValueError, match="numbers 0 to 23, got others"):
        PIECES.encode(torch.tensor([[24]]))
    with pytest.raises(ValueError, match="bytes are whole numbers from 0 to 255"):
        BytesCodec().encode(torch.tensor([[256]]))


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quasistatic\[tokens\]'"):
        learned_pieces(CORPUS, LETTERS, 24)
