"""Builds each training batch: rows, revealed elements, and seeds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from quasistatic.config import Config, TrainingConfig
from quasistatic.objective import TimeDensity


@dataclass(frozen=True, eq=False)
class Batch:
    """The examples of a step, and the random draws that are the same in every process.

    Attributes:
        rows: of the training set.
        k: step of the objective for each example, from 1; its time is k/T.
        weight: one over the density of k, so that the loss keeps its mean.
        hide: whether the example's label is hidden.
    """

    rows: Int[Tensor, " batch"]
    k: Int[Tensor, " batch"]
    weight: Float[Tensor, " batch"]
    hide: Bool[Tensor, " batch"]

    def at(self, places: Int[Tensor, " some"]) -> "Batch":
        """Return the examples at ``places`` of the batch."""
        return Batch(self.rows[places], self.k[places], self.weight[places], self.hide[places])

    def split(self, parts: int) -> list["Batch"]:
        """Return the batch in ``parts`` consecutive parts of nearly equal size, without empty ones."""
        return [self.at(part) for part in torch.arange(len(self.rows)).tensor_split(parts) if len(part)]


def draw_batch(config: Config, density: TimeDensity, count: int, step: int, attempt: int) -> Batch:
    """Draw the batch of a step from a training set of ``count`` examples; the same in every process."""
    settings = config.training
    generator = torch.Generator().manual_seed(seed_of(config.seed, step, 0, attempt))
    k, weight = density.draw(settings.batch, generator)
    hide = torch.rand(settings.batch, generator=generator) < settings.label_dropout
    return Batch(batch_rows(count, config.seed, step, settings.batch), k, weight, hide)


def parted(x: Tensor, settings: TrainingConfig) -> tuple[Tensor, Tensor]:
    """Split floating examples at random into elements to learn and elements to reveal; each is NaN elsewhere.

    In a share ``settings.shown`` of the examples each element is shown with a probability that is drawn evenly from 0
    to 1 for the example. Beforehand each element is left out of both with a probability drawn evenly up to
    ``settings.missing``. Draws come from torch's global generator.

    The cost of what is to be learned is then a bound on its log-probability given what is shown; with a part of all
    sizes, one network learns every conditional law.
    """
    rows = (len(x), *(1,) * (x.ndim - 1))
    left_out = torch.rand(x.shape) < settings.missing * torch.rand(rows)
    seen = (torch.rand(x.shape) < torch.rand(rows)) & (torch.rand(rows) < settings.shown)
    left_out, seen = left_out.to(x.device), seen.to(x.device)
    return x.masked_fill(left_out | seen, torch.nan), x.masked_fill(left_out | ~seen, torch.nan)


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
