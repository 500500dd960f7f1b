"""What must hold of a run's folder at any moment: its last checkpoint loads, and its model is whole and of one step."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from quasistatic.model import Model, folder
from quasistatic.training import checkpoint
from quasistatic.training.checkpoint.folder import check_new
from quasistatic.training.loop import Training


def problems(run: Path) -> list[str]:
    """Say what is wrong with a run's folder; one that is not there, or in which a new run can begin, is well."""
    if not run.exists():
        return []
    last = checkpoint.latest(run, missing_ok=True)
    if last is None:
        try:
            check_new(run)
        except FileExistsError as error:
            return [f"no checkpoint, and no new run can begin: {error}"]
        return []
    found = [*_of_checkpoint(last), *_of_model(run), *_of_metrics(run)]
    return found


def _of_checkpoint(last: Path) -> list[str]:
    try:
        config, specification, _ = checkpoint.read_run(last)
        training = Training(config, specification)
        checkpoint.load(training, last)
    except ValueError as error:
        return [f"the last checkpoint does not load: {error}"]
    return [] if last.name == f"step-{training.step}" else [f"{last.name} holds step {training.step}"]


def _of_model(run: Path) -> list[str]:
    try:
        model = Model.from_pretrained(run, device="cpu")
    except (ValueError, OSError) as error:
        return [f"the model does not load: {error}"]
    places = {place.name: place for place in folder.checkpoints(run)}
    if f"step-{model.step}" not in places:
        return [f"the model is of step {model.step}, and the checkpoints are {', '.join(places)}"]
    own = Model.from_pretrained(places[f"step-{model.step}"], device="cpu")
    same = all(
        bit_equal(a, b)
        for a, b in zip(model.network.state_dict().values(), own.network.state_dict().values(), strict=True)
    )
    found = [] if same else [f"the model's weights are not those of step-{model.step}"]
    return found + ([] if model.config == own.config else [f"config.json is not that of step-{model.step}"])


def _of_metrics(run: Path) -> list[str]:
    metrics = run / "metrics.jsonl"
    for line in metrics.read_text().splitlines() if metrics.exists() else []:
        try:
            json.loads(line)
        except json.JSONDecodeError:
            return [f"metrics.jsonl has a torn line: {line[:40]!r}"]
    return []


def leftovers(folder: Path) -> list[str]:
    """Return what is left of files and folders that were never finished."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*") if path.suffix in (".part", ".old"))


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of tensors in which two finished runs differ by a bit, in checkpoint or model."""
    a, b = tensors(one), tensors(other)
    return sorted(set(a) ^ set(b)) + [name for name in sorted(set(a) & set(b)) if not bit_equal(a[name], b[name])]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a run: its last checkpoint's, and its model's."""
    last = checkpoint.latest(run)
    assert last is not None
    files = {
        "training": last / "training.safetensors",
        "own": last / "model.safetensors",
        "model": run / folder.WEIGHTS,
    }
    return {f"{part}/{name}": value for part, file in files.items() for name, value in load_file(file).items()}


def bit_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two tensors are equal to the bit, NaN included."""
    alike = one.shape == other.shape and one.dtype == other.dtype
    return alike and one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()


def at_last_step(run: Path) -> bool:
    """Tell whether both files of the model are of the last checkpoint's step."""
    last = checkpoint.latest(run)
    assert last is not None
    steps = {folder.read_step(run / name) for name in (folder.CONFIG, folder.WEIGHTS)}
    return steps == {int(last.name.removeprefix("step-"))}


def last_step(run: Path) -> int:
    """Return the step of the last checkpoint, −1 where there is none."""
    last = checkpoint.latest(run, missing_ok=True)
    return -1 if last is None else int(last.name.removeprefix("step-"))
