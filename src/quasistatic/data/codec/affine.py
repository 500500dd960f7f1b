"""Codec of continuous values: state = (raw − center) / scale, per channel or column; scored as density."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from quasistatic.data.codec.base import Codec, refuse_nan
from quasistatic.distribution import Distribution


@final
@dataclass(frozen=True)
class AffineCodec(Codec):
    """state = (raw − center) / scale, one center and scale per entry of axis 1 (a channel or a column).

    Raises:
        ValueError: if the two differ in length, a number is not finite, or a scale is not above 0.
    """

    center: tuple[float, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        finite = all(map(math.isfinite, self.center + self.scale))
        if len(self.center) != len(self.scale) or not finite or min(self.scale, default=0) <= 0:
            raise ValueError(
                f"an affine codec needs as many scales above 0 as centers, all finite, got center {self.center} "
                f"and scale {self.scale}"
            )

    def __str__(self) -> str:
        return f"continuous values, {len(self.center)} centers and scales"

    @property
    def measure(self) -> str:
        return "density"

    def encode(self, raw: Shaped[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Return the states of ``raw`` (batch, entries, …), float32.

        Raises:
            ValueError: if a value is NaN or infinite, or axis 1 has another length than ``center``.
        """
        refuse_nan(raw)
        return ((raw.double() - self._along(self.center, raw)) / self._along(self.scale, raw)).float()

    def decode(self, x: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """Return x · scale + center, float32.

        Raises:
            ValueError: if axis 1 has another length than ``center``.
        """
        return (x.double() * self._along(self.scale, x) + self._along(self.center, x)).float()

    def log_jacobian(self, x: Float[Tensor, " batch *shape"]) -> Float[Tensor, " batch *shape"]:
        """−log scale of each element, in nats, shaped like ``x``.

        Raises:
            ValueError: if axis 1 has another length than ``center``.
        """
        return -self._along(self.scale, x).log().to(x.dtype).expand_as(x)

    def decoder(self, clean: Distribution) -> Distribution:
        """Return ``clean`` itself; its density scores continuous states."""
        return clean

    def _along(self, values: tuple[float, ...], x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[1] != len(values):
            raise ValueError(
                f"the data should have {len(values)} channels or columns along axis 1, got shape {tuple(x.shape)}"
            )
        return torch.tensor(values, dtype=torch.float64, device=x.device).reshape(-1, *(1,) * (x.ndim - 2))


def affine_codec_of(values: Float[Tensor, " batch *shape"]) -> AffineCodec:
    """Return the codec that standardises each entry of axis 1; see `affine_codec_of_blocks`."""
    return affine_codec_of_blocks([values])


def affine_codec_of_blocks(blocks: Iterable[Float[Tensor, " some *shape"]]) -> AffineCodec:
    """Return the codec that standardises each entry of axis 1 of values that come in blocks; a constant keeps scale 1.

    Source: Chan, Golub & LeVeque 1983, eq. 2.1 (means and squares joined over blocks).

    Raises:
        ValueError: if a value is NaN or infinite.
    """
    count, mean, square = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    low, high = torch.tensor(math.inf), torch.tensor(-math.inf)
    for block in blocks:
        refuse_nan(block)
        flat = block.transpose(0, 1).flatten(1).double()
        here, own = flat.shape[1], flat.mean(1)
        apart, total = own - mean, count + here
        square = square + ((flat - own[:, None]) ** 2).sum(1) + apart**2 * (count * here / total)
        mean, count = mean + apart * (here / total), total
        low, high = torch.minimum(low, flat.amin(1)), torch.maximum(high, flat.amax(1))
    scale = (square / count).sqrt()
    constant = (scale == 0) | (high == low)  # rounding can leave a constant a tiny deviation
    return AffineCodec(tuple(mean.tolist()), tuple(scale.where(~constant, torch.ones_like(scale)).tolist()))
