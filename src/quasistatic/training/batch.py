"""Builds each training batch: rows, mirrored examples, labels, parts that the network is shown, and seeds.

With ``training.shown``, the network is shown a random part of some examples:

    elements   each with a chance that is drawn evenly from 0 to 1 for the example
    box        a rectangle or stretch of any size and place, or all around it
    side       what is before or after a cut: rows, columns, or elements of a vector
    means      over blocks of f × f pixels, rounded to whole levels                     images of levels only

With parts of all kinds and sizes, one network learns the conditional laws of the data; the cost of the elements that
are not known is then a bound on their log-probability given what is shown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d

from quasistatic.config import Config, DataConfig, Specification
from quasistatic.data import Dataset, SymbolsCodec
from quasistatic.data.labels.covariates import Covariates
from quasistatic.denoiser import Shown
from quasistatic.denoiser.head import ProductHead
from quasistatic.model.build import levels_of_means
from quasistatic.objective import TimeDensity
from quasistatic.types import Label

KINDS = 3
"""Kinds of parts, all as likely; of images of levels, means are as likely too. Of tables, the first kind only."""


@dataclass(frozen=True, eq=False)
class Batch:
    """The examples of a step, and the random draws that are the same in every process.

    Attributes:
        rows: of the training set.
        k: step of the objective for each example, from 1; its time is k/T.
        weight: one over the density of k, so that the loss keeps its mean.
        hide: whether the example's label is hidden.
        mirror: whether the example is mirrored left-right.
    """

    rows: Int[Tensor, " batch"]
    k: Int[Tensor, " batch"]
    weight: Float[Tensor, " batch"]
    hide: Bool[Tensor, " batch"]
    mirror: Bool[Tensor, " batch"]

    def at(self, places: Int[Tensor, " some"]) -> "Batch":
        """Return the examples at ``places`` of the batch."""
        return Batch(*(values[places] for values in (self.rows, self.k, self.weight, self.hide, self.mirror)))

    def split(self, parts: int) -> list["Batch"]:
        """Return the batch in ``parts`` consecutive parts of nearly equal size, without empty ones."""
        return [self.at(part) for part in torch.arange(len(self.rows)).tensor_split(parts) if len(part)]

    def examples(self, data: Dataset) -> Shaped[Tensor, " batch *shape"]:
        """Return the examples of the training set ``data`` in raw units, some of them mirrored.

        Pieces of a text begin anywhere, by torch's global generator.
        """
        if data.successive and isinstance(data.codec, SymbolsCodec):
            return data.cut(self.rows, torch.randint(data.dimensions, (len(self.rows),)))
        x = data.batch(self.rows)
        return torch.where(self.mirror[:, None, None, None], x.flip(-1), x) if self.mirror.any() else x

    def labels(self, data: Dataset, config: DataConfig, covariates: Covariates | None = None) -> Label | None:
        """Return what the network is told of each example: its class or "no label", and whether it is mirrored.

        `Network.forward` says how both are one number. Covariates are numbers, in place of both. Of examples with a
        hidden label, half are told some covariates, others none; which ones comes from torch's global generator.
        Without classes, flips and covariates, the result is None.
        """
        if covariates is not None and data.covariates is not None:
            raw = data.covariates.batch(self.rows)
            some = torch.rand(raw.shape) * (torch.rand(len(raw), 1) < 0.5) < torch.rand(len(raw), 1)
            return covariates.encode(raw.masked_fill(self.hide[:, None] & some, torch.nan))
        if not config.conditional and not config.flip:
            return None
        classes = len(data.classes) if config.conditional else 0
        known = data.labels_of(self.rows) if config.conditional else classes
        return torch.where(self.hide, classes, known) + (classes + 1) * self.mirror


def draw_batch(config: Config, density: TimeDensity, count: int, step: int, attempt: int) -> Batch:
    """Draw the batch of a step from a training set of ``count`` examples; the same in every process."""
    settings = config.training
    generator = torch.Generator().manual_seed(seed_of(config.seed, step, 0, attempt))
    k, weight = density.draw(settings.batch, generator)
    hide = torch.rand(settings.batch, generator=generator) < settings.label_dropout
    # Drawn last, so that a run without flips has the same other draws.
    mirror = torch.rand(settings.batch, generator=generator) < (0.5 if config.data.flip else 0.0)
    return Batch(batch_rows(count, config.seed, step, settings.batch), k, weight, hide, mirror)


def shown_parts(x: Tensor, share: float, levels: int = 0) -> Shown:
    """Return what is shown of floating examples: nothing in 1 − ``share`` of them.

    Channels of a pixel are shown together. Draws come from torch's global generator.

    Args:
        x: examples.
        share: fraction of them that are shown something.
        levels: of the values of images, from −1 to 1; 0 shows no means.
    """
    known = _parts(len(x), tuple(x.shape[1:]))
    some = torch.rand(len(x)) < share
    known &= some.view(-1, *(1,) * (known.ndim - 1))
    shown = Shown(x.masked_fill(~known.to(x.device), torch.nan))
    sides = sides_of_blocks(*x.shape[2:]) if levels and x.ndim == 4 else []
    return _with_means(shown, x, some & (torch.rand(len(x)) < 1 / (1 + KINDS)), sides, levels) if sides else shown


def _parts(count: int, shape: tuple[int, ...]) -> Bool[Tensor, " count *shape"]:
    """Return a part of each of ``count`` vectors, signals, images or volumes."""
    match len(shape):
        case 1:
            return _of_vectors(count, shape[0])
        case 2:
            return _of_vectors(count, shape[1])[:, None]
        case 3:
            return _of_images(count, *shape[1:])
    return _elements(count, shape[1:])[:, None]


def sides_of_blocks(height: int, width: int) -> list[int]:
    """Return the sides of square blocks, of more than one pixel, that divide images of this size."""
    most = gcd(height, width)
    return [side for side in range(2, most + 1) if most % side == 0]


def _with_means(shown: Shown, x: Tensor, rows: Bool[Tensor, " batch"], sides: list[int], levels: int) -> Shown:
    """Show means in place of known elements in some ``rows``."""
    values, drawn = shown.values, torch.tensor(sides)[torch.randint(len(sides), (len(x),))].where(rows, 0)
    for side in sides:
        own = (drawn == side).nonzero()[:, 0].to(x.device)
        values[own] = Shown.means(avg_pool2d(x[own], side), side, levels).values
    return Shown(values, drawn)


def parted(x: Tensor, config: Config, specification: Specification) -> tuple[Tensor, Shown]:
    """Return what is learned of floating examples, and what is shown.

    For a product of processes, shown elements are NaN in what is learned. Beforehand each element is left out of both
    with a probability drawn evenly up to ``training.missing``.
    """
    settings = config.training
    if not isinstance(config.head, ProductHead):
        return x, shown_parts(x, settings.shown, levels_of_means(config, specification))
    rows = (len(x), *(1,) * (x.ndim - 1))
    left_out = torch.rand(x.shape) < settings.missing * torch.rand(rows)
    seen = _elements(len(x), tuple(x.shape[1:])) & (torch.rand(rows) < settings.shown)
    left_out, seen = left_out.to(x.device), seen.to(x.device)
    return x.masked_fill(left_out | seen, torch.nan), Shown(x.masked_fill(left_out | ~seen, torch.nan))


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


def _of_vectors(count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return a part of each of ``count`` vectors."""
    kind, inside = torch.randint(KINDS, (count, 1)), torch.rand(count, 1) < 0.5
    found = torch.where(kind == 1, _stretch(count, size, max(size - 1, 1)) == inside, _before(count, size) == inside)
    return torch.where(kind == 0, _elements(count, (size,)), found)


def _stretch(count: int, size: int, most: int | None = None) -> Bool[Tensor, "count size"]:
    """Return a stretch of 1 to ``most`` places, ``size`` by default, anywhere."""
    length = 1 + torch.randint(size if most is None else most, (count, 1))
    start = (torch.rand(count, 1) * (size - length + 1)).long()
    place = torch.arange(size)
    return (place >= start) & (place < start + length)


def _before(count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return the places before a cut that leaves some on both sides, if there are two."""
    return torch.arange(size) < 1 + torch.randint(max(size - 1, 1), (count, 1))


def batch_rows(count: int, seed: int, step: int, batch: int) -> Tensor:
    """Rows of a step: consecutive pieces of one permutation per epoch, a function of the arguments only."""
    places = torch.arange(step * batch, (step + 1) * batch)
    rows = torch.empty(batch, dtype=torch.int64)
    for epoch in places.div(count, rounding_mode="floor").unique().tolist():
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch, -1, 0)))
        inside = places.div(count, rounding_mode="floor") == epoch
        rows[inside] = order[places[inside] % count]
    return rows


def seed_of(*numbers: int) -> int:
    """Return a 32-bit seed that depends on all ``numbers``."""
    return int(np.random.SeedSequence([n % 2**32 for n in numbers]).generate_state(1)[0])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators of the CPU and of ``device`` for the block, then restore the caller's."""
    kind = "cuda" if device.type == "cpu" else device.type
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=kind):
        torch.default_generator.manual_seed(seed)
        if device.type != "cpu":
            getattr(torch, device.type).manual_seed(seed)
        yield
