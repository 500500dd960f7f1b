"""Data: named sets and files → `Dataset` in raw units; codecs: raw units ↔ states."""

from quasistatic.data.codec import CODECS, AffineCodec, Codec, LevelsCodec, codec_of
from quasistatic.data.dataset import Dataset, hold
from quasistatic.data.discrete import BitsCodec, StatesCodec, SymbolsCodec
from quasistatic.data.load import load
from quasistatic.data.report import Report, inspect

__all__ = [
    "CODECS",
    "AffineCodec",
    "BitsCodec",
    "Codec",
    "Dataset",
    "LevelsCodec",
    "Report",
    "StatesCodec",
    "SymbolsCodec",
    "codec_of",
    "hold",
    "inspect",
    "load",
]
