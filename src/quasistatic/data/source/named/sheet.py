"""A sheet: named columns of one file as an Arrow table, either all text or with types of their own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

MANY_COLUMNS = 2048
"""Maximum number of columns; each is fitted and learned separately."""

INDEX = "__index_level_"
"""Start of the name that pandas gives to an unnamed index in Arrow tables."""


@final
@dataclass(frozen=True, eq=False)
class Sheet:
    """Named columns as read.

    Attributes:
        name: name of the file.
        table: the Arrow table; its column names are unique and not empty if there are no ``problems``.
        typed: the file has types; otherwise each cell is text.
        commas: numbers with a comma are more likely to have decimals than thousands.
        notes: what reading did, one phrase each.
        problems: what is wrong with the file, one sentence each, without its name.
    """

    name: str
    table: Any
    typed: bool
    commas: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [str(name) for name in self.table.column_names]


def sheet_of(name: str, table: Any, typed: bool = True) -> Sheet:
    """Return a sheet of an Arrow table, without its index and unnamed empty columns.

    Raises:
        ValueError: if it has no rows, no columns, or too many columns.
    """
    sheet = without_index(Sheet(name, table, typed))
    check_width(name, sheet.table.num_columns)
    if not sheet.table.num_rows or not sheet.table.num_columns:
        raise ValueError(f"{name}: a table needs at least one row and one column, got none")
    bad = misnamed(sheet.names)
    if not bad:
        return sheet
    named = ", ".join(repr(one) for one in bad[:5])
    problem = f"columns need names, each its own, got {named} twice or empty; rename them"
    return replace(sheet, problems=(*sheet.problems, problem))


def texts_of(sheet: Sheet, name: str) -> list[str]:
    """Return the cells of a column as text, "" where they are empty."""
    return ["" if cell is None else str(cell) for cell in sheet.table.column(name).to_pylist()]


def check_width(name: str, columns: int) -> None:
    """Raise ValueError if a table has too many columns."""
    if columns > MANY_COLUMNS:
        raise ValueError(
            f"{name}: a table has at most {MANY_COLUMNS} columns, got {columns}; save numbers of one kind as .npy, "
            "without names"
        )


def misnamed(names: Sequence[str]) -> list[str]:
    """Return the names that are empty or occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if not name.strip() or count > 1)


def without_index(sheet: Sheet) -> Sheet:
    """Return the sheet without columns of pandas' index: unnamed row numbers, and unnamed columns that are empty."""
    dropped, notes = [], []
    for place, name in enumerate(sheet.names):
        cells = sheet.table.column(place)
        unnamed = not name.strip() or name.startswith(INDEX) or name.startswith("Unnamed: ")
        if unnamed and _is_empty(cells):
            dropped.append(place)
            notes.append("an empty column without a name is left out")
        elif unnamed and (name.startswith(INDEX) or (place == 0 and _is_index(cells))):
            dropped.append(place)
            notes.append("an index without a name is left out")
    kept = [place for place in range(len(sheet.names)) if place not in dropped]
    return replace(sheet, table=sheet.table.select(kept), notes=(*sheet.notes, *dict.fromkeys(notes)))


def _is_empty(cells: Any) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells.to_pylist())


def _is_index(cells: Any) -> bool:
    """Return whether all cells differ and none is empty, like the numbers or names of rows."""
    values = cells.to_pylist()
    return None not in values and "" not in values and len(set(values)) == len(values)
