"""Decides what the cells of a column mean, and returns the column with its raw values.

    text of numbers                                                  NumberColumn, IntegerColumn
    text of dates or times                                           DateColumn
    true, false                                                      BooleanColumn
    other text, and whole numbers that begin with 0, as codes do     CategoryColumn
    cells with a type                                                as their type says

All texts of a column are kept here, however many; `plan` decides what is learned.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from quasistatic.data.source.named.delimited import MARKERS, MISSING
from quasistatic.data.table.column import BooleanColumn
from quasistatic.data.table.date import DateColumn
from quasistatic.data.table.kinds import dates, numbers
from quasistatic.data.table.kinds.base import (
    Found,
    Reading,
    categories,
    empty,
    strict_categories,
    text_of,
    without_markers,
)

MARKED = (*MISSING, *MARKERS)


def read_cells(name: str, cells: Any, reading: Reading) -> Found:
    """Return the column of an Arrow array.

    Raises:
        ValueError: if the cells are of a type that no column has, or do not fit the kind that was asked for.
    """
    from pyarrow import types

    if types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    text = types.is_string(cells.type) or types.is_large_string(cells.type) or str(cells.type) == "string_view"
    as_date = reading.kind.startswith("date") and types.is_integer(cells.type)
    if not (text or as_date or (reading.kind == "category" and _has_text(cells.type))):
        return _as_asked(numbers.without_numbers(_typed(name, cells), reading.missing), reading.kind)
    texts = text_of(cells)
    if reading.kind == "category":
        return strict_categories(name, texts, reading.missing)
    texts, emptied = without_markers(texts, (*MARKED, *reading.missing))
    found = _of_text(name, texts, reading)
    return replace(found, emptied={**emptied, **found.emptied})


def _of_text(name: str, texts: Any, reading: Reading) -> Found:
    """Return the column of texts, null where a cell is empty."""
    if texts.null_count == len(texts):
        return empty(name, len(texts))
    if reading.kind.startswith("date"):
        return dates.asked_dates(name, texts, reading)
    if reading.kind or not reading.typed:
        found = numbers.numbers_of_text(name, texts, reading)
        if found is not None:
            return _as_asked(found, reading.kind)
    if reading.kind:
        raise numbers.no_number(name, texts, reading.kind)
    distinct = {text.lower() for text in texts.unique().drop_null().to_pylist()}
    if distinct <= {"true", "false"}:
        values = {None: math.nan, "true": 1.0, "false": 0.0}
        raw = [values[None if text is None else text.lower()] for text in texts.to_pylist()]
        return Found(BooleanColumn(name), np.array(raw))
    return dates.dates_of_text(name, texts, reading.commas) or categories(name, texts)


def _typed(name: str, cells: Any) -> Found:
    """Return the column of cells that are no text."""
    import pyarrow
    from pyarrow import types

    kind = cells.type
    if types.is_null(kind):
        return empty(name, len(cells))
    if types.is_boolean(kind):
        return Found(BooleanColumn(name), numbers.float_array(cells.cast(pyarrow.int8())))
    if types.is_integer(kind):
        return numbers.whole_numbers(name, numbers.exact_whole(name, cells))
    if types.is_decimal(kind):
        numbers.check_decimals(name, cells)
    if types.is_floating(kind) or types.is_decimal(kind):
        return numbers.real_numbers(name, numbers.float_array(cells))
    if types.is_temporal(kind):
        return dates.typed_dates(name, cells)
    raise ValueError(
        f"the column {name!r} needs numbers, true and false, dates, or texts, got {kind}; convert it, or leave it out "
        f"(--column '{name}=drop')"
    )


def _as_asked(found: Found, kind: str) -> Found:
    if kind in ("number", "integer"):
        return numbers.numbers_as_asked(found, kind)
    if kind and not isinstance(found.column, DateColumn) and not np.isnan(found.raw).all():
        raise ValueError(f"the column {found.column.name!r} needs dates to be read as such, got {found.column}")
    if ":" in kind:
        raise ValueError(
            f"the column {found.column.name!r} needs no format of dates, as its cells have a type; leave {kind[5:]} out"
        )
    return found


def _has_text(kind: Any) -> bool:
    """Return whether cells of an Arrow type can be written as text."""
    from pyarrow import types

    return bool(types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind))
