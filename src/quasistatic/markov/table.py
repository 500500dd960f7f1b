"""Reads a transition matrix from a CSV file.

,sunny,cloudy          the header names the states; a first column of row names is optional,
sunny,0.70,0.30        and must then repeat the header's names in the same order
cloudy,0.25,0.75
"""

import csv
from os import PathLike
from pathlib import Path

from quasistatic.markov.chain import MarkovChain


def read_chain(path: str | PathLike[str]) -> MarkovChain:
    """Read a chain from a CSV file: a header of state names, then one row of probabilities per state.

    Args:
        path: a UTF-8 text file, cells separated by commas; empty lines are skipped.

    Raises:
        ValueError: not a table in UTF-8, no header or no rows, a cell that is not a number, a row name that does not
            match the header, or a matrix that `MarkovChain` refuses; the row is named.
        FileNotFoundError: if there is no such file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig").splitlines()
        table = [[cell.strip() for cell in row] for row in csv.reader(text) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"a transition matrix is a table in UTF-8, got {path}: {error}; save it again") from None
    if len(table) < 2:
        raise ValueError(f"a transition matrix needs a header of state names and a row for each, got {len(table)} rows")
    header, rows = table[0], table[1:]
    if _has_row_names(header, rows):
        header = header[1:] if len(header) == len(rows[0]) else header
        for i, row in enumerate(rows):
            if i < len(header) and row[0] != header[i]:
                raise ValueError(
                    f"rows come in the order of the header: row {i + 1} should be {header[i]!r}, got {row[0]!r}"
                )
        rows = [row[1:] for row in rows]
    if all(_is_number(name) for name in header) and len(rows) == len(header) - 1:
        raise ValueError(f"the first line names the states, got numbers {header}; add a header")
    numbers = [[_number(cell, i, column, header) for column, cell in enumerate(row)] for i, row in enumerate(rows)]
    return MarkovChain(numbers, header)


def _has_row_names(header: list[str], rows: list[list[str]]) -> bool:
    first = [row[0] for row in rows]
    if not any(_is_number(cell) for cell in first):
        return True
    # names that are numbers: the corner is empty, or the column repeats the header
    return len(header) == len(rows) + 1 and (header[0] == "" or first == header[1:])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, row: int, column: int, header: list[str]) -> float:
    if not _is_number(cell):
        of, to = (repr(header[i]) if i < len(header) else str(i + 1) for i in (row, column))
        raise ValueError(f"a probability is a number, row {of}, column {to} has {cell!r}")
    return float(cell)
