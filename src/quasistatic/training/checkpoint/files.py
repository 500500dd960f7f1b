"""Writes and reads checkpoints: a complete model, and what an exact resume needs.

    RUN/checkpoints/step-N/    model.safetensors, config.json      the model
                               training.safetensors                weights, moments; or, with training.shard,
                               training/                           a file from each process
                               training.json                       the step, the decisions, the configuration

A checkpoint is written under another name, flushed to the disk and renamed.
"""

import json
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from quasistatic.config import Config, Specification, from_json, read_object, to_json
from quasistatic.model.folder import CONFIG, WEIGHTS, checkpoints, read_description, read_step, write_model
from quasistatic.runtime.fields import Count, NotNegative, check
from quasistatic.runtime.files import new_folder, replace_file
from quasistatic.training.duration import Course
from quasistatic.training.loop import Training
from quasistatic.training.parallel.placement import SHARDS, WHOLE, read_shards
from quasistatic.training.state import EMA

NUMBERS = "training.json"


def save(training: Training, folder: Path) -> Path:
    """Write a checkpoint and the model of the run; keep the last few. Returns the checkpoint's folder.

    Where weights are sharded, all processes call this together.

    Raises:
        OSError: if it cannot be written; earlier checkpoints and the earlier model are left as they were.
            ConnectionError: if another process is lost.
    """
    place, began, placement = folder / "checkpoints" / f"step-{training.step}", time.monotonic(), training.placement
    tensors, numbers = training.state()
    numbers["config"] = to_json(training.config)
    weights = placement.weights(training.ema.module)
    if placement.alone:  # the average is in the model's file
        tensors = {name: value for name, value in tensors.items() if not name.startswith(EMA)}
    try:
        with ExitStack() as stack:
            part = placement.first(lambda: stack.enter_context(new_folder(place)))
            placement.first(lambda: _write_model(training, part, weights))
            placement.write(tensors, part)
            placement.first(lambda: _write_numbers(part, numbers))
            placement.first(stack.close)
    except ConnectionError:
        raise
    except OSError as error:
        kept = latest(folder, missing_ok=True)
        left = f"the last good one is {kept}" if kept else "there is none before it"
        raise OSError(f"the checkpoint of step {training.step} could not be written ({error}); {left}") from None
    try:
        placement.first(lambda: _write_model(training, folder, weights))
    except OSError as error:
        raise OSError(f"the model could not be written into {folder} ({error}); {place} holds it") from None
    placement.first(lambda: _remove_old(folder, training.config.training.keep))
    training.saving = time.monotonic() - began
    return place


def restore_model(training: Training, folder: Path) -> None:
    """Write the model of a run again, if what is in its folder is not of the run's step."""
    placement = training.placement
    if placement.first(lambda: all(_step(folder / name) == training.step for name in (CONFIG, WEIGHTS))):
        return
    weights = placement.weights(training.ema.module)
    placement.first(lambda: _write_model(training, folder, weights))


def _write_model(training: Training, folder: Path, weights: dict[str, Tensor]) -> None:
    model = training.model
    write_model(folder, model.config, model.specification, weights, model.step, model.score)


def _write_numbers(part: Path, numbers: dict[str, Any]) -> None:
    replace_file(part / NUMBERS, lambda file: file.write_text(json.dumps(numbers, indent=2) + "\n"))


def _remove_old(folder: Path, keep: int) -> None:
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def load(training: Training, place: Path) -> None:
    """Restore the checkpoint in ``place``; a run on any number of processes, sharded or not, reads any checkpoint.

    Raises:
        ValueError: if it is damaged, incomplete, not finite or of another network.
    """
    _, _, numbers = read_run(place)
    try:
        if (place / SHARDS).is_dir():
            training.spread()
            tensors = read_shards(place / SHARDS, training.room)
        else:
            tensors = _read_whole(training, place, numbers["step"])
        training.load(tensors, numbers)
    except (SafetensorError, OSError) as error:
        raise _damaged(place, error) from None
    except ValueError as error:
        raise ValueError(f"{error}: {place}; remove it to go on from the one before") from None


def _read_whole(training: Training, place: Path, step: int) -> dict[str, Tensor]:
    if (place / WHOLE).exists() and not (place / WHOLE).is_file():
        raise OSError(f"{WHOLE} should be a regular file, as a pipe would be waited for")
    tensors = load_file(place / WHOLE)
    if (place / WEIGHTS).is_file() and not any(name.startswith(EMA) for name in tensors):
        averaged = load_file(place / WEIGHTS)
        tensors |= {f"{EMA}module.{name}": value for name, value in averaged.items()}
        tensors[f"{EMA}n_averaged"] = training.ema.n_averaged.new_tensor(step)
    return tensors


def read_run(place: Path) -> tuple[Config, Specification, dict[str, Any]]:
    """Return the configuration, the data specification and the numbers of the checkpoint in ``place``.

    Version 0.1 kept the first two in the run's folder only.

    Raises:
        ValueError: if a file is damaged.
    """
    beside = place if (place / CONFIG).is_file() else place.parents[1]
    config, specification = read_description(beside / CONFIG)
    try:
        numbers = read_object(place / NUMBERS)
        if "config" in numbers:
            config = from_json(Config, numbers["config"])
        seconds = float(numbers["seconds"])
        for name in ("step", "attempt"):
            check(name, Count, numbers[name])
        Course.of(numbers.get("decisions", []))
        check("seconds", NotNegative, seconds)
        if place.name != f"step-{numbers['step']}":
            raise ValueError(f"it is of step {numbers['step']}")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(place, error) from None
    return config, specification, numbers


def read_last(folder: Path) -> Config:
    """Return the configuration of the run in ``folder``, as last started or resumed.

    Raises:
        FileNotFoundError: if there is no checkpoint.
        ValueError: if the last one is damaged.
    """
    place = latest(folder)
    assert place is not None
    return read_run(place)[0]


def latest(folder: Path, missing_ok: bool = False) -> Path | None:
    """Return the checkpoint with the most steps.

    Raises:
        FileNotFoundError: if there is none, unless ``missing_ok``.
    """
    places = checkpoints(folder)
    if not places and not missing_ok:
        raise FileNotFoundError(f"{folder} holds no checkpoint to resume; leave out --resume to start a run there")
    return places[-1] if places else None


def _damaged(place: Path, error: Exception) -> ValueError:
    return ValueError(f"the checkpoint {place} is damaged ({error}); remove it to go on from the one before")


def _step(path: Path) -> int | None:
    try:
        return read_step(path)
    except ValueError:
        return None
