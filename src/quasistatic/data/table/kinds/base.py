"""A column as read, how it is read, and missing cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from quasistatic.data.source.named.delimited import MISSING
from quasistatic.data.table.column import CategoryColumn, Column


@final
@dataclass(frozen=True, eq=False)
class Found:
    """A column as read: its raw values, how many cells each marker emptied, and notes, one phrase each."""

    column: Column
    raw: np.ndarray
    emptied: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Reading:
    """How cells are read.

    Attributes:
        kind: the kind that was asked for: number, integer, category or date, with a format as ``date:%d.%m.%Y``; ""
            detects it.
        missing: texts that stand for an empty cell, besides the usual ones.
        commas: 1,234 has decimals; and of 03/04/2020, the day is 3.
        typed: text is text, unless it has dates or a kind was asked for.
    """

    kind: str = ""
    missing: tuple[str, ...] = ()
    commas: bool = False
    typed: bool = True


def without_markers(texts: Any, markers: Sequence[str]) -> tuple[Any, dict[str, int]]:
    """Return texts with null in place of each of the ``markers``, and how often each occurred, but for empty text."""
    import pyarrow
    from pyarrow import compute

    marked = compute.is_in(texts, value_set=pyarrow.array(list(dict.fromkeys(markers)), texts.type))
    counts = compute.value_counts(texts.filter(marked)).to_pylist()
    texts = compute.if_else(marked, pyarrow.scalar(None, texts.type), texts)
    return texts, {one["values"]: one["counts"] for one in counts if one["values"]}


def fits(texts: Any, pattern: str) -> bool:
    """Return whether all texts that are not null match a pattern."""
    from pyarrow import compute

    return bool(compute.all(compute.match_substring_regex(texts, pattern), min_count=0).as_py())


def categories(name: str, texts: Any, emptied: dict[str, int] | None = None, notes: tuple[str, ...] = ()) -> Found:
    """Return a column of all texts, sorted."""
    from pyarrow import compute

    distinct = sorted(texts.unique().drop_null().to_pylist())
    if not distinct:
        return empty(name, len(texts), emptied)
    coded = compute.index_in(texts, value_set=texts.unique().drop_null().sort())
    raw = coded.cast("float64").to_numpy(zero_copy_only=False)
    return Found(CategoryColumn(name, tuple(distinct)), np.array(raw, dtype=np.float64), emptied or {}, notes)


def strict_categories(name: str, texts: Any, missing: Sequence[str]) -> Found:
    """Return a column of all texts as asked for: only cells that are always empty are so, and ``missing``."""
    return categories(name, *without_markers(texts, (*MISSING, *missing)))


def empty(name: str, rows: int, emptied: dict[str, int] | None = None) -> Found:
    """Return a column without any value."""
    return Found(CategoryColumn(name, ()), np.full(rows, math.nan), emptied or {})


def text_of(cells: Any) -> Any:
    """Return an Arrow array as text without white space at its ends."""
    import pyarrow
    from pyarrow import compute

    return compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()))


def is_float(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
