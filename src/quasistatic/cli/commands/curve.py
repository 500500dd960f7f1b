"""Draws the training curve of a run."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Run
from quasistatic.cli.terminal import err


def curve(
    run: Run,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Picture; default: curve.png in RUN.")] = None,
) -> None:
    """Draw a run's training loss and held-out bits/dim."""
    from quasistatic import plotting

    arguments.check_file(out, ".png")
    picture = out or run / "curve.png"
    plotting.training_curve(run / "metrics.jsonl", picture)
    err.print(f"the training curve is in {picture}")
