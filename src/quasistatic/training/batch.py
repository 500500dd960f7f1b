"""Builds each training batch: rows, mirrored examples, labels, parts that the network is shown, and their streams.

Rows, times and hidden labels are drawn for the whole batch, alike in every process. All other draws of an example come
from a stream of its own, which the seed, the step and the example's slot in the batch decide. So neither the number of
processes nor the parts of a batch matter to what is drawn.

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
from dataclasses import dataclass, fields
from math import gcd

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import avg_pool2d

from quasistatic.config import Config, DataConfig, Specification
from quasistatic.data import Dataset, TextCodec
from quasistatic.data.labels.covariates import Covariates
from quasistatic.denoiser import Shown
from quasistatic.denoiser.head import ProductHead
from quasistatic.distribution import standard_uniform
from quasistatic.model.build import levels_of_means
from quasistatic.objective import TimeDensity
from quasistatic.streams import Streams, derived_seed, permuted
from quasistatic.types import Generator, Label

TABLE = 2**17
"""Rows of a training set up to which a permutation is made whole at each step, which takes about a millisecond."""

KINDS = 3
"""Kinds of parts, all as likely; of images of levels, means are as likely too. Of tables, the first kind only."""


@dataclass(frozen=True, eq=False)
class Batch:
    """The examples of a step, and the random draws that are the same in every process.

    Attributes:
        slots: places in the batch of the step, from 0.
        rows: of the training set.
        k: step of the objective for each example, from 1; its time is k/T.
        weight: one over the density of k, so that the loss keeps its mean.
        hide: whether the example's label is hidden.
        mirror: whether the example is mirrored left-right.
    """

    slots: Int[Tensor, " batch"]
    rows: Int[Tensor, " batch"]
    k: Int[Tensor, " batch"]
    weight: Float[Tensor, " batch"]
    hide: Bool[Tensor, " batch"]
    mirror: Bool[Tensor, " batch"]

    def at(self, places: Int[Tensor, " some"]) -> "Batch":
        """Return the examples at ``places`` of the batch."""
        return Batch(*(getattr(self, field.name)[places] for field in fields(self)))

    def split(self, parts: int) -> list["Batch"]:
        """Return the batch in ``parts`` consecutive parts of nearly equal size, without empty ones."""
        return [self.at(part) for part in torch.arange(len(self.rows)).tensor_split(parts) if len(part)]

    def examples(self, data: Dataset, generator: Generator = None) -> Shaped[Tensor, " batch *shape"]:
        """Return the examples of the training set ``data`` in raw units, some of them mirrored.

        Pieces of a text begin anywhere, by ``generator``.
        """
        if data.successive and isinstance(data.codec, TextCodec):
            return data.cut(self.rows, _whole(generator, data.dimensions, len(self.rows)))
        x = data.batch(self.rows)
        return torch.where(self.mirror[:, None, None, None], x.flip(-1), x) if self.mirror.any() else x

    def labels(
        self, data: Dataset, config: DataConfig, covariates: Covariates | None = None, generator: Generator = None
    ) -> Label | None:
        """Return what the network is told of each example: its class or "no label", and whether it is mirrored.

        `Network.forward` says how both are one number. Covariates are numbers, in place of both. Of examples with a
        hidden label, half are told some covariates, others none; ``generator`` decides which.
        Without classes, flips and covariates, the result is None.
        """
        if covariates is not None and data.covariates is not None:
            raw = data.covariates.batch(self.rows)
            each, half, share = (_even(generator, len(raw), width) for width in (raw.shape[1], 1, 1))
            some = each * (half < 0.5) < share
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
    slots, rows = torch.arange(settings.batch), batch_rows(count, config.seed, step, settings.batch)
    return Batch(slots, rows, k, weight, hide, mirror)


def streams_of(batch: Batch, seed: int, step: int, attempt: int) -> Streams:
    """Return the stream of each example of a batch: a function of the seed, the step, the attempt and its slot."""
    first, last = batch.slots[[0, -1]].tolist()
    streams = Streams(derived_seed(seed, f"step {step}, attempt {attempt}"), first, last - first + 1)
    return streams if len(streams) == len(batch.slots) else streams.at(batch.slots - first)


def shown_parts(x: Tensor, share: float, levels: int = 0, generator: Generator = None) -> Shown:
    """Return what is shown of floating examples: nothing in 1 − ``share`` of them.

    Channels of a pixel are shown together.

    Args:
        x: examples.
        share: fraction of them that are shown something.
        levels: of the values of images, from −1 to 1; 0 shows no means.
        generator: decides which parts are shown.
    """
    known = _parts(generator, len(x), tuple(x.shape[1:]))
    some = _even(generator, len(x)) < share
    known &= some.view(-1, *(1,) * (known.ndim - 1))
    shown = Shown(x.masked_fill(~known.to(x.device), torch.nan))
    sides = sides_of_blocks(*x.shape[2:]) if levels and x.ndim == 4 else []
    if not sides:
        return shown
    rows = some & (_even(generator, len(x)) < 1 / (1 + KINDS))
    drawn = torch.tensor(sides)[_whole(generator, len(sides), len(x))].where(rows, 0)
    return _with_means(shown, x, drawn, levels)


def _parts(generator: Generator, count: int, shape: tuple[int, ...]) -> Bool[Tensor, " count *shape"]:
    """Return a part of each of ``count`` vectors, signals, images or volumes."""
    match len(shape):
        case 1:
            return _of_vectors(generator, count, shape[0])
        case 2:
            return _of_vectors(generator, count, shape[1])[:, None]
        case 3:
            return _of_images(generator, count, *shape[1:])
    return _elements(generator, count, *shape[1:])[:, None]


def sides_of_blocks(height: int, width: int) -> list[int]:
    """Return the sides of square blocks, of more than one pixel, that divide images of this size."""
    most = gcd(height, width)
    return [side for side in range(2, most + 1) if most % side == 0]


def _with_means(shown: Shown, x: Tensor, drawn: Int[Tensor, " batch"], levels: int) -> Shown:
    """Show means over blocks of the side ``drawn`` in place of known elements, where it is not 0."""
    values = shown.values
    for side in drawn[drawn > 0].unique().tolist():
        own = (drawn == side).nonzero()[:, 0].to(x.device)
        values[own] = Shown.means(avg_pool2d(x[own], side), side, levels).values
    return Shown(values, drawn)


def parted(
    x: Tensor, config: Config, specification: Specification, generator: Generator = None
) -> tuple[Tensor, Shown]:
    """Return what is learned of floating examples, and what is shown.

    For a product of processes, shown elements are NaN in what is learned. Beforehand each element is left out of both
    with a probability drawn evenly up to ``training.missing``.
    """
    settings, count = config.training, len(x)
    if not isinstance(config.head, ProductHead):
        return x, shown_parts(x, settings.shown, levels_of_means(config, specification), generator)
    rows = (1,) * (x.ndim - 1)
    left_out = _even(generator, *x.shape) < settings.missing * _even(generator, count, *rows)
    seen = _elements(generator, *x.shape) & (_even(generator, count, *rows) < settings.shown)
    left_out, seen = left_out.to(x.device), seen.to(x.device)
    return x.masked_fill(left_out | seen, torch.nan), Shown(x.masked_fill(left_out | ~seen, torch.nan))


def _even(generator: Generator, *shape: int) -> Float[Tensor, " *shape"]:
    """Draw U[0, 1)."""
    return standard_uniform(torch.zeros(shape), generator)


def _whole(generator: Generator, below: int | Tensor, *shape: int) -> Int[Tensor, " *shape"]:
    """Draw whole numbers from 0 to ``below`` − 1, all as likely."""
    return (standard_uniform(torch.zeros(shape, dtype=torch.float64), generator) * below).long()


def _elements(generator: Generator, count: int, *shape: int) -> Bool[Tensor, " count *shape"]:
    return _even(generator, count, *shape) < _even(generator, count, *(1,) * len(shape))


def _of_images(generator: Generator, count: int, height: int, width: int) -> Bool[Tensor, "count 1 height width"]:
    """Return a part of each of ``count`` images."""
    kind = _whole(generator, KINDS, count, 1, 1)
    inside = _even(generator, count, 1, 1) < 0.5
    rows, columns = (_stretch(generator, count, size) for size in (height, width))
    box = rows[:, :, None] & columns[:, None, :]
    upright = _even(generator, count, 1, 1) < 0.5
    before, left = (_before(generator, count, size) for size in (height, width))
    cut = torch.where(upright, before[:, :, None], left[:, None, :])
    found = torch.where(kind == 1, box == inside, cut == inside)
    return torch.where(kind == 0, _elements(generator, count, height, width), found)[:, None]


def _of_vectors(generator: Generator, count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return a part of each of ``count`` vectors."""
    kind, inside = _whole(generator, KINDS, count, 1), _even(generator, count, 1) < 0.5
    box, cut = _stretch(generator, count, size, max(size - 1, 1)), _before(generator, count, size)
    found = torch.where(kind == 1, box == inside, cut == inside)
    return torch.where(kind == 0, _elements(generator, count, size), found)


def _stretch(generator: Generator, count: int, size: int, most: int | None = None) -> Bool[Tensor, "count size"]:
    """Return a stretch of 1 to ``most`` places, ``size`` by default, anywhere."""
    length = 1 + _whole(generator, size if most is None else most, count, 1)
    start = _whole(generator, size - length + 1, count, 1)
    place = torch.arange(size)
    return (place >= start) & (place < start + length)


def _before(generator: Generator, count: int, size: int) -> Bool[Tensor, "count size"]:
    """Return the places before a cut that leaves some on both sides, if there are two."""
    return torch.arange(size) < 1 + _whole(generator, max(size - 1, 1), count, 1)


def batch_rows(count: int, seed: int, step: int, batch: int) -> Tensor:
    """Rows of a step: consecutive pieces of one permutation per epoch, a function of the arguments only.

    Beyond `TABLE` rows the permutation is computed where it is needed.
    """
    places = torch.arange(step * batch, (step + 1) * batch)
    epochs = places.div(count, rounding_mode="floor")
    return torch.cat([_rows(places[epochs == own] % count, count, seed, own) for own in epochs.unique().tolist()])


def _rows(places: Int[Tensor, " places"], count: int, seed: int, epoch: int) -> Int[Tensor, " places"]:
    """Return the rows at some places of an epoch."""
    if count > TABLE:
        return permuted(places, count, derived_seed(seed, f"rows of epoch {epoch}"))
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed_of(seed, epoch, -1, 0)))[places]


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
