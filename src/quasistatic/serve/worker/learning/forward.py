"""The lesson of the forward process: a picture on its way to noise by any schedule, and the law of one pixel."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quasistatic.data import Dataset, load
from quasistatic.plotting.picture import pictures
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, Table
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none

FRAMES, CURVE = 9, 101
"""Pictures of the forward process, and points of a curve."""

LARGEST = 64
"""Pixels on the longer side of an uploaded picture; larger ones are made smaller."""


def noise_forward(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return a picture on its way to noise, the schedule's curves, and the law of one pixel at each time."""
    process = GaussianProcess(schedule_of(request))
    dataset, place = _picture(desk, request)
    raw = dataset.batch(torch.tensor([place]))
    x, times = dataset.codec.encode(raw), torch.linspace(0, 1, FRAMES, dtype=torch.float64)
    generator = torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0))
    frames, state = [x], x
    for s, t in pairwise(times):
        state = process.forward(state, s[None], t[None]).sample(generator)
        frames.append(state)
    _, height, width = dataset.shape
    place = asked.whole(request, "pixel", 27, height * width - 1, 0)
    grid = torch.linspace(0, 1, CURVE, dtype=torch.float64)
    return {
        "size": [height, width],
        "frames": [shown.uri(pictures(dataset.codec.decode(frame), dataset.codec)[0]) for frame in frames],
        "times": times.tolist(),
        "pixel": _law_of(process, x.flatten()[place], times),
        "t": grid.tolist(),
        "kept": process.schedule.alpha_bar(grid).tolist(),
        "log_snr": [or_none(value) for value in process.schedule.log_snr(grid).tolist()],
        "left": process.schedule.alpha_bar(grid[-1:]).item(),
    }


def _picture(desk: Desk, request: dict[str, Any]) -> tuple[Dataset, int]:
    """Return the data that the lesson's picture is of, and its place there: a digit, or what was uploaded.

    Raises:
        ValueError: if what was uploaded is no picture.
    """
    if request.get("upload") is None:
        digits = load("digits")
        return digits, asked.whole(request, "digit", 0, 2**53, 0) % len(digits)
    (file,) = [path for path in Path(desk.paths["upload"]).iterdir() if path.name != "names.json"][:1]
    found = load(file, limit=1)
    if len(found.shape) != 3:
        raise ValueError("this lesson adds noise to a picture, got a file of another kind; choose a PNG or a JPEG")
    _, height, width = found.shape
    if max(height, width) > LARGEST:
        scale = LARGEST / max(height, width)
        found = load(file, limit=1, size=(max(1, round(height * scale)), max(1, round(width * scale))))
    return found, 0


def schedule_of(request: dict[str, Any]) -> Schedule:
    """Return the schedule that a request names; one by its own β may be given as a text.

    Raises:
        ValueError: if there is no such schedule, or a number is out of its range.
    """
    steps = asked.whole(request, "steps", 1000, 5000)
    first, last = (asked.number(request, name, own, 1e-9, 1.0) for name, own in (("first", 1e-4), ("last", 0.02)))
    match request.get("schedule"):
        case "cosine" | None:
            return Cosine(asked.number(request, "offset", 0.008, 0.0, 1.0))
        case "reciprocal":
            return Reciprocal()
        case "linear":
            return Linear(first, last, steps)
        case "unscaled":
            return Table(tuple(torch.linspace(first, last, steps, dtype=torch.float64).tolist()))
        case "own":
            words = (asked.text(request, "table", 20_000) or "").replace(",", " ").split()
            try:
                return Table(tuple(map(float, words)))
            except ValueError as error:
                raise ValueError(f"a table is one β from 0 to 1 for each step: {error}") from None
    raise ValueError("a schedule is linear, unscaled, cosine, reciprocal or own, got another")


def _law_of(process: GaussianProcess, value: Tensor, times: Tensor) -> dict[str, Any]:
    """Return the density of one pixel at each time but the first, over a range of states."""
    places = torch.linspace(-3, 3, CURVE)
    start, zero = value.reshape(1, 1).float(), torch.zeros(1, dtype=torch.float64)
    laws = [process.forward(start, zero, t[None]).log_prob(places[:, None]).exp()[:, 0].tolist() for t in times[1:]]
    return {"places": places.tolist(), "densities": laws, "value": value.item()}
