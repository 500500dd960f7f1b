"""Dates and times as whole numbers of months, days, seconds or microseconds, written back in the file's own format.

    %Y-%m               months since January 1970             %Y-%m-%d   days since 1 January 1970
    %Y-%m-%d %H:%M:%S   seconds since then, or microseconds   %H:%M      seconds since midnight

Formats are those of ``strftime``; besides, ``%-d`` is a day without leading zero (``%-m``, ``%-H`` and ``%-I`` alike),
and ``%3f`` three digits of a second. pandas reads them.
"""

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import final

import numpy as np
import torch

from quasistatic.data.table.column import BinnedColumn, Cells, Column, repeats
from quasistatic.data.table.column.bins import Bins

EPOCH = datetime.datetime(1970, 1, 1)
MIDNIGHT = np.datetime64(0, "us")
UNITS = {"days": 86_400_000_000, "seconds": 1_000_000, "microseconds": 1}
"""Microseconds of each unit but months, which differ."""

DAY_FIRST = ("%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%m-%Y", "%d-%m-%y")
MONTH_FIRST = ("%m/%d/%Y", "%m/%d/%y", "%m.%d.%Y", "%m-%d-%Y", "%m-%d-%y")
NAMED = ("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y")
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m.%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y")
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
ENDS = ("", "Z", "+00:00", " UTC")
COMPACT = "%Y%m%d"
"""A format of whole numbers, for columns that hold nothing but dates of these two centuries."""
TOKEN = re.compile(r"%(-?)(\d?)([A-Za-z%])")
COMPARED = 2000
"""Texts by which the digits and zeros of a format are found."""


@final
@dataclass(frozen=True)
class DateColumn(BinnedColumn):
    """Dates or times, a whole number of the unit of their format, as `Bins` with a step."""

    name: str
    bins: Bins
    format: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins.step < 1 or self.bins.step % 1 or not is_format(self.format):
            raise ValueError(
                f"the column {self.name!r} of dates has a whole step and a format with a year or an hour, got "
                f"{self.bins.step:g} and {self.format!r}"
            )

    def __str__(self) -> str:
        kind = "dates" if self.unit in ("months", "days") else "times"
        return f"{kind}, {self.text(self.bins.low)} to {self.text(self.bins.high)}{repeats_of(self)}"

    @property
    def unit(self) -> str:
        """The unit of raw values."""
        return unit_of(self.format)

    @property
    def arrow(self) -> str:
        clock = not {letter for _, _, letter in TOKEN.findall(self.format)} & set("Yy")
        return "string" if clock or self.unit == "months" else "date32" if self.unit == "days" else "timestamp[us]"

    def encode(self, raw: Cells) -> Cells:
        off = ~raw.isnan() & ((raw - self.bins.low) % self.bins.step != 0)
        if bool(off.any()):
            row = int(off.nonzero()[0])
            by = f"by {self.bins.step:.0f} {self.unit} from {self.text(self.bins.low)}"
            raise self._refused(f"holds dates {by}", self.text(raw[row].item()), row)
        return self.bins.to_states(raw)

    def decode(self, x: Cells) -> Cells:
        return self.bins.to_raw(x.double())

    def text(self, raw: float) -> str:
        return "" if math.isnan(raw) else written(instant(raw, self.unit), self.format)

    def mean_text(self, raw: float) -> str:
        return self.text(round(raw))

    def adopt(self, other: Column, raw: Cells) -> Cells:
        if isinstance(other, DateColumn) and other.format == self.format:
            return raw
        known = ~raw.isnan()
        distinct, where = raw[known].unique(return_inverse=True)
        found = counts_of([other.text(value) for value in distinct.tolist()], self.format)
        if isinstance(other, DateColumn) and np.isnan(found).any():  # otherwise its texts have this format as well
            instants = [instant(value, other.unit) for value in distinct.tolist()]
            found = units(np.array(instants, dtype="datetime64[us]"), self.unit)
        for value, count in zip(distinct.tolist(), found.tolist(), strict=True):
            if math.isnan(count):
                row = int((raw == value).nonzero()[0])
                raise self._refused(f"holds dates as {self.format}", repr(other.text(value)), row)
        result = raw.clone()
        result[known] = torch.from_numpy(found).to(raw)[where]
        return result


def repeats_of(column: DateColumn) -> str:
    """Return which dates have a bin of their own, as the end of a sentence."""
    if len(column.bins.repeated) > 4:
        return repeats(column.bins)
    named = ", ".join(map(column.text, column.bins.repeated))
    return f", {named} repeated" if named else ""


def date_column(name: str, raw: np.ndarray, format: str) -> DateColumn:
    """Return a column of the raw values, one or more of them not NaN, in units of ``format``."""
    seen = np.unique(raw[~np.isnan(raw)])
    step = math.gcd(*(seen - seen.min()).astype(np.int64).tolist()) or 1
    return DateColumn(name, Bins.of(raw[~np.isnan(raw)], step), format)


@cache
def unit_of(format: str) -> str:
    """Return the unit in which dates of a format are counted: the coarsest that keeps them."""
    tokens = {letter for _, _, letter in TOKEN.findall(format)}
    if "f" in tokens:
        return "microseconds"
    if tokens & set("HIMSp"):
        return "seconds"
    return "days" if "d" in tokens or "j" in tokens else "months"


def is_format(format: str) -> bool:
    """Return whether dates in a format can be read and written back: a year, or an hour, with known directives."""
    tokens = [letter for _, _, letter in TOKEN.findall(format)]
    return bool(set(tokens) & set("YyH") or {"I", "p"} <= set(tokens)) and set(tokens) <= set("YymbBdjHIMSfp%")


def instant(raw: float, unit: str) -> datetime.datetime:
    """Return the date of a raw value."""
    if unit == "months":
        return datetime.datetime(1970 + round(raw) // 12, 1 + round(raw) % 12, 1)
    return EPOCH + datetime.timedelta(microseconds=round(raw) * UNITS[unit])


def units(instants: np.ndarray, unit: str) -> np.ndarray:
    """Return dates (datetime64, NaT if missing) as raw values, float64 with NaN."""
    missing = np.isnat(instants)
    whole = instants.astype("datetime64[M]" if unit == "months" else "datetime64[us]").astype(np.int64)
    return np.where(missing, np.nan, whole if unit == "months" else whole // UNITS[unit])


def counts_of(texts: Sequence[str], format: str) -> np.ndarray:
    """Return texts in a format as raw values; NaN for those in another."""
    import pandas

    plain = TOKEN.sub(lambda found: f"%{found[3]}", format)
    found = pandas.to_datetime(pandas.Series(list(texts), dtype=object), format=plain, errors="coerce")
    instants = found.to_numpy(dtype="datetime64[us]")
    if not {letter for _, _, letter in TOKEN.findall(format)} & set("Yy"):  # a time of day
        instants = MIDNIGHT + (instants - instants.astype("datetime64[D]"))
    return units(instants, unit_of(format))


def written(at: datetime.datetime, format: str) -> str:
    """Return a date in a format."""

    def token(found: re.Match[str]) -> str:
        bare, digits, letter = found.groups()
        text = f"{at.year:04}" if letter == "Y" else at.strftime(f"%{letter}")
        if letter == "f" and digits:
            text = text[: int(digits)]
        return (text.lstrip("0") or "0") if bare else text

    return TOKEN.sub(token, format)


def formats_of(texts: Sequence[str], day_first: bool) -> list[str]:
    """Return the formats that all texts have, the likeliest first; a text has one if it is written back the same.

    Args:
        texts: different texts, one or more.
        day_first: of 03/04/2020, the day is 3.
    """
    shape = _shape(texts[0])
    found = [form for form, own in _candidates(day_first).items() if own == shape and _is_written(texts[0], form)]
    fits = [form for form in found if not np.isnan(counts_of(texts, form)).any()]
    return [as_written(texts[:COMPARED], form) for form in fits]


def as_written(texts: Sequence[str], format: str) -> str:
    """Return ``format`` with the digits and zeros of the ``texts``, which have it; as it is if they differ in these."""
    if "%f" in format:
        digits = {len(found[1]) for text in texts if (found := re.search(r"\.(\d+)", text[text.rfind(":") :]))}
        format = format.replace("%f", f"%{min(digits.pop(), 6)}f") if len(digits) == 1 else format
    bare = re.sub(r"%([dm])", r"%-\1", format)
    forms = dict.fromkeys(one for day in (format, bare) for one in (day, re.sub(r"%([HI])", r"%-\1", day)))
    unit, values = unit_of(format), counts_of(texts, format).tolist()
    for form in forms:
        if all(written(instant(v, unit), form) == text for v, text in zip(values, texts, strict=True)):
            return form
    return format


@cache
def _candidates(day_first: bool) -> dict[str, str]:
    """Return formats, the likeliest first, with their shapes."""
    slashed = (*DAY_FIRST[:2], *MONTH_FIRST[:2]) if day_first else (*MONTH_FIRST[:2], *DAY_FIRST[:2])
    days = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", *slashed, *DAY_FIRST[2:], *MONTH_FIRST[2:], *NAMED)
    moments = [f"{day}{gap}{clock}{end}" for day, gap, clock, end in product(days, (" ", "T", ", "), CLOCKS, ENDS)]
    sample = datetime.datetime(2011, 11, 11, 11, 11, 11, 111_111)
    return {format: _shape(written(sample, format)) for format in (*days, *MONTHS, *CLOCKS, *moments)}


def _shape(text: str) -> str:
    """Return a text with 0 for each run of digits and a for each run of letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text))


def _is_written(text: str, format: str) -> bool:
    try:
        datetime.datetime.strptime(text, TOKEN.sub(lambda found: f"%{found[3]}", format))
    except ValueError:
        return False
    return True


def compact_days(texts: Sequence[str]) -> dict[str, float]:
    """Return days of dates as 20240131; nothing unless there are five or more, all of them of 1900 to 2099."""
    if len(texts) < 5 or not all(re.fullmatch(r"(19|20)\d{6}", text) for text in texts):
        return {}
    days = counts_of(texts, COMPACT)
    return {} if np.isnan(days).any() else dict(zip(texts, days.tolist(), strict=True))
