"""A model's files: weights, and a ``config.json`` of what it was made with and of, readable by later versions."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from quasistatic import __version__
from quasistatic.config import Config, Specification, from_json, to_json

FORMAT = 1
"""Of config.json; raised when an older version could not read it."""


def describe(config: Config, specification: Specification) -> str:
    """Return the text of ``config.json``."""
    content = {
        "format": FORMAT,
        "versions": {"quasistatic": __version__, "torch": torch.__version__},
        "config": to_json(config),
        "data": to_json(specification),
    }
    return json.dumps(content, indent=2) + "\n"


def read_description(path: Path) -> tuple[Config, Specification]:
    """Read a model's ``config.json``.

    Raises:
        ValueError: if it is not a model's, or is from a newer version.
    """
    try:
        content = json.loads(path.read_text())
        form = content["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise ValueError(f"{path} should describe a quasistatic model, and it is damaged or something else") from None
    if form > FORMAT:
        raise ValueError(
            f"{path} has format {form} and this version reads up to {FORMAT}; update quasistatic "
            f"(the model was made with {content.get('versions', {}).get('quasistatic', 'a newer one')})"
        )
    return from_json(Config, content["config"], "config"), from_json(Specification, content["data"], "data")


def read_weights(path: Path, network: torch.nn.Module) -> None:
    """Load a ``model.safetensors`` into ``network``.

    Raises:
        ValueError: if the file is damaged or another network's.
    """
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged or belongs to another config.json: {reason}") from None


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path`` and put it in its place; on failure ``path`` stays as it was."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
