"""The main job on embedded real data."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.terminal import err


@arguments.working()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the pictures and the report.")] = Path("demo"),
) -> None:
    """The main job on embedded real data: learn, sample, infer and evaluate handwritten digits, in two minutes."""
    from quasistatic.cli.demo import run

    run(out, err)
