"""What all methods of a score share: the marginal null model, whether labels were given, and the unit."""

import math
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic import evaluation
from quasistatic.data import BitsCodec, Codec, Dataset, RecordsCodec, StatesCodec, TableCodec, TextCodec
from quasistatic.data.dataset import spread
from quasistatic.evaluation import Score
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import EvaluateOptions, examples


def completed(model: Bundle, dataset: Dataset, options: EvaluateOptions, score: Score, spent: int = 0) -> Score:
    """Return ``score`` with what all methods share: the marginal null model if needed, whether labels were given, and
    the ``spent`` network evaluations of a search.

    Raises:
        FloatingPointError: if an example's score is not a number.
    """
    _check_finite(score)
    if math.isinf(score.null["value"]) and options.given is None:
        score = replace(score, marginal_null={"value": _marginal_null(model, dataset, options)})
    score = per_unit(model, dataset, score)
    told = model.specification.covariates is not None and dataset.covariates is not None
    conditional = told or (model.config.data.conditional and dataset.labels is not None)
    return replace(score, network_evaluations=score.network_evaluations + spent, conditional=conditional)


def per_unit(model: Bundle, dataset: Dataset, score: Score) -> Score:
    """Return the score of the first examples of ``dataset``, evenly spread, in the unit of its codec."""
    codec, rows = model.specification.codec, spread(len(dataset), score.examples)
    if codec.unit == "dim":
        return score
    found = [codec.units(codec.encode(dataset.batch(part))) for part in rows.split(2**14)]
    units = [part for part in found if part is not None]
    return in_unit(score, codec, torch.cat(units) if units else None)


def in_unit(score: Score, codec: Codec, units: Int[Tensor, " examples"] | None) -> Score:
    """Return a score in the unit of ``codec``: each example has so many ``units``; None: its elements are the units."""
    return replace(score, unit=f"bits/{codec.unit}") if units is None else score.per(codec.unit, units)


def _check_finite(score: Score) -> None:
    lost = int(score.log_likelihoods.isnan().sum())
    if lost:
        raise FloatingPointError(
            f"the score of {lost} of {score.examples} examples is not a number, since the model's guesses are not; its "
            "weights are damaged, or its training failed"
        )


@torch.inference_mode()
def _marginal_null(model: Bundle, dataset: Dataset, options: EvaluateOptions) -> float:
    """Return the marginal null model's bits/dim over the examples that are scored.

    The places of a text share one marginal law, as pieces begin anywhere in it; columns and pixels have their own.
    """
    codec, dimensions = model.specification.codec, model.specification.dimensions
    match codec:
        case TableCodec():
            counts = codec.bins
        case StatesCodec() | TextCodec():
            counts = (codec.states,) * dimensions
        case _:
            counts = (2 if isinstance(codec, BitsCodec) else 0,) * dimensions
    states, laws, jacobians = [], [], []
    for x, _, jacobian in examples(model, dataset, options):
        law = codec.decoder(model.config.process.prior(x))
        states.append(x.flatten(1).cpu())
        laws.append(law.log_prob(x).flatten(1).double().cpu())
        jacobians.append(jacobian.cpu())
    x, prior, total = torch.cat(states), torch.cat(laws), torch.cat(jacobians).sum()
    if isinstance(codec, TextCodec) and not isinstance(codec, RecordsCodec):
        x, prior, counts = x.reshape(-1, 1), prior.reshape(-1, 1), counts[:1]
    total = total + evaluation.marginal_null(x, prior, counts).sum()
    return -total.item() / (sum(map(len, states)) * dimensions * math.log(2))
