"""Trains a model on a data set."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import Data, DataDir
from quasistatic.cli.signals import soft_signals


@arguments.working()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder, new or empty.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="digits, mnist, images, points, heartbeat, bits, text, states; default: fits the data."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Optimizer steps; default: as many as fit the recipe's minutes.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed; 0 if not given.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", "--resume_from_checkpoint", help="Resume from the last checkpoint in --out.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Train a model on DATA."""
    from quasistatic.config import override
    from quasistatic.recipes import RECIPES
    from quasistatic.recipes import recipe as choose
    from quasistatic.runtime.device import pick_device, precision
    from quasistatic.training import checkpoint, folder

    wanted = _changes(changes or [], seed, steps, resume)
    if resume:
        kept = checkpoint.read_last(out)
        dataset = arguments.read_data(data, data_dir, kept.data)
        config = override(kept if recipe is None else choose(recipe, dataset, data), wanted)
    else:
        folder.check_new(out)
        about_data = [change for change in wanted if change.startswith("data.")]
        dataset = arguments.read_data(data, data_dir, override(RECIPES["images"](data), about_data).data)
        config = override(choose(recipe, dataset, data), wanted)
    device = pick_device()
    dtype = str(precision(config.training.precision, device)).removeprefix("torch.")
    title = f"{dataset.describe()} (in {dtype} on {device.type})"
    with soft_signals() as stop:
        terminal.training(checkpoint.train(config, dataset, out, resume=resume, stop=stop), title, out)


def _changes(changes: list[str], seed: int | None, steps: int | None, resume: bool) -> list[str]:
    """Return all changes to the recipe, including those of --seed and --steps.

    Raises:
        ValueError: if an option and --set change the same field.
    """
    fields = {change.partition("=")[0].strip() for change in changes}
    for option, field, value in (("--seed", "seed", seed), ("--steps", "training.steps", steps)):
        if value is not None and field in fields:
            raise ValueError(f"{field} is set twice, by {option} and --set {field}; leave one out")
        changes = changes if value is None else [*changes, f"{field}={value}"]
    if resume and "training.minutes" in fields and "training.steps" not in fields and steps is None:
        return [*changes, "training.steps=none"]  # planned again for the new minutes
    return changes
