"""Completes partly observed examples."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments, terminal
from quasistatic.cli.arguments import Condition, Context, DataDir, Label, Precision, Run, Scale, Seed
from quasistatic.cli.commands import _shards
from quasistatic.cli.terminal import bar

AREA = "of each image to infer"


def infer(
    context: Context,
    run: Run,
    observed: Annotated[
        str,
        typer.Argument(metavar="OBSERVED", help="Data with NaN, text with ?, *, {a|b}, tables with gaps, images."),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Output: .png, .npy, .npz, .csv, .parquet, .txt, or folder (ends in /)."),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Mask: an image (white = unknown) or a boolean array.")] = None,
    half: Annotated[str | None, typer.Option(help=f"Half {AREA}: top, bottom, left or right.")] = None,
    box: Annotated[str | None, typer.Option(metavar="R0,C0,R1,C1", help=f"Rectangle {AREA}.")] = None,
    super_resolution: Annotated[
        int | None,
        typer.Option(help="OBSERVED holds means over square blocks of this side in pixels."),
    ] = None,
    denoise: Annotated[
        float | None, typer.Option(metavar="STD", help="Standard deviation of OBSERVED's noise, in raw units.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Completions of each example.")] = 1,
    method: Annotated[
        str | None,
        typer.Option(help="hold, guide, particle, reveal or condition; default: best at a sample's cost."),
    ] = None,
    particles: Annotated[
        int | None, typer.Option(help="Particles per example, for --method particle; default 64.")
    ] = None,
    islands: Annotated[
        int | None,
        typer.Option(help="Particle groups; 2 or more estimate the evidence's error; default 1."),
    ] = None,
    longest: Annotated[
        int | None, typer.Option(help="Most characters that a * in a text stands for; default 12.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the chain.")] = 250,
    resamplings: Annotated[
        int, typer.Option(help="Passes over each stretch (hold, reveal); more is slower, less biased.")
    ] = 1,
    label: Label = None,
    condition: Condition = None,
    scale: Scale = 1.0,
    report: Annotated[
        bool, typer.Option("--report", help="Also measure the method's bias on a closed-form posterior.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Hide or spoil a part of known examples, draw it, compare."),
    ] = False,
    hide: Annotated[
        float | None, typer.Option(metavar="SHARE", help="With --check: share hidden at random; default 0.3.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: print one JSON object on stdout.")] = False,
    form: Annotated[str, typer.Option(help="Layout of a table's draws: long (stacked rows) or wide.")] = "long",
    limit: Annotated[int | None, typer.Option(help="Maximum number of examples.")] = None,
    seed: Seed = 0,
    precision: Precision = "no",
    shard: Annotated[str | None, _shards.SHARD] = None,
    ray: Annotated[str | None, _shards.RAY] = None,
    data_dir: DataDir = None,
) -> None:
    """Complete examples that are partly known, noisy or low-resolution."""
    from quasistatic.cli import observation, output
    from quasistatic.cli.observation import calibration, texts
    from quasistatic.inference import FewParticles
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.complete import complete, kept, method_for

    effort = partial(DrawOptions, label=label, condition=condition, scale=scale, seed=seed)
    areas = {"--mask": mask, "--half": half, "--box": box}
    if check:
        options = effort(calibration.draws(context), steps, resamplings)
        asked = calibration.Asked(observed, areas, super_resolution, denoise, hide, limit, method, out)
        return calibration.check_calibration(run, arguments.model(run, precision), asked, options, data_dir, as_json)
    if ray is not None:
        return _shards.infer_on_ray(context, run, observed, method, effort(draws, steps, resamplings))
    out = calibration.target(out, hide, as_json)
    output.check_target(Path(out), out, form)
    model = arguments.model_given(run, precision, label, condition)
    if texts.completed_texts(context, model, observed := arguments.path_or_name(observed), out, effort):
        return
    seen = observation.read_observation(model, observed, areas, super_resolution, denoise, data_dir, limit)
    method = method_for(model, seen.given, method)
    options = effort(draws, steps, resamplings, **arguments.counts_for(method, particles=particles, islands=islands))
    if shard is not None:
        return _shards.infer(context, model, seen, method, options)
    if report:
        observation.say_bias(model, seen, method, options)
    with terminal.notes(FewParticles), bar("inferring") as watch:
        found = complete(model, seen.given, method, options, watch)
    output.write_completions(model, seen, found.draws, observed, out, form)
    terminal.completion(found, out, kept.warning(run, model.step, method, kept.kind_of(seen.given.observation)))
