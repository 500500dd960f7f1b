"""Patches of photographs of grass, gravel and brick, in place of the 2015 paper's bark images, which are not public.

texture:NAME[:SIDE]   pieces of SIDE × SIDE pixels (32), every half side, 256 grey levels

The photographs come with scikit-image (512 × 512, public domain). Neighbouring pieces share pixels, so the held-out set
is the bottom of the photograph.
"""

from dataclasses import dataclass

import numpy as np
import torch

from quasistatic.data.codec.levels import LevelsCodec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import Dataset, Held
from quasistatic.runtime.digest import digest

NAMES = ("grass", "gravel", "brick")


@dataclass(frozen=True)
class Texture(Contents):
    """Pieces of one photograph.

    Attributes:
        photograph: name of the photograph.
        side: side of a piece, in pixels.

    Raises:
        ValueError: if there is no such photograph, or the side is below 4 or above 256.
    """

    photograph: str
    side: int = 32

    def __post_init__(self) -> None:
        if self.photograph not in NAMES or not 4 <= self.side <= 256:
            raise ValueError(
                f"a texture is one of {', '.join(NAMES)} in pieces of 4 to 256 pixels, got {self.photograph!r} in "
                f"pieces of {self.side}"
            )

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the set."""
        return f"texture:{self.photograph}:{self.side}"

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the pieces, row by row of the photograph.

        Raises:
            ValueError: if scikit-image is not installed.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(photograph(self.photograph)))
        step = max(1, self.side // 2)
        pieces = pixels.unfold(0, self.side, step).unfold(1, self.side, step)
        values = pieces.reshape(-1, 1, self.side, self.side).contiguous()
        return Dataset(self.name, Held(values), LevelsCodec(0, 255, 256), digest(values), successive=True)


def photograph(name: str) -> np.ndarray:
    """Return a photograph (height, width), uint8.

    Raises:
        ValueError: if scikit-image is not installed.
    """
    try:
        from skimage import data
    except ModuleNotFoundError:
        raise ValueError(
            "textures come with scikit-image, which is not installed; install quasistatic with the extra `textures`"
        ) from None
    return np.asarray(getattr(data, name)())


def texture(name: str) -> Texture:
    """Return the set called ``name``, as above.

    Raises:
        ValueError: if NAME is not known, or SIDE is no number in range.
    """
    _, *given = name.split(":")
    try:
        photograph, *sides = given
        return Texture(photograph, *map(int, sides))
    except (TypeError, ValueError) as error:
        raise ValueError(f"textures are written texture:NAME:SIDE, got {name!r}: {error}") from None
