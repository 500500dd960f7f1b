"""Trains into a run's folder: the model, checkpoints with the training state, and metrics.

    RUN/model.safetensors, config.json     the model of the last checkpoint
    RUN/checkpoints/step-N/                a complete model, and what an exact resume needs:
                                           training.safetensors (or training/), training.json
    RUN/metrics.jsonl                      one JSON object per report
    RUN/samples/step-N.png                 samples at step N, for images
    RUN/.lock                              held by the process that trains

The folder appears whole, with a checkpoint of step 0. A checkpoint is written under another name, flushed to the disk
and renamed. So after a crash at any moment the run goes on from a whole checkpoint.
"""

import json
import operator
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from quasistatic.config import Config, Specification, resumed
from quasistatic.data import Dataset
from quasistatic.runtime.device import rank
from quasistatic.runtime.files import clear_parts, new_folder
from quasistatic.training.checkpoint.files import latest, load, read_run, restore_model, save
from quasistatic.training.checkpoint.folder import append_metrics, check_new, clear_beside, locked, trim_metrics
from quasistatic.training.duration import Course, has_its_epochs
from quasistatic.training.loop import Progress, Training
from quasistatic.training.monitor.samples import SAMPLES, Samples, trim_samples
from quasistatic.training.monitor.track import check_trackers, tracked

_length = operator.attrgetter("training.steps", "training.minutes", "training.epochs")


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
    if training.placement.saves:
        restore_model(training, folder)
    return training


def _kept(
    training: Training, folder: Path, run: Iterator[Progress], doing: Callable[[str], None]
) -> Iterator[Progress]:
    """Yield the run's progress, and write metrics, checkpoints and grids of samples."""
    placement, settings, progress = training.placement, training.config.training, None
    saved, saved_at = training.step, training.seconds
    grids = Samples(
        folder,
        lambda: training.model,
        settings.samples_every,
        began=training.seconds,
        ends=60 * settings.minutes,
        first=placement.first,
        writes=rank() == 0,
    )
    training.ending.append(grids)
    while True:
        try:
            last, progress = progress, next(run, None)
        except (Exception, KeyboardInterrupt) as error:
            if placement.alone:
                training.go_back()
                if placement.saves and training.step > saved:
                    _save_after(error, training, folder)
            raise
        if progress is None:
            break
        if rank() == 0:
            append_metrics(folder, json.dumps(asdict(progress)) + "\n")
        if placement.saves:
            now = progress.seconds
            late = placement.first(partial(operator.gt, now - saved_at, settings.checkpoint_every))
            if late and training.step > saved and training.finite:
                doing("saving a checkpoint")
                save(training, folder)
                saved, saved_at = training.step, now
                if grids.due(now):
                    doing("drawing samples")
                    progress = _noted(progress, grids.draw(now))
                doing("")
        try:
            yield progress
        except GeneratorExit:
            if placement.saves:
                _save_end(training, folder, saved)
            raise
    if placement.saves:
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
