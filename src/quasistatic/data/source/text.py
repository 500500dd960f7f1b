"""Texts cut into pieces of a given length, in order; the alphabet is the set of characters in the text."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.data.codec.discrete import SymbolsCodec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Held, digest


def read_text(path: Path) -> "Text":
    """Open a text file. A final newline is dropped if the text is a single line.

    Raises:
        ValueError: if it is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return Text(path.name, text.removesuffix("\n") if text.count("\n") == 1 else text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: text in UTF-8 is needed, got other bytes ({error}); convert it") from None


@final
@dataclass(frozen=True, eq=False)
class Text(Contents):
    """The content of a text file."""

    name: str
    text: str

    def dataset(self, options: DataOptions) -> Dataset:
        """Return pieces of ``options.length`` characters; an incomplete last piece is dropped.

        Raises:
            ValueError: if the text is shorter than one piece, or has a single distinct character.
        """
        length, count = options.length, len(self.text) // options.length
        if not count:
            raise ValueError(
                f"{self.name}: a text is cut into pieces of {length} characters, got {len(self.text)} in all; "
                "set data.length to fewer"
            )
        if len(set(self.text)) < 2:
            raise ValueError(f"{self.name}: a text needs two or more different characters, got one")
        pieces = code_points(self.text[: count * length]).view(count, length)
        rest = len(self.text) - count * length
        notes = (f"the last {rest} characters do not fill a piece of {length} and are left out",) if rest else ()
        codec = SymbolsCodec("".join(sorted(set(self.text))))
        return Dataset(self.name, Held(pieces), codec, digest(pieces), notes=notes, successive=True)


def code_points(text: str) -> Int[Tensor, " characters"]:
    """Return the characters of ``text`` as Unicode code points, int32."""
    return torch.from_numpy(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<i4").astype(np.int32))


def as_text(points: Int[Tensor, " characters"]) -> str:
    """Return the text of Unicode code points."""
    return "".join(map(chr, points.tolist()))
