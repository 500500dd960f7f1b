"""Codecs of texts: characters, characters of records of different lengths, bytes.

SymbolsCodec    characters, as code points                        ↔  places in the alphabet
RecordsCodec    the same, then newlines up to the longest record  ↔  places in the alphabet, then its end
BytesCodec      bytes                                             ↔  0 … 255

For word-pieces see `tokens`.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, final

import numpy as np
import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

from quasistatic.data.codec.discrete import MassCodec, categorical
from quasistatic.distribution import Categorical, Distribution
from quasistatic.runtime.fields import Range

LONGEST = 10**5
"""Maximum number of characters of a record."""


class TextCodec(MassCodec):
    """A codec of elements of a text, each one of `states` states."""

    @property
    @abstractmethod
    def states(self) -> int:
        """K, the number of different elements."""

    @abstractmethod
    def split(self, text: str) -> Shaped[Tensor, " elements"]:
        """Return the elements of a text, raw.

        Raises:
            ValueError: if it cannot be split.
        """

    @abstractmethod
    def text(self, raw: Shaped[Tensor, " elements"]) -> str:
        """Return the text of raw elements."""

    def decoder(self, clean: Distribution) -> Categorical:
        """Return ``clean``.

        Raises:
            TypeError: if it is not a Categorical.
        """
        return categorical(clean)


class CharactersCodec(TextCodec):
    """Characters: raw values are Unicode code points (int32), states their places in `characters`.

    Attributes:
        alphabet: characters of a text.
    """

    alphabet: str

    @property
    @abstractmethod
    def characters(self) -> str:
        """All characters, in the order of the states."""

    @property
    def states(self) -> int:
        """K, the number of characters."""
        return len(self.characters)

    @cached_property
    def _points(self) -> Int[Tensor, " states"]:
        return code_points(self.characters)

    def split(self, text: str) -> Shaped[Tensor, " elements"]:
        """Return the code points of a text; `encode` refuses those that are not in the alphabet."""
        return code_points(text)

    def text(self, raw: Shaped[Tensor, " elements"]) -> str:
        """Return the text of code points."""
        return as_text(raw)

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the characters' places in the alphabet, int64.

        Raises:
            ValueError: if a character is not in the alphabet; the message names it and its position.
        """
        points, order = self._points.to(raw.device).sort()
        index = torch.searchsorted(points, raw.int().contiguous()).clamp(max=len(points) - 1)
        known = points[index] == raw
        if not bool(known.all()):
            place = (~known).nonzero()[0].tolist()
            point = int(raw[tuple(place)])
            raise ValueError(
                f"the text should be written in {self}, got {chr(point)!r} (U+{point:04X}) in row {place[0]}, place "
                f"{place[-1]}; replace it, or train on text that has it"
            )
        return order[index]

    def decode(self, x: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the characters at the places ``x``, as code points."""
        return self._points.to(x.device)[x.long()]


@final
@dataclass(frozen=True)
class SymbolsCodec(CharactersCodec):
    """Characters of an alphabet: raw values are Unicode code points (int32), states are indices into ``alphabet``.

    Raises:
        ValueError: if there are fewer than two characters, or one is repeated.
    """

    alphabet: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.alphabet) < 2 or len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError(f"an alphabet needs two or more different characters, got {self.alphabet!r}")

    def __str__(self) -> str:
        return f"an alphabet of {len(self.alphabet)}: {excerpt(self.alphabet)!r}"

    @property
    def characters(self) -> str:
        return self.alphabet


@final
@dataclass(frozen=True)
class RecordsCodec(CharactersCodec):
    """Records of different lengths: characters of an alphabet, then newlines up to a length that all share.

    The first newline ends the record and is scored; those behind it are certain, and cost nothing.

    Attributes:
        alphabet: characters of the records.
        longest: characters of the longest record; an example has one more element.

    Raises:
        ValueError: if a character is repeated, or is the newline.
    """

    alphabet: str
    longest: Annotated[int, Range(at_least=1, at_most=LONGEST)]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alphabet or END in self.alphabet or len(set(self.alphabet)) < len(self.alphabet):
            raise ValueError(
                f"an alphabet of records needs different characters, and no newline, got {self.alphabet!r}"
            )

    def __str__(self) -> str:
        shown = excerpt(self.alphabet)
        return f"records of at most {self.longest} characters, of an alphabet of {len(self.alphabet)}: {shown!r}"

    @property
    def characters(self) -> str:
        return self.alphabet + END

    @property
    def unit(self) -> str:
        return "character"

    def padded(self, record: str) -> str:
        """Return a record with newlines up to the length of an example.

        Raises:
            ValueError: if it is longer than `longest`.
        """
        if len(record) > self.longest:
            raise ValueError(
                f"records have at most {self.longest} characters, got one of {len(record)}: {excerpt(record)!r}; cut "
                "it, or train on data that have some as long"
            )
        return record.ljust(self.longest + 1, END)

    def text(self, raw: Shaped[Tensor, " elements"]) -> str:
        """Return the record: what stands before the first newline."""
        return as_text(raw).partition(END)[0]

    def units(self, x: Int[Tensor, "batch length"]) -> Int[Tensor, " batch"]:
        """Return the number of characters of each record, its end counted as one."""
        going_on = (x != len(self.alphabet)).long().cumprod(1).sum(1)
        return (going_on + 1).clamp(max=x.shape[1])


@final
@dataclass(frozen=True)
class BytesCodec(TextCodec):
    """The bytes of any file: raw values are uint8, states the same as int64."""

    def __str__(self) -> str:
        return "bytes"

    @property
    def states(self) -> int:
        """256."""
        return 256

    @property
    def unit(self) -> str:
        return "byte"

    def split(self, text: str) -> UInt8[Tensor, " elements"]:
        """Return the bytes of a text in UTF-8."""
        return bytes_of(text.encode("utf-8", "surrogateescape"))

    def text(self, raw: UInt8[Tensor, " elements"]) -> str:
        """Return the text of bytes in UTF-8; those that are none become U+FFFD."""
        return bytes(raw.tolist()).decode("utf-8", "replace")

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Int[Tensor, " batch *shape"]:
        """Return the bytes as states.

        Raises:
            ValueError: if a value is no byte.
        """
        if raw.dtype != torch.uint8 and not bool(((raw >= 0) & (raw < 256) & (raw.round() == raw)).all()):
            raise ValueError("bytes are whole numbers from 0 to 255, got others; train on other data, or convert them")
        return raw.long()

    def decode(self, x: Shaped[Tensor, " batch *shape"]) -> UInt8[Tensor, " batch *shape"]:
        """Return the states as bytes."""
        return x.to(torch.uint8)


END = "\n"
"""The character that ends a record, and stands behind it."""


def excerpt(text: str, most: int = 40) -> str:
    """Return the first characters of a text, with dots if there are more."""
    return text if len(text) <= most else text[:most] + "…"


def code_points(text: str) -> Int[Tensor, " characters"]:
    """Return the characters of ``text`` as Unicode code points, int32."""
    return torch.from_numpy(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<i4").astype(np.int32))


def as_text(points: Int[Tensor, " characters"]) -> str:
    """Return the text of Unicode code points."""
    return "".join(map(chr, points.tolist()))


def bytes_of(data: bytes) -> UInt8[Tensor, " bytes"]:
    """Return bytes as uint8."""
    return torch.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())
