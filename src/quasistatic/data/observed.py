"""What is known of examples to be completed: values, and a mask of which of them are known.

images with a mask     white in the mask = unknown
.npy, .npz of floats   NaN = unknown; a mask may hide more
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic.data.arrays import arranged
from quasistatic.data.dataset import Dataset
from quasistatic.data.files import read_numpy
from quasistatic.data.frame import open_image, reason, strict_pillow


def read_incomplete(path: Path) -> tuple[Shaped[Tensor, "rows *shape"], Bool[Tensor, "rows *shape"]] | None:
    """Return the values of a ``.npy`` or ``.npz`` file and where they are known, or None if none is NaN.

    Raises:
        ValueError: if the file cannot be read; see `read_numpy`.
    """
    array = read_numpy(path)
    if array.values.dtype.kind != "f" or not np.isnan(array.values).any():
        return None
    values, _ = arranged(array.name, array.values)
    return values, ~values.isnan()


def read_mask(path: Path, dataset: Dataset) -> Bool[Tensor, "rows *shape"]:
    """Return where the values of ``dataset`` are known, from an image (white = unknown) or an array (true = unknown).

    One mask serves every example.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read or is of another size than the examples.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no mask file is called {path}")
    if path.suffix in (".npy", ".npz"):
        hidden = torch.from_numpy(read_numpy(path).values > 0)
    else:
        try:
            with strict_pillow(), open_image(path) as image:
                hidden = torch.from_numpy(np.array(image.convert("L")) >= 128)
        except (OSError, ValueError, Warning) as error:
            why = reason(error)
            raise ValueError(f"{path.name}: a mask is an image or an array, and this cannot be read ({why})") from None
    shape = dataset.shape
    fitting = {shape[-2:]: hidden, shape: hidden, (len(dataset), *shape): hidden}
    if tuple(hidden.shape) not in fitting:
        wanted, came = "×".join(map(str, shape[-2:])), "×".join(map(str, hidden.shape))
        raise ValueError(f"{path.name}: a mask is as large as the examples, {wanted}, got {came}; resize it")
    return ~hidden.expand(len(dataset), *shape)
