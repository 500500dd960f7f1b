"""Columns of dates: which format texts have, and cells with a type of their own."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from quasistatic.data.source.guard import shortened
from quasistatic.data.table import date
from quasistatic.data.table.kinds.base import Found, Reading, empty

TYPED = {"months": "%Y-%m", "days": "%Y-%m-%d", "seconds": "%Y-%m-%d %H:%M:%S", "microseconds": "%Y-%m-%d %H:%M:%S.%f"}
"""Formats of cells with a type, by their unit."""

CLOCKS = {"seconds": "%H:%M:%S", "microseconds": "%H:%M:%S.%f"}


def dates_of_text(name: str, texts: Any, commas: bool) -> Found | None:
    """Return a column of dates in the likeliest of the formats that all texts have; None if they have none."""
    distinct = texts.unique().drop_null().to_pylist()
    formats = date.formats_of(distinct, commas)
    if not formats:
        return None
    notes = (f"as {formats[0]}",)
    if others := [one for one in formats[1:] if date.unit_of(one) == date.unit_of(formats[0])]:
        notes = (f"as {formats[0]}, or as {others[0]} (--column '{name}=date:{others[0]}')",)
    return _counted(name, texts, formats[0], notes)


def asked_dates(name: str, texts: Any, reading: Reading) -> Found:
    """Return a column of dates as asked for, in a given format or the likeliest.

    Raises:
        ValueError: if a text has another format.
    """
    asked = reading.kind.partition(":")[2]
    distinct = texts.unique().drop_null().to_pylist()
    if not distinct:
        return empty(name, len(texts))
    known = date.formats_of(distinct, reading.commas) or [date.COMPACT]
    format = date.as_written(distinct, asked) if asked and not _lacks(distinct, asked) else asked or known[0]
    if lacks := _lacks(distinct, format):
        raise ValueError(
            f"the column {name!r} needs dates in one format to be read as such ({format}), got {shortened(lacks)!r}; "
            f"fix it, or name its format (--column '{name}=date:%d.%m.%Y')"
        )
    return _counted(name, texts, format, (f"as {format}",))


def typed_dates(name: str, cells: Any) -> Found:
    """Return a column of Arrow dates, moments or times of day, as whole numbers of the coarsest unit that holds them.

    Raises:
        ValueError: if the cells are durations or of another type.
    """
    import pyarrow
    from pyarrow import types

    kind = cells.type
    if types.is_time(kind):
        wide = cells.cast(pyarrow.time64("us"), safe=False).cast(pyarrow.int64())
        instants = np.array([np.datetime64("NaT") if v is None else v for v in wide.to_pylist()], "datetime64[us]")
    elif types.is_date(kind) or types.is_timestamp(kind):
        moments = cells.cast(pyarrow.timestamp("us"), safe=False)
        instants = moments.to_numpy(zero_copy_only=False).astype("datetime64[us]")
    else:
        raise ValueError(
            f"the column {name!r} needs dates, times or numbers, got {kind}; convert it to numbers, or leave it out "
            f"(--column '{name}=drop')"
        )
    if np.isnat(instants).all():
        return empty(name, len(instants))
    days = not types.is_time(kind) and _all_whole(instants, "days")
    unit = "days" if days else "seconds" if _all_whole(instants, "seconds") else "microseconds"
    format = CLOCKS[unit] if types.is_time(kind) else TYPED[unit]
    zone = types.is_timestamp(kind) and kind.tz is not None and unit != "days"
    format += "+00:00" if zone else ""
    raw = date.units(instants, unit)
    return Found(date.date_column(name, raw, format), raw, notes=("in UTC",) if zone else ())


def _all_whole(instants: np.ndarray, unit: str) -> bool:
    whole = instants[~np.isnat(instants)].astype(np.int64)
    return bool((whole % date.UNITS[unit] == 0).all())


def _lacks(texts: list[str], format: str) -> str:
    """Return the first text that is not in a format; "" if all are."""
    lacking = np.isnan(date.counts_of(texts, format))
    return texts[int(lacking.argmax())] if lacking.any() else ""


def _counted(name: str, texts: Any, format: str, notes: tuple[str, ...]) -> Found:
    distinct = texts.unique().drop_null().to_pylist()
    counts = {None: math.nan, **dict(zip(distinct, date.counts_of(distinct, format).tolist(), strict=True))}
    raw = np.array([counts[text] for text in texts.to_pylist()])
    return replace(Found(date.date_column(name, raw, format), raw), notes=notes)
