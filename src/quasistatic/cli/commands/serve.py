"""Shows runs on a local page."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    places: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN_OR_FOLDER]…", help="Runs or folders of runs; default: here.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; default: the first free one from 8642.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on; others can reach any but 127.0.0.1.")] = "127.0.0.1",
    data: Annotated[
        list[str] | None, typer.Option(metavar="DATA", help="Data of the runs, unless built in; repeatable.")
    ] = None,
    max_upload: Annotated[int, typer.Option(help="Maximum size of an upload in MB.")] = 64,
) -> None:
    """Show runs on a local page: samples, completions, scores, training."""
    try:
        from quasistatic.serve import launch
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the page needs the extra `serve`, and {error.name} is missing; pip install 'quasistatic[serve]'"
        ) from None
    launch.serve(places or [Path()], host, port, max_upload, data or (), show)
