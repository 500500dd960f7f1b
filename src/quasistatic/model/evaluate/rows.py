"""Scores some rows of a data set as they are scored in the whole set: each by the stream of its number."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic import evaluation
from quasistatic.data import Dataset
from quasistatic.evaluation import BoundTerms, Score, Works
from quasistatic.model.build import one_by_one
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate import evaluate
from quasistatic.model.evaluate.examples import EvaluateOptions, examples, fitting_data
from quasistatic.model.evaluate.summary import per_unit
from quasistatic.model.evaluate.windows import bound_of
from quasistatic.streams import Streams
from quasistatic.types import Watch


@torch.inference_mode()
def score_rows(
    model: Bundle,
    dataset: Dataset,
    numbers: Int[Tensor, " rows"],
    method: str = "bound",
    options: EvaluateOptions | None = None,
    chances: Float[Tensor, " steps"] | None = None,
    watch: Watch | None = None,
) -> Score:
    """Score rows by themselves: a row's score depends on its number and the seed, not on the rows beside it.

    Args:
        model: the model.
        dataset: the rows.
        numbers: of each row in the whole set.
        method: ``bound``, ``importance``, ``exact``, or ``ordered`` in an order that is not random.
        options: how they are scored; without a limit, a target error or a known part.
        chances: of the bound's steps, as `chances_of_steps` finds them on the whole set; None draws them evenly.
        watch: called with (rows done, rows in all).

    Raises:
        ValueError: if the method or an option scores a set as a whole.
    """
    options = options or EvaluateOptions()
    check_rows(method, options)
    if method in ("exact", "ordered") or (method == "bound" and one_by_one(model.config)):
        return evaluate(model, dataset, method, options, watch)
    times, dimensions = model.times(options.steps, grid=options.grid), model.specification.dimensions
    dataset = fitting_data(model, dataset)
    process, decode, done = model.config.process, model.specification.codec.decoder, 0
    terms, works, nulls = list[BoundTerms](), list[Tensor](), list[Tensor]()
    for x, denoise, jacobian in examples(model, dataset, options, watch):
        streams = Streams.of(options.seed, numbers[done : done + len(x)])
        if method == "bound":
            label = model.told(dataset, torch.arange(done, done + len(x)))
            found = bound_of(model, x, denoise, label, options, streams, chances)
            terms.append(replace(found, reconstruction=found.reconstruction - jacobian))
        else:
            draws = options.steps if options.draws is None else options.draws
            weighed = evaluation.importance(process, denoise, decode, x, times, draws, streams)
            works.append(weighed.minus_work + jacobian)
        nulls.append(evaluation.null(process, decode, x) + jacobian)
        done += len(x)
    if method == "bound":
        score = Score.of_bound(BoundTerms.joined(terms), torch.cat(nulls), dimensions, options.steps)
        return per_unit(model, dataset, score)
    joined = Works(torch.cat(works, 1))
    calls = joined.minus_work.numel() * options.steps
    score = Score.of("importance", joined.value, joined.error, torch.cat(nulls), dimensions, options.steps, calls)
    return per_unit(model, dataset, score)


def check_rows(method: str, options: EvaluateOptions) -> None:
    """Raise ValueError if rows cannot be scored by themselves."""
    evaluation.check_method(method)
    if method == "flow":
        raise ValueError("rows are scored by themselves by bound, importance, exact or ordered, got flow; choose one")
    if options.order.startswith("random"):
        raise ValueError(f"rows are scored by themselves in one order, got order {options.order}; take left or right")
    if options.target_error is not None or options.given is not None:
        raise ValueError("a target error and a known part are of a whole set, got rows by themselves; leave them out")
