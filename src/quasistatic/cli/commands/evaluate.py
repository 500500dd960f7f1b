"""Scores data in bits/dim."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import Data, DataDir, Json, Precision, Run, Seed, Variance
from quasistatic.cli.terminal import bar, err


@arguments.working()
def evaluate(
    run: Run,
    data: Data,
    method: Annotated[
        str, typer.Option(help="bound, importance, flow (Gaussian only) or exact (small state spaces only).")
    ] = "bound",
    steps: Annotated[int, typer.Option(help="Steps of the time grid; a planned grid is preferred.")] = 1000,
    draws: Annotated[
        int,
        typer.Option(help="Monte Carlo samples per example (time steps, paths or probes)."),
    ] = 4,
    grid: Annotated[
        str | None, typer.Option(help="time, log-snr, karras or planned; default: planned if available, else time.")
    ] = None,
    variance: Variance = "own",
    target_error: Annotated[
        float | None, typer.Option(help="Target standard error of the bound, bits/dim; chooses draws and limit.")
    ] = None,
    dequantise: Annotated[
        str, typer.Option(help="Dequantisation for the flow: noise (the process's) or uniform.")
    ] = "noise",
    last_step: Annotated[str, typer.Option(help="Last step of the bound: own (the model's) or fixed (2015).")] = "own",
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples to score, evenly spread.")] = None,
    seed: Seed = 0,
    scores: Annotated[Path | None, typer.Option(help="Write per-example scores to this .csv.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also score baselines fitted on the model's training split.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Training data for the baselines, if DATA is another set."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Plot the bound's terms, or importance's path works, into this .png.")
    ] = None,
    precision: Precision = "no",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score data in bits/dim; of training data, only the held-out set."""
    from quasistatic import evaluation, plotting
    from quasistatic.model.baselines import baselines as fitted_baselines
    from quasistatic.model.evaluate import EvaluateOptions, evaluate_with_detail

    evaluation.check_method(method)
    arguments.check_file(scores, ".csv")
    arguments.check_file(picture, ".png")
    if picture is not None:
        plotting.check_score(method)
    model = arguments.model(run, precision)
    dataset = arguments.read_data(data, data_dir, model.config.data)
    unseen = arguments.held_out(model, dataset, data, limit)
    beside = baselines or against is not None
    training = dataset if against is None else arguments.read_data(against, data_dir, model.config.data)
    if beside:
        model.learned(training)
    options = EvaluateOptions(steps, draws, None, seed, grid, variance, target_error, dequantise, last_step)
    with bar("scoring") as watch:
        found, detail = evaluate_with_detail(model, unseen, method, options, watch)
    terminal.score_notes(found, target_error)
    with err.status("scoring baselines"):
        others = fitted_baselines(model, unseen, training) if beside else None
    if scores is not None:
        terminal.scores_file(scores, unseen, found, others)
    terminal.print_score(found, others, as_json)
    if picture is not None and detail is not None:
        schedules = model.config.process.schedules
        plotting.score(detail, schedules[0] if len(schedules) == 1 else None, unseen.dimensions, picture)
