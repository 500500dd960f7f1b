"""Examples as the page shows them, and as files to download."""

import base64
import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from quasistatic import plotting
from quasistatic.config import Specification
from quasistatic.config.json import to_json
from quasistatic.data import Codec, TableCodec, TextCodec
from quasistatic.data.table import write
from quasistatic.plotting.picture import pictures, png
from quasistatic.serve.runs import data_kind

MOST_CELLS = 200_000
"""Maximum cells or numbers in a result; the files have them all."""


def kind_of_data(specification: Specification) -> str:
    """Return the kind of a model's data; see `runs.data_kind`."""
    codec = to_json(specification.codec)
    assert isinstance(codec, dict)
    return data_kind(str(codec["type"]), list(specification.shape))


def uri(picture: Image.Image) -> str:
    """Return a picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode()


def shown_examples(raw: Shaped[Tensor, " n *shape"], specification: Specification) -> dict[str, Any]:
    """Return examples by the kind of their data: pictures, cells of a table, lines of text, or numbers."""
    codec, own = specification.codec, kind_of_data(specification)
    raw = raw[: max(1, MOST_CELLS // specification.dimensions)] if own != "images" else raw
    match own:
        case "images":
            return {"kind": own, "pictures": [uri(picture) for picture in pictures(raw, codec)]}
        case "table":
            assert isinstance(codec, TableCodec)
            head, *rows = csv.reader(io.StringIO(write.csv_of(raw, codec)))
            return {"kind": own, "columns": head, "rows": rows}
        case "text" | "digits":
            return {"kind": own, "lines": as_lines(raw, codec)}
        case "signals":
            return {"kind": own, "values": as_numbers(raw)}
        case "volumes":
            return {"kind": own, "pictures": [uri(one) for one in slices(raw)]}
    return {"kind": own, "values": as_numbers(raw.flatten(1))}


def as_numbers(values: Shaped[Tensor, " *shape"]) -> list[Any]:
    """Return numbers as nested lists of six digits; None for NaN and infinities."""

    def told(value: Any) -> Any:
        if isinstance(value, list):
            return [told(one) for one in value]
        return float(f"{value:.6g}") if math.isfinite(value) else None

    found = told(values.tolist())
    assert isinstance(found, list)
    return found


def slices(raw: Shaped[Tensor, "n channels depth height width"]) -> list[Image.Image]:
    """Return the middle slice of each volume, of the first channel, as grey pictures of one range."""
    middle = raw[:, 0, raw.shape[2] // 2].double().nan_to_num()
    low, high = middle.quantile(0.005), middle.quantile(0.995)
    grey = ((middle - low) / (high - low).clamp(min=1e-12) * 255).round().clamp(0, 255).byte()
    return [Image.fromarray(one.numpy()) for one in grey]


def as_lines(raw: Shaped[Tensor, " n *shape"], codec: Codec) -> list[str]:
    """Return examples of characters or digits as lines."""
    if isinstance(codec, TextCodec):
        return [codec.text(row) for row in raw.flatten(1)]
    between = " " if int(raw.max()) > 9 else ""
    return [between.join(map(str, row)) for row in raw.flatten(1).tolist()]


def write_files(raw: Shaped[Tensor, " n *shape"], specification: Specification, folder: Path, name: str) -> list[str]:
    """Write examples as files of every form that fits them; return their names."""
    codec, own = specification.codec, kind_of_data(specification)
    made = [f"{name}.npz"]
    array = raw.movedim(1, -1) if own == "images" else raw
    np.savez_compressed(folder / made[0], arr_0=array.contiguous().numpy())
    if own in ("images", "points", "signals"):
        made.append(f"{name}.png")
        plotting.save_examples(raw, folder / made[-1], codec)
    if isinstance(codec, TableCodec):
        made.append(f"{name}.csv")
        (folder / made[-1]).write_text(write.csv_of(raw, codec), encoding="utf-8")
    elif own in ("text", "digits"):
        made.append(f"{name}.txt")
        (folder / made[-1]).write_text("\n".join(as_lines(raw, codec)) + "\n", encoding="utf-8")
    elif own not in ("images", "volumes"):
        made.append(f"{name}.csv")
        names = [f"c{'_'.join(map(str, place))}" for place in np.ndindex(*specification.shape)]
        rows = [[repr(value) for value in row] for row in raw.flatten(1).numpy().tolist()]
        (folder / made[-1]).write_text(write.csv_text(names, rows), encoding="utf-8")
    return made
