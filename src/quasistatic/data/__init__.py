"""Loads named sets and files as a `Dataset` in raw units; codecs convert raw units to states and back."""

from quasistatic.data.codec import CODECS, AffineCodec, Codec, LevelsCodec, codec_of
from quasistatic.data.contents import DataOptions
from quasistatic.data.dataset import Dataset, from_tensor
from quasistatic.data.discrete import BitsCodec, StatesCodec, SymbolsCodec
from quasistatic.data.load import load
from quasistatic.data.report import Report, inspect
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import COLUMNS, Column
from quasistatic.data.table.scale import SCALES, Scale

hold = from_tensor  # the old name, until version 0.2

__all__ = [
    "CODECS",
    "COLUMNS",
    "SCALES",
    "AffineCodec",
    "BitsCodec",
    "Codec",
    "Column",
    "DataOptions",
    "Dataset",
    "LevelsCodec",
    "Report",
    "Scale",
    "StatesCodec",
    "SymbolsCodec",
    "TableCodec",
    "codec_of",
    "from_tensor",
    "hold",
    "inspect",
    "load",
]
