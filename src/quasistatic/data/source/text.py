"""Texts: pieces of a given length in order, or records of different lengths, one a line; and bytes of any file.

data.tokens=N       pieces of word-pieces in place of characters      data.records=true   each line is an example
data.tokens=bytes   pieces of bytes, of any file                      a folder of texts   each file is a class
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data.codec.base import Codec
from quasistatic.data.codec.text import BytesCodec, RecordsCodec, SymbolsCodec, TextCodec, bytes_of
from quasistatic.data.codec.tokens import TokensCodec, learned_pieces
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Held
from quasistatic.runtime.digest import digest

MARGIN = 1.25
"""What is left out where word-pieces are learned, in units of what is held out; pieces of a text differ in length."""

CHARACTERS = 8
"""Characters that a word-piece has at most, on average; for a held-out set that is given as a number of pieces."""


def read_text(path: Path) -> "Text":
    """Open a text file. A final newline is dropped if the text is a single line.

    Raises:
        ValueError: if it is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Text(path.name, text.removesuffix("\n") if text.count("\n") == 1 else text)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name}: text in UTF-8 is needed, got other bytes ({error}); convert it, or read any file by "
            "data.tokens=bytes"
        ) from None


def read_bytes(path: Path) -> "Bytes":
    """Open any file as bytes."""
    return Bytes(path.name, path.read_bytes())


def read_texts(path: Path) -> "Texts | None":
    """Open a folder that holds texts only, each a class; None if it holds anything else, or a single file."""
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    if len(files) < 2 or any(file.suffix.lower() != ".txt" or not file.is_file() for file in files):
        return None
    return Texts(path.resolve().name, tuple(map(read_text, files)), tuple(file.stem for file in files))


@final
@dataclass(frozen=True, eq=False)
class Text(Contents):
    """The content of a text file."""

    name: str
    text: str

    def dataset(self, options: DataOptions) -> Dataset:
        """Return pieces of ``options.length`` characters or word-pieces, or records.

        An incomplete last piece is dropped.

        Raises:
            ValueError: if the text is shorter than one piece, has a single distinct character, or an empty line among
                its records.
        """
        if options.records:
            return _records(self.name, [self], options)
        if len(set(self.text)) < 2 and self.text:
            raise ValueError(f"{self.name}: a text needs two or more different characters, got one")
        codec = self.codec(options)
        return _pieces(self.name, codec.split(self.text), codec, options.length)

    def codec(self, options: DataOptions) -> TextCodec:
        """Return the codec of the text's elements: that of ``options.like`` if its elements were learned.

        Raises:
            ValueError: if word-pieces are asked for, and they are fewer than the characters.
        """
        tokens, alphabet = options.tokens, "".join(sorted(set(self.text)))
        if isinstance(options.like, TokensCodec):
            return options.like
        if isinstance(tokens, int):
            out = options.held_out
            share = out * options.length * CHARACTERS / max(len(self.text), 1) if isinstance(out, int) else out
            learned = round(len(self.text) * max(0.5, 1 - MARGIN * share))
            return learned_pieces(self.text[:learned], alphabet, tokens)
        return BytesCodec() if tokens == "bytes" else SymbolsCodec(alphabet)

    def lines(self) -> list[str]:
        """Return the records of the text.

        Raises:
            ValueError: if a line is empty, or there are no lines.
        """
        lines = self.text.removesuffix("\n").split("\n")
        empty = next((number for number, line in enumerate(lines, 1) if not line), None)
        if empty is not None:
            raise ValueError(f"{self.name}: each line is a record, got an empty line {empty}; take it out")
        return lines


@final
@dataclass(frozen=True, eq=False)
class Texts(Contents):
    """The contents of several texts, each of a class."""

    name: str
    texts: tuple[Text, ...]
    classes: tuple[str, ...]

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the pieces or records of all texts, with their classes as labels; see `Text.dataset`.

        Raises:
            ValueError: if one cannot be cut.
        """
        if options.records:
            found = _records(self.name, self.texts, options)
            sizes = [len(text.lines()) for text in self.texts]
        else:
            whole = Text(self.name, "".join(text.text for text in self.texts))
            codec = whole.codec(options)
            parts = [_pieces(text.name, codec.split(text.text), codec, options.length) for text in self.texts]
            sizes = [len(part) for part in parts]
            values = torch.cat([part.batch(torch.arange(len(part))) for part in parts])
            notes = tuple(f"{part.name}: {note}" for part in parts for note in part.notes)
            found = Dataset(self.name, Held(values), codec, digest(values), notes=notes)
        labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
        return replace(found, labels=labels, classes=self.classes)


@final
@dataclass(frozen=True, eq=False)
class Bytes(Contents):
    """The content of any file."""

    name: str
    data: bytes

    def dataset(self, options: DataOptions) -> Dataset:
        """Return pieces of ``options.length`` bytes; an incomplete last piece is dropped.

        Raises:
            ValueError: if there are fewer.
        """
        return _pieces(self.name, bytes_of(self.data), BytesCodec(), options.length)


def _pieces(name: str, elements: Shaped[Tensor, " elements"], codec: TextCodec, length: int) -> Dataset:
    """Return pieces of ``length`` elements in order.

    Raises:
        ValueError: if there are fewer elements.
    """
    count, rest, kind = len(elements) // length, len(elements) % length, elements_of(codec)
    if not count:
        raise ValueError(
            f"{name}: a text is cut into pieces of {length} {kind}, got {len(elements)} in all; set data.length to "
            "fewer"
        )
    pieces = elements[: count * length].view(count, length)
    notes = (f"the last {rest} {kind} do not fill a piece of {length} and are left out",) if rest else ()
    return Dataset(name, Held(pieces), codec, digest(pieces), notes=notes, successive=True)


def elements_of(codec: Codec) -> str:
    """Return what the elements of a text are called."""
    return {TokensCodec: "word-pieces", BytesCodec: "bytes"}.get(type(codec), "characters")


def _records(name: str, texts: Sequence[Text], options: DataOptions) -> Dataset:
    """Return the lines of texts as records.

    Raises:
        ValueError: if one is empty, or longer than ``options.length`` or than the records of ``options.like``.
    """
    lines = [line for text in texts for line in text.lines()]
    codec = options.like
    if not isinstance(codec, RecordsCodec):
        longest = max(lines, key=len)
        if len(longest) > options.length:
            raise ValueError(
                f"{name}: records have at most data.length = {options.length} characters, got one of {len(longest)} "
                f"({longest[:40]!r}…); cut it, or set data.length to more"
            )
        codec = RecordsCodec("".join(sorted(set().union(*lines))), len(longest))
    values = codec.split("".join(map(codec.padded, lines))).view(len(lines), -1)
    return Dataset(name, Held(values), codec, digest(values))
