"""Pictures: what a model's four verbs return, drawn for people.

    save_examples    samples: a grid of images, a scatter of points        images_to_files  one PNG each
    forward          data turning into noise, column by column             reverse_strip, reverse_gif  and back
    completions      what was given, draws of the rest, mean, spread, truth
    bound_by_time    where the bits go                                     training_curve   how learning went
    works            how much the paths of an importance estimate differ

Values come in raw units (n, channels, height, width), trajectories in states. Every file is replaced whole.
One palette: blue for what a model makes, amber for what is not known, grey for what is given.
"""

from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor

from quasistatic.data import Codec
from quasistatic.evaluation import BoundTerms, Works
from quasistatic.plotting.chart import bits_by_time, bound_by_time, points, training_curve, works
from quasistatic.plotting.picture import image_grid, images_to_files, png, write_bytes
from quasistatic.plotting.sheet import completions, forward, reverse_gif, reverse_strip
from quasistatic.schedule import Schedule

grid = image_grid  # the old name, until version 0.2

__all__ = [
    "bits_by_time",
    "bound_by_time",
    "completions",
    "forward",
    "grid",
    "image_grid",
    "images_to_files",
    "points",
    "reverse_gif",
    "reverse_strip",
    "save_examples",
    "score",
    "training_curve",
    "works",
]


def save_examples(raw: Shaped[Tensor, "n *shape"], path: str | Path, codec: Codec) -> None:
    """Write a picture of examples: an `image_grid`, or the scatter of 2-D `points`.

    Raises:
        ValueError: if the examples are neither.
    """
    if raw.ndim == 2 and raw.shape[1] == 2:
        points(raw, path)
    else:
        write_bytes(png(image_grid(raw, codec)), path)


def score(found: BoundTerms | Works, schedule: Schedule, dimensions: int, path: str | Path) -> None:
    """Draw what a score was made of: `bound_by_time` for the bound's terms, `works` for those of paths."""
    if isinstance(found, Works):
        works(found, dimensions, path)
    else:
        bound_by_time(found, schedule, dimensions, path)
