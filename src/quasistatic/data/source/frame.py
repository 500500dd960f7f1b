"""Decodes an image file of any mode to a uint8 tensor (channels, height, width).

    turned upright (EXIF) → 8 bits → transparency over white → grey, RGB or RGBA → resized to cover the size, cropped

`read_header` reads size and mode without decoding. A file whose decoder fails is skipped.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from quasistatic.data.source.guard import first_line

Encoded: TypeAlias = Path | BytesIO
"""An image as it is stored: a file, or the bytes of one."""


@final
class Refused(BytesIO):
    """Stands for an image that is not read, with the reason."""

    def __init__(self, why: str):
        super().__init__()
        self.why = why


FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP")
"""The formats tried, whatever the suffix; some other formats would start an external program."""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
GREY = ("1", "L", "LA", "I")
ORIENTATION = 0x0112
TIFF_SIZE = (0x0100, 0x0101)


@dataclass(frozen=True)
class Header:
    """Properties of an image before decoding; ``size`` is (height, width), upright."""

    size: tuple[int, int]
    mode: str
    transparent: bool
    turned: bool
    animated: bool

    @property
    def grey(self) -> bool:
        return self.mode in GREY or self.mode.startswith("I;")


@final
@dataclass(frozen=True)
class Frame:
    """The target shape of every image: channels (1, 3 or 4) and (height, width), or None to keep its size."""

    channels: int
    size: tuple[int, ...] | None = None

    def of_file(self, file: Encoded) -> UInt8[Tensor, "channels height width"]:
        """Decode an image file; call it within `strict_pillow`."""
        with open_image(file) as image:
            return self.of_image(image)

    def of_pixels(self, pixels: UInt8[Tensor, "depth rows columns"]) -> UInt8[Tensor, "channels height width"]:
        """Convert decoded pixels (1, 3 or 4 channels) to this shape."""
        array = pixels.permute(1, 2, 0).numpy()
        return self.of_image(Image.fromarray(array[..., 0] if len(pixels) == 1 else array))

    def of_image(self, image: Image.Image) -> UInt8[Tensor, "channels height width"]:
        """Convert an opened image to this shape.

        Raises:
            ValueError: if its pixels have more than 16 bits.
        """
        image = _eight_bits(ImageOps.exif_transpose(image) if _is_turned(image) else image)
        if self.channels != 4 and _is_transparent(image):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert(MODES[self.channels])
        if self.size is not None and self.size != (image.height, image.width):
            image = ImageOps.fit(image, (self.size[1], self.size[0]), Image.Resampling.LANCZOS)
        pixels = np.array(image).reshape(image.height, image.width, self.channels)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def notes(self, headers: Iterable[Header]) -> tuple[str, ...]:
        """Return the conversions that these images need, one phrase each, with counts."""
        done: Counter[str] = Counter()
        for header in headers:
            grey = header.grey
            phrases = {
                "16-bit grey scaled to 8 bits": header.mode.startswith("I"),
                "transparency composited over white": header.transparent and self.channels != 4,
                "colour converted to grey": not grey and self.channels == 1,
                "grey repeated to colour": grey and self.channels != 1,
                "CMYK converted to RGB": header.mode == "CMYK" and self.channels != 1,
                "turned upright as EXIF says": header.turned,
                "only the first frame is used": header.animated,
                "resized to cover the size and cropped at the centre": self.size not in (None, header.size),
            }
            done.update(phrase for phrase, applies in phrases.items() if applies)
        return tuple(f"{phrase}: {count} image{'s' * (count > 1)}" for phrase, count in sorted(done.items()))


def read_header(file: Encoded) -> Header:
    """Read size and mode; call it within `strict_pillow`. Any exception means that the file is not an image."""
    with open_image(file) as image:
        # some versions of Pillow already swap the sides of a rotated TIFF
        width, height = (image.tag_v2[tag] for tag in TIFF_SIZE) if isinstance(image, TiffImageFile) else image.size
        turned = _is_turned(image)
        # orientations 5 to 8 are rotated by 90°
        if turned and image.getexif()[ORIENTATION] > 4:
            width, height = height, width
        animated = getattr(image, "n_frames", 1) > 1
        return Header((height, width), image.mode, _is_transparent(image), turned, animated)


def open_image(file: Encoded) -> Image.Image:
    """Open, without decoding, an image of one of the known formats.

    Raises:
        ValueError: if the image must not be read.
        OSError: if it is missing, damaged or of another format.
    """
    if isinstance(file, Refused):
        raise ValueError(file.why)
    return Image.open(file, formats=FORMATS)


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Turn decompression-bomb warnings into errors, and silence Pillow's other warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def reason(error: Exception) -> str:
    """Return in a few words why an image could not be read."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"a decompression bomb or far too large: beyond {Image.MAX_IMAGE_PIXELS} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return first_line(error)


def _is_turned(image: Image.Image) -> bool:
    # otherwise Pillow would decode the whole PNG in search of EXIF
    if image.format == "PNG" and "exif" not in image.info:
        return False
    return image.getexif().get(ORIENTATION, 1) in range(2, 9)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode not in ("I", "F") and not image.mode.startswith("I;"):
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError("pixels of 32 bits, where 8 or 16 are understood")
    return Image.fromarray(((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8))
