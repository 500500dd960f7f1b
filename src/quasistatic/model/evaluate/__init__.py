"""Scores a data set under a model in bits/dim of raw units, by any method of `evaluation.METHODS`."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from quasistatic import evaluation
from quasistatic.data import Codec, Dataset, LevelsCodec, TextCodec
from quasistatic.data.dataset import spread
from quasistatic.evaluation import Band, BoundTerms, Ordered, Score, Works
from quasistatic.model.build import causal, one_by_one
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import DEFAULT, EvaluateOptions, examples, fitting_data
from quasistatic.model.evaluate.given import score_given
from quasistatic.model.evaluate.summary import completed
from quasistatic.model.evaluate.windows import bound_of, windowed
from quasistatic.streams import Streams, derived_seed
from quasistatic.types import Nats, State, Watch

_Found = tuple[Score, BoundTerms | Works | Ordered | None]

PILOT = 64
"""Examples of the pilot that estimates what each step of the bound costs."""


def evaluate(
    model: Bundle,
    dataset: Any,
    method: str = "bound",
    options: EvaluateOptions = DEFAULT,
    watch: Watch | None = None,
) -> Score:
    """Score ``dataset`` by the named method; see `Model.evaluate`."""
    return evaluate_with_detail(model, dataset, method, options, watch)[0]


def evaluate_with_detail(
    model: Bundle,
    dataset: Any,
    method: str = "bound",
    options: EvaluateOptions = DEFAULT,
    watch: Watch | None = None,
) -> _Found:
    """Score ``dataset`` by the named method; also return the details that its plot needs.

    The detail is the bound's terms, the works of importance's paths or an order's elements; the flow and enumeration
    have none.

    Raises:
        ValueError, TypeError: see `Model.evaluate`.
        FloatingPointError: if an example's score is not a number.
    """
    evaluation.check_method(method)
    dataset = model.data(dataset)
    if options.last_step != "own" and method not in ("bound", "importance"):
        raise ValueError(f"a fixed last step is for bound and importance, got method {method}; leave it own")
    if options.order != "left" and method != "ordered":
        raise ValueError(
            f"an order is for the method ordered, got method {method} with order {options.order}; leave it out"
        )
    if options.given is not None and method != "bound":
        raise ValueError(f"a known part is for the bound, got method {method}; leave it out")
    dataset, spent = fitting_data(model, dataset), 0
    if options.target_error is not None and not (method == "bound" and one_by_one(model.config)):
        if method != "bound":
            raise ValueError(f"a target error is for the bound, got method {method}; leave it out")
        options, spent = cheapest(model, dataset, options)
    score, detail = _METHODS[method](model, dataset, options, watch)
    return completed(model, dataset, options, score, spent), detail


def _by_bound(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None) -> _Found:
    if options.given is not None:
        return score_given(model, dataset, options, watch), None
    if one_by_one(model.config):
        whole = replace(options, order="left", steps=model.specification.dimensions)
        return _by_order(model, dataset, whole, watch)
    terms, null = bound(model, dataset, options, watch)
    score = Score.of_bound(terms, null, model.specification.dimensions, options.steps)
    return replace(score, bands=bands(model, terms)), terms


def bands(model: Bundle, terms: BoundTerms) -> list[Band]:
    """Return the cost of each band of log-SNR in bits/dim; none if elements differ in their clocks."""
    schedules, scale = model.config.process.schedules, 1 / (model.specification.dimensions * math.log(2))
    # where elements differ in their clocks, a step has no log-SNR of its own and belongs to no band
    if len(schedules) > 1 or schedules[0].elementwise:
        return []
    return [band.scaled(scale) for band in terms.bands(schedules[0].log_snr)]


def _by_importance(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None) -> _Found:
    works, null = path_works(model, dataset, options, watch)
    calls = works.minus_work.numel() * options.steps
    dimensions = model.specification.dimensions
    return Score.of("importance", works.value, works.error, null, dimensions, options.steps, calls), works


def _by_flow(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None) -> _Found:
    parts, wide, nulls, done, calls = [], [], [], 0, 0
    process, codec = model.config.process, model.specification.codec
    first, dimensions = 1 / model.config.objective.steps, model.specification.dimensions
    probes = None if dimensions <= evaluation.EXACT_UP_TO else options.draws
    for x, denoise, jacobian in examples(model, dataset, options, watch):
        streams = Streams(options.seed, done, len(x))
        if options.dequantise == "uniform":
            found = evaluation.dequantised(process, denoise, x, _gap(codec), first, probes, streams)
        else:
            found = evaluation.noised(process, denoise, codec.decoder, x, first, probes, streams)
        parts.append(found.value + jacobian)
        wide.append(torch.zeros_like(found.value) if probes is None else found.error)
        nulls.append(evaluation.null(process, codec.decoder, x) + jacobian)
        done, calls = done + len(x), calls + found.evaluations * len(x)
    values, errors = torch.cat(parts), torch.cat(wide)
    return Score.of("flow", values, errors, torch.cat(nulls), dimensions, options.steps, calls), None


def _gap(codec: Codec) -> float:
    if not isinstance(codec, LevelsCodec):
        raise ValueError(f"uniform noise makes levels continuous, got {codec}; use noise")
    return 2 / (codec.levels - 1)


def _by_enumeration(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None) -> _Found:
    if model.config.data.conditional:
        raise ValueError("exact enumeration is for models without labels, got a class-conditional one; use bound")
    dimensions, times = model.specification.dimensions, model.times(options.steps, grid=options.grid)
    with torch.inference_mode():
        x = torch.cat([x for x, _, _ in examples(model, dataset, options, watch)])
        values = evaluation.exact(model.config.process, model.denoise(), x, times)
        null = evaluation.null(model.config.process, model.specification.codec.decoder, x)
    return Score.of("exact", values, torch.zeros_like(values), null, dimensions, options.steps, options.steps), None


def _by_order(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None) -> _Found:
    process, codec, dimensions = model.config.process, model.specification.codec, model.specification.dimensions
    dataset = fitting_data(model, dataset)
    parts, nulls, calls, done, rows = [], [], 0, 0, spread(len(dataset), options.limit)
    blocks = min(options.steps, dimensions)
    with torch.inference_mode():
        for x, denoise, jacobian in examples(model, dataset, options, watch):
            own = rows[done : done + len(x)]
            whole = _whole(model, dataset, own) if causal(model.config) else None
            found = evaluation.ordered(process, denoise, x, options.order, blocks, done, whole)
            parts.append(replace(found, elements=(found.elements + codec.log_jacobian(x)).cpu()))
            passes = 2 if found.evaluations < blocks and _follow(model, dataset) else 1
            done, calls = done + len(x), calls + found.evaluations * passes * len(x)
            nulls.append((evaluation.null(process, codec.decoder, x) + jacobian).cpu())
    detail = Ordered.joined(parts)
    value, null = detail.value, torch.cat(nulls)
    return Score.of("ordered", value, torch.zeros_like(value), null, dimensions, blocks, calls), detail


def _follow(model: Bundle, dataset: Dataset) -> bool:
    """Return whether examples are pieces of a text, long enough to be halved."""
    return isinstance(model.specification.codec, TextCodec) and dataset.successive and dataset.dimensions > 1


def _whole(
    model: Bundle, dataset: Dataset, rows: Int[Tensor, " batch"]
) -> Callable[[State], Float[Tensor, "batch length"]]:
    """Return what scores each element of the examples ``rows`` given those before it.

    Pieces of a text follow one another: the first half of each is also given the end of the piece before it.
    """
    codec, guess = model.specification.codec, partial(model.denoiser.left_to_right, label=model.told(dataset, rows))

    def scores(x: State) -> Float[Tensor, "batch length"]:
        alone = guess(x).log_prob(x)
        if not _follow(model, dataset):
            return alone
        before, there = dataset.before(rows)
        half = x.shape[1] // 2
        joined = torch.cat([codec.encode(before).to(x)[:, -half:], x[:, :-half]], 1)
        known = guess(joined).log_prob(joined)[:, half:]
        return torch.cat([torch.where(there.to(x.device)[:, None], known, alone[:, :-half]), alone[:, -half:]], 1)

    return scores


_METHODS = {
    "bound": _by_bound,
    "importance": _by_importance,
    "flow": _by_flow,
    "exact": _by_enumeration,
    "ordered": _by_order,
}


@torch.inference_mode()
def bound(
    model: Bundle, dataset: Dataset, options: EvaluateOptions = DEFAULT, watch: Watch | None = None
) -> tuple[BoundTerms, Nats]:
    """Return the bound's terms and L_null of each example, in nats of raw units.

    If only some steps are drawn, a pilot first estimates what each step costs; steps are then drawn by their cost.
    """
    process, decode = model.config.process, model.specification.codec.decoder
    parts, nulls, done, rows = [], [], 0, spread(len(dataset), options.limit)
    chances, extra = chances_of_steps(model, dataset, options)
    dataset = fitting_data(model, dataset)
    for x, denoise, jacobian in examples(model, dataset, options, watch):
        streams, label = Streams(options.seed, done, len(x)), model.told(dataset, rows[done : done + len(x)])
        terms = bound_of(model, x, denoise, label, options, streams, chances)
        parts.append(replace(terms, reconstruction=terms.reconstruction - jacobian))
        nulls.append(evaluation.null(process, decode, x) + jacobian)
        done += len(x)
    return replace(BoundTerms.joined(parts), pilot_evaluations=extra), torch.cat(nulls)


def chances_of_steps(
    model: Bundle, dataset: Dataset, options: EvaluateOptions
) -> tuple[Float[Tensor, " steps"] | None, int]:
    """Return the chances of steps to be drawn, by what they cost on a pilot, and the network evaluations of that.

    They are None if all steps are scored.
    """
    times = model.times(options.steps, grid=options.grid)
    if options.draws is None or options.draws >= len(times) - 2 or windowed(model.config):
        return None, 0
    # One example in eight at most: where a few are scored, the search should not cost more than the score.
    count = math.ceil(min(len(dataset), options.limit or len(dataset)) / 8)
    pilot = _pilot(model, dataset, options, "where to look", count=min(PILOT, count))
    return evaluation.chances_by_cost(pilot, times), pilot.network_evaluations * len(pilot.prior)


def _pilot(
    model: Bundle,
    dataset: Dataset,
    options: EvaluateOptions,
    purpose: str,
    count: int = PILOT,
    chances: Tensor | None = None,
) -> BoundTerms:
    """Return the bound's terms of ``count`` pilot examples. They only decide which steps are drawn.

    The ``purpose`` gives it random numbers of its own.
    """
    seed, times, done = derived_seed(options.seed, purpose), model.times(options.steps, grid=options.grid), 0
    process, decode, parts = model.config.process, model.specification.codec.decoder, []
    for x, denoise, _ in examples(model, dataset, replace(options, limit=min(count, options.limit or count))):
        streams = Streams(seed, done, len(x))
        parts.append(evaluation.bound(process, denoise, decode, x, times, 16, streams, chances))
        done += len(x)
    return BoundTerms.joined(parts)


@torch.inference_mode()
def cheapest(model: Bundle, dataset: Dataset, options: EvaluateOptions) -> tuple[EvaluateOptions, int]:
    """Return ``options`` with the draws and limit that reach the target error most cheaply, and the search's cost.

    With variance b² between examples and w² of one look, d looks at each of n examples err by (b² + w²/d)/n and cost
    (d + 1) n: best at d = w/b. Both are measured on a pilot; a tenth more examples than that asks for are scored.

    Raises:
        ValueError: if there are fewer than two examples: the spread between them is then unknown.
    """
    target, most = (options.target_error or 1.0) ** 2, min(len(dataset), options.limit or len(dataset))
    if most < 2:
        raise ValueError(f"a target error is reached over two examples or more, got {most}; leave it out")
    times = model.times(options.steps, grid=options.grid)
    even = _pilot(model, dataset, options, "where to look")
    chances = evaluation.chances_by_cost(even, times)
    pilot = _pilot(model, dataset, options, "how often to look", chances=chances)
    scale = 1 / (model.specification.dimensions * math.log(2))
    looks = len(pilot.step_costs)
    within = (pilot.error.square().mean() * looks).item() * scale**2
    between = max((pilot.value * scale).var().item() - within / looks, 1e-6 * within)
    draws = max(1, round(math.sqrt(within / between)))
    if (between + within / draws) / most > target:  # all examples are needed: look oftener at each
        spare = target * most - between
        draws = max(draws, math.ceil(within / spare)) if spare > 0 else 64
    count = math.ceil(1.1 * (between + within / draws) / target)
    spent = sum(part.network_evaluations * len(part.prior) for part in (even, pilot))
    chosen = replace(options, draws=min(draws, options.steps), limit=min(most, max(count, 2)), target_error=None)
    return chosen, spent


@torch.inference_mode()
def path_works(
    model: Bundle, dataset: Dataset, options: EvaluateOptions = DEFAULT, watch: Watch | None = None
) -> tuple[Works, Nats]:
    """Return the works of ``options.draws`` paths and L_null of each example, in nats of raw units."""
    times, done, parts, nulls = model.times(options.steps, grid=options.grid), 0, [], []
    process, decode = model.config.process, model.specification.codec.decoder
    draws = options.steps if options.draws is None else options.draws
    for x, denoise, jacobian in examples(model, dataset, options, watch):
        works = evaluation.importance(process, denoise, decode, x, times, draws, Streams(options.seed, done, len(x)))
        parts.append(works.minus_work + jacobian)
        nulls.append(evaluation.null(process, decode, x) + jacobian)
        done += len(x)
    return Works(torch.cat(parts, 1)), torch.cat(nulls)
