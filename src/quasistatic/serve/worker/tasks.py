"""The tasks by the name that the page asks for."""

from collections.abc import Callable
from typing import Any

from quasistatic.serve.worker import completing, drawing, examples, learning, scoring
from quasistatic.serve.worker.desk import Desk

Task = Callable[[Desk, dict[str, Any]], dict[str, Any]]

TASKS: dict[str, Task] = {
    "open": examples.open_run,
    "preview": drawing.preview,
    "sample": drawing.draw_samples,
    "film": drawing.film,
    "held_out": examples.held_out_example,
    "read": examples.uploaded_example,
    "complete": completing.complete_one,
    "score": scoring.score_examples,
    "baselines": scoring.score_baselines,
    "data": examples.data_report,
    "chain": learning.study_chain,
    "noising": learning.noise_forward,
    "reverse": learning.reverse_walk,
    "terms": learning.bound_terms,
}
"""(desk, request) → the result."""
