"""The examples that a request is about: a held-out one, files from the page, cells of a table, or a text with gaps."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from quasistatic.config import Specification
from quasistatic.data import Dataset, LevelsCodec, inspect, load
from quasistatic.data.dataset import from_tensor
from quasistatic.data.source.arrays import arranged
from quasistatic.data.source.arrays.files import read_numpy
from quasistatic.model import Model
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.desk import Desk

MOST_ROWS = 2_000
"""Maximum examples that are read of an upload."""

MOST_LABELS = 40
"""Maximum classes or characters whose counts are shown, the most frequent first."""

BYTE = 255


def held_out_example(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Return a held-out example, by its number, and how many there are."""
    model = desk.model()
    unseen = desk.unseen(model)
    place = asked.whole(request, "index", 0, 2**53, 0) % len(unseen)
    found = shown.shown_examples(unseen.batch(torch.tensor([place])), model.specification)
    return {"example": found, "index": place, "count": len(unseen)}


def open_run(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Load a run's model and its held-out examples, which stay in memory for what comes next."""
    return {"held_out": desk.held_out(desk.open()) is not None}


def data_report(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Inspect the run's data, as `quasistatic check` does; their name is told without its folder."""
    model = desk.model()
    source, dataset = desk.known(model)
    report = inspect(
        source, model.config.data.reading(like=model.specification.codec), progress=desk.progress
    ).to_dict()
    told = {name: value for name, value in report.items() if value not in (None, "", {}, (), [])}
    labels = Counter(told.pop("labels", {})).most_common(MOST_LABELS)
    return {
        "report": {**as_json_values(told), "source": Path(source).name},
        "labels": [[str(name), count] for name, count in labels],
        "held_out": len(model.held_out(dataset)),
    }


def as_json_values(value: Any) -> Any:
    """Return a tree of values as JSON has them: names are texts, and what is no number is a text too."""
    match value:
        case dict():
            return {str(name): as_json_values(own) for name, own in value.items()}
        case list() | tuple():
            return [as_json_values(own) for own in value]
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)
    return str(value)


def uploaded_example(desk: Desk, request: dict[str, Any]) -> dict[str, Any]:
    """Read an image or a signal from the page; an image of another size is fitted only if ``fit`` says so."""
    model = desk.model()
    if shown.kind_of_data(model.specification) == "signals":
        signal, _, _ = one_signal(desk, model, {"upload": True})
        return {"example": shown.shown_examples(signal, model.specification)}
    raw, size = _images(desk, model.specification, bool(request.get("fit")))
    wanted = list(model.specification.shape)
    if raw is None:
        return {"example": None, "size": size, "wanted": wanted}
    return {"example": shown.shown_examples(raw[:1], model.specification), "size": size, "wanted": wanted}


def one_image(desk: Desk, model: Model, request: Mapping[str, Any]) -> tuple[Shaped[Tensor, " one *shape"], bool]:
    """Return the image that a request names, and whether it is a whole one, which draws can be compared with.

    Raises:
        ValueError: if there is none, or it has another size.
    """
    if "upload" not in request:
        unseen = desk.unseen(model)
        return unseen.batch(torch.tensor([asked.whole(request, "index", 0, 2**53, 0) % len(unseen)])), True
    raw, size = _images(desk, model.specification, bool(request.get("fit")))
    if raw is None:
        shapes = ["×".join(map(str, sides)) for sides in (model.specification.shape, size)]
        raise ValueError(f"the model completes images of {shapes[0]}, got {shapes[1]}; fit it to that size first")
    return raw[:1], False


def one_signal(
    desk: Desk, model: Model, request: Mapping[str, Any]
) -> tuple[Shaped[Tensor, "one channels length"], Bool[Tensor, "one channels length"], bool]:
    """Return the signal that a request names, the mask of what is known of it, and whether that is all of it.

    Raises:
        ValueError: if there is none, or it has another shape.
    """
    if "upload" not in request:
        unseen = desk.unseen(model)
        raw = unseen.batch(torch.tensor([asked.whole(request, "index", 0, 2**53, 0) % len(unseen)]))
        return raw, torch.ones_like(raw, dtype=torch.bool), True
    folder, shape = Path(desk.paths["upload"]), model.specification.shape
    (file,) = [path for path in folder.iterdir() if path.name != "names.json"][:1]
    if file.suffix not in (".npy", ".npz"):
        raise ValueError(f"signals are read from .npy or .npz, got {file.suffix or 'a file without an ending'}")
    found = read_numpy(file)
    alone = found.values.ndim == 1 or (found.values.ndim == 2 and shape[0] > 1)
    raw, _ = arranged(found.name, found.values[None] if alone else found.values, 1)
    if tuple(raw.shape[1:]) != shape:
        wanted, came = ("×".join(map(str, sides)) for sides in (shape, raw.shape[1:]))
        raise ValueError(f"the model's signals have {wanted} channels and places, got {came}; use one of that size")
    raw = raw[:1]
    known = raw.isfinite() if raw.is_floating_point() else torch.ones_like(raw, dtype=torch.bool)
    return raw, known, bool(known.all())


def _images(desk: Desk, specification: Specification, fit: bool) -> tuple[Tensor | None, list[int]]:
    """Return the images of an upload in the model's raw units, None if they have another size; and their own size."""
    folder = Path(desk.paths["upload"])
    files = [path for path in sorted(folder.iterdir()) if path.name != "names.json"]
    channels, height, width = specification.shape
    options: dict[str, Any] = {"channels": channels, "limit": MOST_ROWS}
    if fit:
        options["size"] = (height, width)
    dataset = load(files[0] if len(files) == 1 else _pictures(folder), **options)
    size = list(dataset.shape)
    if dataset.shape != specification.shape:
        return None, size
    return _leveled(dataset.batch(torch.arange(len(dataset))), dataset, specification), size


def _pictures(folder: Path) -> Path:
    """Return a folder with the pictures of an upload only."""
    inner = folder / "files"
    if not inner.is_dir():
        inner.mkdir()
        for path in folder.glob("0*"):
            path.rename(inner / path.name)
    return inner


def _leveled(raw: Tensor, dataset: Dataset, specification: Specification) -> Tensor:
    """Return 8-bit brightness as the levels of the model, if it has others."""
    codec = specification.codec
    eight = raw.dtype == torch.uint8 and isinstance(dataset.codec, LevelsCodec) and int(dataset.codec.high) == BYTE
    if not eight or not isinstance(codec, LevelsCodec) or codec.levels == BYTE + 1:
        return raw
    steps = (raw.double() / BYTE * (codec.levels - 1)).round()
    return (steps / (codec.levels - 1) * (codec.high - codec.low) + codec.low).to(torch.uint8)


def uploaded(desk: Desk, model: Model) -> tuple[Dataset, list[str]]:
    """Return what was uploaded as data for a score, with a name for each example.

    Images of another size are fitted; other data are read as the run reads its own.

    Raises:
        ValueError: if it cannot be read, or is of another kind.
    """
    folder = Path(desk.paths["upload"])
    names = json.loads((folder / "names.json").read_text())
    if shown.kind_of_data(model.specification) == "images":
        try:
            raw, _ = _images(desk, model.specification, False)
        except ValueError:
            raw = None
        raw = _images(desk, model.specification, True)[0] if raw is None else raw
        assert raw is not None
        dataset = replace(from_tensor("upload", raw), codec=model.specification.codec)
        labels = names if len(names) == len(raw) else [str(row) for row in range(len(raw))]
        return dataset, labels
    (file,) = [path for path in folder.iterdir() if path.name != "names.json"][:1]
    reading = model.config.data.reading(like=model.specification.codec)
    dataset = load(file, reading.changed({"limit": MOST_ROWS}))
    return dataset, dataset.ids
