"""Which elements of an example are shown to the network in training: none, or a random part.

    elements   each with a chance that is drawn evenly from 0 to 1 for the example
    box        a rectangle of any size and place, or all around it                      images only
    side       the rows above or below, or the columns left or right of a cut           images only

With parts of all kinds and sizes, one network learns the conditional laws of the data; the cost of the elements that
are not shown is then a bound on their log-probability given the others.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from quasistatic.config import Config
from quasistatic.denoiser.head import ProductHead

KINDS = 3
"""Kinds of parts of an image, all as likely; of a vector, the first one only."""


def shown_parts(x: Tensor, share: float) -> Tensor:
    """Return the elements of floating examples that are shown; the others are NaN. Nothing is shown in 1 − ``share``.

    Channels of a pixel are shown together. Draws come from torch's global generator.
    """
    known = _of_images(len(x), *x.shape[2:]) if x.ndim == 4 else _elements(len(x), tuple(x.shape[1:]))
    known &= (torch.rand(len(x)) < share).view(-1, *(1,) * (known.ndim - 1))
    return x.masked_fill(~known.to(x.device), torch.nan)


def parted(x: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Return what is learned of floating examples, and the elements that are shown, NaN elsewhere.

    For a product of processes, shown elements are NaN in what is learned. Beforehand each element is left out of both
    with a probability drawn evenly up to ``training.missing``.
    """
    settings = config.training
    if not isinstance(config.head, ProductHead):
        return x, shown_parts(x, settings.shown)
    rows = (len(x), *(1,) * (x.ndim - 1))
    left_out = torch.rand(x.shape) < settings.missing * torch.rand(rows)
    seen = _elements(len(x), tuple(x.shape[1:])) & (torch.rand(rows) < settings.shown)
    left_out, seen = left_out.to(x.device), seen.to(x.device)
    return x.masked_fill(left_out | seen, torch.nan), x.masked_fill(left_out | ~seen, torch.nan)


def _elements(count: int, shape: tuple[int, ...]) -> Bool[Tensor, " count *shape"]:
    return torch.rand(count, *shape) < torch.rand(count, *(1,) * len(shape))


def _of_images(count: int, height: int, width: int) -> Bool[Tensor, "count 1 height width"]:
    """Return a part of each of ``count`` images."""
    kind = torch.randint(KINDS, (count, 1, 1))
    inside = torch.rand(count, 1, 1) < 0.5
    rows, columns = (_stretch(count, size) for size in (height, width))
    box = rows[:, :, None] & columns[:, None, :]
    upright = torch.rand(count, 1, 1) < 0.5
    cut = torch.where(upright, _before(count, height)[:, :, None], _before(count, width)[:, None, :])
    found = torch.where(kind == 1, box == inside, cut == inside)
    return torch.where(kind == 0, _elements(count, (height, width)), found)[:, None]


def _stretch(count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return a stretch of 1 to ``size`` places, anywhere."""
    length = 1 + torch.randint(size, (count, 1))
    start = (torch.rand(count, 1) * (size - length + 1)).long()
    place = torch.arange(size)
    return (place >= start) & (place < start + length)


def _before(count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return the places before a cut that leaves some on both sides, if there are two."""
    return torch.arange(size) < 1 + torch.randint(max(size - 1, 1), (count, 1))
