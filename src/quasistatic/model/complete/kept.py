"""Keeps in a model's folder how well methods of inference covered what was hidden, so that later draws can warn.

calibration.json    the training step; of each method and kind of observation: what was observed, how many examples,
                    each level and its cover
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quasistatic.config import read_object
from quasistatic.evaluation.calibration import Average, Coverage, worst
from quasistatic.inference import LinearObservation, Noisy, Observation
from quasistatic.model.complete.check import MethodCheck
from quasistatic.runtime.files import replace_file

CALIBRATION = "calibration.json"


def kind_of(observation: Observation) -> str:
    """Return the kind of an observation: means, noise or values."""
    return {LinearObservation: "means", Noisy: "noise"}.get(type(observation), "values")


def record(folder: Path, step: int | None, found: Mapping[str, MethodCheck], kind: str, words: str) -> None:
    """Write what was found beside what was known of other methods at the same training step.

    Args:
        folder: of the model.
        step: its training step.
        found: a check of each method.
        kind: of the observation (`kind_of`).
        words: say what was observed.

    Raises:
        OSError: if the folder cannot be written.
    """
    methods = _read(folder, step)
    for name, one in found.items():
        cover = [[each.level, each.found.value, each.found.error] for each in one.calibration.coverage]
        examples = max((each.found.examples for each in one.calibration.coverage), default=0)
        methods.setdefault(name, {})[kind] = {"with": words, "examples": examples, "coverage": cover}
    text = json.dumps({"step": step, "methods": methods}, indent=2) + "\n"
    replace_file(folder / CALIBRATION, lambda part: part.write_text(text))


def warning(folder: Path, step: int | None, method: str, kind: str) -> str:
    """Return a sentence if a method covered more or less than its levels by more than the error allows; else "".

    It is of the check with this kind of observation.

    A file that is damaged, or of another training step, says nothing.
    """
    own = _read(folder, step).get(method, {}).get(kind)
    if not isinstance(own, dict):
        return ""
    try:
        cover = [
            Coverage(float(level), Average(float(value), float(error), int(own["examples"])))
            for level, value, error in own["coverage"]
        ]
        words = "".join(filter(str.isprintable, str(own["with"])))
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return ""
    off = worst(cover)
    if off is None:
        return ""
    return (
        f"{method}: when it was checked with {words}, intervals of {off.level:.0%} covered "
        f"{100 * off.found.value:.1f} ± {100 * off.found.error:.1f} % of the truth; do not take them at their word"
    )


def _read(folder: Path, step: int | None) -> dict[str, dict[str, Any]]:
    """Return what is known of each method at this step."""
    if not (folder / CALIBRATION).is_file():
        return {}
    try:
        found = read_object(folder / CALIBRATION)
    except (ValueError, OSError):
        return {}
    methods = found.get("methods")
    if found.get("step") != step or not isinstance(methods, dict):
        return {}
    return {name: own for name, own in methods.items() if isinstance(own, dict)}
