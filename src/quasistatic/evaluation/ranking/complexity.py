"""Complexity of images: the bits that a lossless compressor needs for them.

A likelihood is low for images of much detail and high for plain ones, whatever the model learned. Bits of the model
minus bits of a general compressor measure what the model alone finds surprising.
Source: Serrà et al. 2019 (arXiv:1909.11480), eq. 3, with the better of two compressors (§4) for each image.
"""

import io

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

PNG_FRAME, WEBP_FRAME = 57, 20
"""Bytes of the two formats that every file has, whatever the image."""


def complexity(images: UInt8[Tensor, "n channels height width"]) -> Float[Tensor, " n"]:
    """Return the size of each image in bits, by PNG or lossless WebP, whichever is smaller; without the fixed headers.

    Channels of images that are neither grey nor RGB are put below one another.
    """
    pixels = images.movedim(1, -1) if images.shape[1] == 3 else images.flatten(1, 2)[..., None]
    bits = []
    for values in pixels.contiguous().cpu().numpy():
        image = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
        sizes = [_size(image, "PNG", optimize=True) - PNG_FRAME]
        if max(image.size) < 2**14:  # WebP's limit
            sizes.append(_size(image, "WEBP", lossless=True, quality=100, method=6) - WEBP_FRAME)
        bits.append(8.0 * min(sizes))
    return torch.tensor(bits, dtype=torch.float64)


def _size(image: Image.Image, name: str, **settings: bool | int) -> int:
    buffer = io.BytesIO()
    image.save(buffer, name, **settings)
    return buffer.tell()
