"""Bounds on log p(unknown | known): the shares of the unknown elements, with a guess that is given the known ones.

Processes that end in a mask take any known part. Others need a network that was trained to be shown parts.

    chain gap    bound(all) − [ bound(known) + bound(unknown | known) ]    per example, in bits

It is 0 for exact guesses; a trained network's is how far its conditional laws are from those of one joint law. It needs
bound(known), with the rest absent: for processes that end in a mask.
"""

import math
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from quasistatic import evaluation
from quasistatic.data import Dataset, TableCodec
from quasistatic.data.observed import read_mask
from quasistatic.denoiser import Denoise
from quasistatic.evaluation import Score, mean_and_error
from quasistatic.inference import is_absorbing
from quasistatic.model.bundle import Bundle
from quasistatic.model.evaluate.examples import EvaluateOptions, examples
from quasistatic.process import MaskedProcess, Process, ProductProcess
from quasistatic.streams import Streams
from quasistatic.types import Nats, State, Watch, per_example

Part = Bool[Tensor, "*shape"]


def known_part(given: str, model: Bundle, dataset: Dataset) -> Part:
    """Return which elements of an example are known.

    Args:
        given: names of columns of a table, with commas between; otherwise a mask file, white = unknown.
        model: the model.
        dataset: examples of the model's shape.

    Raises:
        ValueError: if a column is unknown, the mask does not fit, or nothing or everything is known.
        FileNotFoundError: if there is no such mask.
    """
    codec = model.specification.codec
    if isinstance(codec, TableCodec):
        names = [name.strip() for name in given.split(",")]
        lacking = [name for name in names if name not in codec.names]
        if lacking:
            raise ValueError(
                f"what is given are columns of the table ({', '.join(codec.names)}), got "
                f"{', '.join(map(repr, lacking))}"
            )
        known = torch.tensor([name in names for name in codec.names])
    else:
        known = read_mask(Path(given), dataset)[0]
    if bool(known.all()) or not bool(known.any()):
        share = "everything" if bool(known.all()) else "nothing"
        raise ValueError(f"a conditional score needs some of each example given and some not, got {share} given")
    return known


@torch.inference_mode()
def score_given(model: Bundle, dataset: Dataset, options: EvaluateOptions, watch: Watch | None = None) -> Score:
    """Score what ``options.given`` leaves unknown, given the rest.

    Raises:
        ValueError: see `known_part`; or if the model cannot be given what is known.
        FileNotFoundError: see `known_part`.
    """
    assert options.given is not None
    process, codec = model.config.process, model.specification.codec
    if not (model.shown or is_absorbing(process)):
        raise ValueError(
            "a conditional score needs a process that ends in a mask, or a model that was trained to be shown what is "
            "known; train one with --set training.shown=0.5"
        )
    if not is_absorbing(process):
        if model.config.data.conditional or model.specification.covariates is not None:
            raise ValueError("a known part is scored by models without labels and conditions, got another")
        if (options.variance, options.last_step) != ("own", "own"):
            raise ValueError("a known part is scored with the model's own variance and last step; leave both out")
    part = known_part(options.given, model, dataset).to(model.device)
    times, done = model.times(options.steps, grid=options.grid), 0
    values, nulls, gaps = [], [], []
    for x, denoise, _ in examples(model, dataset, options, watch):
        known, streams = part.expand(x.shape), Streams(options.seed, done, len(x))
        slope = codec.log_jacobian(x).double()

        def shares(guess: Denoise, of: State = x, streams: Streams = streams) -> Tensor:
            return evaluation.bound_with_map(process, guess, codec.decoder, of, times, options.draws, streams)[1]

        apart = x.masked_fill(known, torch.nan) if isinstance(process, ProductProcess) else x
        found = _summed(slope - shares(given(model, denoise, x, known), apart), ~known)
        law = codec.decoder(process.prior(x))
        nulls.append(_summed(law.log_prob(x) + slope, ~known).cpu())
        if is_absorbing(process):
            alone = _summed(slope - shares(_without(process, denoise, ~known)), known)
            gaps.append((per_example(slope - shares(denoise)) - alone - found).cpu())
        values.append(found.cpu())
        done += len(x)
    count, unknown = sum(map(len, values)), int((~part).sum())
    looks = min(options.draws or len(times), len(times) - 2) + 1
    spent = looks * count * (3 if gaps else 1)
    score = Score.of(
        "bound", torch.cat(values), torch.full((count,), math.nan), torch.cat(nulls), unknown, options.steps, spent
    )
    if not gaps:
        return score
    value, error = mean_and_error(torch.cat(gaps) / math.log(2))
    return replace(score, chain_gap={"value": value, "standard_error": error})


def given(model: Bundle, denoise: Denoise, x: State, known: Tensor) -> Denoise:
    """Return the guess of states given the ``known`` elements of ``x``."""
    if is_absorbing(model.config.process):
        return lambda x_t, t: denoise(torch.where(known, x, x_t), t)
    return model.given(None, x.masked_fill(~known, torch.nan))


def _summed(values: Tensor, scored: Tensor) -> Nats:
    return per_example(torch.where(scored, values, 0)).double()


def _without(process: Process, denoise: Denoise, absent: Tensor) -> Denoise:
    """Return the guess of states whose ``absent`` elements stay behind the mask."""
    mask = -1.0 if isinstance(process, MaskedProcess) else float(process.stationary.argmax())  # type: ignore[attr-defined]
    return lambda x_t, t: denoise(torch.where(absent, torch.full_like(x_t, mask), x_t), t)
