"""Data: named sets and files → `Dataset` in raw units; codecs: raw units ↔ states."""

from quasistatic.data.codec import CODECS, AffineCodec, Codec, LevelsCodec, codec_of
from quasistatic.data.dataset import Dataset, hold
from quasistatic.data.load import load

__all__ = ["CODECS", "AffineCodec", "Codec", "Dataset", "LevelsCodec", "codec_of", "hold", "load"]
