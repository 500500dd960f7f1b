"""Describes a finite Markov chain from its transition matrix."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import terminal
from quasistatic.cli.arguments import Json


def chain(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A header of state names, a row for each state.")],
    start: Annotated[str | None, typer.Option(help="The state to predict from; else the first.")] = None,
    steps: Annotated[int, typer.Option(help="How far to predict.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Draw it into this .png, .svg or .pdf.")] = None,
    as_json: Json = False,
) -> None:
    """A finite Markov chain from its transition matrix: forecast, long run, classes, mixing."""
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
