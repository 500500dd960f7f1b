"""Reads files whose columns have types: .parquet, .feather, .jsonl; and .xlsx, whose cells become text.

Sizes are checked before memory is allocated, where the file states them.
"""

import datetime
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from quasistatic.data.source.guard import check_packed, first_line
from quasistatic.data.source.named.sheet import Sheet, check_width, sheet_of

DAY = datetime.time()


def read_parquet_sheet(name: str, files: Sequence[Path]) -> Sheet:
    """Open Parquet files of the same columns, which may be in another order, as one sheet.

    Raises:
        ValueError: if one is not a complete Parquet file, they have no rows or too many columns, or the types of a
            column have nothing in common.
    """
    import pyarrow
    from pyarrow import parquet

    parts = []
    for file in files:
        check_width(file.name, len(parquet_schema(file)))
        with _whole(file, "a whole Parquet file"):
            parts.append(parquet.ParquetFile(file).read())
    try:
        parts[1:] = [part.select(parts[0].column_names) for part in parts[1:]]
        table = parts[0] if len(parts) == 1 else pyarrow.concat_tables(parts, promote_options="permissive")
    except (pyarrow.ArrowException, KeyError) as error:
        raise ValueError(
            f"{name}: Parquet files of one set have columns of the same types, got others ({first_line(error)}); "
            "write them with one schema"
        ) from None
    sheet = sheet_of(name, table)
    return replace(sheet, notes=(*sheet.notes, *several(files)))


def several(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the note that several files are read as one set."""
    return (f"{len(files)} Parquet files are read as one set",) if len(files) > 1 else ()


def parquet_schema(path: Path) -> Any:
    """Return the Arrow schema of a Parquet file, after a check that the file can hold its claimed number of values.

    Raises:
        ValueError: if it is not a complete Parquet file, or claims far more values than it can hold.
    """
    from pyarrow import parquet

    with _whole(path, "a whole Parquet file"):
        file = parquet.ParquetFile(path)
        found, schema = file.metadata, file.schema_arrow
        packed = sum(found.row_group(group).total_byte_size for group in range(found.num_row_groups))
    # every cell of a table takes 8 bytes; run-length encoding can hide very many of them
    check_packed(path.name, path.stat().st_size, max(packed, 8 * found.num_rows * found.num_columns))
    return schema


def read_feather(path: Path) -> Sheet:
    """Open a Feather file, which is an Arrow IPC file, or one of version 1.

    Raises:
        ValueError: if it is not a complete Feather file, or unpacks to far more than it can hold.
    """
    import pyarrow
    from pyarrow import feather, ipc

    with path.open("rb") as file:
        first = file.read(4)
    with _whole(path, "a whole Feather file"):
        if first == b"FEA1":
            return sheet_of(path.name, feather.read_table(path, memory_map=False))
        with pyarrow.OSFile(str(path)) as source, ipc.open_file(source) as content:
            batches, size = [], 0
            for place in range(content.num_record_batches):
                batches.append(content.get_batch(place))
                size += batches[-1].nbytes
                check_packed(path.name, path.stat().st_size, size)
            table = pyarrow.Table.from_batches(batches, content.schema)
    return sheet_of(path.name, table)


def read_json_lines(path: Path) -> Sheet:
    """Open a file of one JSON object per line.

    Raises:
        ValueError: if a line is no JSON object, or a field changes its type.
    """
    from pyarrow import json as arrow

    with _whole(path, "a JSON object in each line, each field of one type,"):
        size = min(max(path.stat().st_size, 1) + 1, 2**31 - 1)
        table = arrow.read_json(path, read_options=arrow.ReadOptions(block_size=size))
    return sheet_of(path.name, table)


def read_excel(path: Path) -> Sheet:
    """Open the first sheet of an Excel workbook; its cells become text, formulas their last value.

    Raises:
        ValueError: if it is no such workbook, openpyxl is not installed, or there is no line of names.
    """
    try:
        import openpyxl
    except ImportError:
        raise ValueError(
            f"{path.name}: workbooks are read with openpyxl, which is not installed; run `pip install "
            "'quasistatic[xlsx]'`, or save the sheet as .csv"
        ) from None
    import pyarrow

    with _whole(path, "a whole workbook (.xlsx)"):
        with zipfile.ZipFile(path) as archive:
            check_packed(path.name, path.stat().st_size, sum(part.file_size for part in archive.infolist()))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            titles = book.sheetnames
            rows = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    rows = [row for row in rows if any(cell is not None for cell in row)]
    if not rows:
        raise ValueError(f"{path.name}: a table needs at least one row and one column, got none")
    width = max(map(len, rows))
    check_width(path.name, width)
    columns = zip(*(row + [None] * (width - len(row)) for row in rows[1:]), strict=True)
    texts = [_texts(cells) for cells in columns] or [[] for _ in range(width)]
    names = ["" if name is None else str(name).strip() for name in rows[0]]
    table = pyarrow.Table.from_arrays(
        [pyarrow.array(cells, pyarrow.string()) for cells in texts], names + [""] * (width - len(names))
    )
    note = (f"the first of {len(titles)} sheets is read, {titles[0]!r}",) if len(titles) > 1 else ()
    found = sheet_of(path.name, table, typed=False)
    return Sheet(path.name, found.table, False, False, (*note, *found.notes), found.problems)


def _texts(cells: tuple[Any, ...]) -> list[str | None]:
    """Return a workbook's cells as text; dates without a time if none in the column has one."""
    dates = [cell for cell in cells if isinstance(cell, datetime.datetime)]
    days = bool(dates) and all(cell.time() == DAY for cell in dates)

    def text(cell: Any) -> str | None:
        if cell is None:
            return None
        if isinstance(cell, datetime.datetime):
            return cell.date().isoformat() if days else cell.isoformat(" ", "seconds")
        return str(cell).lower() if isinstance(cell, bool) else str(cell)

    return [text(cell) for cell in cells]


@contextmanager
def _whole(path: Path, needed: str) -> Iterator[None]:
    """Turn exceptions of a reader into one sentence."""
    import pyarrow

    try:
        yield
    except (OSError, pyarrow.ArrowException, zipfile.BadZipFile, KeyError, IndexError) as error:
        if isinstance(error, MemoryError):
            raise
        raise ValueError(
            f"{path.name}: {needed} is needed, got one that cannot be read ({first_line(error)})"
        ) from None
