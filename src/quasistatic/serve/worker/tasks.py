"""The tasks by the name that the page asks for."""

from collections.abc import Callable
from typing import Any

from quasistatic.serve.worker import drawing
from quasistatic.serve.worker.desk import Desk

Task = Callable[[Desk, dict[str, Any]], dict[str, Any]]

TASKS: dict[str, Task] = {
    "preview": drawing.preview,
    "sample": drawing.draw_samples,
    "film": drawing.film,
}
"""(desk, request) → the result."""
