"""Trains into a run's folder: the model, checkpoints with the training state, and metrics.

    RUN/model.safetensors, config.json     the model of the last checkpoint
    RUN/checkpoints/step-N/                a complete model, and what an exact resume needs:
                                           training.safetensors, training.json
    RUN/metrics.jsonl                      one JSON object per report
    RUN/samples/step-N.png                 samples at step N, for images
    RUN/.lock                              held by the process that trains

The folder appears whole, with a checkpoint of step 0. A checkpoint is written under another name, flushed to the disk
and renamed. So after a crash at any moment the run goes on from a whole checkpoint.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from quasistatic.config import Config, Specification, from_json, read_object, resumed, to_json
from quasistatic.data import Dataset
from quasistatic.model.folder import CONFIG, WEIGHTS, checkpoints, read_description, read_step
from quasistatic.runtime.device import rank
from quasistatic.runtime.fields import Count, NotNegative, check
from quasistatic.runtime.files import clear_parts, new_folder, replace_file
from quasistatic.training.duration import Course, has_its_epochs
from quasistatic.training.folder import append_metrics, check_new, clear_beside, locked, trim_metrics
from quasistatic.training.loop import Progress, Training
from quasistatic.training.monitor.samples import SAMPLES, Samples, trim_samples
from quasistatic.training.monitor.track import check_trackers, tracked
from quasistatic.training.state import EMA

_length = attrgetter("training.steps", "training.minutes", "training.epochs")

STATE, NUMBERS = "training.safetensors", "training.json"


def train(
    config: Config,
    dataset: Dataset,
    out: str | Path,
    *,
    resume: bool = False,
    every: float = 0.5,
    stop: Callable[[], bool] = lambda: False,
    doing: Callable[[str], None] = lambda what: None,
    since: float | None = None,
) -> Iterator[Progress]:
    """Train a model of ``dataset`` into the folder ``out``, yielding its progress.

    Leaving the loop over the progress ends the run with a checkpoint, and so does ``stop``. After a KeyboardInterrupt
    or an error the last good state is kept, at most 25 steps old.

    Args:
        config: the run; where ``training.steps`` is None, it ends after ``training.minutes``.
        dataset: raw data; ``config.data.held_out`` of it is never learned from.
        out: the run's folder, new or empty.
        resume: go on from the last checkpoint in ``out``; see `config.resumed` for what ``config`` may then change.
        every: seconds between reports.
        stop: asked after every step; true ends the run, in all of its processes.
        doing: called with what the run does other than steps, and with "" when it goes on.
        since: when the work for a new run began, by ``time.monotonic()``, to count it in ``training.minutes``; by
            default now. What came before this call counts for a tenth of the minutes at most.

    Raises:
        FileExistsError: if ``out`` holds another run (or anything else) and ``resume`` is not asked for, or another
            process trains there.
        FileNotFoundError: if there is nothing to resume.
        ValueError: if the data are not those of the run that is resumed, the configuration does not fit, or a tracker
            is not installed.
        OSError: if a checkpoint cannot be written; the last good one is kept. ConnectionError: if another process of
            the run ended.
    """
    folder, now = Path(out), time.monotonic()
    since = now if since is None else max(since, now - 0.1 * 60 * config.training.minutes)
    check_trackers(config, folder)
    clear_beside(folder)
    if resume:
        latest(folder)
    else:
        check_new(folder)
        training = Training(config, Specification.of(dataset))
        made = _made(training, folder)
    with locked(folder):
        if resume:
            training = _resumed(config, dataset, folder)
        elif not made:
            check_new(folder)
            _clear(folder)
            save(training, folder)
        data, held_out = dataset.split(training.config.data.held_out, training.config.seed)
        if not resume and config.training.steps is None:
            training.seconds = time.monotonic() - since
        run = _kept(training, folder, training.run(data, held_out, every, stop, doing), doing)
        yield from tracked(run, training.config, folder)


def _resumed(config: Config, dataset: Dataset, folder: Path) -> Training:
    """Return the run in ``folder`` at its last checkpoint; remove what a crash left behind."""
    if rank() == 0:
        _clear(folder)
    place = latest(folder)
    assert place is not None
    kept, specification, _ = read_run(place)
    if dataset.fingerprint != specification.fingerprint:
        raise ValueError(f"{folder} was trained on other data ({specification.name}); resume it with the same")
    told = None if dataset.covariates is None else dataset.covariates.fingerprint
    if told != (None if specification.covariates is None else specification.covariates.fingerprint):
        raise ValueError(f"{folder} was trained with another condition, or with none; resume it with the same")
    config = resumed(kept, config)
    try:
        training = Training(config, specification)
    except ValueError as error:
        raise ValueError(f"the run in {place} cannot go on: {error}") from None
    load(training, place)
    if (
        config.training.steps is None
        and _length(config) != _length(kept)
        and not has_its_epochs(config, dataset, training.step)
    ):
        training.course = Course.extended(training.step, training.seconds / (60 * config.training.minutes))
    if rank() == 0:
        trim_metrics(folder, training.step)
        trim_samples(folder, training.step)
        if not all(_step(folder / name) == training.step for name in (CONFIG, WEIGHTS)):
            training.model.save_pretrained(folder)
    return training


def _kept(
    training: Training, folder: Path, run: Iterator[Progress], doing: Callable[[str], None]
) -> Iterator[Progress]:
    """Yield the run's progress, and write metrics, checkpoints and grids of samples."""
    world, settings, progress = training.accelerator, training.config.training, None
    saved, saved_at = training.step, training.seconds
    grids = Samples(folder, lambda: training.model, settings.samples_every, training.seconds, 60 * settings.minutes)
    training.ending.append(grids)
    while True:
        try:
            last, progress = progress, next(run, None)
        except (Exception, KeyboardInterrupt) as error:
            training.go_back()
            if world.is_main_process and training.step > saved:
                _save_after(error, training, folder)
            raise
        if progress is None:
            break
        if world.is_main_process:
            append_metrics(folder, json.dumps(asdict(progress)) + "\n")
            if progress.seconds - saved_at > settings.checkpoint_every and training.step > saved and training.finite:
                doing("saving a checkpoint")
                save(training, folder)
                saved, saved_at = training.step, progress.seconds
                if grids.due(progress.seconds):
                    doing("drawing samples")
                    progress = _noted(progress, grids.draw(progress.seconds))
                doing("")
        try:
            yield progress
        except GeneratorExit:
            if world.is_main_process:
                _save_end(training, folder, saved)
            raise
    if world.is_main_process:
        doing("saving the model and samples")
        _save_end(training, folder, saved)
        note = grids.draw_last(training.seconds) if training.over else None
        doing("")
        if last is not None and note is not None:
            yield replace(last, note=note)


def _noted(progress: Progress, note: str | None) -> Progress:
    """Return the progress with another note."""
    return replace(progress, note="; ".join(filter(None, (progress.note, note))) or None)


def _save_end(training: Training, folder: Path, saved: int) -> None:
    """Save the run's final state; if it is not finite, save the last finite one."""
    if not training.finite:
        training.go_back()
    if training.step > saved:
        save(training, folder)


def _save_after(error: BaseException, training: Training, folder: Path) -> None:
    """Save the last finite state after ``error``; a failed save is added to it as a note."""
    try:
        save(training, folder)
    except OSError as second:
        error.add_note(str(second))


def _made(training: Training, folder: Path) -> bool:
    """Create a new run's folder atomically, with its first checkpoint; False if that is not possible.

    It is filled under another name and renamed, over an empty folder if there is one. A mounted volume, and a folder
    with what a crash left, stay as they are. Of several processes, the first one does it.

    Raises:
        FileExistsError: if another run made the folder meanwhile.
        OSError: if it cannot be written.
    """
    if rank() > 0:
        return True
    if folder.exists() and any(folder.iterdir()):
        return False
    try:
        with new_folder(folder) as part:
            if folder.exists():
                shutil.copymode(folder, part)
            with locked(part):
                save(training, part)
    except OSError as error:
        if not folder.exists():
            raise OSError(f"the folder {folder} could not be made: {error}") from None
        if any(folder.iterdir()):
            raise FileExistsError(f"another run began in {folder} meanwhile; name another folder") from None
        return False
    return True


def _clear(folder: Path) -> None:
    """Remove unfinished files of killed processes."""
    for place in (folder, folder / "checkpoints", folder / SAMPLES):
        clear_parts(place)


def save(training: Training, folder: Path) -> Path:
    """Write a checkpoint and the model of the run; keep the last few. Returns the checkpoint's folder.

    Raises:
        OSError: if it cannot be written; earlier checkpoints and the earlier model are left as they were.
    """
    place, began = folder / "checkpoints" / f"step-{training.step}", time.monotonic()
    tensors, numbers = training.state()
    state = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items() if not name.startswith(EMA)
    }
    numbers["config"] = to_json(training.config)
    try:
        with new_folder(place) as part:
            training.model.save_pretrained(part)
            replace_file(part / STATE, lambda file: save_file(state, file))
            replace_file(part / NUMBERS, lambda file: file.write_text(json.dumps(numbers, indent=2) + "\n"))
    except OSError as error:
        kept = latest(folder, missing_ok=True)
        left = f"the last good one is {kept}" if kept else "there is none before it"
        raise OSError(f"the checkpoint of step {training.step} could not be written ({error}); {left}") from None
    try:
        training.model.save_pretrained(folder)
    except OSError as error:
        raise OSError(f"the model could not be written into {folder} ({error}); {place} holds it") from None
    for old in checkpoints(folder)[: -training.config.training.keep]:
        shutil.rmtree(old, ignore_errors=True)
    training.saving = time.monotonic() - began
    return place


def load(training: Training, place: Path) -> None:
    """Restore the checkpoint in ``place``.

    Raises:
        ValueError: if it is damaged, incomplete, not finite or of another network.
    """
    _, _, numbers = read_run(place)
    try:
        if (place / STATE).exists() and not (place / STATE).is_file():
            raise OSError(f"{STATE} should be a regular file, as a pipe would be waited for")
        tensors = load_file(place / STATE)
        if (place / WEIGHTS).is_file() and not any(name.startswith(EMA) for name in tensors):
            averaged = load_file(place / WEIGHTS)
            tensors |= {f"{EMA}module.{name}": value for name, value in averaged.items()}
            tensors[f"{EMA}n_averaged"] = training.ema.n_averaged.new_tensor(numbers["step"])
    except (SafetensorError, OSError) as error:
        raise _damaged(place, error) from None
    try:
        training.load(tensors, numbers)
    except ValueError as error:
        raise ValueError(f"{error}: {place}; remove it to go on from the one before") from None


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
