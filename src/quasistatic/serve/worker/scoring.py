"""Tasks that score: examples ranked from the strangest, each with its error and where its bits go; simple models."""

import math
from typing import Any

import torch
from jaxtyping import Float
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from quasistatic import plotting
from quasistatic.data import Dataset
from quasistatic.data.table.write import csv_text
from quasistatic.evaluation import BoundTerms, Ordered, Works
from quasistatic.model import Model
from quasistatic.model.baselines import baselines
from quasistatic.model.evaluate import evaluate_with_detail
from quasistatic.model.evaluate.examples import EvaluateOptions, fitting_data
from quasistatic.model.evaluate.ranking import Maps, Scored
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none, score_told
from quasistatic.serve.worker.examples import uploaded

MOST, SHOWN, USUAL = 500, 60, 64
"""Maximum examples that are scored, that are shown, and that are scored of the held-out ones."""

STEPS, BINS = 32, 20
"""Maximum time steps per example that a ranking evaluates; bins of time."""


def score_examples(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Score what was uploaded, or held-out examples, and rank them from the strangest."""
    model = desk.model()
    dataset, names = _asked(desk, model, request)
    held_out = desk.held_out(model) if "upload" in request else None
    usual = None if held_out is None else held_out.select(torch.arange(min(USUAL, len(held_out))))
    maps = Maps(dataset)
    most = asked.whole(request, "max_draws", STEPS, 4096, 8)
    scored = model.rank(dataset, max_draws=most, typical=usual, on_elements=maps, watch=desk.progress)
    terms = scored.detail
    if not isinstance(terms, Ordered):
        _, terms = evaluate_with_detail(model, dataset, "bound", EvaluateOptions(limit=USUAL), desk.progress)
    order = scored.bits_per_dim.argsort(descending=True, stable=True).tolist()
    lines = _lines(scored, names)
    file = desk.folder / "scores.csv"
    file.write_text(csv_text(list(lines), [list(line) for line in zip(*lines.values(), strict=True)]))
    return {
        "score": score_told(scored.score),
        "rows": _rows(model, dataset, scored, maps, order[:SHOWN], names),
        "count": len(dataset),
        "usual": None if scored.typical_bits is None else _bits(scored.typical_bits),
        "all": _bits(scored.bits_per_dim),
        "by_time": _by_time(terms, dataset.dimensions),
        "by_place": _by_place(terms),
        "files": [file.name],
    }


def _asked(desk: Desk, model: Model, request: dict[str, Any]) -> tuple[Dataset, list[str]]:
    """Return the examples that a request is about, and their names: those uploaded, or held-out ones."""
    if "upload" in request:
        dataset, names = uploaded(desk, model)
        dataset = fitting_data(model, dataset)
    else:
        dataset = fitting_data(model, desk.some_unseen(model, asked.whole(request, "n", USUAL, MOST)))
        names = dataset.ids
    return dataset.select(torch.arange(MOST)) if len(dataset) > MOST else dataset, names


def _bits(values: Float[Tensor, " examples"]) -> list[float | None]:
    return [or_none(bits) for bits in values.tolist()]


def _errors(scored: Scored) -> Float[Tensor, " examples"]:
    """Return the standard error of each score, in bits/dim."""
    return scored.score.bits(scored.score.errors)


def _lines(scored: Scored, names: list[str]) -> dict[str, list[str]]:
    """Return the columns of the file of scores."""
    scale = scored.score.dimensions * math.log(2)
    columns = {
        "bits_per_dim": scored.bits_per_dim,
        "standard_error": _errors(scored),
        "null": -scored.score.null_log_likelihoods / scale,
        **scored.columns,
    }
    texts = {name: [f"{value:.6g}" for value in values.tolist()] for name, values in columns.items()}
    return {"id": names[: scored.score.examples], **texts}


def _rows(
    model: Model, dataset: Dataset, scored: Scored, maps: Maps, order: list[int], names: list[str]
) -> list[dict[str, Any]]:
    errors, typical = _errors(scored), scored.typicality
    heat = _heat(model, maps.bits[order])
    rows = []
    for place, hot in zip(order, heat, strict=True):
        raw = dataset.batch(torch.tensor([place]))
        p_value = None if typical is None else or_none(typical[place].item())
        rows.append(
            {
                "name": names[place],
                "bits": or_none(scored.bits_per_dim[place].item()),
                "error": or_none(errors[place].item()),
                "p": p_value,
                "example": shown.shown_examples(raw, model.specification),
                "heat": hot,
            }
        )
    return rows


def _heat(model: Model, bits: Float[Tensor, " n *shape"]) -> list[Any]:
    """Return where the bits of examples are: pictures of images and slices, else numbers for each value."""
    kind = shown.kind_of_data(model.specification)
    if kind not in ("images", "volumes"):
        return [[or_none(round(one, 3)) for one in row] for row in bits.flatten(1).tolist()]
    pixels = bits.sum(1).nan_to_num()
    if kind == "volumes":
        pixels = pixels[:, pixels.shape[1] // 2]
    low, high = pixels.quantile(0.005), pixels.quantile(0.995)
    colours = colormaps["magma"](((pixels - low) / (high - low).clamp(min=1e-9)).clamp(0, 1).numpy())[..., :3]
    return [shown.uri(Image.fromarray((one * 255).round().astype("uint8"))) for one in colours]


def _by_place(terms: BoundTerms | Works | Ordered | None) -> list[float | None] | None:
    """Return the mean bits of each place of an exact score; they sum to the bits of an example."""
    if not isinstance(terms, Ordered):
        return None
    return _bits(-terms.elements.double().mean(0).flatten() / math.log(2))


def score_baselines(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Score simple models, fitted to what the model learned from, on the examples of `score_examples`."""
    model = desk.model()
    _, training = desk.known(model)
    dataset, _ = _asked(desk, model, request)
    found = baselines(model, dataset, training)
    told = [
        {"name": name, "value": or_none(one.value), "error": or_none(one.standard_error)} for name, one in found.items()
    ]
    return {"baselines": sorted(told, key=lambda one: math.inf if one["value"] is None else one["value"])}


def _by_time(terms: BoundTerms | Works | Ordered | None, dimensions: int) -> dict[str, list[float]] | None:
    """Return the bits/dim in equal bins of time, from data to noise; None if they are infinite."""
    if not isinstance(terms, BoundTerms) or not bool(terms.value.isfinite().all()):
        return None
    edges, bits = plotting.bits_by_time(terms, dimensions, BINS)
    return {"t": ((edges[1:] + edges[:-1]) / 2).tolist(), "bits": bits.tolist()}
