"""Baselines: simple models fitted on the model's training split and scored on the same examples as the model.

    data                      simple models
    continuous values         Gaussian, Gaussian mixture (densities in raw units)
    levels                    independent histogram, Gaussian, Gaussian mixture
    bits                      the same; in a row also unigram, trigram and 6-gram
    states without order      independent histogram; in a row also unigram, trigram and 6-gram
    text                      unigram, trigram, 6-gram, and `xz -9` given the training text

All are in the unit of the model's own score. Text is scored in the pieces that the model is given, without context from
outside a piece; `xz` alone reads on from the training text and from piece to piece.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from quasistatic.data import (
    AffineCodec,
    BitsCodec,
    Dataset,
    LevelsCodec,
    RecordsCodec,
    StatesCodec,
    TableCodec,
    TextCodec,
)
from quasistatic.data.dataset import spread
from quasistatic.evaluation import baselines as simple
from quasistatic.evaluation.baselines import Baseline
from quasistatic.evaluation.baselines.ngram import ngrams, xz
from quasistatic.model.bundle import Bundle
from quasistatic.types import Nats, per_example

ORDERS = {"unigram": 1, "trigram": 3, "6-gram": 6}

VALUES = 2**25
"""Most training values that a baseline is fitted to; beyond it, examples are taken evenly."""

ROWS = 10_000
"""Most examples that a mixture is fitted to."""


def baselines(model: Bundle, dataset: Dataset, training: Dataset) -> dict[str, Baseline]:
    """Fit simple models to what ``model`` learned from and score ``dataset`` with them.

    Args:
        model: whose examples they share.
        dataset: raw data of the model's shape, as given to `Model.evaluate`.
        training: what the model was trained on; the part that it held out is left out.

    Returns:
        Each simple model's score by its name, in bits/dim of raw units.

    Raises:
        ValueError: if ``training`` is not what the model was trained on, ``dataset`` is of another shape or range, or
            the data are a table of named columns.
    """
    if isinstance(model.specification.codec, TableCodec):
        raise ValueError("simple models score data whose values are all of one kind, got a table; leave baselines out")
    model.specification.check_shape(dataset.shape, dataset.name)
    learned = model.learned(training)
    train, test = _read(learned, max(2, VALUES // dataset.dimensions)), _read(dataset)
    found: dict[str, Nats] = {}
    codec = model.specification.codec
    row = len(dataset.shape) == 1
    match codec:
        case AffineCodec():
            known, asked = (codec.encode(part) for part in (train, test))
            jacobian = per_example(codec.log_jacobian(asked)).double()
            found = {name: value + jacobian for name, value in _mixtures(known, asked, 1e-6).items()}
        case LevelsCodec() | BitsCodec():
            low, step, levels = (codec.low, codec.step, codec.levels) if isinstance(codec, LevelsCodec) else (0, 1, 2)
            codec.encode(test)  # refuses what is no level
            known, asked = ((part.long() - low).flatten(1) // step for part in (train, test))
            found["independent histogram"] = simple.histogram(known, asked, levels)
            found |= _mixtures(simple.dequantised_values(known, 0), simple.dequantised_values(asked, 1), 0.1)
            if isinstance(codec, BitsCodec) and row:
                found |= _ngrams(known, asked, 2)
        case StatesCodec() | TextCodec():
            known, asked = (codec.encode(part).flatten(1) for part in (train, test))
            if isinstance(codec, StatesCodec):
                found["independent histogram"] = simple.histogram(known, asked, codec.states)
            if row:
                found |= _ngrams(known, asked, codec.states)
    own = None if codec.unit == "dim" else codec.units(codec.encode(test))
    units = torch.tensor(dataset.dimensions).expand(len(dataset)) if own is None else own
    scores = {name: Baseline.of(value, units) for name, value in found.items()}
    if isinstance(codec, TextCodec):
        between = "\n" if isinstance(codec, RecordsCodec) else ""
        texts = [between.join(map(codec.text, part)) + between for part in (train, test)]
        scores["xz -9"] = Baseline.of_whole(xz(*texts), int(units.sum()))
    return scores


def _read(dataset: Dataset, limit: int | None = None) -> Tensor:
    return dataset.batch(spread(len(dataset), limit))


def _mixtures(known: Tensor, asked: Tensor, ridge: float) -> dict[str, Nats]:
    known, asked = known.flatten(1)[spread(len(known), ROWS)], asked.flatten(1)
    return {
        "Gaussian": simple.mixture(known, asked, (1,), ridge),
        "Gaussian mixture": simple.mixture(known, asked, ridge=ridge),
    }


def _ngrams(known: Int[Tensor, "n length"], asked: Int[Tensor, "m length"], states: int) -> dict[str, Nats]:
    found = ngrams(known, asked, states, tuple(ORDERS.values()))
    return {name: found[order] for name, order in ORDERS.items()}
