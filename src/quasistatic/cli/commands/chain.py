"""Describes a finite Markov chain from its transition matrix."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import terminal
from quasistatic.cli.arguments import Json


def chain(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="Transition matrix: a header of state names, one row per state.")
    ],
    start: Annotated[str | None, typer.Option(help="Start state of the forecast; default: the first.")] = None,
    steps: Annotated[int, typer.Option(help="Steps to forecast.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Draw the chain into this .png, .svg or .pdf.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Analyse a finite Markov chain: forecast, stationary distributions, classes, mixing time."""
    from quasistatic.markov import read_chain
    from quasistatic.runtime.files import replace_file

    if out is not None and (out.suffix not in (".png", ".svg", ".pdf") or not out.parent.is_dir()):
        raise ValueError(f"a picture ends in .png, .svg or .pdf, in a folder that exists, got {out}; name another")
    read = read_chain(file)
    found = read.summary(start, steps)
    if out is not None:
        figure, form = read.diagram(), out.suffix.removeprefix(".")
        replace_file(out, lambda part: figure.savefig(part, format=form, dpi=200))
    if as_json:
        terminal.as_json(found)
    else:
        terminal.chain(found, steps)
