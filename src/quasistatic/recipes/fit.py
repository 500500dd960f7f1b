"""Trains a model of any data in one call; `training.train` is the generator of progress underneath."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from quasistatic.config import Config, Specification, field_called, override
from quasistatic.data import DataOptions, Dataset, load
from quasistatic.model import Model
from quasistatic.recipes import RECIPES
from quasistatic.recipes import recipe as recipe_for
from quasistatic.runtime.progress import followed, on_stderr
from quasistatic.training import Progress, Training, checkpoint, train
from quasistatic.training.monitor.track import check_trackers

READING = {f"data.{field.name}" for field in fields(DataOptions)}
"""Fields of a configuration that say how data are read."""


def fit(
    data: Any,
    out: str | Path | None = None,
    *,
    recipe: str | None = None,
    labels: Any = None,
    resume: bool = False,
    progress: bool = True,
    **changes: Any,
) -> Model:
    """Train a model of ``data`` and return it, on the device that it was trained on.

    ```python
    model = qs.fit("digits", minutes=2)
    model = qs.fit(frame, "runs/people", lr=1e-3, network__width=128)
    ```

    Args:
        data: what `load` takes: a name, a path, an array, a tensor, a frame, a torch ``Dataset``; or a `Dataset`.
        out: the run's folder, new or empty; with None nothing is written, and an interrupted run is lost.
        recipe: the name of a configuration that works (see `recipes`); None takes the one that fits the data.
        labels: of an array or tensor: a class for each example. Images with labels make a class-conditional model.
        resume: go on from the last checkpoint in ``out``, with the configuration of that run.
        progress: show a bar and scores of held-out examples, on stderr.
        changes: fields of the configuration. Those of `TrainingConfig` and `DataConfig` go by their own names
            (``steps``, ``minutes``, ``ema``, ``held_out``); others have their owner before two underscores
            (``network__width=64``). ``batch_size`` is ``training.batch`` and ``lr`` is ``training.learning_rate``.

    Raises:
        FileExistsError: if ``out`` holds another run.
        FileNotFoundError: if there are no such data, or nothing to resume.
        TypeError: if the data have no known form.
        ValueError: if the data cannot be used, a field is unknown (the message names the nearest), or values do not
            fit each other.
    """
    since, wanted = time.monotonic(), _fields(changes)
    if resume:
        return _resumed(data, out, labels, wanted, progress)
    source = os.fspath(data) if isinstance(data, str | os.PathLike) else ""
    dataset = _read(data, source, labels, wanted)
    config = override(recipe_for(recipe, dataset, source or dataset.name), wanted)
    if out is None:
        return _in_memory(config, dataset, since, progress)
    _followed(partial(train, config, dataset, out, since=since), dataset, progress)
    return Model.from_pretrained(out, device="auto")


def _fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes by the fields that they set; minutes alone unset the recipe's number of steps."""
    wanted = {field_called(name): value for name, value in changes.items()}
    if len(wanted) < len(changes):
        raise ValueError(f"a field is set once, got {', '.join(changes)}, of which two are the same; leave one out")
    if wanted.get("training.minutes") is not None:
        if wanted.get("training.steps") is not None:
            raise ValueError("a run takes either a number of steps or minutes, got both; leave one out")
        wanted["training.steps"] = None
    return wanted


def _read(data: Any, source: str, labels: Any, wanted: Mapping[str, Any]) -> Dataset:
    """Return the data set, read as the changes of the configuration say."""
    asked = {name: value for name, value in wanted.items() if name in READING}
    options = override(RECIPES["images"](source), asked).data
    return load(data, options.reading(condition=options.condition), labels=labels)


def _in_memory(config: Config, dataset: Dataset, since: float, progress: bool) -> Model:
    check_trackers(config, None)
    training = Training(config, Specification.of(dataset))
    learned, held_out = dataset.split(config.data.held_out, config.seed)
    if config.training.steps is None:
        training.seconds = time.monotonic() - since
    _followed(lambda doing: training.run(learned, held_out, doing=doing), dataset, progress)
    return training.model


def _resumed(data: Any, out: str | Path | None, labels: Any, wanted: Mapping[str, Any], progress: bool) -> Model:
    if out is None:
        raise ValueError("a run is resumed in its folder, got none; name it as `out`")
    kept = override(checkpoint.read_last(Path(out)), wanted)
    reading = DataOptions() if isinstance(data, Dataset) else kept.data.reading(condition=kept.data.condition)
    dataset = load(data, reading, labels=labels)
    _followed(partial(train, kept, dataset, out, resume=True), dataset, progress)
    return Model.from_pretrained(out, device="auto")


def _followed(begin: Callable[..., Iterator[Progress]], dataset: Dataset, progress: bool) -> None:
    """Go through a run to its end, and show it if ``progress`` is asked for."""
    if not progress:
        for _ in begin(doing=lambda _: None):
            pass
        return
    console = on_stderr()
    console.print(f"learning {dataset.describe()}")
    for note in dataset.notes:
        console.print(f"note: {note}")
    last = followed(lambda doing: begin(doing=doing), console)
    if last is not None:
        console.print(f"learned in {last.seconds:.0f} s and {last.steps:,} steps")
