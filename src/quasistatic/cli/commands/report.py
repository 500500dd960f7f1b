"""Writes a run's report into one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Run
from quasistatic.cli.terminal import bar, err


@arguments.working()
def report(
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output: an .html file.")],
    data: Annotated[list[str] | None, typer.Option(metavar="DATA", help="Data of the run, unless built in.")] = None,
    lang: Annotated[str, typer.Option(help="Language: en or ko.")] = "en",
) -> None:
    """Write a run's samples, scores and training into one HTML file."""
    from quasistatic.serve.report import write_report

    with bar("writing the report") as watch:
        write_report(run, out, data or (), lang, watch)
    err.print(f"report in {out}")
