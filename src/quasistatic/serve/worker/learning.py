"""Tasks of the teaching part, which need no run: a Markov chain, the forward process, the bound's three terms."""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from quasistatic import evaluation
from quasistatic.data import load
from quasistatic.inference.report import Field
from quasistatic.markov import MarkovChain
from quasistatic.plotting.picture import pictures
from quasistatic.process import GaussianProcess
from quasistatic.schedule import Cosine, Linear, Reciprocal, Schedule, Table, uniform_times
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none

MOST_STATES, LONGEST_WALK = 8, 200
"""Maximum states and steps of a chain on the page."""

FRAMES, CURVE, CASES = 9, 101, 512
"""Pictures of the forward process, points of a curve, and examples that the bound's terms are averaged over."""

FIELD = (4,)
"""Shape of the field whose exact denoiser the bound is shown with."""


def study_chain(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return the forecast, the stationary law, the structure and a simulated path of a chain."""
    rows, names = request.get("matrix"), request.get("states")
    if not isinstance(rows, list) or not isinstance(names, list) or not 1 <= len(names) <= MOST_STATES:
        raise ValueError(f"a chain has a matrix and names of 1 to {MOST_STATES} states, got something else")
    if not all(isinstance(name, str) and 0 < len(name) <= 40 for name in names):
        raise ValueError("each state has a name of 1 to 40 characters, got something else")
    chain = MarkovChain([[_probability(cell) for cell in row] if isinstance(row, list) else [] for row in rows], names)
    start, steps = asked.whole(request, "start", 0, len(names) - 1, 0), asked.whole(request, "steps", 12, LONGEST_WALK)
    path = chain.simulate(steps, start, 1, torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0)))
    return {
        **chain.summary(start, steps),
        "forecast": [chain.predict(start, n).tolist() for n in range(steps + 1)],
        "path": path[0].tolist(),
        "states": names,
    }


def _probability(cell: object) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not 0 <= cell <= 1:
        raise ValueError(f"a transition has a probability from 0 to 1, got {str(cell)[:40]}")
    return float(cell)


def noise_forward(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return a digit on its way to noise, the schedule's curves, and the law of one pixel at each time."""
    process = GaussianProcess(_schedule(request))
    dataset = load("digits")
    raw = dataset.batch(torch.tensor([asked.whole(request, "digit", 0, 2**53, 0) % len(dataset)]))
    x, times = dataset.codec.encode(raw), torch.linspace(0, 1, FRAMES, dtype=torch.float64)
    generator = torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0))
    frames, state = [x], x
    for s, t in pairwise(times):
        state = process.forward(state, s[None], t[None]).sample(generator)
        frames.append(state)
    place = asked.whole(request, "pixel", 27, x.numel() - 1, 0)
    grid = torch.linspace(0, 1, CURVE, dtype=torch.float64)
    return {
        "frames": [shown.uri(pictures(dataset.codec.decode(frame), dataset.codec)[0]) for frame in frames],
        "times": times.tolist(),
        "pixel": _law_of(process, x.flatten()[place], times),
        "t": grid.tolist(),
        "kept": process.schedule.alpha_bar(grid).tolist(),
        "log_snr": [or_none(value) for value in process.schedule.log_snr(grid).tolist()],
        "left": process.schedule.alpha_bar(grid[-1:]).item(),
    }


def _schedule(request: dict[str, Any]) -> Schedule:
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


def bound_terms(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bound's three terms for several numbers of steps, given the exact guess of data whose law is known.

    The data are correlated numbers. A step treats them as independent given the noisier ones, so few steps cost bits;
    with ever more steps the bound falls to the true value.
    """
    process = GaussianProcess(_schedule(request))
    field = Field(process, FIELD)
    x = field.sample(CASES, torch.Generator().manual_seed(0))
    centre = torch.full((math.prod(FIELD),), field.offset, dtype=torch.float64)
    laws = [MultivariateNormal(sign * centre, field.covariance) for sign in (-1, 1)]
    log_p = torch.logsumexp(torch.stack([law.log_prob(x) for law in laws]), 0) - math.log(2)
    scale = 1 / (math.prod(FIELD) * math.log(2))
    counts, rows = [2, 4, 8, 16, 32, 64, 128], []
    for done, steps in enumerate(counts):
        desk.progress(done, len(counts))
        streams = torch.Generator().manual_seed(1)
        found = evaluation.bound(process, field, lambda clean: clean, x, uniform_times(steps), None, streams)
        terms = {name: getattr(found, name).mean().item() * scale for name in ("prior", "diffusion", "reconstruction")}
        gap = (-found.value - -log_p.to(found.value)) * scale
        error = gap.std().item() / math.sqrt(CASES)
        rows.append({"steps": steps, "error": error, **{name: or_none(value) for name, value in terms.items()}})
    return {"rows": rows, "truth": -log_p.mean().item() * scale}
