"""Tasks that draw: samples, the walk from noise to data, and what a card shows."""

import math
from typing import Any

from quasistatic.evaluation import Score
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk

STRIP, CLOUD, STRIP_STEPS = 6, 300, 50
"""Samples on a card, points on a card, and their steps."""

SCORED = 64
"""Maximum held-out examples that a card's score is of."""


def preview(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Draw a few samples, and score held-out examples next to the null model, if the data are known."""
    model = desk.model()
    count = CLOUD if shown.kind_of_data(model.specification) == "points" else STRIP
    raw = model.sample(count, steps=STRIP_STEPS, seed=0, watch=desk.progress)
    found: dict[str, Any] = {"strip": shown.shown_examples(raw, model.specification), "score": None}
    if desk.held_out(model) is not None:
        found["score"] = score_told(model.evaluate(desk.some_unseen(model, SCORED), watch=desk.progress))
    return found


def score_told(score: Score) -> dict[str, Any]:
    """Return a score as JSON values: its value, error, null model and the bound's terms."""
    null = score.null["value"]
    null = score.marginal_null.get("value", null) if math.isinf(null) else null
    return {
        "method": score.method,
        "value": or_none(score.value),
        "error": or_none(score.standard_error),
        "null": or_none(null),
        "unit": score.unit,
        "examples": score.examples,
        "bits_per_example": or_none(score.bits_per_example),
        "terms": {name: or_none(value) for name, value in score.terms.items()},
    }


def or_none(value: float) -> float | None:
    """Return a number as JSON has it: None for NaN and infinities."""
    return value if math.isfinite(value) else None


def draw_samples(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Draw samples."""
    model = desk.model()
    raw = model.sample(
        asked.whole(request, "n", 36, 10_000),
        steps=asked.whole(request, "steps", 100, 10_000),
        sampler=asked.text(request, "sampler") or "ancestral",
        seed=asked.whole(request, "seed", 0, 2**53, 0),
        label=asked.text(request, "label"),
        scale=asked.number(request, "scale", 1.0, -100.0, 100.0),
        where=tuple(filter(None, (line.strip() for line in (asked.text(request, "where", 2000) or "").splitlines()))),
        watch=desk.progress,
    )
    found = shown.shown_examples(raw, model.specification)
    return {
        "examples": found,
        "count": len(raw),
        "files": shown.write_files(raw, model.specification, desk.folder, "samples"),
    }


def film(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Draw the walk from noise to data, in about ``frames`` frames.

    Raises:
        ValueError: if the data are no images, points or signals.
    """
    model = desk.model()
    kind = shown.kind_of_data(model.specification)
    if kind not in ("images", "points", "signals"):
        raise ValueError(f"a film shows images, points or signals, and these data are {kind}")
    steps = asked.whole(request, "steps", 100, 10_000)
    states = model.trajectory(
        asked.whole(request, "n", 500 if kind == "points" else 9, 2_000),
        steps=steps,
        frames=asked.whole(request, "frames", 31, 101, 2),
        sampler=asked.text(request, "sampler") or "ancestral",
        seed=asked.whole(request, "seed", 0, 2**53, 0),
        label=asked.text(request, "label"),
        scale=asked.number(request, "scale", 1.0, -100.0, 100.0),
    )
    frames = [shown.shown_examples(model.specification.codec.decode(state), model.specification) for state in states]
    return {"frames": frames, "times": [1 - i / (len(frames) - 1) for i in range(len(frames))]}
