"""The command: it parses, calls one public function, prints. A script makes the same calls.

Exit status: 0 done; 1 the work failed; 2 the request was wrong, said in one sentence.
Progress goes to stderr; with --json, stdout holds one JSON object and nothing else.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from quasistatic import failure, named, reproduce, show
from quasistatic.inferring import infer
from quasistatic.options import Data, DataDir, Json, Label, Out, Precision, Run, Scale, Seed, Size, Variance
from quasistatic.show import bar, err
from quasistatic.signals import soft_signals

CTRL_C = 130
"""The status with which typer ends a command at Ctrl-C, without a word."""

app = typer.Typer(
    name="quasistatic",
    help="Diffusion models as probability distributions: learn, sample, infer, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def check(
    data: Data,
    size: Size = None,
    channels: Annotated[int | None, typer.Option(help="1 (grey), 3 (RGB) or 4 (RGBA).")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Look at data before training: counts, sizes, levels, ranges, unreadable files."""
    from quasistatic.data import inspect

    with bar("reading") as watch:
        report = inspect(
            data,
            size=named.image_size(data, size),
            channels=channels,
            data_dir=named.sets_folder(data_dir),
            progress=watch,
        )
    if as_json:
        show.as_json(report.to_dict())
    else:
        show.report(report.to_dict())
    if not report.ready:
        raise typer.Exit(2)


@app.command()
@named.working()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's folder, new or empty.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="digits, mnist, images, points, heartbeat, bits, text or states; else what fits the data."),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps; else what fits the recipe's minutes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed; 0 if not given.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", "--resume_from_checkpoint", help="Go on from the last checkpoint in --out.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Learn a model of DATA into a folder."""
    from quasistatic import checkpoint, runfolder
    from quasistatic.config import override
    from quasistatic.device import pick_device, precision
    from quasistatic.recipes import RECIPES
    from quasistatic.recipes import recipe as choose

    wanted = _changes(changes or [], seed, steps, resume)
    if resume:
        kept = checkpoint.read_last(out)
        dataset = named.load(data, data_dir, kept.data)
        config = override(kept if recipe is None else choose(recipe, dataset, data), wanted)
    else:
        runfolder.check_new(out)
        about_data = [change for change in wanted if change.startswith("data.")]
        dataset = named.load(data, data_dir, override(RECIPES["images"](data), about_data).data)
        config = override(choose(recipe, dataset, data), wanted)
    device = pick_device()
    dtype = str(precision(config.training.precision, device)).removeprefix("torch.")
    title = f"{dataset.describe()} (in {dtype} on {device.type})"
    with soft_signals() as stop:
        show.training(checkpoint.train(config, dataset, out, resume=resume, stop=stop), title, out)


def _changes(changes: list[str], seed: int | None, steps: int | None, resume: bool) -> list[str]:
    """Return all changes of the recipe, those by an option of their own included.

    Raises:
        ValueError: if a field is set by both.
    """
    fields = {change.partition("=")[0].strip() for change in changes}
    for option, field, value in (("--seed", "seed", seed), ("--steps", "training.steps", steps)):
        if value is not None and field in fields:
            raise ValueError(f"{field} is set twice, by {option} and --set {field}; leave one out")
        changes = changes if value is None else [*changes, f"{field}={value}"]
    if resume and "training.minutes" in fields and not {"training.steps"} & fields and steps is None:
        return [*changes, "training.steps=none"]  # counted again for the new minutes
    return changes


@app.command()
@named.working()
def sample(
    run: Run,
    out: Out,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 64,
    steps: Annotated[int, typer.Option(help="Steps of the chain.")] = 250,
    sampler: Annotated[
        str, typer.Option(help="ancestral, or for few steps ddim, heun, dpm++, dpm++sde, unipc.")
    ] = "ancestral",
    grid: Annotated[
        str | None, typer.Option(help="time, log-snr, karras or planned; else what suits the sampler.")
    ] = None,
    variance: Variance = "own",
    seed: Seed = 0,
    label: Label = None,
    scale: Scale = 1.0,
    precision: Precision = "no",
) -> None:
    """Draw new examples."""
    from quasistatic import export, plotting

    export.check_target(Path(out), out)
    model = named.model(run, precision)
    with bar("sampling") as watch:
        raw = model.sample(
            n,
            steps=steps,
            sampler=sampler,
            grid=grid,
            variance=variance,
            seed=seed,
            label=label,
            scale=scale,
            watch=watch,
        )
    codec = model.specification.codec
    export.write(raw, out, codec, lambda part: plotting.save_examples(raw, part, codec))
    err.print(f"{n} samples in {out}")


app.command()(named.working()(infer))


@app.command()
@named.working()
def evaluate(
    run: Run,
    data: Data,
    method: Annotated[
        str, typer.Option(help="bound, importance, flow (Gaussian), or exact (few states in all).")
    ] = "bound",
    steps: Annotated[int, typer.Option(help="Of the bound's grid; a planned one is taken where there is one.")] = 1000,
    draws: Annotated[
        int,
        typer.Option(help="Steps looked at, importance's paths, or the flow's probes, per example; more is steadier."),
    ] = 4,
    grid: Annotated[str | None, typer.Option(help="time, log-snr, karras or planned; else planned, or time.")] = None,
    variance: Variance = "own",
    target_error: Annotated[
        float | None, typer.Option(help="Of the bound, in bits/dim: choose draws and limit to reach it cheaply.")
    ] = None,
    dequantise: Annotated[
        str, typer.Option(help="How the flow makes levels continuous: noise (of the process) or uniform.")
    ] = "noise",
    last_step: Annotated[str, typer.Option(help="Of the bound: the model's own, or fixed as in 2015.")] = "own",
    limit: Annotated[int | None, typer.Option(help="Score at most so many examples, evenly spread.")] = None,
    seed: Seed = 0,
    scores: Annotated[Path | None, typer.Option(help="Write each example's score to this .csv.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Score simple models beside, fitted to what the model learned from.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="The same, where DATA is not what the model was trained on and this is."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw where the bits go, or importance's works, into this .png.")
    ] = None,
    precision: Precision = "no",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Score data in bits/dim. Of the data a model was trained on, only the held-out part is scored."""
    from quasistatic import comparison, evaluation, plotting, scoring
    from quasistatic.data.dataset import spread

    evaluation.check_method(method)
    for file, ending in ((scores, ".csv"), (picture, ".png")):
        named.check_file(file, ending)
    if picture is not None and method not in ("bound", "importance"):
        raise ValueError(f"a picture is made of the bound's terms or of importance's works, and {method} has neither")
    model = named.model(run, precision)
    options = model.config.data
    dataset = named.load(data, data_dir, options)
    unseen = model.held_out(dataset)
    if len(unseen) < len(dataset):
        err.print(f"{data} is what the model was trained on: scoring the {len(unseen)} examples held out")
    unseen = scoring.fitting(model, unseen)
    named.say_labels(model, unseen)
    if limit is not None:
        unseen = unseen.select(spread(len(unseen), limit))
    beside = baselines or against is not None
    training = dataset if against is None else named.load(against, data_dir, options)
    if beside:
        model.learned(training)
    with bar("scoring") as watch:
        effort = scoring.Effort(steps, draws, None, seed, grid, variance, target_error, dequantise, last_step)
        found, detail = scoring.measure(model, unseen, method, effort, watch)
    if target_error is not None and not found.standard_error <= target_error:
        err.print(f"note: {len(unseen)} examples do not reach an error of {target_error}; more of them would")
    if found.impossible:
        err.print(f"{found.impossible} of {len(unseen)} examples have probability 0 under the model: log p = −∞")
    shown = found.to_dict()
    others = {}
    if beside:
        with err.status("scoring simple models"):
            others = comparison.baselines(model, unseen, training)
        shown["baselines"] = {name: baseline.to_dict() for name, baseline in others.items()}
    if scores is not None:
        show.scores_file(scores, unseen, found, others)
    (show.as_json if as_json else show.score)(shown)
    if picture is not None and detail is not None:
        plotting.score(detail, model.config.process.schedule, unseen.dimensions, picture)


@app.command()
@named.working()
def plan(
    run: Run,
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help="What to measure on; else the built-in set it was trained on."),
    ] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Plan for so many steps; may be given often.")] = None,
    variance: Variance = "own",
    candidates: Annotated[int, typer.Option(help="Times to choose from.")] = 100,
    examples: Annotated[int, typer.Option(help="How many to measure on.")] = 256,
    seed: Seed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Find the best paths of few steps, and the best variances, for a model; they are kept in its folder."""
    from quasistatic.planning import measure
    from quasistatic.scoring import fitting

    model = named.model(run)
    source = data or named.built_in(model.config.data.source)
    dataset = fitting(model, named.load(source, data_dir, model.config.data))
    named.say_labels(model, dataset)
    with bar("measuring") as watch:
        measured, _ = measure(
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
        show.as_json({"unit": "bits/dim", "plans": {str(k): v for k, v in measured.bits_per_dim.items()}})
    for count, bits in sorted(measured.bits_per_dim.items()):
        err.print(f"{count} steps: about {bits:.3f} bits/dim on the training data; --steps {count} now takes this path")


@app.command()
def compare(
    real: Annotated[str, typer.Argument(metavar="REAL", help="Real examples: DATA as for the other commands.")],
    samples: Annotated[str, typer.Argument(metavar="SAMPLES", help="Samples, in the same units: a file or a folder.")],
    features: Annotated[str, typer.Option(help="raw, or pca:N: the first N principal components of REAL.")] = "raw",
    size: Size = None,
    limit: Annotated[int | None, typer.Option(help="Use at most so many of each.")] = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """How near samples are to real examples: distances, precision and recall, a classifier; each with its error."""
    from quasistatic.config import DataConfig
    from quasistatic.evaluation import fidelity

    examples, drawn = (
        named.load(data, data_dir, DataConfig(data, named.image_size(data, size))) for data in (real, samples)
    )
    with bar("comparing") as watch:
        found = fidelity.compare(examples, drawn, features, seed=seed, limit=limit, watch=watch)
    (show.as_json if as_json else show.fidelity)(found.to_dict())


@app.command()
def chain(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A header of state names, a row for each state.")],
    start: Annotated[str | None, typer.Option(help="The state to predict from; else the first.")] = None,
    steps: Annotated[int, typer.Option(help="How far to predict.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Draw it into this .png, .svg or .pdf.")] = None,
    as_json: Json = False,
) -> None:
    """A finite Markov chain from its transition matrix: forecast, long run, classes, mixing."""
    from quasistatic.markov import read_chain
    from quasistatic.store import replace_file

    if out is not None and (out.suffix not in (".png", ".svg", ".pdf") or not out.parent.is_dir()):
        raise ValueError(f"a picture ends in .png, .svg or .pdf, in a folder that exists, got {out}; name another")
    read = read_chain(file)
    found = read.summary(start, steps)
    if out is not None:
        figure, form = read.diagram(), out.suffix.removeprefix(".")
        replace_file(out, lambda part: figure.savefig(part, format=form, dpi=200))
    if as_json:
        show.as_json(found)
    else:
        show.chain(found, steps)


@app.command()
@named.working()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pictures and the report.")] = Path("demo"),
) -> None:
    """The main job on embedded real data: learn, sample, infer and evaluate handwritten digits, in two minutes."""
    from quasistatic.demo import run

    run(out, err)


app.command()(reproduce.reproduce)


def main() -> None:
    """Run the command; a mistake of the user's is one sentence and exit 2, failed work one sentence and exit 1."""
    # On a busy machine, threads that spin while they wait for each other slow a step fourfold; these soon sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        with failure.safe_streams():
            app()
    except Exception as error:
        if os.environ.get(failure.TRACEBACK):
            raise
        sentence, status = failure.told(error)
        err.print(f"error: {sentence}")
        sys.exit(status)
    except SystemExit as end:
        if end.code != CTRL_C:
            raise
        err.print("interrupted")
        sys.exit(1)


if __name__ == "__main__":
    main()
