"""Tasks that complete: a part of an image or a signal, empty cells of rows, gaps in a text, values of a vector.

Draws are shown as soon as they are done: first one, then two, four and so on. Particles are drawn together.
"""

from typing import Any

from quasistatic.serve.worker import shown
from quasistatic.serve.worker.completing.images import complete_image
from quasistatic.serve.worker.completing.rows import complete_rows
from quasistatic.serve.worker.completing.series import complete_signal, complete_vector
from quasistatic.serve.worker.completing.text import complete_text
from quasistatic.serve.worker.desk import Desk


def complete_one(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Complete what the request holds, by the kind of the run's data.

    Raises:
        ValueError: if the page does not complete such data, or the request makes no sense.
    """
    model = desk.model()
    match shown.kind_of_data(model.specification):
        case "images":
            return complete_image(desk, model, request)
        case "signals":
            return complete_signal(desk, model, request)
        case "table":
            return complete_rows(desk, model, request)
        case "text" | "digits":
            return complete_text(desk, model, request)
        case "points" | "series":
            return complete_vector(desk, model, request)
    raise ValueError("the page does not complete volumes; use `quasistatic infer`")
