"""Reads and writes a model's files: weights, and ``config.json`` with configuration and data specification.

    RUN/model.safetensors, config.json     the model; each file carries the training step it is of
    RUN/checkpoints/step-N/                the same two files, and what training needs to resume

Files are written under a random name, flushed to the disk and renamed, so a reader finds the old file or the new one.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from quasistatic import __version__
from quasistatic.config import Config, Specification, from_json, import_parts, read_object, to_json
from quasistatic.runtime.fields import Count, brief, check
from quasistatic.runtime.files import replace_file

CONFIG, WEIGHTS = "config.json", "model.safetensors"

FORMAT = 2
"""Of config.json; raised when an older version could not read it."""


SCORE = "held_out_bits_per_dim"
"""Field of config.json: held-out bits/dim when they were last scored in training; null if unknown."""


def describe(config: Config, specification: Specification, step: int | None = None, score: float | None = None) -> str:
    """Return the text of ``config.json``; ``step`` and ``score`` are of the weights that belong to it."""
    content = {
        "format": FORMAT,
        "step": step,
        SCORE: score,
        "versions": {"quasistatic": __version__, "torch": torch.__version__},
        "config": to_json(config),
        "data": to_json(specification),
    }
    return json.dumps(content, indent=2) + "\n"


def read_description(path: Path, trust: bool = False) -> tuple[Config, Specification]:
    """Read a model's ``config.json``; with ``trust``, import the classes that it names (see `import_parts`).

    Raises:
        ValueError: if it is not a model's, is from a newer version, or names a class that is not registered.
    """
    try:
        content = read_object(path)
        form = content["format"]
        check("format", int, form)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} should describe a quasistatic model, and it is damaged or something else: {error}"
        ) from None
    if form > FORMAT:
        versions = content.get("versions")
        made = versions.get("quasistatic") if isinstance(versions, dict) else None
        raise ValueError(
            f"{path} has format {brief(form)} and this version reads up to {FORMAT}; update quasistatic "
            f"(the model was made with {made[:40] if isinstance(made, str) else 'a newer one'})"
        )
    config, data = content.get("config"), content.get("data")
    try:
        if form < FORMAT:
            config = _from_first(config, data)
        import_parts([config, data], trust, "the model")
        return from_json(Config, config, "config"), from_json(Specification, data, "data")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _from_first(config: object, data: object) -> object:
    """Return a configuration of format 1 in the present one, without the scale of a table's numbers.

    Raises:
        ValueError: if it is of a table: its columns had no bins.
    """
    codec = data.get("codec") if isinstance(data, dict) else None
    if isinstance(codec, dict) and codec.get("type") == "table":
        raise ValueError("this model of a table is of format 1, with numbers that have no bins; train it again")
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        return config
    return {**config, "data": {name: value for name, value in config["data"].items() if name != "scale"}}


def read_weights(path: Path, network: torch.nn.Module) -> None:
    """Load a ``model.safetensors`` into ``network``.

    Raises:
        ValueError: if the file is damaged or another network's, or a weight is not a finite number.
    """
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged or belongs to another config.json: {reason}") from None
    check_finite(path, weights)


def check_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError if weights from ``path`` are NaN or infinite.

    Raises:
        ValueError: if there are any; the first tensor is named.
    """
    lost = next((name for name, value in weights.items() if not value.isfinite().all()), None)
    if lost is not None:
        raise ValueError(
            f"{path} should hold finite numbers, got NaN or infinite ones in {lost[:80]}; take an earlier checkpoint, "
            "or train again"
        )


def read_step(path: Path) -> int | None:
    """Return the training step in a ``config.json`` or a ``.safetensors`` file; version 0.1 wrote none.

    Raises:
        ValueError: if the file cannot be read.
    """
    try:
        if path.suffix == ".json":
            found: Any = read_object(path).get("step")
            check("step", Count | None, found)
        else:
            with safe_open(path, "pt") as file:
                found = (file.metadata() or {}).get("step")
        return None if found is None else int(found)
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(f"{path} is damaged or something else: {str(error).splitlines()[0]}") from None


def read_score(path: Path) -> float | None:
    """Return the held-out bits/dim in a ``config.json``; None if it has none.

    Raises:
        ValueError: if the file is damaged.
    """
    found = read_object(path).get(SCORE)
    try:
        check(SCORE, float | None, found)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return None if found is None else float(found)


def write_model(
    folder: Path,
    config: Config,
    specification: Specification,
    weights: dict[str, Tensor],
    step: int | None,
    score: float | None = None,
) -> None:
    """Write ``config.json`` and ``model.safetensors`` into ``folder``, both with their training step."""
    text = describe(config, specification, step, score)
    replace_file(folder / CONFIG, lambda part: part.write_text(text))
    replace_file(folder / WEIGHTS, lambda part: save_file(weights, part, stepped(step)))


def stepped(step: int | None) -> dict[str, str]:
    """Return the metadata of a ``.safetensors`` file: its training step."""
    return {"format": "pt"} if step is None else {"format": "pt", "step": str(step)}


def model_folder(run: Path) -> Path:
    """Return the folder of a complete model: ``run``, or its last checkpoint if a save was interrupted.

    Raises:
        FileNotFoundError: if there is no model.
        ValueError: if the two files are of different steps and no checkpoint has both.
    """
    for name in (CONFIG, WEIGHTS):
        if not (run / name).is_file():
            raise FileNotFoundError(f"a model's folder holds {CONFIG} and {WEIGHTS}, got {run} without {name}")
    try:
        steps = [read_step(run / name) for name in (CONFIG, WEIGHTS)]
    except ValueError:  # whoever reads the damaged file says what is wrong with it
        return run
    if steps[0] in (None, steps[1]):  # config.json is written first: one without a step is of no newer save
        return run
    for place in reversed(checkpoints(run)):
        if all((place / name).is_file() for name in (CONFIG, WEIGHTS)):
            return place
    raise ValueError(
        f"{run} holds {CONFIG} of step {steps[0]} and {WEIGHTS} of step {steps[1]}; copy both from one model"
    )


def checkpoints(run: Path) -> list[Path]:
    """Return the folders of a run's checkpoints, in order of their steps."""
    places = [place for place in run.glob("checkpoints/step-*") if re.fullmatch(r"step-\d+", place.name)]
    return sorted(places, key=lambda place: int(place.name.removeprefix("step-")))
