"""Joins the pieces of a cell's output as they came.

A notebook gets a command's output in pieces of 100 characters. myst-nb ends each with a new line, which breaks words.
"""

from typing import Any

import myst_nb.core.render as render
from sphinx.application import Sphinx


def joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with all pieces of a stream in its first one."""
    found, streams = list[Any](), dict[str, Any]()
    for output in outputs:
        if output["output_type"] != "stream":
            found.append(output)
        elif output["name"] in streams:
            streams[output["name"]]["text"] += output["text"]
        else:
            streams[output["name"]] = output
            found.append(output)
    return found


def setup(app: Sphinx) -> dict[str, Any]:
    render.coalesce_streams = joined  # type: ignore[assignment]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
