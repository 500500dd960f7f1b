"""Scores data in bits/dim."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import ConditionFile, Context, Data, DataDir, Json, Precision, Run, Seed, Variance
from quasistatic.cli.commands import _shards
from quasistatic.cli.terminal import bar, err

if TYPE_CHECKING:
    from quasistatic.data import Dataset
    from quasistatic.model import Model
    from quasistatic.model.evaluate.examples import EvaluateOptions
    from quasistatic.model.evaluate.ranking import Maps, RankOptions, Scored


@arguments.working()
def evaluate(
    context: Context,
    run: Run,
    data: Data,
    method: Annotated[
        str, typer.Option(help="bound, importance, flow (Gaussian only), exact (few states) or ordered (masks).")
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
    order: Annotated[str, typer.Option(help="Order of `ordered`: left, right, confidence or random:SEED.")] = "left",
    given: Annotated[
        str | None,
        typer.Option(metavar="PART", help="Known part: columns NAME,NAME or a mask file; scores the rest."),
    ] = None,
    condition: ConditionFile = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples to score, evenly spread.")] = None,
    seed: Seed = 0,
    scores: Annotated[
        Path | None, typer.Option(help="Write per-example scores to this .csv; ranks examples unless --draws is given.")
    ] = None,
    certainty: Annotated[float, typer.Option(help="Probability to reach that a pair is in order, on average.")] = 0.95,
    max_draws: Annotated[int, typer.Option(help="Maximum time steps per example that a ranking evaluates.")] = 256,
    typical: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Typical examples for p-values; of training data, the held-out set."),
    ] = None,
    maps: Annotated[Path | None, typer.Option(help="Draw each image's bits per pixel into this new folder.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also score baselines fitted on the model's training split.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Training data for the baselines, if DATA is another set."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Plot what the score is made of into this .png."),
    ] = None,
    precision: Precision = "no",
    data_dir: DataDir = None,
    shard: Annotated[str | None, _shards.SHARD] = None,
    ray: Annotated[str | None, _shards.RAY] = None,
    as_json: Json = False,
) -> None:
    """Score data in bits/dim; of training data, only the held-out set."""
    from quasistatic import evaluation
    from quasistatic.cli import output
    from quasistatic.model.baselines import baselines as fitted_baselines
    from quasistatic.model.evaluate.examples import EvaluateOptions
    from quasistatic.model.evaluate.ranking import RankOptions

    evaluation.check_method(method)
    asked = EvaluateOptions(steps, draws, None, seed, grid, variance, target_error, dequantise, last_step, order, given)
    if ray is not None:
        return _shards.evaluate_on_ray(context, run, data, asked)
    output.check_scores(method if given is None else "a part", scores, picture)
    ranking = RankOptions(certainty, max_draws) if arguments.ranks(context) else None
    model = arguments.model(run, precision)
    dataset = arguments.read_for(model, data, data_dir, condition)
    unseen = arguments.held_out(model, dataset, data, limit)
    beside = baselines or against is not None
    training = dataset if against is None else arguments.read_for(model, against, data_dir)
    if beside:
        model.learned(training)
    if shard is not None:
        return _shards.evaluate(context, model, unseen, asked)
    shares, usual = output.element_maps(maps, unseen), arguments.typical_ones(model, typical, data, data_dir, condition)
    found = _scored(model, unseen, method, asked, ranking, usual, shares)
    terminal.score_notes(found.score, target_error, arguments.without_effect(context, found.score.method))
    cells = output.table_cells(model, unseen) if scores is not None and found.score.examples == len(unseen) else None
    with err.status("scoring baselines"):
        others = fitted_baselines(model, unseen, training) if beside else None
    output.write_scores(found, unseen, others, scores, (maps, shares), (picture, model.config.process.schedules), cells)
    terminal.print_score(found.score, others, as_json)


def _scored(
    model: "Model",
    unseen: "Dataset",
    method: str,
    asked: "EvaluateOptions",
    ranking: "RankOptions | None",
    usual: "Dataset | None",
    shares: "Maps | None",
) -> "Scored":
    """Score all examples, or rank them."""
    from quasistatic.model.evaluate import evaluate_with_detail
    from quasistatic.model.evaluate.ranking import Scored, rank_examples

    with bar("scoring") as watch:
        if ranking is not None:
            return rank_examples(model, unseen, asked, ranking, usual, shares, watch)
        return Scored(*evaluate_with_detail(model, unseen, method, asked, watch))
