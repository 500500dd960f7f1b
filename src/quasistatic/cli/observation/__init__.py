"""Reads what `infer` observes: the file and the options that say what is unknown, noisy or coarse."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from quasistatic.cli import arguments, terminal
from quasistatic.cli.terminal import bar, err

if TYPE_CHECKING:
    from torch import Tensor

    from quasistatic.model import Model
    from quasistatic.model.bench import DrawOptions
    from quasistatic.model.complete import Given


class Seen(NamedTuple):
    """An observation: values, the mask of known ones, the ground truth if there is one, texts that go along, the lines
    of a table's file that make each row.
    """

    given: "Given"
    values: "Tensor"
    known: "Tensor"
    truth: "Tensor | None"
    carried: Mapping[str, list[str]] = MappingProxyType({})
    runs: "Tensor | None" = None


def read_observation(
    model: "Model",
    source: str,
    areas: dict[str, Any],
    factor: int | None,
    std: float | None,
    data_dir: Path | None,
    limit: int | None,
) -> Seen:
    """Read the observation in ``source``.

    Args:
        model: the model.
        source: a data set, or a file that marks unknown values itself.
        areas: the value of each option that names an unknown area, by option; None if not given.
        factor: side of the blocks whose means were observed, in pixels.
        std: standard deviation of the noise, in raw units.
        data_dir: folder of named data sets.
        limit: maximum number of examples.

    Raises:
        ValueError: if nothing or more than one option says what is unknown, or the data do not fit the model.
    """
    import torch

    from quasistatic.data.observed import AREAS, INCOMPLETE

    chosen = [name for name, value in areas.items() if value is not None]
    if limit is not None and limit < 1:
        raise ValueError(f"inference is of one example or more, got --limit {limit}")
    ways = [*chosen, *(["--super-resolution"] if factor is not None else [])]
    if len(ways) > 1:
        raise ValueError(f"one option says what is unknown, got {' and '.join(ways)}; choose one")
    path = Path(source)
    if path.suffix in INCOMPLETE and path.is_file() and (seen := _marked(model, path, std, limit)) is not None:
        if ways:
            raise ValueError(f"{source} marks what is unknown itself, got {ways[0]} as well; leave it out")
        return seen
    if factor is not None:
        return _coarse(model, source, factor, std, data_dir, limit)
    dataset = model.held_out(arguments.read_for(model, source, data_dir))
    model.specification.check_shape(dataset.shape, source)
    values = dataset.batch(torch.arange(len(dataset))[:limit])
    if chosen:
        known = AREAS[chosen[0]](areas[chosen[0]], dataset)[: len(values)]
    elif std is not None:
        known = torch.ones_like(values, dtype=torch.bool)
    else:
        raise ValueError(
            f"{source} has no unknown values; mark them with NaN, or give --mask (white = unknown), --half, --box, "
            "--super-resolution or --denoise"
        )
    return Seen(_given(model, values, known, std), values, known, values if std is None else None)


def _marked(model: "Model", path: Path, std: float | None, limit: int | None) -> Seen | None:
    """Read a file that marks what is unknown itself; None if it marks nothing.

    Raises:
        ValueError: if the file cannot be read, or does not fit the model or the options.
    """
    from quasistatic.data import TableCodec
    from quasistatic.data.observed import INCOMPLETE, read_partly
    from quasistatic.data.source.guard import one_sentence
    from quasistatic.model import complete

    codec = model.specification.codec
    with one_sentence(path.name):
        if not isinstance(codec, TableCodec):
            incomplete = INCOMPLETE[path.suffix](path, codec, model.specification.shape)
            if incomplete is None:
                return None
            values, known = (part[:limit] for part in incomplete)
            return Seen(_given(model, values, known, std), values, known, None)
        rows = read_partly(path, codec).first(limit)
    if not rows.loose:
        given = _given(model, rows.values, rows.known, std)
        return Seen(given, rows.values, rows.known, None, rows.carried, rows.runs)
    if std is not None:
        raise ValueError(f"{path.name} has noise or limits of its own, got --denoise as well; leave it out")
    given = complete.within(model, rows.values, rows.known, rows.loose)
    return Seen(given, rows.values, rows.known, None, rows.carried)


def _given(model: "Model", values: "Tensor", known: "Tensor", std: float | None) -> "Given":
    """Return the observation of ``values``: exact, or with noise of the given ``std``."""
    from quasistatic.model import complete

    if std is None:
        return complete.known(model, values, known)
    return complete.noisy(model, values, std, known)


def _coarse(
    model: "Model", source: str, factor: int, std: float | None, data_dir: Path | None, limit: int | None
) -> Seen:
    """Read block means; full-size images are averaged first."""
    import torch
    from torch.nn.functional import avg_pool2d, interpolate

    from quasistatic.data import LevelsCodec
    from quasistatic.model import complete

    codec, shape = model.specification.codec, model.specification.shape
    complete.check_factor(factor, shape)
    if std is None:
        if not isinstance(codec, LevelsCodec):
            raise ValueError("means of values other than levels have noise of their own; give its std by --denoise")
        # Rounding a mean to whole levels adds noise of std 0.29 levels; half a level covers it.
        std = codec.step / 2
    dataset = model.held_out(
        arguments.read_data(source, data_dir, replace(model.config.data, size=None), like=model.specification.codec)
    )
    values, truth = dataset.batch(torch.arange(len(dataset))[:limit]), None
    if values.ndim == 4 and values.shape[1] != shape[0] == values.shape[3]:
        values = values.movedim(3, 1)  # a file of few rows was taken for channels first
    if tuple(values.shape[1:]) == shape and factor > 1:
        err.print(f"note: {source} has the model's own size: its means over {factor}×{factor} pixels are observed")
        truth, values = values, avg_pool2d(values.float(), factor)
    given = complete.low_resolution(model, values, factor, std)
    shown = interpolate(values.float(), scale_factor=factor)
    return Seen(given, shown, torch.ones_like(shown, dtype=torch.bool), truth)


def say_bias(model: "Model", seen: Seen, method: str, options: "DrawOptions") -> None:
    """Measure and print a method's bias on a known posterior, with what is known of the first example.

    Raises:
        ValueError: if every element is known.
    """
    from quasistatic.inference import FewParticles
    from quasistatic.model import draw

    if bool(seen.known.all()):
        raise ValueError("a report is for known and unknown elements; give --mask, --half, --box or NaN")
    with bar("measuring the bias") as watch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FewParticles)
        measured = draw.bias(model.config.process, seen.known[0], method, replace(options, draws=64), watch=watch)
    terminal.print_bias(measured, method, seen.known.shape[1:], options.steps)
