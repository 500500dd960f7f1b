"""Uploads a model to the Hugging Face hub."""

from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import DataDir, Run
from quasistatic.cli.terminal import err


@arguments.working()
def push(
    run: Run,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name of the model on the hub.")],
    data: Annotated[str | None, typer.Option(help="Score these data for the card; trained ones are left out.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new model private.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Upload a model with its card to the Hugging Face hub."""
    from quasistatic.model.formats.hub import checked

    checked(name)
    model, score = arguments.model(run), None
    if data is not None:
        dataset = arguments.read_for(model, data, data_dir)
        score = model.evaluate(arguments.held_out(model, dataset, data, None))
    grids = sorted(run.glob("samples/step-*.png"), key=lambda path: int(path.stem.removeprefix("step-")))
    address = model.push_to_hub(name, private=private, score=score, samples=grids[-1] if grids else None)
    err.print(f"the model is on the hub: {address}")
