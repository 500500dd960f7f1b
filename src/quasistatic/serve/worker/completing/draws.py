"""What all kinds share: draws by a method with the request's options, and how they were made."""

from typing import Any

from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete import Completion, Given, OnDraws, complete
from quasistatic.serve.worker import asked
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.drawing import or_none


def drawn(
    desk: Desk, model: Model, given: Given, request: dict[str, Any], draws: int, on_draws: OnDraws | None = None
) -> Completion:
    """Draw given what was observed, with the request's method and options."""
    options = DrawOptions(
        draws,
        asked.whole(request, "steps", 100, 10_000),
        asked.whole(request, "resamplings", 1, 100),
        particles=asked.whole(request, "particles", 64, 10_000),
        islands=asked.whole(request, "islands", 1, 100),
        label=asked.text(request, "label"),
        seed=asked.whole(request, "seed", 0, 2**53, 0),
    )
    return complete(model, given, asked.text(request, "method"), options, desk.progress, on_draws)


def made_by(found: Completion) -> dict[str, Any]:
    """Return how the draws were made, and the evidence if the method has one."""
    evidence = None
    if found.log_evidence is not None:
        error = None if found.error is None else or_none(found.error[0].item())
        evidence = {"value": or_none(found.log_evidence[0].item()), "error": error}
    evaluations = found.network_evaluations
    return {"method": found.method, "exactness": found.exactness, "evidence": evidence, "evaluations": evaluations}
