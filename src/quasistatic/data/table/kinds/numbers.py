"""Columns of numbers: what texts are numbers, and which numbers float64 holds.

1234.5   +1e3   1,234.5   1.234,5   1 234,5   1'234.5   $1,234   12.5 %   −inf
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from quasistatic.data.source.arrays.files import is_exact
from quasistatic.data.source.guard import shortened
from quasistatic.data.table import date
from quasistatic.data.table.column import IntegerColumn, NumberColumn
from quasistatic.data.table.column.bins import Bins
from quasistatic.data.table.kinds.base import Found, Reading, categories, empty, fits, is_float, without_markers

LARGEST_WHOLE = 2**53
"""Up to this size, float64 holds every whole number."""

LARGEST = 1e150
"""Beyond this size, the variance of a column overflows."""

SAFE_DIGITS = 15
"""Decimals of up to this many digits survive a round trip through float64."""

STRAY = 3
"""Maximum number of different texts among numbers that are taken for empty cells."""

NUMBERS = 20
"""Minimum number of different numbers in such a column; 19 in 20 cells are numbers."""

MANY_TEXTS = 200
"""Maximum number of categories; more different texts are grouped, or set aside if they tell rows apart."""

PLAIN = r"(?i)^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?inf(inity)?$"
WHOLE = r"^[+-]?\d+$"
PADDED = r"^[+-]?0\d"
SPACES = "'’ \u00a0\u202f"
POINT = rf"^[+-]?(\d{{1,3}}([,{SPACES}]\d{{3}})+|\d+)(\.\d+)?$"
COMMA = rf"^[+-]?(\d{{1,3}}([.{SPACES}]\d{{3}})+|\d+)(,\d+)?$"
CURRENCY = "[$€£¥₹]|USD|EUR|GBP|CHF|JPY|kr|zł"
UNITS = (
    rf"^(?P<sign>[+-]?)(?P<before>(?:(?:{CURRENCY})\s*)?)(?P<digits>[+-]?[\d.][\d.,{SPACES}]*?)"
    rf"(?P<after>(?:\s*(?:%|‰|{CURRENCY}))?)$"
)


def numbers_of_text(name: str, texts: Any, reading: Reading) -> Found | None:
    """Return a column of numbers, or of codes made of digits, or of dates as 20240131; None if cells are none.

    Raises:
        ValueError: if float64 does not hold a number.
    """
    from pyarrow import compute

    strays: dict[str, int] = {}
    plain, units, notes = plain_numbers(texts, reading.commas)
    if plain is None:
        texts, strays = without_markers(texts, _strays(texts))
        plain, units, notes = plain_numbers(texts, reading.commas) if strays else (None, ("", ""), ())
    if plain is None:
        return None
    if strays:
        named = ", ".join(repr(shortened(text)) for text in strays)
        notes = (*notes, f"{named} among numbers is read as empty; --column '{name}=category' keeps it")
    whole = fits(plain, WHOLE)
    if whole and not reading.kind and not any(units):
        if bool(compute.any(compute.match_substring_regex(plain, PADDED), min_count=0).as_py()):
            return categories(name, texts, strays, ("digits that begin with 0 stay text",))
        days = date.compact_days(plain.unique().drop_null().to_pylist())
        if days:
            raw = np.array([math.nan if text is None else days[text] for text in plain.to_pylist()])
            return Found(date.date_column(name, raw, date.COMPACT), raw, strays, (*notes, f"as {date.COMPACT}"))
    if not _are_held(name, plain, reading.kind, whole):
        return categories(name, texts, strays, notes)
    raw = float_array(compute.replace_substring_regex(plain, r"^\+", ""))
    found = whole_numbers(name, raw) if whole else real_numbers(name, raw)
    if isinstance(found.column, NumberColumn | IntegerColumn):
        found = replace(found, column=replace(found.column, prefix=units[0], suffix=units[1]))
    return replace(found, emptied=strays, notes=notes)


def plain_numbers(texts: Any, commas: bool) -> tuple[Any, tuple[str, str], tuple[str, ...]]:
    """Return numbers as Arrow casts them, the units before and after them, and notes; None if some are no numbers."""
    import pyarrow
    from pyarrow import compute

    if fits(texts, PLAIN):
        return texts, ("", ""), ()
    units, notes, parts = ("", ""), tuple[str, ...](), compute.extract_regex(texts, UNITS)
    if parts.null_count == texts.null_count:
        sides = [compute.struct_field(parts, side).unique().drop_null().to_pylist() for side in ("before", "after")]
        if len(sides[0]) == len(sides[1]) == 1 and sides[0][0] + sides[1][0]:
            units = sides[0][0], sides[1][0]
            notes = (f"in {' '.join(unit.strip() for unit in units if unit)}",)
            sign, digits = compute.struct_field(parts, "sign"), compute.struct_field(parts, "digits")
            texts = compute.binary_join_element_wise(sign, digits, pyarrow.scalar("", digits.type))
    if fits(texts, PLAIN):
        return texts, units, notes
    point, comma = fits(texts, POINT), fits(texts, COMMA)
    if comma and (commas or not point):
        bare = compute.replace_substring_regex(texts, f"[.{SPACES}]", "")
        return compute.replace_substring(bare, ",", "."), units, (*notes, "decimal comma")
    if not point:
        return None, ("", ""), ()
    return compute.replace_substring_regex(texts, f"[,{SPACES}]", ""), units, (*notes, "marks between thousands")


def whole_numbers(name: str, raw: np.ndarray) -> Found:
    """Return a column of whole numbers."""
    seen = raw[~np.isnan(raw)]
    if not len(seen):
        return empty(name, len(raw))
    step = math.gcd(*(np.unique(seen) - seen.min()).astype(np.int64).tolist()) or 1
    return Found(IntegerColumn(name, Bins.of(seen, step)), raw)


def real_numbers(name: str, raw: np.ndarray) -> Found:
    """Return a column of numbers.

    Raises:
        ValueError: if one is infinite or too large.
    """
    if np.isinf(raw).any():
        raise ValueError(
            f"the column {name!r} needs finite numbers, got an infinite one in row {int(np.isinf(raw).argmax())}; "
            "leave the cell empty"
        )
    seen = raw[~np.isnan(raw)]
    if not len(seen):
        return empty(name, len(raw))
    if np.abs(seen).max() > LARGEST:
        raise ValueError(
            f"the column {name!r} needs numbers of at most {LARGEST:g} in size, got {np.abs(seen).max():g}; divide "
            "it, take logarithms, or leave the cell empty"
        )
    return Found(NumberColumn(name, Bins.of(seen)), raw)


def numbers_as_asked(found: Found, kind: str) -> Found:
    """Return a column of numbers as the kind that was asked for, number or integer.

    Raises:
        ValueError: if it is no column of numbers, or not whole.
    """
    column, raw = found.column, found.raw
    if bool(np.isnan(raw).all()):
        return found
    if not isinstance(column, NumberColumn | IntegerColumn):
        raise ValueError(f"the column {column.name!r} needs numbers to be read as such, got {column}; convert it")
    if kind == "number":
        bins = Bins.of(raw[~np.isnan(raw)])
        return replace(found, column=NumberColumn(column.name, bins, column.prefix, column.suffix))
    off = ~np.isnan(raw) & (raw % 1 != 0)
    if off.any():
        row = int(off.argmax())
        raise ValueError(
            f"the column {column.name!r} needs whole numbers to be read as such, got {raw[row]:g} in row {row}; round "
            f"it, or choose --column '{column.name}=number'"
        )
    whole = whole_numbers(column.name, raw).column
    assert isinstance(whole, IntegerColumn)
    return replace(found, column=replace(whole, prefix=column.prefix, suffix=column.suffix))


def no_number(name: str, texts: Any, kind: str) -> ValueError:
    """Return the error for a column that was asked to be read as numbers, and has a text."""
    from pyarrow import compute

    fit = compute.match_substring_regex(texts, PLAIN).to_pylist()
    row = next((row for row, one in enumerate(fit) if one is False), 0)
    text = shortened(str(texts[row].as_py()))
    return ValueError(
        f"the column {name!r} needs numbers to be read as {kind}, got {text!r} in row {row}; fix it, or read it as "
        f"empty (--missing {text!r})"
    )


def without_numbers(found: Found, missing: Sequence[str]) -> Found:
    """Return typed numbers with NaN for those that ``missing`` texts stand for."""
    counts = {text: int((found.raw == float(text)).sum()) for text in missing if is_float(text)}
    emptied = {text: count for text, count in counts.items() if count}
    if not emptied or not isinstance(found.column, NumberColumn | IntegerColumn):
        return found
    raw = np.where(np.isin(found.raw, [float(text) for text in emptied]), math.nan, found.raw)
    build = whole_numbers if isinstance(found.column, IntegerColumn) else real_numbers
    return replace(build(found.column.name, raw), emptied=emptied)


def exact_whole(name: str, cells: Any) -> np.ndarray:
    """Return whole numbers as float64.

    Raises:
        ValueError: if one is beyond 2⁵³, where float64 is not exact for whole numbers.
    """
    from pyarrow import compute

    ends = compute.min_max(cells).as_py()
    for end in (ends["min"], ends["max"]):
        if end is not None and abs(end) > LARGEST_WHOLE:
            raise too_long(name, str(end))
    return float_array(cells)


def check_decimals(name: str, cells: Any) -> None:
    """Raise ValueError if a decimal has more digits than float64 can hold."""
    if cells.type.precision > SAFE_DIGITS:
        for cell in cells.to_pylist():
            if cell is not None and Decimal(repr(float(cell))) != cell:
                raise too_long(name, str(cell))


def too_long(name: str, came: str) -> ValueError:
    """Return the error for a number with more digits than float64 has."""
    return ValueError(
        f"the column {name!r} needs numbers that float64 holds to the last digit (whole ones up to {LARGEST_WHOLE:,}), "
        f"got {shortened(came)}; drop the column (--column '{name}=drop'), subtract a constant, or round it yourself"
    )


def float_array(cells: Any) -> np.ndarray:
    """Return an Arrow array as float64, NaN for null."""
    import pyarrow

    return np.array(cells.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _are_held(name: str, plain: Any, kind: str, whole: bool) -> bool:
    """Return whether float64 holds all numbers; False if they are ids with more digits.

    Raises:
        ValueError: if it does not, and they are no ids or were asked to be numbers.
    """
    distinct = plain.unique().drop_null().to_pylist()
    most = LARGEST_WHOLE if whole else math.inf
    digits = [text for text in distinct if len(text) > SAFE_DIGITS]
    long = next((text for text in digits if not is_exact(text) or abs(float(text)) > most), None)
    if long is None:
        return True
    if kind or len(distinct) <= MANY_TEXTS or 2 * len(distinct) < len(plain) - plain.null_count:
        raise too_long(name, long)
    return False


def _strays(texts: Any) -> list[str]:
    """Return the few different texts in a column that is of numbers otherwise; none if it is not."""
    from pyarrow import compute

    distinct = texts.unique().drop_null()
    others = distinct.filter(compute.invert(compute.match_substring_regex(distinct, PLAIN))).to_pylist()
    if not 0 < len(others) <= STRAY or len(distinct) < NUMBERS + len(others):
        return []
    _, counts = without_markers(texts, others)
    return others if 20 * sum(counts.values()) <= len(texts) - texts.null_count else []
