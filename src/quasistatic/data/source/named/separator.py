"""The character between the cells of delimited text: comma, semicolon, tab or bar, or spaces between numbers."""

import csv
import re
from collections import Counter

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

NOTHING = "\x1f"
"""A separator that no text has, for a single column with decimal commas."""

SAMPLED = 200
"""Rows by which the separator and the line of names are detected."""

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def is_number(cell: str) -> bool:
    """Return whether a cell is a number or empty."""
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def separator_of(body: str, tabs: bool) -> str:
    """Return the separator that cuts most of the first lines into equally many cells, two or more.

    It is a space where none does, but runs of spaces cut lines of numbers so. Of several, it is the one with the larger
    share of numbers, as 1,5;2 is cut by either; then that with more cells.
    """
    lines = [line for line in body[: 2**18].split("\n", SAMPLED)[:SAMPLED] if line.strip()]
    if tabs and lines and "\t" in lines[0]:
        return "\t"
    best, found = (0.0, 0.0, 1), ","
    for separator in SEPARATORS:
        try:
            rows = [cells for cells in csv.reader(lines, delimiter=separator) if cells]
        except csv.Error:
            continue
        widths = Counter(map(len, rows))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        cells = [cell for row in rows for cell in row]
        numbers = sum(bool(cell) and (is_number(cell) or DECIMAL_COMMA.fullmatch(cell) is not None) for cell in cells)
        score = (count / max(len(rows), 1), numbers / max(len(cells), 1), width)
        if width > 1 and score > best:
            best, found = score, separator
    if found == "," and lines and "," not in lines[0] and all(map(DECIMAL_COMMA.fullmatch, lines[1:])):
        return NOTHING
    return " " if best[2] == 1 and lines and _spaced(lines) else found


def _spaced(lines: list[str]) -> bool:
    """Return whether spaces cut all lines into equally many cells, and most of those below the first are numbers."""
    widths, cells = {len(line.split()) for line in lines}, [cell for line in lines[1:] for cell in line.split()]
    numbers = sum(is_number(cell) or DECIMAL_COMMA.fullmatch(cell) is not None for cell in cells)
    return len(widths) == 1 and widths.pop() > 1 and '"' not in "".join(lines) and 2 * numbers > len(cells)


def tabbed(body: str) -> str:
    """Return text with a tab in place of the spaces between cells."""
    return "".join("\t".join(line.split()) + "\n" for line in body.splitlines())
