"""The codecs by name, and the one that fits given values."""

from collections.abc import Iterable

import torch
from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data.codec.affine import AffineCodec, affine_codec_of_blocks
from quasistatic.data.codec.base import Codec
from quasistatic.data.codec.discrete import BitsCodec, StatesCodec
from quasistatic.data.codec.levels import LevelsCodec, levels_codec_of_blocks
from quasistatic.data.codec.text import BytesCodec, RecordsCodec, SymbolsCodec
from quasistatic.data.codec.tokens import TokensCodec
from quasistatic.data.table.codec import TableCodec

CODECS: dict[str, type[Codec]] = {
    "levels": LevelsCodec,
    "affine": AffineCodec,
    "bits": BitsCodec,
    "states": StatesCodec,
    "symbols": SymbolsCodec,
    "records": RecordsCodec,
    "bytes": BytesCodec,
    "tokens": TokensCodec,
    "table": TableCodec,
}
"""Codecs by their name in a stored configuration."""


def codec_of(values: Shaped[Tensor, " batch *shape"]) -> Codec:
    """Return the codec that fits ``values``: bits for 0 and 1, levels for other integers, affine for floats.

    Raises:
        ValueError: see `levels_codec_of_blocks` and `affine_codec_of_blocks`.
    """
    return codec_of_blocks(values.dtype, [values])


def codec_of_blocks(dtype: torch.dtype, blocks: Iterable[Shaped[Tensor, " some *shape"]]) -> Codec:
    """Return the codec of `codec_of` for values that come in blocks.

    Raises:
        ValueError: as `codec_of`.
    """
    if dtype.is_floating_point:
        return affine_codec_of_blocks(blocks)
    levels = levels_codec_of_blocks(dtype, (part for block in blocks for part in block.flatten().split(2**20)))
    return BitsCodec() if levels == LevelsCodec(0, 1, 2) else levels
