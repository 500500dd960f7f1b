"""Turns raw values into pictures: single images, tiles of a readable size, grids and scatter thumbnails.

The codec sets the range of brightness: 17 levels span black to white, and 8-bit images keep their bytes.
"""

import io
import math
from pathlib import Path

import torch
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from quasistatic.data import Codec, LevelsCodec, StatesCodec
from quasistatic.runtime.files import replace_file

BLUE, AMBER, GREY, PALE, INK = "#2a6f97", "#e09f3e", "#7d8a97", "#d5dae0", "#22303c"
"""Colours of model output, unknown values, data, lines and text."""

TILE = 80
"""Target length of a small image's longer side in pixels; images are enlarged by whole factors."""

LARGEST_TILE = 160
"""Longest side of a tile in pixels; larger images are reduced by whole factors."""

WIDEST = 2400
"""Maximum width of a grid in pixels; it limits the enlargement."""


def image_grid(
    raw: Shaped[Tensor, " n *shape"], codec: Codec, columns: int | None = None, scale: int | None = None
) -> Image.Image:
    """Arrange images in a grid with thin gaps, row by row.

    Args:
        raw: images (n, channels, height, width) in raw units; 1, 3 or 4 channels.
        codec: of the raw units.
        columns: images per row; about √n by default.
        scale: enlargement factor; by default small images are enlarged.

    Raises:
        ValueError: if the values are not images, there are none, or ``columns`` or ``scale`` is below 1.
    """
    if (columns is not None and columns < 1) or (scale is not None and scale < 1):
        raise ValueError(f"a grid has columns and a scale of at least 1, got {columns} and {scale}")
    images = [opaque(image) for image in pictures(raw, codec)]
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    scale = scale or enlargement(images[0], columns)
    gap = 2 if scale > 1 else 1
    width, height = images[0].width * scale, images[0].height * scale
    rows = math.ceil(len(images) / columns)
    whole = Image.new(images[0].mode, (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        whole.paste(enlarged(image, scale), (gap + column * (width + gap), gap + row * (height + gap)))
    return whole


def images_to_files(raw: Shaped[Tensor, " n *shape"], folder: str | Path, codec: Codec) -> list[Path]:
    """Write each image to its own file: ``00000.png``, ``00001.png``, …; 8-bit images keep their bytes.

    Returns:
        The files, in order.

    Raises:
        ValueError: if the values are not images.
        FileExistsError: if the folder holds other files.
    """
    images, place = pictures(raw, codec), Path(folder)
    digits = max(5, len(str(len(images) - 1)))
    files = [place / f"{number:0{digits}}.png" for number in range(len(images))]
    others = sorted(set(place.iterdir()) - set(files)) if place.is_dir() else []
    if others:
        raise FileExistsError(
            f"pictures go to a folder of their own, and {place} holds {others[0].name}; name another or empty it"
        )
    place.mkdir(parents=True, exist_ok=True)
    for file, image in zip(files, images, strict=True):
        write_bytes(png(image), file)
    return files


def brightness(raw: Shaped[Tensor, " n *shape"], codec: Codec) -> UInt8[Tensor, " n *shape"]:
    """Return raw images scaled to 0–255: levels over their full range, continuous values within 2.5 std of the mean.

    Raises:
        ValueError: if the values are not images, or one is not finite.
    """
    if raw.ndim != 4 or raw.shape[1] not in (1, 3, 4) or 0 in raw.shape:
        raise ValueError(
            "pictures are made of images (n, channels, height, width) with 1, 3 or 4 channels, "
            f"got {tuple(raw.shape)}; write other data as .npy, .npz or .csv"
        )
    values = raw.double()
    if not bool(values.isfinite().all()):
        raise ValueError("a picture needs finite values, got NaN or infinity; mark what is not known by a mask")
    if isinstance(codec, LevelsCodec):
        low, high = float(codec.low), float(codec.high)
    elif isinstance(codec, StatesCodec):
        low, high = 0.0, codec.states - 1.0
    else:
        # one range for all channels keeps the colour balance
        ends = codec.decode(torch.tensor([-2.5, 2.5]).reshape(2, 1, 1, 1).expand(2, *raw.shape[1:]))
        low, high = ends.min().item(), ends.max().item()
    return ((values - low) / (high - low) * 255).round().clamp(0, 255).to(torch.uint8)


def pictures(raw: Shaped[Tensor, " n *shape"], codec: Codec) -> list[Image.Image]:
    """Return one picture per image, at its own size: grey, RGB or RGBA."""
    pixels = brightness(raw, codec).movedim(1, -1).contiguous().cpu().numpy()
    return [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in pixels]


def tile(picture: Image.Image) -> Image.Image:
    """Return the picture on white, scaled to its size on a sheet."""
    factor = math.ceil(max(picture.size) / LARGEST_TILE)
    solid = opaque(picture)
    return solid.reduce(factor) if factor > 1 else enlarged(solid, enlargement(solid, 1))


def enlargement(picture: Image.Image, columns: int) -> int:
    """Return the whole factor that makes a picture readable in a grid of ``columns`` columns."""
    return max(1, min(round(TILE / max(picture.size)), (WIDEST // columns - 2) // picture.width))


def enlarged(picture: Image.Image, scale: int) -> Image.Image:
    """Enlarge a picture; each pixel becomes a square."""
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def opaque(picture: Image.Image) -> Image.Image:
    """Return the picture with its transparent parts on white."""
    if picture.mode != "RGBA":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def cloud(
    raw: Float[Tensor, "n 2"], center: Float[Tensor, " 2"], reach: float, side: int, fine: int = 4
) -> Image.Image:
    """Draw points as dots in a framed white square of ``side`` pixels that spans ``center`` ± ``reach``."""
    picture = Image.new("RGB", (side * fine, side * fine), "white")
    pen, radius = ImageDraw.Draw(picture), fine * side / 150 * min(2.0, max(0.7, 30 / math.sqrt(len(raw))))
    for x, y in ((raw.double() - center) / reach).tolist():
        column, row = (1 + x) / 2 * side * fine, (1 - y) / 2 * side * fine
        pen.ellipse((column - radius, row - radius, column + radius, row + radius), fill=BLUE)
    small = picture.reduce(fine)
    ImageDraw.Draw(small).rectangle((0, 0, side - 1, side - 1), outline=PALE)
    return small


def check_points(raw: Shaped[Tensor, " n *shape"]) -> None:
    """Raise ValueError unless these are finite points (n, 2)."""
    if raw.ndim != 2 or raw.shape[1] != 2 or not len(raw):
        raise ValueError(f"a scatter shows points of shape (n, 2), got {tuple(raw.shape)}; choose two columns")
    if not bool(raw.isfinite().all()):
        raise ValueError("a scatter needs finite points, got NaN or infinity")


def png(picture: Image.Image) -> bytes:
    """Return the picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write ``content`` to a file atomically.

    Raises:
        FileNotFoundError: if the parent folder does not exist.
    """
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"there is no folder {Path(path).parent} to write {Path(path).name} to; make it first")
    replace_file(Path(path), lambda part: part.write_bytes(content))
