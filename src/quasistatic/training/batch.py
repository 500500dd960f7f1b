"""Builds each training batch: rows, mirrored examples, labels, revealed elements, and seeds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from quasistatic.config import Config, DataConfig
from quasistatic.data import Dataset
from quasistatic.objective import TimeDensity
from quasistatic.types import Label


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
        """Return the examples of the training set ``data`` in raw units, some of them mirrored."""
        x = data.batch(self.rows)
        return torch.where(self.mirror[:, None, None, None], x.flip(-1), x) if self.mirror.any() else x

    def labels(self, data: Dataset, config: DataConfig) -> Label | None:
        """Return what the network is told of each example: its class or "no label", and whether it is mirrored.

        `Network.forward` says how both are one number. Without classes and flips, the result is None.
        """
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
