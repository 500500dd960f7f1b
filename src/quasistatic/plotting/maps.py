"""Draws images next to maps of their bits per pixel, one file for each, and keeps the numbers.

001-name.png    the image, its map, the colour scale; the image of the highest bits is 001
maps.npz        bits (n, height, width, channels), ids, files; in the order of the data set
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from matplotlib.figure import Figure
from torch import Tensor

from quasistatic.data import Codec
from quasistatic.plotting.picture import INK, pictures, write_bytes
from quasistatic.runtime.files import new_folder
from quasistatic.types import Watch

SHARE = 0.995
"""Share of all pixels that the colour scale covers; the others get the colour of its end."""

LONGEST_NAME = 60
"""Characters of an example's name in the name of its file."""


def check_maps(shape: Sequence[int], folder: Path) -> None:
    """Check that maps can be drawn, before any work is done.

    Raises:
        ValueError: if the examples are not images of 1, 3 or 4 channels.
        FileNotFoundError: if the parent folder does not exist.
        FileExistsError: if the folder is a file, or holds files.
    """
    if len(shape) != 3 or shape[0] not in (1, 3, 4):
        raise ValueError(
            f"maps show images of 1, 3 or 4 channels, got examples of shape {tuple(shape)}; leave --maps out"
        )
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"maps go to a new or empty folder, and {folder} is not; name another")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {folder.parent} to write {folder.name} to; make it first")


def save_maps(
    raw: Shaped[Tensor, "n channels height width"],
    bits: Float[Tensor, "n channels height width"],
    ids: Sequence[str],
    folder: Path,
    codec: Codec,
    watch: Watch | None = None,
) -> None:
    """Write each image next to its map of bits per pixel, the sum over channels; all maps have one colour scale.

    Args:
        raw: images in raw units.
        bits: bits of each value; NaN and infinities are not drawn.
        ids: name of each image.
        folder: a new or empty folder.
        codec: of the raw units.
        watch: called with (images done, images in all).
    """
    pixels = bits.double().sum(1)
    finite = pixels[pixels.isfinite()]
    ends = np.quantile(finite.numpy(), [1 - SHARE, SHARE]) if len(finite) else np.array([0.0, 1.0])
    order = bits.flatten(1).sum(1).nan_to_num(torch.inf).argsort(descending=True, stable=True)
    digits = max(3, len(str(len(raw))))
    files = [""] * len(raw)
    figure = Figure(figsize=(5.4, 2.6), dpi=100, layout="constrained")
    with new_folder(folder) as part:
        for done, place in enumerate(order.tolist(), 1):
            files[place] = f"{done:0{digits}}-{safe_name(ids[place])}.png"
            _draw(figure, pictures(raw[place : place + 1], codec)[0], pixels[place], ends, ids[place])
            figure.savefig(part / files[place], format="png", facecolor="white")
            if watch:
                watch(done, len(raw))
        buffer = io.BytesIO()
        values = bits.movedim(1, -1).float().numpy()
        np.savez_compressed(buffer, bits=values, ids=np.array(ids), files=np.array(files))
        write_bytes(buffer.getvalue(), part / "maps.npz")


def safe_name(text: str) -> str:
    """Return the part of a name that any file system takes: its last characters, without the ending of an image."""
    kept = re.sub(r"[^\w.-]+", "-", re.sub(r"\.\w{1,5}$", "", text), flags=re.ASCII)
    return kept.strip("-.")[-LONGEST_NAME:] or "image"


def _draw(figure: Figure, image, pixels: Tensor, ends: np.ndarray, title: str) -> None:  # type: ignore[no-untyped-def]
    figure.clear()
    left, right = figure.subplots(1, 2)
    left.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    shown = right.imshow(pixels.numpy(), cmap="magma", vmin=ends[0], vmax=ends[1], interpolation="nearest")
    for axes in (left, right):
        axes.set_axis_off()
    left.set_title(title[-40:], size=8, color=INK, parse_math=False)
    right.set_title(f"{pixels.sum().item():,.0f} bits in all", size=8, color=INK)
    scale = figure.colorbar(shown, ax=right, shrink=0.85)
    scale.set_label("bits per pixel", size=8, color=INK)
    scale.ax.tick_params(labelsize=7)
