"""Runs the demo: all four verbs on handwritten digits."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.terminal import err

QUICK = 0.1
"""Minutes of training of the quick form."""


@arguments.working()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures and the report.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Train for six seconds only, to see that all works.")] = False,
) -> None:
    """Train, sample, infer and evaluate on handwritten digits, in two minutes."""
    from quasistatic.cli.demo import run

    run(out, err, minutes=QUICK if quick else None)
