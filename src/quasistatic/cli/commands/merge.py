"""Joins the parts of a job array."""

from typing import Annotated

import typer

from quasistatic.cli import arguments
from quasistatic.cli.arguments import Json, Run
from quasistatic.cli.commands import _shards


@arguments.working()
def merge(
    run: Run,
    out: Annotated[str, typer.Argument(metavar="OUT", help="What evaluate, sample or infer were to write.")],
    as_json: Json = False,
) -> None:
    """Join the parts that --shard made of an output."""
    _shards.join(run, out, as_json)
