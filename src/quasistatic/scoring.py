"""Scoring a data set under a model, in raw units: what `Model.evaluate` does, and the parts that pictures need."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from quasistatic import evaluation
from quasistatic.data import Dataset
from quasistatic.data.dataset import spread
from quasistatic.denoiser import Denoise
from quasistatic.evaluation import BoundTerms, Score, Works
from quasistatic.schedule import uniform_times
from quasistatic.stream import Streams
from quasistatic.types import Nats, State, Watch, batches, per_example

if TYPE_CHECKING:
    from quasistatic.model import Model


@dataclass(frozen=True)
class Effort:
    """How hard to look.

    Attributes:
        steps: of the grid, even in time.
        draws: steps looked at per example (of the bound, besides the last) or whole paths (of importance); None is all.
        limit: score at most so many examples, evenly spread.
        seed: of the estimator.
    """

    steps: int = 1000
    draws: int | None = 4
    limit: int | None = None
    seed: int = 0


def evaluate(
    model: "Model", dataset: Dataset, method: str = "bound", effort: Effort = Effort(), watch: Watch | None = None
) -> Score:
    """Score ``dataset`` by the named method; see `Model.evaluate`."""
    return measure(model, dataset, method, effort, watch)[0]


def measure(
    model: "Model", dataset: Dataset, method: str = "bound", effort: Effort = Effort(), watch: Watch | None = None
) -> tuple[Score, BoundTerms | Works | None]:
    """Score ``dataset`` by the named method, and return beside it what a picture of the score is drawn from.

    That is the bound's terms, or the works of importance's paths; enumeration has nothing to draw.
    """
    evaluation.check_method(method)
    dimensions = model.specification.dimensions
    if method == "bound":
        terms, null = bound(model, dataset, effort, watch)
        return Score.of_bound(terms, null, dimensions, effort.steps), terms
    if method == "importance":
        works, null = path_works(model, dataset, effort, watch)
        calls = works.minus_work.numel() * effort.steps
        return Score.of("importance", works.value, works.error, null, dimensions, effort.steps, calls), works
    if model.config.data.conditional:
        raise ValueError("exact enumeration is for models without labels, got a class-conditional one; use bound")
    with torch.inference_mode():
        x = torch.cat([x for x, _, _ in examples(model, dataset, effort.limit, watch)])
        values = evaluation.exact(model.config.process, model.denoiser.given(None), x, uniform_times(effort.steps))
        null = evaluation.null(model.config.process, model.specification.codec.decoder, x)
    return Score.of("exact", values, torch.zeros_like(values), null, dimensions, effort.steps, effort.steps), None


@torch.inference_mode()
def bound(
    model: "Model", dataset: Dataset, effort: Effort = Effort(), watch: Watch | None = None
) -> tuple[BoundTerms, Nats]:
    """Return the bound's terms and L_null of each example, in nats of raw units."""
    generator, times = torch.Generator().manual_seed(effort.seed), uniform_times(effort.steps)
    process, decode = model.config.process, model.specification.codec.decoder
    parts, nulls, chances = [], [], None
    for x, denoise, jacobian in examples(model, dataset, effort.limit, watch):
        terms = evaluation.bound(process, denoise, decode, x, times, effort.draws, generator, chances)
        # Each estimate is free of bias whatever the chances; those after the first are steadier.
        chances = evaluation.chances_by_cost(terms, times) if chances is None else chances
        parts.append(replace(terms, reconstruction=terms.reconstruction - jacobian))
        nulls.append(evaluation.null(process, decode, x) + jacobian)
    return BoundTerms.joined(parts), torch.cat(nulls)


@torch.inference_mode()
def path_works(
    model: "Model", dataset: Dataset, effort: Effort = Effort(), watch: Watch | None = None
) -> tuple[Works, Nats]:
    """Return the works of ``effort.draws`` paths and L_null of each example, in nats of raw units."""
    times, done, parts, nulls = uniform_times(effort.steps), 0, [], []
    process, decode = model.config.process, model.specification.codec.decoder
    draws = effort.steps if effort.draws is None else effort.draws
    for x, denoise, jacobian in examples(model, dataset, effort.limit, watch):
        works = evaluation.importance(process, denoise, decode, x, times, draws, Streams(effort.seed, done, len(x)))
        parts.append(works.minus_work + jacobian)
        nulls.append(evaluation.null(process, decode, x) + jacobian)
        done += len(x)
    return Works(torch.cat(parts, 1)), torch.cat(nulls)


def examples(
    model: "Model", dataset: Dataset, limit: int | None = None, watch: Watch | None = None
) -> Iterator[tuple[State, Denoise, Nats]]:
    """Yield states in batches, with the denoiser of their labels and the log-Jacobian of their raw units.

    Raises:
        ValueError: if the data are of another shape than the model's.
    """
    model.check_shape(dataset.shape, dataset.name)
    rows, codec, done = spread(len(dataset), limit), model.specification.codec, 0
    labels = dataset.labels if model.config.data.conditional else None
    for count in batches(len(rows), model.batch_size()):
        chosen = rows[done : done + count]
        x = codec.encode(dataset.batch(chosen)).to(model.device)
        denoise = model.denoiser.given(None if labels is None else labels[chosen].to(model.device))
        yield x, denoise, per_example(codec.log_jacobian(x)).double()
        done += count
        if watch:
            watch(done, len(rows))
