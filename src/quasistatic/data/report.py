"""Inspects a data set before training: counts, sizes, levels, ranges, and every problem.

`inspect` also reports on data that `load` rejects. Images are decoded one by one, at their own size.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quasistatic.data.codec.registry import codec_of
from quasistatic.data.codec.text import RecordsCodec
from quasistatic.data.contents import Contents, DataOptions
from quasistatic.data.dataset import spread
from quasistatic.data.labels.covariates import with_covariates
from quasistatic.data.load import open_checked, read_as
from quasistatic.data.source import arrays, images
from quasistatic.data.source.arrays import Array, arranged, class_numbers
from quasistatic.data.source.guard import one_sentence
from quasistatic.data.source.images import Images, Scan, decode, frame_of, scan_headers, threads
from quasistatic.data.source.text import Bytes, Text, Texts, elements_of
from quasistatic.data.table.aside import ASIDES
from quasistatic.data.table.kinds.plan import Line
from quasistatic.data.table.read import TableContents

PRINTS = 2**18
"""Maximum number of examples to check for duplicates; each takes a few microseconds and 100 bytes."""


@dataclass(frozen=True)
class Report:
    """The report on a source, in raw units.

    Attributes:
        source: the source, as given.
        count: number of readable examples.
        sizes: "channels×height×width", or "n columns" → number of examples.
        modes: Pillow image mode → number of images; empty for arrays.
        dtype: type of the values.
        levels: levels of integer data; "" for continuous values.
        minimum, maximum, mean, std: statistics of all finite values; None if there are none.
        missing: number of NaN or infinite values.
        columns: column name of a table → its content.
        plan: what is learned of each column of a table, and how; see `table.kinds.plan.Line`.
        missing_columns: column of a table → number of its NaN or infinite values.
        constant_columns: columns of a table with a single value.
        labels: class → number of examples; for a text, character → number of occurrences.
        duplicates: number of examples equal to an earlier one.
        unreadable: file → why it cannot be read.
        notes: what loading will do, one phrase each.
        problems: why the source cannot be loaded, one sentence each.
    """

    source: str
    count: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    dtype: str = ""
    levels: str = ""
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    missing: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    plan: tuple[Line, ...] = ()
    missing_columns: dict[int, int] = field(default_factory=dict)
    constant_columns: tuple[int, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """True if `load` with the same options, and the recipe of a table, will accept the data."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and `ready`, for JSON."""
        return {**asdict(self), "ready": self.ready}


def inspect(source: str | Path, options: DataOptions = DataOptions(), **changes: Any) -> Report:
    """Inspect the data that `load` would read with the same arguments, also if `load` would reject them.

    Args:
        source: as for `load`.
        options: how to read it.
        changes: fields of `DataOptions` to replace.

    Raises:
        FileNotFoundError: if there is no such name, file, folder or set on the hub.
        TypeError: if `DataOptions` has no such field.
        ValueError: if an option is invalid, as in `load`.
    """
    options = options.changed(changes)
    spread(1, options.limit)
    try:
        with one_sentence(str(source)):
            contents = open_checked(str(source), options)
            report = survey(contents, str(source), options)
            if report.ready and (options.states is not None or options.threshold is not None):
                read_as(contents.dataset(options), options)
        if report.ready and options.condition is not None:
            with one_sentence(str(options.condition)):
                told = with_covariates(contents.dataset(options), options.condition)
            notes = [note for note in told.notes if note.startswith("condition: ")]
            codec = told.covariates.codec if told.covariates else "nothing"
            report = replace(report, notes=(*report.notes, *notes, f"told of each example: {codec}"))
        return report
    except ValueError as error:
        return Report(str(source), problems=(str(error),))


@singledispatch
def survey(contents: Contents, source: str, options: DataOptions) -> Report:
    """Report on opened contents: by default on their data set; some kinds register their own report."""
    try:
        dataset = contents.dataset(options)
    except ValueError as error:
        return Report(source, problems=(str(error),))
    dataset = dataset.select(spread(len(dataset), options.limit))
    values = dataset.batch(torch.arange(len(dataset)))
    codec = "" if values.is_floating_point() else str(dataset.codec)
    described = Report(source, levels=codec, labels=_classes(dataset.labels, dataset.classes), notes=dataset.notes)
    return _of_values(described, values)


def _of_values(described: Report, values: Tensor) -> Report:
    """Add statistics of ``values`` to a report: (rows, columns) or (rows, channels, height, width)."""
    table = values if values.ndim == 2 else values[:, :0].flatten(1)
    unknown = ~values.isfinite()
    missing = unknown[:, : table.shape[1]].flatten(1).sum(0)
    return replace(
        described,
        count=len(values),
        sizes={_size(values.shape[1:]): len(values)},
        dtype=described.dtype or str(values.dtype).removeprefix("torch."),
        **_moments(values[~unknown] if unknown.any() else values),
        missing=int(unknown.sum()),
        missing_columns={column: int(missing[column]) for column in missing.nonzero()[:, 0].tolist()},
        constant_columns=tuple((table == table[:1]).all(0).nonzero()[:, 0].tolist()),
        **_duplicates(described, values),
    )


@survey.register
def _(contents: Array, source: str, options: DataOptions) -> Report:
    problems = arrays.array_problems(contents)
    values, labels = contents.values, contents.labels
    if values.dtype.kind not in "buif" or values.size == 0:
        return Report(source, dtype=str(values.dtype), problems=tuple(problems))
    matched = None if labels is None or problems else labels.reshape(-1)
    if options.limit is not None and options.limit < len(values):
        rows = spread(len(values), options.limit).numpy()
        values, matched = values[rows], None if matched is None else matched[rows]
    shaped, notes = arranged(contents.name, values, options.axes)
    described = Report(
        source,
        dtype=str(values.dtype),
        levels=_levels(shaped),
        labels=_classes(*class_numbers(matched, contents.classes)),
        notes=contents.notes + notes,
        problems=tuple(problems or _refusal(contents, options)),
    )
    return _of_values(described, shaped)


@survey.register
def _(contents: TableContents, source: str, options: DataOptions) -> Report:
    plan = contents.plan(options)
    values = plan.raw[spread(len(plan.raw), options.limit)]
    gaps = {place: line.empty for place, line in enumerate(plan.lines) if line.empty}
    problems = [f"{contents.name}: {problem}" for problem in (*filter(None, [plan.unknown]), *plan.problems)]
    if not problems and (options.states is not None or options.threshold is not None):
        problems = _refusal(contents, options)
    notes = plan.notes
    if not problems and options.in_series:
        notes = contents.dataset(options).notes
    constant = [place for place, line in enumerate(plan.lines) if line.kind == "constant"]
    if not problems and all(line.kind in ASIDES for line in plan.lines):
        named = ", ".join(plan.lines[place].column for place in constant)
        problems = [f"every column needs two different values or more, got one or none in {named}; drop it"]
    rows = contents.sheet.table.num_rows if plan.problems else len(values)
    return Report(
        source,
        count=rows,
        sizes={_size((len(plan.lines),)): rows},
        dtype="table",
        missing=sum(gaps.values()),
        columns={line.column: line.content + (f", {line.empty} empty" if line.empty else "") for line in plan.lines},
        plan=plan.lines,
        missing_columns=gaps,
        constant_columns=tuple(constant),
        problems=tuple(problems),
        **_duplicates(Report(source, notes=notes), values),
    )


@survey.register
def _(contents: Text, source: str, options: DataOptions) -> Report:
    return _of_text(contents, f"text of {len(contents.text)} characters", Counter(contents.text), source, options)


@survey.register
def _(contents: Texts, source: str, options: DataOptions) -> Report:
    length = sum(len(text.text) for text in contents.texts)
    sizes = Counter({name: len(text.text) for name, text in zip(contents.classes, contents.texts, strict=True)})
    return _of_text(contents, f"{len(contents.texts)} texts of {length} characters", sizes, source, options)


@survey.register
def _(contents: Bytes, source: str, options: DataOptions) -> Report:
    return _of_text(contents, f"{len(contents.data)} bytes", Counter(), source, options)


def _of_text(
    contents: Text | Texts | Bytes, dtype: str, labels: Counter[str], source: str, options: DataOptions
) -> Report:
    try:
        dataset = contents.dataset(options)
    except ValueError as error:
        return Report(source, dtype=dtype, labels=_characters(labels), problems=(str(error),))
    codec, sizes = dataset.codec, {f"{dataset.dimensions} {elements_of(dataset.codec)}": len(dataset)}
    if isinstance(codec, RecordsCodec):
        lengths = codec.units(codec.encode(dataset.batch(torch.arange(len(dataset))))) - 1
        sizes = _counts(f"{length} characters" for length in lengths.sort().values.tolist())
    found = Report(source, count=len(dataset), sizes=sizes, dtype=dtype, levels=str(codec), notes=dataset.notes)
    return replace(found, labels=_characters(labels))


def _characters(counts: Counter[str]) -> dict[str, int]:
    """Return how often each character occurs, in their order; or the characters of each class."""
    return {repr(name) if len(name) == 1 else name: counts[name] for name in sorted(counts)}


@survey.register
def _(contents: Images, source: str, options: DataOptions) -> Report:
    scan = scan_headers(contents.source, spread(len(contents.source.names), options.limit).tolist())
    rows, headers, broken = list(scan.headers), dict(scan.headers), dict(scan.broken)
    counts, prints = torch.zeros(256, dtype=torch.int64), set()
    # keep each image's size, with the channels of the final set
    frame = replace(frame_of(scan, options), size=None)
    for done, pixels in decode(contents.source, rows, frame, threads(scan)):
        if isinstance(pixels, str):
            broken[contents.source.names[rows[done]]] = pixels
            del headers[rows[done]]
        else:
            counts += pixels.flatten().bincount(minlength=256)
            prints.add(_print(pixels))
        if options.progress:
            options.progress(done + 1, len(rows))
    scan = Scan(headers, broken)
    labels = None if contents.labels is None else contents.labels[list(headers)]
    return Report(
        source,
        count=len(headers),
        sizes=_counts(_size((frame.channels, *header.size)) for header in headers.values()),
        modes=_counts(header.mode for header in headers.values()),
        dtype="uint8",
        levels=_levels(counts.nonzero().to(torch.uint8)),
        **_weighted(counts),
        labels=_classes(labels, contents.classes),
        duplicates=len(headers) - len(prints),
        unreadable=broken,
        notes=contents.notes + frame_of(scan, options).notes(headers.values()),
        problems=tuple(images.image_problems(contents.name, scan, options, contents.notes)),
    )


def _refusal(contents: Contents, options: DataOptions) -> list[str]:
    try:
        contents.dataset(options)
    except ValueError as error:
        return [str(error)]
    return []


def _levels(values: Tensor) -> str:
    if values.is_floating_point() or not values.numel():
        return ""
    try:
        return str(codec_of(values))
    except ValueError:
        return ""


def _moments(values: Tensor) -> dict[str, Any]:
    values = values.flatten()
    if values.dtype == torch.uint8:
        return _weighted(values.bincount(minlength=256))
    if not len(values):
        return {}
    values = values.double()
    found = {"minimum": values.min(), "maximum": values.max(), "mean": values.mean(), "std": values.std(correction=0)}
    return {name: value.item() for name, value in found.items()}


def _weighted(counts: Tensor) -> dict[str, Any]:
    """Return the moments of the values 0, 1, …, given their counts."""
    seen = counts.nonzero()[:, 0].double()
    if not len(seen):
        return {}
    share = counts[counts > 0].double() / counts.sum()
    mean = (share * seen).sum()
    std = (share * (seen - mean) ** 2).sum().sqrt()
    return {"minimum": seen[0].item(), "maximum": seen[-1].item(), "mean": mean.item(), "std": std.item()}


def _duplicates(described: Report, values: Tensor) -> dict[str, Any]:
    """Count rows equal to an earlier one, among at most `PRINTS` rows."""
    compared = values[spread(len(values), PRINTS)]
    notes = (f"duplicates are counted among {PRINTS:,} examples",) if len(values) > PRINTS else ()
    distinct = len({_print(row) for row in compared})
    return {"duplicates": len(compared) - distinct, "notes": described.notes + notes}


def _counts(things: Iterable[str]) -> dict[str, int]:
    return dict(Counter(things).most_common())


def _classes(labels: Tensor | None, classes: tuple[str, ...]) -> dict[str, int]:
    if labels is None:
        return {}
    counts = labels.bincount(minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]} columns"


def _print(values: Tensor) -> bytes:
    data = hashlib.blake2b(str(tuple(values.shape)).encode(), digest_size=16)
    data.update(values.contiguous().view(-1).view(torch.uint8).numpy().data)
    return data.digest()
