"""The lesson of the bound: its three terms by the number of steps, next to the true value."""

import math
from typing import Any

import torch
from torch.distributions import MultivariateNormal

from quasistatic import evaluation
from quasistatic.inference.report import Field
from quasistatic.process import GaussianProcess
from quasistatic.schedule import uniform_times
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none
from quasistatic.serve.worker.learning.forward import schedule_of

CASES = 512
"""Examples that the bound's terms are averaged over."""

FIELD = (4,)
"""Shape of the field whose exact denoiser the bound is shown with."""


def bound_terms(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return the bound's three terms for several numbers of steps, given the exact guess of data whose law is known.

    The data are correlated numbers. A step treats them as independent given the noisier ones, so few steps cost bits;
    with ever more steps the bound falls to the true value.
    """
    process = GaussianProcess(schedule_of(request))
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
