"""Writes a model for other libraries."""

from pathlib import Path
from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Run
from quasistatic.cli.terminal import err


@arguments.working()
def export(
    run: Run,
    out: Annotated[str, typer.Option("--out", "-o", help="Output: FILE.onnx, or a folder (ends in /) for diffusers.")],
) -> None:
    """Write a model as ONNX or as a diffusers pipeline."""
    model = arguments.model(run)
    if out.endswith("/"):
        model.save_diffusers(out)
    else:
        model.export_onnx(Path(out))
    err.print(f"the model is in {out}")
