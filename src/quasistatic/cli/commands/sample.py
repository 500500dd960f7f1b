"""Draws new examples."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Label, Out, Precision, Run, Scale, Seed, Variance
from quasistatic.cli.terminal import bar, err


@arguments.working()
def sample(
    run: Run,
    out: Out,
    n: Annotated[int, typer.Option("-n", help="Number of examples.")] = 64,
    steps: Annotated[int, typer.Option(help="Steps of the chain.")] = 250,
    sampler: Annotated[
        str, typer.Option(help="ancestral; for few steps: ddim, heun, dpm++, dpm++sde, unipc.")
    ] = "ancestral",
    grid: Annotated[
        str | None, typer.Option(help="time, log-snr, karras or planned; default: suits the sampler.")
    ] = None,
    variance: Variance = "own",
    seed: Seed = 0,
    label: Label = None,
    scale: Scale = 1.0,
    precision: Precision = "no",
) -> None:
    """Draw new examples."""
    from quasistatic import plotting
    from quasistatic.cli import output

    output.check_target(Path(out), out)
    model = arguments.model(run, precision)
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
    output.write(raw, out, codec, lambda part: plotting.save_examples(raw, part, codec))
    err.print(f"{n} samples in {out}")
