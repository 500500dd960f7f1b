"""Name or path → Dataset.

A source is a known name (`NAMED`), a file (`FILES`, by its ending), a folder of images, or ``hf:owner/name[:split]``.
To add one, write a reader that returns a `Contents` and add a line to the registry.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from quasistatic.data.arrays import Array
from quasistatic.data.contents import Contents, Options
from quasistatic.data.dataset import Dataset, spread


def load(
    source: str | Path,
    *,
    size: int | Sequence[int] | None = None,
    channels: int | None = None,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Return the data set at ``source``, checked, in raw units.

    Args:
        source: a name (`digits`, `mnist`), a folder of images, a file, or ``hf:owner/name[:split]``. A name wins over a
            file that is called the same; write ``./digits`` for the file.
        size: of every image: None (as they are), a side in pixels, or (height, width); images are resized to cover it
            and cropped at the centre.
        channels: of every image: None (1 if all are grey, else 3), 1, 3 or 4.
        data_dir: where the files of a named set are.
        limit: use at most so many examples, evenly spread.
        progress: called with (done, all) while images are decoded.

    Raises:
        FileNotFoundError: there is no such name, file, folder or set on the hub.
        ValueError: the data cannot be used; the sentence says why.
    """
    options = Options(size, channels, Path(data_dir) if data_dir else None, limit, progress)
    dataset = open_source(str(source), options).dataset(options)
    return dataset if limit is None or limit >= len(dataset) else dataset.select(spread(len(dataset), limit))


def open_source(source: str, options: Options) -> Contents:
    """Return what lies at ``source``, unchecked.

    Raises:
        FileNotFoundError: there is no such name, file or folder.
        ValueError: the file's ending is not known, or the file cannot be opened.
    """
    if source in NAMED:
        return NAMED[source](options)
    path = Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"no file or folder is called {source}, and the known names are {', '.join(NAMED)}; a set on the hub is "
            "written hf:owner/name"
        )
    reader = next((FILES[ending] for ending in FILES if path.name.lower().endswith(ending)), None)
    if reader is None:
        raise ValueError(f"{path.name}: a data file ends in {', '.join(FILES)}; convert it, or give a folder of images")
    return reader(path)


def _digits(options: Options) -> Contents:
    """1,797 handwritten digits, 8×8, 17 grey levels: scikit-learn's copy of the UCI test set."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return Array("digits", images.reshape(-1, 8, 8).astype(np.uint8), labels, tuple("0123456789"))


NAMED: dict[str, Callable[[Options], Contents]] = {"digits": _digits}

FILES: dict[str, Callable[[Path], Contents]] = {}
