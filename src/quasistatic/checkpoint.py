"""A run's folder: the model at its top, the state of training beside it, metrics as they come.

    RUN/model.safetensors, config.json     the model so far, whole at any time
    RUN/checkpoints/step-N/                what a bit-exact resume needs: training.safetensors, training.json
    RUN/metrics.jsonl                      one JSON object per report

A checkpoint is written under another name and renamed when it is complete, so one that is cut short is never taken up.
"""

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from quasistatic.config import Config, Specification
from quasistatic.data import Dataset
from quasistatic.device import rank, reusing_memory
from quasistatic.model import read_description
from quasistatic.training import Progress, Training, plan


def train(
    config: Config, dataset: Dataset, out: str | Path, *, resume: bool = False, every: float = 0.5
) -> Iterator[Progress]:
    """Train a model of ``dataset`` into the folder ``out``, yielding its progress.

    SIGINT and SIGTERM end the run after the step it is at, with a checkpoint; a second one ends it at once. So does
    leaving the loop over its progress.

    Args:
        config: the run; where ``training.steps`` is None, it is planned to fill ``training.minutes``.
        dataset: raw data; ``config.data.held_out`` of it is never learned from.
        out: the run's folder, new or empty.
        resume: go on from the last checkpoint in ``out``, with the configuration stored there; ``config`` gives only
            ``training.steps``, if set.
        every: seconds between reports.

    Raises:
        FileExistsError: if ``out`` holds another run (or anything else) and ``resume`` is not asked for.
        FileNotFoundError: if there is nothing to resume.
        ValueError: if the data are not those of the run that is resumed, or the configuration does not fit.
        OSError: if a checkpoint cannot be written; the last good one is kept.
    """
    folder = Path(out)
    last = latest(folder) if resume else None
    if last is None:
        prepare(folder)
        specification = Specification.of(dataset)
    else:
        asked = config.training.steps
        config, specification = read_description(folder / "config.json")
        if asked is not None:
            config = replace(config, training=replace(config.training, steps=asked))
        if dataset.fingerprint != specification.fingerprint:
            raise ValueError(f"{folder} was trained on other data ({specification.name}); resume it with the same")
    data, held_out = dataset.split(config.data.held_out, config.seed)
    if last is None:
        config = plan(config, specification, data)
    training = Training(config, specification)
    if last is not None:
        load(training, last)
    with stopping(training), reusing_memory():
        yield from _kept(training, data, held_out, folder, every)


def _kept(training: Training, data: Dataset, held_out: Dataset, folder: Path, every: float) -> Iterator[Progress]:
    """Pass progress on, writing metrics and checkpoints."""
    main, settings = training.accelerator.is_main_process, training.config.training
    saved_at, begun = training.seconds, training.step
    for progress in training.run(data, held_out, every):
        if main:
            with (folder / "metrics.jsonl").open("a") as metrics:
                metrics.write(json.dumps(asdict(progress)) + "\n")
            if progress.seconds - saved_at > settings.checkpoint_every:
                save(training, folder)
                saved_at = progress.seconds
        try:
            yield progress
        except GeneratorExit:
            if main:
                save(training, folder)
            raise
    if main and training.step > begun:
        save(training, folder)


def prepare(folder: Path) -> None:
    """Make the folder of a new run; of several processes, the first one does.

    Raises:
        FileExistsError: if it is a file or holds anything.
    """
    if rank() > 0:
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "another run" if (folder / "config.json").exists() else "other files"
        raise FileExistsError(
            f"a new run needs a new or empty folder, and {folder} holds {what}; name another, or --resume"
        )
    folder.mkdir(parents=True, exist_ok=True)


def save(training: Training, folder: Path) -> Path:
    """Write the model and a checkpoint of the run; keep the last few. Returns the checkpoint's folder.

    Raises:
        OSError: if it cannot be written; earlier checkpoints and the earlier model are left as they were.
    """
    place = folder / "checkpoints" / f"step-{training.step}"
    part = place.with_name(f".{place.name}.part")
    tensors, numbers = training.state()
    try:
        part.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, part / "training.safetensors"
        )
        (part / "training.json").write_text(json.dumps(numbers))
        shutil.rmtree(place, ignore_errors=True)
        part.rename(place)
        training.model.save_pretrained(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        kept = latest(folder, missing_ok=True)
        left = f"the last good one is {kept}" if kept else "there is none before it"
        raise OSError(f"the checkpoint of step {training.step} could not be written ({error}); {left}") from None
    for old in _checkpoints(folder)[: -training.config.training.keep]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def load(training: Training, place: Path) -> None:
    """Take up the checkpoint in ``place``.

    Raises:
        ValueError: if it is damaged or of another network.
    """
    try:
        tensors = load_file(place / "training.safetensors", device=str(training.accelerator.device))
        numbers = json.loads((place / "training.json").read_text())
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"the checkpoint {place} is damaged ({error}); remove it to go on from the one before"
        ) from None
    training.load(tensors, numbers)


def latest(folder: Path, missing_ok: bool = False) -> Path | None:
    """Return the checkpoint with the most steps.

    Raises:
        FileNotFoundError: if there is none, unless ``missing_ok``.
    """
    found = _checkpoints(folder)
    if not found and not missing_ok:
        raise FileNotFoundError(f"{folder} holds no checkpoint to resume; leave out --resume to start a run there")
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[Path]:
    places = (folder / "checkpoints").glob("step-*")
    return sorted(places, key=lambda place: int(place.name.removeprefix("step-")))


@contextmanager
def stopping(training: Training) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run softly; outside the main thread signals stay as they are."""

    def soft(number: int, frame: FrameType | None) -> None:
        training.stop()
        for each, handler in before.items():
            signal.signal(each, handler)

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, soft)
    except ValueError:  # signals belong to the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
