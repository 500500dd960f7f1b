"""Opens tables: a file of named columns → `Sheet` → `Plan` → data set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from quasistatic.data.contents import Contents, DataOptions, asked_kinds
from quasistatic.data.dataset import Dataset
from quasistatic.data.source.arrays import Array
from quasistatic.data.source.arrays.files import read_csv
from quasistatic.data.source.named.delimited import read_delimited
from quasistatic.data.source.named.sheet import Sheet, check_width, sheet_of
from quasistatic.data.source.named.typed import read_excel, read_feather, read_json_lines, read_parquet_sheet
from quasistatic.data.table.align import Rows, present
from quasistatic.data.table.codec import TableCodec
from quasistatic.data.table.column import IntegerColumn
from quasistatic.data.table.kinds.plan import Plan, planned
from quasistatic.data.table.series import Series, groups_in
from quasistatic.runtime.digest import digest


@final
@dataclass(frozen=True, eq=False)
class TableContents(Contents):
    """A sheet as read; the options say what its columns are."""

    name: str
    sheet: Sheet

    def plan(self, options: DataOptions) -> Plan:
        """Return what happens to each column."""
        kinds = asked_kinds(options.columns)
        if options.group is not None:
            kinds[options.group] = "group"
        return planned(self.sheet, kinds, options.missing, options.time or "")

    def dataset(self, options: DataOptions) -> Dataset:
        """Return the table as a data set; as an array of numbers if the options ask for categories or bits.

        Raises:
            ValueError: if the plan has problems (the message has all of them), or the table is read as numbers and has
                texts or empty cells.
        """
        plan = self.checked(options)
        if options.states is not None or options.threshold is not None:
            if not all(column.ranges for column in plan.found):
                raise ValueError(f"{self.name}: data.states and data.threshold are for tables of numbers, got texts")
            whole = all(isinstance(column, IntegerColumn) for column in plan.found) and bool(present(plan.raw).all())
            return Array(self.name, plan.raw.numpy().astype(np.int64 if whole else np.float64)).dataset(options)
        if options.in_series:
            return in_series(self.name, plan, options)
        codec = TableCodec(plan.columns, plan.asides, tuple(options.missing))
        names = "\n".join(f"{column.name}: {column}" for column in codec.columns)
        storage = Rows(plan.values, plan.found, plan.raw)
        return Dataset(self.name, storage, codec, digest(plan.values, names), notes=plan.notes)

    def checked(self, options: DataOptions) -> Plan:
        """Return the plan.

        Raises:
            ValueError: if it has problems; the message has all of them.
        """
        plan = self.plan(options)
        lacking = [name for name in (options.group, options.time) if name and name not in self.sheet.names]
        if lacking:
            raise ValueError(
                f"{self.name}: --group and --time name columns of the file ({', '.join(self.sheet.names)}), got "
                f"{' and '.join(map(repr, lacking))}"
            )
        if len(plan.problems) > 1:
            listed = "; ".join(f"({number}) {problem}" for number, problem in enumerate(plan.problems, 1))
            raise ValueError(f"{self.name}: {len(plan.problems)} problems: {listed}")
        for problem in plan.problems:
            raise ValueError(f"{self.name}: {problem}")
        return plan


def in_series(name: str, plan: Plan, options: DataOptions) -> Dataset:
    """Return a data set of wide rows, each of several rows of the file.

    Raises:
        ValueError: if the rows are no series; see `Series.of`.
    """
    group, place = options.group or "", next((a.place for a in plan.asides if a.name == options.group), 0)
    groups = groups_in(group, plan.found, plan.raw)
    asked = (group, options.time or "", options.rows)
    try:
        series = Series.of(asked, plan.columns, plan.values, groups, place)
        runs = series.runs([column.name for column in plan.columns], plan.values, groups)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    columns, wide = series.wide_columns(plan.values, runs), series.widened(plan.values, runs)
    check_width(name, len(columns))
    codec = TableCodec(columns, plan.asides, tuple(options.missing), series)
    names = "\n".join(f"{column.name}: {column}" for column in codec.columns)
    owners = [groups[row] for row in runs[:, 0].tolist()]
    known = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    note = f"{len(known):,} groups make {len(runs):,} examples of up to {series.length} rows, {len(columns)} columns"
    return Dataset(
        name,
        Rows(wide, plan.found, plan.raw),
        codec,
        digest(wide, names),
        names=series.called(runs, groups),
        notes=(*plan.notes, note),
        successive=len(known) == 1,
        kin=torch.tensor([known[owner] for owner in owners]) if len(known) > 1 else None,
    )


def read_table(path: Path) -> Contents:
    """Open delimited text: an array if it holds numbers without names (or called c0, c1, …), otherwise a table.

    Raises:
        ValueError: if it cannot be read; see `read_delimited` and `read_csv`.
    """
    text = read_delimited(path)
    return read_csv(path) if text.numbers_alone else TableContents(path.name, text.sheet())


def feather_table(path: Path) -> TableContents:
    """Open a Feather file; see `read_feather`."""
    return TableContents(path.name, read_feather(path))


def json_table(path: Path) -> TableContents:
    """Open a file of JSON lines; see `read_json_lines`."""
    return TableContents(path.name, read_json_lines(path))


def excel_table(path: Path) -> TableContents:
    """Open the first sheet of a workbook; see `read_excel`."""
    return TableContents(path.name, read_excel(path))


def parquet_table(path: Path) -> TableContents:
    """Open a Parquet file as a table; see `parquet_tables`."""
    return parquet_tables(path.name, [path])


def parquet_tables(name: str, files: Sequence[Path]) -> TableContents:
    """Open Parquet files as one table; see `read_parquet_sheet`."""
    return TableContents(name, read_parquet_sheet(name, files))


def table_of(name: str, table: Any) -> TableContents:
    """Return the contents of an Arrow table.

    Raises:
        ValueError: if it has no rows, no columns, or too many columns.
    """
    return TableContents(name, sheet_of(name, table))


TABLES: dict[str, Callable[[Path], Contents]] = {
    ".csv": read_table,
    ".parquet": parquet_table,
    ".tsv": read_table,
    ".csv.gz": read_table,
    ".tsv.gz": read_table,
    ".feather": feather_table,
    ".arrow": feather_table,
    ".jsonl": json_table,
    ".ndjson": json_table,
    ".xlsx": excel_table,
}
"""Readers of tables by the ending of a file's name."""


def read_named(path: Path) -> TableContents:
    """Open a file of named columns.

    Raises:
        ValueError: if it cannot be read, or has no names.
    """
    reader = next((TABLES[ending] for ending in TABLES if path.name.lower().endswith(ending)), read_table)
    found = reader(path)
    if not isinstance(found, TableContents):
        raise ValueError(f"{path.name}: a first line with the names of the columns is needed, got none; add it")
    return found
