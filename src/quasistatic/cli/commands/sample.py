"""Draws new examples."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Condition, Context, Label, Out, Precision, Run, Scale, Seed, Variance
from quasistatic.cli.commands import _shards
from quasistatic.cli.terminal import bar, err


@arguments.working()
def sample(
    context: Context,
    run: Run,
    out: Out,
    n: Annotated[int | None, typer.Option("-n", help="Number of examples; default: 64.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of the chain; texts drawn in order need none.")] = 250,
    sampler: Annotated[
        str, typer.Option(help="ancestral; for few steps: ddim, heun, dpm++, dpm++sde, unipc.")
    ] = "ancestral",
    grid: Annotated[
        str | None, typer.Option(help="time, log-snr, karras or planned; default: suits the sampler.")
    ] = None,
    variance: Variance = "own",
    seed: Seed = 0,
    label: Label = None,
    condition: Condition = None,
    scale: Scale = 1.0,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION", help="Condition on a table's rows: age>=60, kind=cat, low<=high; repeatable."
        ),
    ] = None,
    ids: Annotated[str, typer.Option(help="Ids of a table, which are not learned: empty or numbered.")] = "empty",
    checked: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="CONDITION", help="Say in how many rows it holds, such as a+b<=c; repeatable."),
    ] = None,
    precision: Precision = "no",
    shard: Annotated[str | None, _shards.SHARD] = None,
    ray: Annotated[str | None, _shards.RAY] = None,
) -> None:
    """Draw new examples."""
    from quasistatic import plotting
    from quasistatic.cli import output
    from quasistatic.model import sample as model_sample

    chosen = (n, steps, sampler, grid, variance, seed, label, scale, 0, condition, tuple(where or ()))
    asked = model_sample.SampleOptions(*chosen)
    if ray is not None:
        return _shards.sample_on_ray(context, run, asked)
    output.check_target(Path(out), out)
    model = arguments.model(run, precision)
    codec = output.with_ids(model.specification.codec, ids)
    conditions = model_sample.conditions(model, checked or ())
    if where:
        chance = model_sample.probability(model, tuple(where), seed)
        err.print(f"note: the conditions on single columns hold in {chance:.3g} of the model's rows")
    if shard is not None:
        return _shards.sample(context, model, asked)
    with bar("sampling") as watch:
        raw = model.sample(**vars(asked), watch=watch)
    output.write(raw, out, codec, lambda part: plotting.save_examples(raw, part, codec))
    shares = model_sample.fulfilling(model, conditions, raw) if conditions else []
    for text, share in zip(checked or (), shares, strict=True):
        err.print(f"note: {text} holds in {share:.2%} of the rows" + (f"; --where '{text}' draws others" * (share < 1)))
    err.print(f"{len(raw)} samples in {out}")
