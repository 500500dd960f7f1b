"""Trains a model on a data set."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import (
    BEGAN,
    Columns,
    Data,
    DataDir,
    Group,
    Missing,
    Rows,
    Size,
    TableReading,
    Time,
    with_reading,
)
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
        int | None, typer.Option(help="Optimizer steps; default: the recipe's, or what fits the minutes.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes for the whole run; default: the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Examples per optimizer step; default: the recipe's.")] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", "--learning-rate", help="Peak learning rate; default: the recipe's.")
    ] = None,
    size: Size = None,
    seed: Annotated[int | None, typer.Option(help="Random seed; 0 if not given.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", "--resume_from_checkpoint", help="Resume from the last checkpoint in --out.")
    ] = False,
    columns: Columns = None,
    missing: Missing = None,
    group: Group = None,
    time: Time = None,
    rows: Rows = None,
    data_dir: DataDir = None,
) -> None:
    """Train a model on DATA."""
    from quasistatic.config import override
    from quasistatic.recipes import RECIPES
    from quasistatic.recipes import recipe as choose
    from quasistatic.runtime.device import pick_device, precision
    from quasistatic.training import checkpoint
    from quasistatic.training.checkpoint import folder

    reading = TableReading(columns, missing, group, time, rows)
    given = {"steps": steps, "minutes": minutes, "batch-size": batch_size, "lr": lr, "size": size, "seed": seed}
    wanted = _changes(changes or [], given)
    about_data = [change for change in wanted if change.startswith("data.")]
    if resume:
        kept = checkpoint.read_last(out)
        dataset = arguments.read_data(data, data_dir, kept.data, override(kept, about_data).data.condition)
        config = override(kept if recipe is None else choose(recipe, dataset, data), wanted)
    else:
        folder.check_new(out)
        asked = with_reading(override(RECIPES["images"](data), about_data), reading)
        dataset = arguments.read_data(data, data_dir, asked.data, asked.data.condition)
        config = override(choose(recipe, dataset, data), wanted)
    config = with_reading(config, reading)
    arguments.check_columns(config.data, dataset)
    device = pick_device()
    dtype = str(precision(config.training.precision, device)).removeprefix("torch.")
    title = f"{dataset.describe()} (in {dtype} on {device.type})"
    with soft_signals() as stop:
        begin = partial(checkpoint.train, config, dataset, out, resume=resume, stop=stop, since=BEGAN.get())
        terminal.training(lambda doing: begin(doing=doing), title, out)


def _changes(changes: list[str], options: dict[str, int | float | str | None]) -> list[str]:
    """Return all changes to the recipe, including those of the options, by the field that each one sets.

    Raises:
        ValueError: if an option and --set change the same field, or both steps and minutes are given.
    """
    from quasistatic.config import field_called

    fields = {change.partition("=")[0].strip() for change in changes}
    given = {field_called(option.replace("-", "_")): (option, value) for option, value in options.items()}
    given = {field: told for field, told in given.items() if told[1] is not None}
    for field, (option, value) in given.items():
        if field in fields:
            raise ValueError(f"{field} is set twice, by --{option} and --set {field}; leave one out")
        changes = [*changes, f"{field}={value}"]
    fields |= set(given)
    if {"training.steps", "training.minutes"} <= set(given):
        raise ValueError("a run takes either a number of steps or minutes, got --steps and --minutes; leave one out")
    if "training.minutes" in fields and "training.steps" not in fields:
        return [*changes, "training.steps=none"]  # planned for these minutes, not those of the recipe or the run
    return changes
