"""Loads named sets and files as a `Dataset` in raw units; codecs convert raw units to states and back.

load.py      a name or path → `Dataset`              codec/        raw units ↔ states
dataset.py   examples, labels, codec, fingerprint    source/       files, folders, the hub
report.py    an inspection before training           synthetic/    generated sets with known laws
labels/      classes by name, and covariates         table/        tables of named columns
observed.py  partly known examples                   contents.py   an opened source; the options of reading
"""

from quasistatic.data.codec.affine import AffineCodec
from quasistatic.data.codec.base import Codec
from quasistatic.data.codec.discrete import BitsCodec, StatesCodec
from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.codec.registry import CODECS, codec_of
from quasistatic.data.codec.text import BytesCodec, RecordsCodec, SymbolsCodec, TextCodec
from quasistatic.data.codec.tokens import TokensCodec
from quasistatic.data.contents import DataOptions
from quasistatic.data.dataset import Dataset, from_tensor
from quasistatic.data.load import load
from quasistatic.data.report import Report, inspect
from quasistatic.data.table.aside import ASIDES, Aside
from quasistatic.data.table.codec import COLUMNS, TableCodec
from quasistatic.data.table.column import Column

hold = from_tensor  # the old name, until version 0.2

__all__ = [
    "ASIDES",
    "CODECS",
    "COLUMNS",
    "AffineCodec",
    "Aside",
    "BitsCodec",
    "BytesCodec",
    "Codec",
    "Column",
    "DataOptions",
    "Dataset",
    "LevelsCodec",
    "RecordsCodec",
    "Report",
    "StatesCodec",
    "SymbolsCodec",
    "TableCodec",
    "TextCodec",
    "TokensCodec",
    "codec_of",
    "from_tensor",
    "hold",
    "inspect",
    "load",
]
