"""Data: named sets and files → `Dataset` in raw units; codecs: raw units ↔ states."""

from quasistatic.data.codec import CODECS, AffineCodec, Codec, LevelsCodec, codec_of
from quasistatic.data.dataset import Dataset, hold
from quasistatic.data.discrete import BitsCodec, StatesCodec, SymbolsCodec
from quasistatic.data.load import load
from quasistatic.data.report import Report, inspect
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import COLUMNS, Column

__all__ = [
    "CODECS",
    "COLUMNS",
    "AffineCodec",
    "BitsCodec",
    "Codec",
    "Column",
    "Dataset",
    "LevelsCodec",
    "Report",
    "StatesCodec",
    "SymbolsCodec",
    "TableCodec",
    "codec_of",
    "hold",
    "inspect",
    "load",
]
