"""Writes examples in raw units to a file; the suffix decides the format.

    .png     one picture          .npy    the array          .csv   a row per example, columns c0, c1, …
    folder/  one PNG each         .npz    the array as arr_0 .txt   a line per example: characters, bits, states
    .parquet a table              (.csv of a table: its own columns, by name)

Images are written (n, height, width, channels), the convention of the field's sample files.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from quasistatic.cli.arguments import check_file
from quasistatic.cli.observation import Seen
from quasistatic.cli.terminal import bar, err
from quasistatic.data import BitsCodec, Codec, Dataset, RecordsCodec, StatesCodec, SymbolsCodec, TableCodec, TextCodec
from quasistatic.data.dataset import spread
from quasistatic.data.observed import ending_kept
from quasistatic.data.table import write as tables
from quasistatic.evaluation import Score
from quasistatic.evaluation.baselines import Baseline
from quasistatic.model import Model, complete
from quasistatic.model.evaluate.cells import CellScores, cell_scores
from quasistatic.model.evaluate.ranking import Maps, Scored
from quasistatic.runtime.files import replace_file
from quasistatic.schedule import Schedule

Draw = Callable[[Path], object]
"""Draws a picture into the file it is given."""

ENDINGS = (".png", ".npy", ".npz", ".csv", ".txt", ".parquet")


def check_target(out: Path, text: str, form: str = "long") -> None:
    """Check that a target can be written, before any work is done.

    ``text`` is the path as typed, where a folder ends in ``/``; ``form`` is the layout of a table.

    Raises:
        ValueError: if the suffix or the layout is unknown.
        FileNotFoundError: if the parent folder does not exist.
        FileExistsError: if the target is a folder that holds files.
    """
    check_form(form)
    if is_folder(text):
        if out.is_dir() and any(out.iterdir()):
            raise FileExistsError(f"pictures go to a new or empty folder, and {out} holds files; name another")
    elif out.suffix.lower() not in ENDINGS:
        raise ValueError(f"an output file ends in {', '.join(ENDINGS)} or is a folder (ends in /), got {text}")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {out.parent} to write {out.name} to; make it first")


def with_ids(codec: Codec, ids: str) -> Codec:
    """Return the codec of a table with its ids empty or numbered in what it writes.

    Raises:
        ValueError: if ``ids`` is no such choice, or numbers are for a table that has no ids.
    """
    if ids not in ("empty", "numbered"):
        raise ValueError(f"ids in samples are empty or numbered, got {ids!r}")
    if ids == "empty":
        return codec
    if not isinstance(codec, TableCodec) or codec.numbered() == codec:
        raise ValueError(f"ids are numbered in tables that have some, got {codec}; leave --ids out")
    return codec.numbered()


def is_folder(text: str) -> bool:
    """Return whether a target names a folder."""
    return text.endswith("/") or (Path(text).is_dir() and not Path(text).suffix)


def write(raw: Shaped[Tensor, " n *shape"], text: str, codec: Codec, picture: Draw, leading: int = 1) -> None:
    """Write examples, after ``leading`` axes, to the target ``text``; ``picture`` draws a PNG. Replaces it atomically.

    Raises:
        ValueError: if the suffix does not fit the data.
    """
    out = Path(text)
    if is_folder(text):
        from quasistatic.plotting import images_to_files

        images_to_files(raw, out, codec)
        return
    writers: dict[str, Draw] = {
        ".png": picture,
        ".npy": lambda part: part.write_bytes(_saved(np.save, channels_last(raw, leading))),
        ".npz": lambda part: part.write_bytes(_saved(np.savez_compressed, channels_last(raw, leading))),
        ".csv": lambda part: part.write_text(_table(raw, codec), encoding="utf-8"),
        ".parquet": lambda part: _parquet(part, raw, codec),
        ".txt": lambda part: part.write_text("\n".join(lines(raw, codec)) + "\n", encoding="utf-8"),
    }
    replace_file(out, writers[out.suffix.lower()])


def write_completions(
    model: Model, seen: Seen, raw: Shaped[Tensor, "n draws *shape"], observed: str, text: str, form: str
) -> None:
    """Write completions to the target ``text``; a table in the layout ``form``, a text as one text per draw.

    Args:
        model: the model.
        seen: what was observed; a table's known cells are written as they came.
        raw: the draws.
        observed: the file that was completed.
        text: the target.
        form: ``long`` or ``wide``.

    Raises:
        ValueError: if the suffix does not fit the data.
    """
    from quasistatic import plotting

    codec, out = model.specification.codec, Path(text)
    if Path(observed).suffix == out.suffix == ".txt" and isinstance(codec, SymbolsCodec):
        write_text(raw, out, codec, len(ending_kept(Path(observed), codec)))
        return
    if isinstance(codec, TableCodec) and out.suffix in (".csv", ".parquet"):
        kept = raw.where(~seen.known[:, None], seen.values[:, None].to(raw))
        known = seen.known
        if seen.runs is not None:
            kept, known, codec = tables.completed_lines(kept, known, codec, seen.runs)
        beside = write_imputations(kept, known, out, codec.carrying(seen.carried), form)
        if beside is not None:
            err.print(f"means, intervals and most frequent categories in {beside}")
            numbers = [bool(column.ranges) for column in codec.columns]
            if bool((~known[:, numbers]).any()):
                err.print(f"note: {tables.Interval.of(raw.shape[1])}")
        return
    values = complete.nearest(model, seen.values, seen.known)
    x, leading = (raw, 2) if out.suffix in (".npy", ".npz") else (raw.flatten(0, 1), 1)
    write(x, text, codec, lambda part: plotting.completions(values, seen.known, raw, seen.truth, part, codec), leading)


def check_scores(method: str, scores: Path | None, picture: Path | None) -> None:
    """Check the files of a score before any work is done.

    Raises:
        ValueError: if a file's ending or folder is wrong, or the method has nothing to plot.
    """
    check_file(scores, ".csv")
    check_file(picture, ".png")
    if picture is not None:
        from quasistatic import plotting

        plotting.check_score(method)


def element_maps(folder: Path | None, dataset: Dataset) -> Maps | None:
    """Return what collects the maps of ``dataset``, once ``folder`` has been checked; None if there is no folder."""
    if folder is None:
        return None
    from quasistatic import plotting

    plotting.check_maps(dataset.shape, folder)
    return Maps(dataset)


def table_cells(model: Model, dataset: Dataset) -> CellScores | None:
    """Return the scores of a table's cells; None for other data."""
    if not isinstance(model.specification.codec, TableCodec):
        return None
    with bar("scoring cells") as watch:
        return cell_scores(model, dataset, watch)


def write_scores(
    found: Scored,
    dataset: Dataset,
    baselines: Mapping[str, Baseline] | None,
    scores: Path | None,
    maps: tuple[Path | None, Maps | None],
    picture: tuple[Path | None, Sequence[Schedule]],
    cells: CellScores | None = None,
) -> None:
    """Write the files that were asked for: scores of each example, maps with their folder, the plot of a score.

    Args:
        found: the scores.
        dataset: the examples.
        baselines: scores of other models.
        scores: the .csv, or None.
        maps: a new folder and what collected the maps, or None.
        picture: the .png, or None, and the schedules of the process.
        cells: scores of a table's cells, or None.
    """
    from quasistatic import plotting

    if scores is not None:
        of_cells: dict[str, Tensor | list[str]] = {}
        if cells is not None:
            of_cells = {f"bits of {name}": bits for name, bits in zip(cells.names, cells.bits.T, strict=True)}
            of_cells["strange"] = cells.strange
        ids = dataset.ids_of(spread(len(dataset), found.score.examples))  # a target error may need fewer of them
        scores_file(scores, ids, found.score, baselines, {**found.columns, **of_cells})
    folder, shares = maps
    if folder is not None and shares is not None:
        with bar("drawing maps") as watch:
            raw = dataset.batch(torch.arange(len(dataset)))
            plotting.save_maps(raw, shares.bits, dataset.ids, folder, dataset.codec, watch)
    file, schedules = picture
    if file is not None and found.detail is not None:
        plotting.score(found.detail, schedules[0] if len(schedules) == 1 else None, dataset.dimensions, file)


def scores_file(
    path: Path,
    ids: Sequence[str],
    scores: Score,
    baselines: Mapping[str, Baseline] | None = None,
    columns: Mapping[str, Tensor | list[str]] | None = None,
) -> None:
    """Write each example's score to a .csv file, in bits/dim, with those of the null model and the baselines.

    The column ``bits_per_example`` is not divided by the dimensions; a higher value means a more unusual record. A
    baseline that scores only the whole set has no column. Examples with probability 0 get ``inf``. Further ``columns``
    are last, as they are.
    """
    text = lambda values: [  # noqa: E731
        str(value) if isinstance(value, int) else f"{value:.6f}" for value in values.tolist()
    ]
    bits = lambda nats: text(scores.bits(nats))  # noqa: E731
    found = {
        "id": ids,
        scores.unit.replace("/", "_per_"): bits(-scores.log_likelihoods),
        "standard_error": bits(scores.errors),
        "null": bits(-scores.null_log_likelihoods),
        "bits_per_example": text(-scores.log_likelihoods / math.log(2)),
    }
    for name, baseline in (baselines or {}).items():
        if baseline.log_likelihoods is not None:
            found[name] = bits(-baseline.log_likelihoods)
    for name, values in (columns or {}).items():
        found[name] = values if isinstance(values, list) else text(values)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([found, *zip(*found.values(), strict=True)])
    replace_file(path, lambda part: part.write_text(table.getvalue()))


def write_text(raw: Int[Tensor, "n draws length"], out: Path, codec: SymbolsCodec, length: int) -> None:
    """Write completions of a text that was cut into pieces: join each draw, cut to ``length``, add a newline."""
    draws = [codec.text(raw[:, draw].flatten())[:length] for draw in range(raw.shape[1])]
    replace_file(out, lambda part: part.write_text("\n".join(draws) + "\n", encoding="utf-8"))


def write_imputations(
    raw: Shaped[Tensor, "n draws columns"],
    known: Bool[Tensor, "n columns"],
    out: Path,
    codec: TableCodec,
    form: str = "long",
) -> Path | None:
    """Write the completions of a table's rows.

    ``long``: one line per row and draw, with their numbers. ``wide``: one line per row, with a column per draw
    (`wide_form`). With two draws or more, a summary is written next to it: one line per empty cell (`summary`).

    Returns:
        The summary's file, or None.

    Raises:
        ValueError: if the form is unknown.
    """
    check_form(form)
    keys: tables.Keys | None = None
    if form == "long":
        flat, keys = tables.long_form(raw)
        columns = codec
    else:
        flat, columns = tables.wide_form(raw, known, codec)
    if out.suffix.lower() == ".parquet":
        replace_file(out, lambda part: _parquet(part, flat, columns, keys))
    else:
        replace_file(out, lambda part: part.write_text(tables.csv_of(flat, columns, keys), encoding="utf-8"))
    if raw.shape[1] < 2:
        return None
    beside = out.with_name(f"{out.stem}-summary.csv")
    replace_file(beside, lambda part: part.write_text(tables.summary(raw, known, codec), encoding="utf-8"))
    return beside


def check_form(form: str) -> None:
    """Raise ValueError if ``form`` is not a known layout."""
    if form not in ("long", "wide"):
        raise ValueError(f"imputations are written in the form long or wide, got {form!r}")


def lines(raw: Shaped[Tensor, " n *shape"], codec: Codec) -> list[str]:
    """Return examples as lines of text: characters, digits, or (for more than ten states) numbers with spaces between.

    Raises:
        ValueError: if the data are not characters, bits or states.
    """
    flat = raw.flatten(1)
    match codec:
        case TextCodec():
            return [codec.text(row) for row in flat]
        case BitsCodec() | StatesCodec():
            between = " " if isinstance(codec, StatesCodec) and codec.states > 10 else ""
            return [between.join(map(str, row)) for row in flat.tolist()]
    raise ValueError(
        f"text is made of characters, bits or states, and the model's data are {codec}; write .npy or .csv"
    )


def channels_last(raw: Shaped[Tensor, "*shape"], leading: int) -> np.ndarray:
    """Return images (…, channels, height, width) as (…, height, width, channels); other data unchanged."""
    return (raw.movedim(-3, -1) if raw.ndim - leading == 3 else raw).contiguous().numpy()


def _saved(save: Callable[..., None], array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    save(buffer, array)
    return buffer.getvalue()


def _parquet(part: Path, raw: Tensor, codec: Codec, keys: tables.Keys | None = None) -> None:
    from pyarrow import parquet

    if not isinstance(codec, TableCodec):
        raise ValueError(f"a .parquet file holds the columns of a table, and the model's data are {codec}; write .npy")
    parquet.write_table(tables.arrow_of(raw, codec, keys), part)


def _table(raw: Tensor, codec: Codec) -> str:
    if isinstance(codec, TableCodec):
        return tables.csv_of(raw, codec)
    flat = raw.flatten(1)
    if isinstance(codec, SymbolsCodec | RecordsCodec):
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([[f"c{i}" for i in range(flat.shape[1])], *lines(flat, codec)])
        return table.getvalue()
    header = ",".join(f"c{column}" for column in range(flat.shape[1]))
    rows = (",".join(map(str, row)) for row in (flat.tolist() if flat.dtype != torch.float32 else _short(flat)))
    return "\n".join([header, *rows]) + "\n"


def _short(values: Tensor) -> list[list[str]]:
    """Return the shortest decimal texts that restore the same float32 values."""
    return [[np.format_float_positional(value, unique=True, trim="0") for value in row] for row in values.numpy()]
