"""Plots samples, trajectories, completions, scores and training curves.

    save_examples    a grid of images or a scatter of points               images_to_files  one PNG per image
    forward          data turning into noise, column by column             reverse_strip, reverse_gif  the reverse
    completions      observed values, draws, mean, spread, ground truth
    bound_by_time    the bound's cost against time                         training_curve   loss against steps
    works            histogram of the works of an importance estimate     save_maps  images next to their bits per pixel
    bits_by_element  an exact score's cost against place
    tables.save_comparison   columns and pairs of two tables                save_calibration  ranks and coverage

Values are in raw units (n, channels, height, width), trajectories in state units. Files are replaced atomically.
Palette: blue for model output, amber for unknown values, grey for data.
"""

from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data import Codec
from quasistatic.evaluation import BoundTerms, Ordered, Works
from quasistatic.plotting.calibration import save_calibration
from quasistatic.plotting.chart import bits_by_element, bits_by_time, bound_by_time, points, training_curve, works
from quasistatic.plotting.maps import check_maps, save_maps
from quasistatic.plotting.picture import image_grid, images_to_files, png, write_bytes
from quasistatic.plotting.sheet import completions, forward, reverse_gif, reverse_strip
from quasistatic.plotting.signals import signals
from quasistatic.schedule import Schedule

grid = image_grid  # the old name, until version 0.2

__all__ = [
    "bits_by_element",
    "bits_by_time",
    "bound_by_time",
    "check_maps",
    "check_score",
    "completions",
    "forward",
    "grid",
    "image_grid",
    "images_to_files",
    "points",
    "reverse_gif",
    "reverse_strip",
    "save_calibration",
    "save_examples",
    "save_maps",
    "score",
    "signals",
    "training_curve",
    "works",
]


def save_examples(raw: Shaped[Tensor, " n *shape"], path: str | Path, codec: Codec) -> None:
    """Write a picture of examples: an `image_grid`, the lines of `signals`, or the scatter of 2-D `points`.

    Raises:
        ValueError: if the examples are neither.
    """
    if raw.ndim == 2 and raw.shape[1] == 2:
        points(raw, path)
    elif raw.ndim == 3:
        signals(raw, path)
    else:
        write_bytes(png(image_grid(raw, codec)), path)


def check_score(method: str) -> None:
    """Raise ValueError if a score by this method has no parts to plot."""
    if method not in ("bound", "importance", "ordered"):
        raise ValueError(
            "a picture is made of the bound's terms, of importance's works or of an order's elements, and "
            f"{method} has none of them"
        )


def score(found: BoundTerms | Works | Ordered, schedule: Schedule | None, dimensions: int, path: str | Path) -> None:
    """Plot the parts of a score: `bound_by_time`, `works` of importance's paths, or `bits_by_element` of an order."""
    match found:
        case Works():
            works(found, dimensions, path)
        case Ordered():
            bits_by_element(found, path)
        case BoundTerms():
            bound_by_time(found, schedule, dimensions, path)
