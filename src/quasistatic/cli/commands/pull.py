"""Downloads a model from the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli.terminal import err


def pull(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name of the model on the hub.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the model.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; default: main.")] = None,
) -> None:
    """Download a model from the Hugging Face hub."""
    from quasistatic.model.formats import hub

    err.print(f"the model is in {hub.pull(name, out, revision)}")
