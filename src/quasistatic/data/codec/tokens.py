"""Word-pieces of a text by byte-pair encoding, learned on a training text; scores are per character of the text.

A text is cut into words, each with the space before it, and each word into pieces: all characters are pieces, and each
merge joins the most frequent pair of neighbours to a new one. The pieces of a text follow from it (they are canonical),
so that its probability is at least that of its pieces: the score in bits per character is never too low.
Source: Sennrich, Haddow, Birch 2016 (arXiv:1508.07909), algorithm 1; the library `tokenizers`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from quasistatic.data.codec.text import TextCodec, excerpt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD = r" ?[^\s]+|\s+"
"""A word with the space before it, or other spaces."""

BLOCK = 2**16
"""Characters of a text that are taken at once."""


@final
@dataclass(frozen=True)
class TokensCodec(TextCodec):
    """Word-pieces: raw values are their numbers (int32), states the same as int64.

    Attributes:
        pieces: text of each word-piece; the first ones are single characters.
        merges: numbers of the two pieces that make another one, in the order in which they were learned.

    Raises:
        ValueError: if a piece is empty or repeated, or merges do not make the pieces.
    """

    pieces: tuple[str, ...]
    merges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.pieces) < 2 or len(set(self.pieces)) < len(self.pieces) or "" in self.pieces:
            raise ValueError("word-pieces are two or more different texts, got fewer, an empty or a repeated one")
        count = len(self.pieces)
        sound = all(0 <= one < count and 0 <= other < count for one, other in self.merges)
        made = {self.pieces[one] + self.pieces[other] for one, other in self.merges} if sound else set()
        if made != {piece for piece in self.pieces if len(piece) > 1}:
            raise ValueError("word-pieces are single characters and joined pairs, got others; learn them again")

    def __str__(self) -> str:
        return f"{len(self.pieces)} word-pieces of an alphabet of {len(self.alphabet)}: {excerpt(self.alphabet)!r}"

    @property
    def alphabet(self) -> str:
        """All characters."""
        return "".join(piece for piece in self.pieces if len(piece) == 1)

    @property
    def states(self) -> int:
        """K, the number of word-pieces."""
        return len(self.pieces)

    @property
    def unit(self) -> str:
        return "character"

    @cached_property
    def _characters(self) -> Int[Tensor, " states"]:
        return torch.tensor([len(piece) for piece in self.pieces])

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer, models

        number = {piece: place for place, piece in enumerate(self.pieces)}
        merges = [(self.pieces[one], self.pieces[other]) for one, other in self.merges]
        return _by_words(Tokenizer(models.BPE(number, merges)))

    def units(self, x: Int[Tensor, "batch length"]) -> Int[Tensor, " batch"]:
        """Return the number of characters of each example."""
        return self._characters.to(x.device)[x].sum(1)

    def split(self, text: str) -> Int[Tensor, " elements"]:
        """Return the word-pieces of a text.

        Raises:
            ValueError: if a character is not in the alphabet; the message names it and its place.
            ModuleNotFoundError: if the library `tokenizers` is absent.
        """
        known = set(self.alphabet)
        place = next((place for place, one in enumerate(text) if one not in known), None)
        if place is not None:
            raise ValueError(
                f"the text should be written in {self}, got {text[place]!r} (U+{ord(text[place]):04X}) at place "
                f"{place}; replace it, or train on text that has it"
            )
        with needing_tokenizers():
            numbers = [part.ids for part in self._tokenizer.encode_batch([*_blocks(text)])]
        return torch.tensor([number for part in numbers for number in part], dtype=torch.int32)

    def text(self, raw: Int[Tensor, " elements"]) -> str:
        """Return the text of word-pieces."""
        return "".join(self.pieces[number] for number in raw.tolist())

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the numbers of the word-pieces, int64.

        Raises:
            ValueError: if there is no such word-piece.
        """
        if raw.is_floating_point() or not bool(((raw >= 0) & (raw < self.states)).all()):
            raise ValueError(
                f"{self} have the numbers 0 to {self.states - 1}, got others; read the text with the model"
            )
        return raw.long()

    def decode(self, x: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the numbers of the word-pieces, int32."""
        return x.int()


def learned_pieces(text: str, alphabet: str, count: int) -> TokensCodec:
    """Return ``count`` word-pieces learned on ``text``; fewer if it has no more pairs.

    Args:
        text: the training text.
        alphabet: characters that are pieces in any case.
        count: how many.

    Raises:
        ValueError: if there are more characters than that.
        ModuleNotFoundError: if the library `tokenizers` is absent.
    """
    if count <= len(alphabet):
        raise ValueError(
            f"every character is a word-piece, and this text has {len(alphabet)} different ones, got data.tokens = "
            f"{count}; ask for more"
        )
    with needing_tokenizers():
        from tokenizers import Tokenizer, models, trainers

        tokenizer = _by_words(Tokenizer(models.BPE()))
        trainer = trainers.BpeTrainer(
            vocab_size=count, initial_alphabet=list(alphabet), special_tokens=[], show_progress=False
        )
        tokenizer.train_from_iterator(_blocks(text), trainer)
    return _as_codec(tokenizer)


def _as_codec(tokenizer: "Tokenizer") -> TokensCodec:
    vocabulary = tokenizer.get_vocab()
    joined = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    made = dict.fromkeys("".join(pair) for pair in joined)
    pieces = (*sorted(set(vocabulary) - set(made)), *made)
    number = {piece: place for place, piece in enumerate(pieces)}
    return TokensCodec(pieces, tuple((number[one], number[other]) for one, other in joined))


def _by_words(tokenizer: "Tokenizer") -> "Tokenizer":
    from tokenizers import Regex, pre_tokenizers

    attribute: Any = tokenizer
    attribute.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "isolated")
    return tokenizer


def _blocks(text: str) -> Iterator[str]:
    """Yield a text in blocks that end before a space, so that no word is cut."""
    start = 0
    while start < len(text):
        stop = len(text) if len(text) - start <= BLOCK else text.rfind(" ", start + 1, start + BLOCK)
        stop = stop if stop > start else min(start + BLOCK, len(text))
        yield text[start:stop]
        start = stop


@contextmanager
def needing_tokenizers() -> Iterator[None]:
    """Say which extra is lacking where the library `tokenizers` is absent."""
    try:
        yield
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "word-pieces need the library tokenizers, which is not installed; `pip install 'quasistatic[tokens]'`, "
            "or leave data.tokens out"
        ) from None
