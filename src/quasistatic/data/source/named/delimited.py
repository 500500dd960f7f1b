"""Reads delimited text, plain or gzipped: encoding, comments, separator and line of names are detected.

    bytes → text      byte-order mark; otherwise UTF-16 by its zero bytes, UTF-8, or Windows-1252 (with Latin-1 in it)
    text → body       without lines of ``#`` at the top, and without Excel's ``sep=;``
    body → cells      separated by a comma, semicolon, tab, bar or spaces: see `separator`

The first line has names unless its cells are like those below. A row of another length is a problem, named in `Sheet`.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, final

from quasistatic.data.source.guard import check_packed, first_line, shortened
from quasistatic.data.source.named.separator import (
    DECIMAL_COMMA,
    NOTHING,
    SAMPLED,
    SEPARATORS,
    is_number,
    separator_of,
    tabbed,
)
from quasistatic.data.source.named.sheet import Sheet, check_width, sheet_of

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Cells that are always empty."""

MARKERS = ("?", "-", "n/a", "None", "#N/A", "#NA", "<NA>", "NAN", "NaT", "#VALUE!", "#DIV/0!", "#REF!")
"""Cells that are empty as well, except in columns that are read as categories on request."""


@final
@dataclass(frozen=True)
class Delimited:
    """Text of a table.

    Attributes:
        name: name of the file.
        body: the text after comments at the top.
        separator: the character between cells.
        before: number of lines before ``body``.
        comment: the last line of the comments, without ``#``.
        notes: how the text was read, one phrase each.
    """

    name: str
    body: str
    separator: str
    before: int = 0
    comment: str = ""
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells of each row that is not empty, with the number of its last line in the file, from 1.

        Raises:
            ValueError: if a cell is too long.
        """
        reader = csv.reader(io.StringIO(self.body, newline=""), delimiter=self.separator)
        try:
            for cells in reader:
                if cells:
                    yield self.before + reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"{self.name}: a table of numbers in UTF-8 is needed, got {error}; save it again"
            ) from None

    def numeric_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield `rows`, with a point in place of each decimal comma."""
        if not self.decimal_commas:
            return self.rows()
        return ((line, self._plain(cells)) for line, cells in self.rows())

    @property
    def names(self) -> list[str] | None:
        """Cells of the first line if they are names, else those of the comment before it if they fit, else None."""
        rows = [cells for _, cells in islice(self.rows(), SAMPLED)]
        if not rows:
            return None
        data = [self._plain(cells) for cells in rows] if self.decimal_commas else rows
        if not _is_data(data[0], data[1:]):
            return rows[0]
        commented = next(csv.reader([self.comment], delimiter=self.separator), [])
        fits = len(commented) == len(rows[0]) > 1 and not any(cell and is_number(cell) for cell in commented)
        return [commented[0] or "#", *commented[1:]] if fits else None

    @property
    def numbers_alone(self) -> bool:
        """True if no line has names (or they are c0, c1, …), and a first row of numbers begins the table."""
        rows = (cells for _, cells in self.numeric_rows())
        first = next(rows, [])
        if first == [f"c{place}" for place in range(len(first))]:
            return all(all(map(is_number, cells)) for cells in rows)
        if not all(map(is_number, first)) or self.names is not None:
            return False
        others = {cell.strip() for cells in rows for cell in cells if not is_number(cell)}
        return not others or not others <= {*MISSING, *MARKERS}

    @property
    def decimal_commas(self) -> bool:
        """True if cells are not separated by commas, and some number in the first rows has one."""
        rows = (cells for _, cells in islice(self.rows(), SAMPLED))
        return self.separator != "," and any(DECIMAL_COMMA.fullmatch(cell) for cells in rows for cell in cells)

    def sheet(self) -> Sheet:
        """Return the named columns, each cell as text; columns without names are called c0, c1, …

        Raises:
            ValueError: if there are no rows, or the file cannot be read as a table.
        """
        names = self.names
        if names is None:
            width = len(next(self.rows(), (0, []))[1])
            names, body, before = [f"c{place}" for place in range(width)], self.body, self.before
            notes: tuple[str, ...] = ("no names of columns found: they are c0, c1, …",)
        else:
            body, before, notes = self._after_names(names)
        width, extra = _width_below(body, self.separator, len(names))
        check_width(self.name, width)
        # a name less than cells: the rows begin with an index, or end with a separator
        names = [name.strip() for name in names]
        called = ["", *names] if extra == "index" else [*names, ""] if extra == "end" else names
        table, problems = _read(self.name, body, self.separator, before, width)
        if extra == "index":
            table, notes = table.select(range(1, width)), (*notes, "an index without a name is left out")
        named = table.rename_columns(names if extra == "index" else called)
        found = sheet_of(self.name, named, typed=False)
        return replace(
            found,
            commas=self.decimal_commas or self.separator == ";",
            notes=(*self.notes, *notes, *found.notes),
            problems=(*found.problems, *problems),
        )

    @staticmethod
    def _plain(cells: list[str]) -> list[str]:
        return [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]

    def _after_names(self, names: list[str]) -> tuple[str, int, tuple[str, ...]]:
        """Return the body after the line of names, the number of lines before it, and notes."""
        line, first = next(self.rows())
        if first != names:
            return self.body, self.before, ("names of columns found in the comment before the first row",)
        lines = self.body.split("\n", line - self.before)
        return lines[-1] if len(lines) > line - self.before else "", line, ()


def read_delimited(path: Path) -> Delimited:
    """Open a ``.csv``, ``.tsv`` or ``.txt`` file, or one of these gzipped.

    Raises:
        ValueError: if it is no text in a known encoding, or a damaged gzip file.
    """
    text, notes = decoded(path)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    place, before, comment, comments, asked = 0, 0, "", 0, None
    while place < len(text):
        end = text.find("\n", place) + 1 or len(text)
        line = text[place:end].strip()
        excel = re.fullmatch(r'"?sep=(.)"?', text[place:end].strip("\n"))
        if line and not line.startswith("#") and not excel:
            break
        asked = excel.group(1) if excel else asked
        comment = line.lstrip("#").strip() if line.startswith("#") else comment
        place, before, comments = end, before + 1, comments + line.startswith("#")
    body = text[place:]
    if comments:
        notes = (*notes, f"{comments} line{'s' * (comments > 1)} of comments before the table passed over")
    separator = asked or separator_of(body, ".tsv" in path.suffixes)
    if separator == " ":
        body, separator = tabbed(body), "\t"
        notes = (*notes, "cells are separated by spaces")
    elif separator not in (",", NOTHING):
        notes = (*notes, f"cells are separated by {SEPARATORS.get(separator, separator)}")
    return Delimited(path.name, body, separator, before, comment, notes)


def decoded(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, gzipped or not, and a note if it is not in UTF-8.

    Raises:
        ValueError: if it is no text in a known encoding, or a damaged gzip file.
    """
    data = _unpacked(path)
    encoding = next((coding for mark, coding in MARKS.items() if data.startswith(mark)), None)
    if encoding is None and data[:4096].count(0) > len(data[:4096]) / 4:
        encoding = "utf-16-le" if data[1:4096:2].count(0) > data[0:4096:2].count(0) else "utf-16-be"
    why = ""
    for coding in (encoding,) if encoding else ("utf-8", "cp1252", "latin-1"):
        try:
            text = data.decode(coding)
        except UnicodeDecodeError as error:
            why = first_line(error)
            continue
        if coding.startswith("utf-8"):
            return text, ()
        if not re.search(r"[\x00-\x08\x0e-\x1f]", text):
            return text, (f"the text is in {'UTF-16' if encoding else 'Windows-1252'}",)
        why = "control characters"
    raise ValueError(f"{path.name}: text in UTF-8, UTF-16 or Latin-1 is needed, got {why}; save it as UTF-8")


def _unpacked(path: Path) -> bytes:
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    packed, parts, size = path.stat().st_size, [], 0
    try:
        with gzip.open(path) as file:
            while part := file.read(2**20):
                parts.append(part)
                size += len(part)
                check_packed(path.name, packed, size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path.name}: a whole gzip file is needed, got a broken one ({error}); fetch it again"
        ) from None
    return b"".join(parts)


def _is_data(first: list[str], below: list[list[str]]) -> bool:
    """Return whether the first row is like those below it, not a row of names.

    It is if all its cells are numbers or empty; or if a number stands at the top of a column of numbers, and either it
    is no whole number (a year may be a name) or a text of the first row comes again in its column.
    """
    if all(is_number(cell) or cell.strip() in (*MISSING, *MARKERS) for cell in first):
        return True
    rows = [cells for cells in below if len(cells) == len(first)]
    same = [place for place, cell in enumerate(first) if cell and is_number(cell) and _all_numbers(rows, place)]
    if not same:
        return False
    texts = [place for place, cell in enumerate(first) if not is_number(cell)]
    again = any(first[place] == cells[place] for place in texts for cells in rows)
    return again or any(not first[place].strip().isdecimal() for place in same)


def _all_numbers(rows: list[list[str]], place: int) -> bool:
    cells = [cells[place] for cells in rows if cells[place].strip() not in (*MISSING, *MARKERS)]
    return bool(cells) and all(map(is_number, cells))


def _width_below(body: str, separator: str, names: int) -> tuple[int, str]:
    """Return the number of cells in a row, and what the cell is that the names lack: "index", "end" or ""."""
    lines = body[: 2**18].split("\n", SAMPLED)[:SAMPLED]
    rows = [cells for cells in csv.reader(lines, delimiter=separator) if cells]
    if names < 2 or not rows or any(len(cells) != names + 1 for cells in rows[:-1] or rows):
        return names, ""
    if not any(cells[-1].strip() for cells in rows):
        return names + 1, "end"
    return (names + 1, "index") if len({cells[0] for cells in rows}) == len(rows) else (names, "")


def _read(name: str, body: str, separator: str, before: int, width: int) -> tuple[Any, tuple[str, ...]]:
    """Return an Arrow table of texts, and problems with rows of another length.

    Raises:
        ValueError: if no row has the right length, or Arrow cannot read the text.
    """
    import pyarrow
    from pyarrow import csv as arrow

    wrong: list[tuple[int | None, int, str]] = []

    def judge(row: Any) -> str:
        if not row.text.startswith("#"):
            wrong.append((row.number, row.actual_columns, row.text))
        return "skip"

    places = [str(place) for place in range(width)]
    data = body.encode()
    if not data.strip():
        return pyarrow.table({place: pyarrow.array([], pyarrow.string()) for place in places}), ()
    read = arrow.ReadOptions(column_names=places, use_threads=False, block_size=min(len(data) + 1, 2**31 - 1))
    parse = arrow.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=judge)
    convert = arrow.ConvertOptions(column_types=dict.fromkeys(places, pyarrow.string()), strings_can_be_null=False)
    try:
        table = arrow.read_csv(io.BytesIO(data), read_options=read, parse_options=parse, convert_options=convert)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{name}: rows of cells are needed, got: {first_line(error)}; fix it") from None
    if not wrong:
        return table, ()
    number, cells, text = wrong[0]
    line = "" if number is None else f" in line {number + before}"
    others = f", and {len(wrong) - 1:,} more such rows" if len(wrong) > 1 else ""
    problem = (
        f"rows with a cell for each named column are needed, got: {cells} in place of {width}{line} "
        f"({shortened(text)!r}){others}; fix or delete them"
    )
    if not table.num_rows:
        raise ValueError(f"{name}: {problem}")
    return table, (problem,)
