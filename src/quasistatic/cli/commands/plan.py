"""Plans few-step paths for a model."""

from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import ConditionFile, DataDir, Json, Run, Seed, Variance
from quasistatic.cli.terminal import bar


@arguments.working()
def plan(
    run: Run,
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help="Data to measure on; default: the built-in training set."),
    ] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Number of steps to plan for; repeatable.")] = None,
    variance: Variance = "own",
    candidates: Annotated[int, typer.Option(help="Candidate times.")] = 100,
    examples: Annotated[int, typer.Option(help="Examples to measure on.")] = 256,
    seed: Seed = 0,
    condition: ConditionFile = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Find and store a model's best few-step time grids and variances."""
    from quasistatic.model.evaluate.examples import fitting_data
    from quasistatic.model.plan import plan_paths

    model = arguments.model(run)
    source = data or arguments.built_in(model.config.data.source)
    dataset = fitting_data(model, arguments.read_for(model, source, data_dir, condition))
    arguments.say_labels(model, dataset)
    with bar("measuring") as watch:
        measured, _ = plan_paths(
            model,
            dataset,
            steps or [10, 25, 50],
            variance=variance,
            candidates=candidates,
            examples=examples,
            seed=seed,
            watch=watch,
        )
    measured.write(run, model.config.process, model.step)
    if as_json:
        terminal.as_json({"unit": "bits/dim", "plans": {str(k): v for k, v in measured.bits_per_dim.items()}})
    terminal.plan(measured)
