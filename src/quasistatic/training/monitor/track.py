"""Sends a run's progress to experiment trackers, through accelerate: TensorBoard, Weights & Biases, MLflow.

    RUN/tracked/                  TensorBoard's events: `tensorboard --logdir RUN`
    RUN/wandb/                    W&B's files; WANDB_MODE=offline keeps them there
    MLFLOW_TRACKING_URI           where MLflow writes

``metrics.jsonl`` is written in any case.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from accelerate import Accelerator

from quasistatic.config import Config, to_json
from quasistatic.runtime.device import pick_device
from quasistatic.runtime.fields import brief

FOLDER = "tracked"
"""Of TensorBoard's events, in the run's folder."""

NAMES = {"held_out": "held_out_bits_per_dim", "loss": "loss", "rate": "examples_per_second"}
"""What trackers call values of a run's progress; others keep their names."""

Seen = TypeVar("Seen")


def check_trackers(config: Config, folder: Path | None) -> None:
    """Check that the trackers of a run can be used, before anything is written.

    Raises:
        ValueError: if a tracker's package is not installed, or the run has no folder.
    """
    for name in _asked(config):
        if find_spec(name) is None:
            extra = "wandb" if name == "wandb" else "track"
            how = "pip install mlflow" if name == "mlflow" else f"pip install 'quasistatic[{extra}]'"
            raise ValueError(f"training.track={name} needs the package {name}; {how}, or leave it out")
        if folder is None:
            raise ValueError(f"training.track={name} needs a folder for the run, got none; name it as `out`")


def tracked(run: Iterator[Seen], config: Config, folder: Path) -> Iterator[Seen]:
    """Yield a run's progress, and log it to the trackers of the configuration.

    A tracker that fails is left out from then on; the note of the next progress says so.
    """
    asked = _asked(config)
    if not asked:
        yield from run
        return
    accelerator = Accelerator(
        cpu=pick_device().type == "cpu", mixed_precision="no", log_with=asked, project_dir=str(folder)
    )
    options = {"wandb": {"dir": str(folder), "name": folder.resolve().name}}
    failed: str | None = None
    try:
        try:
            started = {name: options[name] for name in asked if name in options}
            accelerator.init_trackers(FOLDER, config=flattened(to_json(config)), init_kwargs=started)
        except Exception as error:
            failed = _why(asked, error)
        for progress in run:
            if failed is None:
                try:
                    accelerator.log(_values(progress), step=progress.step)  # type: ignore[attr-defined]
                except Exception as error:
                    failed = _why(asked, error)
            if failed:
                noted: Any = progress
                progress = replace(noted, note="; ".join(filter(None, (noted.note, failed))))
                failed = ""
            yield progress
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()


def _asked(config: Config) -> list[str]:
    return [name for name in config.training.track if name != "jsonl"]


def _why(asked: list[str], error: Exception) -> str:
    return f"{' and '.join(asked)} failed and are left out: {brief(' '.join(str(error).split()))}"


def _values(progress: Any) -> dict[str, float]:
    """Return the numbers of a progress by the names that trackers show; unknown ones are left out."""
    found = asdict(progress)
    return {
        NAMES.get(name, name): value
        for name, value in found.items()
        if isinstance(value, int | float) and name not in ("step", "steps")
    }


def flattened(tree: Mapping[str, Any], owner: str = "") -> dict[str, str | int | float | bool]:
    """Return the leaves of a JSON tree by their dotted names; lists and None as text."""
    leaves: dict[str, str | int | float | bool] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flattened(value, f"{owner}{name}.")
        else:
            leaves[f"{owner}{name}"] = value if isinstance(value, str | int | float) else brief(value)
    return leaves
