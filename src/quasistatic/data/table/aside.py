"""Columns that are not learned: constants, ids, and columns that were dropped on request.

They have a place in the file. Samples have them again: constants as they are, ids empty or numbered.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, final

from quasistatic.runtime.fields import Checked, Range

Place = Annotated[int, Range(at_least=0, at_most=2**31)]
"""Number of columns before a column in the file, without those that were dropped."""


class Aside(Checked, ABC):
    """One column that is not learned; a frozen dataclass of plain values."""

    name: str
    place: Place
    arrow: str
    """Arrow's name of the type in which its cells are written."""

    @abstractmethod
    def texts(self, rows: int) -> list[str] | None:
        """Return the text of each cell, "" for an empty one; None if the column is not written."""


@final
@dataclass(frozen=True)
class ConstantColumn(Aside):
    """The same text in every row, or nothing in any; ``arrow`` is the type of the cells in the file."""

    name: str
    place: Place
    value: str
    arrow: str = "string"

    def __str__(self) -> str:
        return f"always {self.value!r}" if self.value else "always empty"

    def texts(self, rows: int) -> list[str] | None:
        return [self.value] * rows


@final
@dataclass(frozen=True)
class IdColumn(Aside):
    """Names, numbers or notes that tell rows apart; empty in samples."""

    name: str
    place: Place
    arrow: str = "string"

    def __str__(self) -> str:
        return "tells rows apart"

    def texts(self, rows: int) -> list[str] | None:
        return [""] * rows


@final
@dataclass(frozen=True)
class NumberedColumn(Aside):
    """Rows numbered from 1, in place of ids."""

    name: str
    place: Place
    arrow: str = "int64"

    def __str__(self) -> str:
        return "numbers of rows"

    def texts(self, rows: int) -> list[str] | None:
        return [str(row) for row in range(1, rows + 1)]


@final
@dataclass(frozen=True)
class GroupColumn(Aside):
    """The column that is the same in rows that belong together; groups are numbered in samples."""

    name: str
    place: Place
    arrow: str = "string"

    def __str__(self) -> str:
        return "tells groups of rows apart"

    def texts(self, rows: int) -> list[str] | None:
        return [""] * rows


@final
@dataclass(frozen=True)
class DroppedColumn(Aside):
    """A column of the file that is neither learned nor written."""

    name: str
    place: Place = 0
    arrow: str = "string"

    def __str__(self) -> str:
        return "not learned and not written"

    def texts(self, rows: int) -> list[str] | None:
        return None


@final
@dataclass(frozen=True)
class CarriedColumn(Aside):
    """A column whose cells come from the file that is completed."""

    name: str
    place: Place
    cells: tuple[str, ...]
    arrow: str = "string"

    def __str__(self) -> str:
        return "carried along"

    def texts(self, rows: int) -> list[str] | None:
        """Return the cells, each as often as rows were made of it."""
        return [cell for cell in self.cells for _ in range(rows // len(self.cells))]


ASIDES: dict[str, type[Aside]] = {
    "constant": ConstantColumn,
    "id": IdColumn,
    "numbered": NumberedColumn,
    "dropped": DroppedColumn,
    "group": GroupColumn,
}
"""Kinds of columns that are not learned, by their name in a stored configuration; what is carried is never stored."""
